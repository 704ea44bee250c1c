/* SPDX-License-Identifier: MIT */
/* verdict – what verify found, printed. */
#ifndef KG_CLI_VERDICT_H
#define KG_CLI_VERDICT_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/command.h"
#include "memory/verify.h"

typedef struct {
	kg_verdict verdict;
	kg_pubkey swarm;
	bool swarm_known; /* from the state directory or the user, not from the repository itself */
} kg_cli_verdict;

bool kg_cli_verdict_ok(const kg_cli_verdict *verdict);

void kg_cli_verdict_print(const kg_cli *cli, const kg_cli_verdict *verdict);
void kg_cli_verdict_print_json(const kg_cli_verdict *verdict);

/* Writes the keys that the repository certifies as a gpg.ssh.allowedSignersFile. */
KG_NODISCARD kg_err kg_cli_verdict_write_signers(const kg_cli_verdict *verdict, const char *path);

#endif
