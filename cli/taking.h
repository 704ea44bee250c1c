/* SPDX-License-Identifier: MIT */
/*
 * taking – what lies in quarantine is judged, and what is good is taken into the memory: for sync
 * and import.
 */
#ifndef KG_CLI_TAKING_H
#define KG_CLI_TAKING_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/apart.h"
#include "cli/command.h"
#include "memory/incoming.h"
#include "memory/judge.h"
#include "memory/offer.h"

typedef struct {
	kg_judgement judged;
	uint64_t taken;            /* entries */
	uint64_t proofs;           /* of forks, kept */
	uint64_t sealed;           /* contents */
	uint64_t refused;          /* entries that were judged good and yet not taken in */
	char why[KG_ERR_TEXT_MAX]; /* the first of them */
} kg_taking;

void kg_taking_release(kg_taking *taking);

/* What of the settings concerns others: limits of what comes in, and of who brings it in. */
void kg_taking_limits(kg_incoming_limits *limits, kg_apart_limits *apart, const kg_cli *cli);

/* Judges the offers, whose objects lie in `incoming`. `known` is what the other side had earlier.
 */
KG_NODISCARD kg_err kg_taking_judge(kg_taking *taking, const kg_cli *cli, kg_incoming *incoming,
				    const kg_offers *offers, const kg_entry_head *known,
				    size_t known_count);

/* Takes in what is good, durably; asks for the passphrase if there is one. */
KG_NODISCARD kg_err kg_taking_take(kg_taking *taking, const kg_cli *cli, kg_incoming *incoming);

/* True when nothing of a swarm that is believed was offered, and something of another was. */
bool kg_taking_is_foreign(const kg_taking *taking);

/* Prints "kindergarten: <command>: …" that a swarm is not believed and how to change that. */
void kg_taking_refuse_stranger(const kg_taking *taking, const char *command, const char *from);

/* Findings for people, one line each on stderr: "<reason>  chain … : detail". */
void kg_taking_print_findings(const kg_taking *taking);

/* Members "taken", "proofs", "sealed", "refused", "strangers", "findings" for a document. */
void kg_taking_put_json(json_t *document, const kg_taking *taking);

#endif
