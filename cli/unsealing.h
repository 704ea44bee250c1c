/* SPDX-License-Identifier: MIT */
/*
 * unsealing – sealed content on the command line: for whom, and reading it as one of them.
 */
#ifndef KG_CLI_UNSEALING_H
#define KG_CLI_UNSEALING_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/command.h"
#include "cli/reading.h"
#include "identity/derive.h"
#include "memory/entry.h"

/* Sealed content as this command can tell of it. */
typedef enum {
	KG_UNSEALED,       /* the text is at hand */
	KG_UNSEALED_NOT,   /* it is sealed for others */
	KG_UNSEALED_GONE,  /* it was erased here */
	KG_UNSEALED_ABSENT /* it never came here */
} kg_unsealed;

/* "open", "sealed", "erased", "absent". */
const char *kg_unsealed_name(kg_unsealed state);

/* Opens the content of a sealed entry as the operator, or as the agent `as` (NULL: the operator):
 * asks for the identity only when the content is for that key. `text` is for secrets to be wiped:
 * KG_SEAL_TEXT_MAX bytes of the caller. KG_ECORRUPT when the content is not what was signed. */
KG_NODISCARD kg_err kg_unseal(kg_unsealed *state, uint8_t *text, size_t *size, const kg_cli *cli,
			      const kg_reading *reading, const kg_entry *entry,
			      const kg_entry_proof *proof, const char *as);

/* What show tells of a sealed entry: for whom it is, and the text when this identity can open it.
 * Printed for people, or added to `document`. */
KG_NODISCARD kg_err kg_unsealing_show(json_t *document, const kg_cli *cli,
				      const kg_reading *reading, const kg_entry *entry,
				      const kg_entry_proof *proof, const char *as);

/* The keys of `list` ("KEY|AGENT-NAME,…"; NULL or "": nobody else) and of the operator, for
 * kg_seal: ascending, each once. KG_EINVAL for too many, KG_ENOTFOUND for an unknown name. */
KG_NODISCARD kg_err kg_unsealing_recipients(kg_pubkey recipients[KG_ENTRY_RECIPIENTS_MAX],
					    size_t *count, const kg_cli *cli,
					    const kg_pubkey *operator_key, const char *list);

#endif
