/* SPDX-License-Identifier: MIT */
/*
 * judge – what of an offer is good, before any of it is taken in.
 *
 * Every chain is walked from the offered tip back to what the memory has of it; every entry on the
 * way is opened (form, signature, author), then all of them together are put in the order of hybrid
 * time and held against the rules of admission (admit.h), each as if those before it had been taken
 * in already. What passes is listed in that order. What does not is a finding with its reason; the
 * chain ends before it, since nothing that follows can be placed. So of a chain that turns bad at
 * some entry everything older is still taken: each author signed for that alone, whoever carries
 * it.
 *
 * Chains of swarms that are not believed are left alone. A chain that says something else than the
 * memory's is a fork: its first other entry is listed as a proof.
 */
#ifndef KG_MEMORY_JUDGE_H
#define KG_MEMORY_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/admit.h"
#include "memory/index.h"
#include "memory/offer.h"
#include "memory/reason.h"
#include "memory/store.h"

enum { KG_JUDGE_FINDINGS_MAX = 1000, KG_JUDGE_STRANGERS_MAX = 64, KG_JUDGE_DETAIL_SIZE = 256 };

typedef struct {
	kg_store *offered; /* the quarantine: its objects and ours */
	kg_store *ours;    /* NULL: there is no memory yet */
	kg_index *index; /* of ours, for finding entries that sealed content belongs to; or NULL */
	kg_admit *admit; /* as the memory stands; afterwards as it would stand */
	const kg_offers *offers;
	const kg_entry_head *known; /* what this side had earlier, by agent, ascending */
	size_t known_count;
	int64_t now_ms;
	uint64_t entries_max;
	kg_store_progress progress; /* or NULL */
	void *payload;
} kg_judge_input;

typedef struct {
	kg_commit commit;
	bool is_proof; /* of a fork: will be refused as such, and kept */
} kg_judge_entry;

typedef struct {
	kg_entry_id entry;
	kg_commit blob; /* id of the object */
} kg_judge_sealed;

typedef struct {
	kg_pubkey agent; /* whose chain; all zero for a ref that is nobody's */
	bool has_commit; /* what is wrong with is an object */
	kg_commit commit;
	kg_reason reason;
	bool speaks_against; /* the side that offers it; else its author or a clock alone */
	char detail[KG_JUDGE_DETAIL_SIZE];
} kg_judge_finding;

typedef struct {
	kg_judge_entry *entries; /* in the order in which they can be taken in */
	size_t count;
	kg_judge_finding *findings; /* at most KG_JUDGE_FINDINGS_MAX */
	size_t finding_count;
	uint64_t findings_left_out;
	kg_pubkey strangers[KG_JUDGE_STRANGERS_MAX]; /* swarms that are not believed */
	size_t stranger_count;
	kg_entry_head *heads; /* where the believed chains of this side end, by agent, ascending */
	size_t head_count;
	kg_judge_sealed *sealed; /* content that is what an entry commits to, and is not here yet */
	size_t sealed_count;
	uint64_t looked_at; /* entries opened */
	size_t chains;      /* believed ones that were offered */
} kg_judgement;

/* KG_OK also when nothing is good. KG_EFULL beyond entries_max, KG_ETIMEOUT when stopped. */
KG_NODISCARD kg_err kg_judge(kg_judgement *judgement, const kg_judge_input *input);
void kg_judgement_release(kg_judgement *judgement);

/* Appends sealed content as it lies in the quarantine. KG_ECORRUPT when it is no blob. */
KG_NODISCARD kg_err kg_judge_read_sealed(kg_buf *sealed, kg_store *offered, const kg_commit *blob);

/* The first finding that speaks against the other side; NULL: none does. */
const kg_judge_finding *kg_judgement_worst(const kg_judgement *judgement);

#endif
