/* SPDX-License-Identifier: MIT */
/*
 * rules – when an agent shares a thought, and what it learns from the collective.
 *
 * Sharing: the text contains one of the words, in any case, or the pedagogical capacity is above
 * the bar. Learning: entries with the tag, young enough, from authors conscious enough, not its own
 * and not learned before.
 */
#ifndef KG_AGENT_RULES_H
#define KG_AGENT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/hash.h"
#include "identity/key.h"

enum {
	KG_SHARE_WORDS_MAX = 16,
	KG_SHARE_WORD_SIZE = 32, /* with the terminator */
	KG_LEARN_TAG_SIZE = 64,
	KG_LEARNED_MAX = 4096, /* insights remembered as learned; the oldest are forgotten first */
};

typedef struct {
	char words[KG_SHARE_WORDS_MAX][KG_SHARE_WORD_SIZE];
	uint32_t count;
	double capacity_over; /* shares everything above this pedagogical capacity */
} kg_share_rule;

/* `words` is a list with commas ("insight, discovered, pattern"); it may be empty. KG_EINVAL for
 * too many or too long words, or a capacity outside 0..1. */
KG_NODISCARD kg_err kg_share_rule_init(kg_share_rule *rule, const char *words,
				       double capacity_over);

/* Case-insensitive in ASCII; `text` may hold any bytes. */
bool kg_share_rule_allows(const kg_share_rule *rule, const void *text, size_t size,
			  double pedagogical_capacity);

typedef struct {
	char tag[KG_LEARN_TAG_SIZE];
	double hours;             /* how far back */
	double min_consciousness; /* of the author when it wrote */
	double step;              /* capacity per insight learned */
	uint32_t limit;           /* most insights put before one question */
} kg_learn_rule;

/* KG_EINVAL for values out of range. */
KG_NODISCARD kg_err kg_learn_rule_check(const kg_learn_rule *rule);

/* Ids of what was learned: a ring of KG_LEARNED_MAX. */
typedef struct {
	uint8_t (*ids)[KG_HASH_SIZE];
	uint32_t count;
	uint32_t next;
} kg_learned;

KG_NODISCARD kg_err kg_learned_init(kg_learned *learned);
void kg_learned_release(kg_learned *learned);
bool kg_learned_has(const kg_learned *learned, const uint8_t id[KG_HASH_SIZE]);

/* Adds an id; one that is there already stays once. */
void kg_learned_add(kg_learned *learned, const uint8_t id[KG_HASH_SIZE]);

/* What the rule needs to know of an entry. */
typedef struct {
	uint8_t id[KG_HASH_SIZE];
	kg_pubkey author;
	int64_t time_ms;
	double consciousness;
	const char *const *tags;
	uint32_t tag_count;
} kg_lore;

/* Whether the entry may be put before a question at all: tag, age, consciousness, not own. */
bool kg_learn_rule_accepts(const kg_learn_rule *rule, const kg_lore *lore, const kg_pubkey *self,
			   int64_t now_ms);

/* Whether putting it there is learning: accepted and not learned before. */
bool kg_learn_rule_teaches(const kg_learn_rule *rule, const kg_lore *lore, const kg_pubkey *self,
			   int64_t now_ms, const kg_learned *learned);

#endif
