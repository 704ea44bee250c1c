/* SPDX-License-Identifier: MIT */
/*
 * passphrase – how a command gets at the identity of its state directory.
 *
 * A passphrase comes from a file (option, or the setting identity.passphrase_file) or from the
 * terminal, never from an argument or a variable, which others can read. It lies in locked memory:
 * kg_secret_free it.
 */
#ifndef KG_CLI_PASSPHRASE_H
#define KG_CLI_PASSPHRASE_H

#include <stdbool.h>

#include "cli/command.h"
#include "identity/derive.h"

/* The first line of the file. KG_EINVAL when it is empty or too long. */
KG_NODISCARD kg_err kg_passphrase_read(char **out, const char *path);

/* Asks on the terminal without echo, `twice` for a new one. KG_EINVAL when there is no terminal, or
 * the two differ. */
KG_NODISCARD kg_err kg_passphrase_ask(char **out, bool twice);

/* Opens the swarm of cli->state_dir, with the passphrase of the settings or of the terminal when it
 * is sealed. Codes of kg_keyring_open. */
KG_NODISCARD kg_err kg_passphrase_open_swarm(kg_swarm **out, const kg_cli *cli);

#endif
