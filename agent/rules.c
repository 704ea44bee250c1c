/* SPDX-License-Identifier: MIT */
#include "agent/rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static kg_err word_add(kg_share_rule *rule, const char *start, const char *end)
{
	while (start < end && isspace((unsigned char)*start)) {
		start++;
	}
	while (end > start && isspace((unsigned char)end[-1])) {
		end--;
	}
	size_t size = (size_t)(end - start);
	if (size == 0) {
		return KG_OK;
	}
	if (size >= KG_SHARE_WORD_SIZE) {
		return kg_fail(KG_EINVAL, "sharing word \"%.*s…\" is longer than %d bytes", 16,
			       start, KG_SHARE_WORD_SIZE - 1);
	}
	if (rule->count == KG_SHARE_WORDS_MAX) {
		return kg_fail(KG_EINVAL, "more than %d sharing words", KG_SHARE_WORDS_MAX);
	}
	memcpy(rule->words[rule->count], start, size);
	rule->words[rule->count][size] = '\0';
	rule->count++;
	return KG_OK;
}

kg_err kg_share_rule_init(kg_share_rule *rule, const char *words, double capacity_over)
{
	if (!(capacity_over >= 0 && capacity_over <= 1)) {
		return kg_fail(KG_EINVAL, "sharing capacity %g is outside 0..1", capacity_over);
	}
	kg_share_rule made = {.capacity_over = capacity_over};
	for (const char *start = words;;) {
		const char *end = strchrnul(start, ',');
		kg_err err = word_add(&made, start, end);
		if (err != KG_OK) {
			return err;
		}
		if (*end == '\0') {
			break;
		}
		start = end + 1;
	}
	*rule = made;
	return KG_OK;
}

static bool contains(const char *text, size_t size, const char *word)
{
	size_t length = strlen(word);
	for (size_t i = 0; length <= size && i <= size - length; i++) {
		if (strncasecmp(text + i, word, length) == 0) {
			return true;
		}
	}
	return false;
}

bool kg_share_rule_allows(const kg_share_rule *rule, const void *text, size_t size,
			  double pedagogical_capacity)
{
	if (pedagogical_capacity > rule->capacity_over) {
		return true;
	}
	for (uint32_t i = 0; i < rule->count; i++) {
		if (contains(text, size, rule->words[i])) {
			return true;
		}
	}
	return false;
}

kg_err kg_learn_rule_check(const kg_learn_rule *rule)
{
	if (rule->tag[0] == '\0') {
		return kg_fail(KG_EINVAL, "the tag to learn from is empty");
	}
	if (!(rule->hours > 0 && rule->hours <= 24.0 * 366)) {
		return kg_fail(KG_EINVAL, "hours to learn from, %g, are outside 0..8784",
			       rule->hours);
	}
	if (!(rule->min_consciousness >= 0 && rule->min_consciousness <= 1)) {
		return kg_fail(KG_EINVAL, "least consciousness %g is outside 0..1",
			       rule->min_consciousness);
	}
	if (!(rule->step >= 0 && rule->step <= 1)) {
		return kg_fail(KG_EINVAL, "capacity per insight, %g, is outside 0..1", rule->step);
	}
	return KG_OK;
}

kg_err kg_learned_init(kg_learned *learned)
{
	uint8_t(*ids)[KG_HASH_SIZE] = calloc(KG_LEARNED_MAX, sizeof(*ids));
	if (!ids) {
		return kg_fail(KG_ENOMEM, "no memory for what was learned");
	}
	*learned = (kg_learned){.ids = ids};
	return KG_OK;
}

void kg_learned_release(kg_learned *learned)
{
	free(learned->ids);
	*learned = (kg_learned){0};
}

bool kg_learned_has(const kg_learned *learned, const uint8_t id[KG_HASH_SIZE])
{
	for (uint32_t i = 0; i < learned->count; i++) {
		if (memcmp(learned->ids[i], id, KG_HASH_SIZE) == 0) {
			return true;
		}
	}
	return false;
}

void kg_learned_add(kg_learned *learned, const uint8_t id[KG_HASH_SIZE])
{
	if (kg_learned_has(learned, id)) {
		return;
	}
	memcpy(learned->ids[learned->next], id, KG_HASH_SIZE);
	learned->next = (learned->next + 1) % KG_LEARNED_MAX;
	if (learned->count < KG_LEARNED_MAX) {
		learned->count++;
	}
}

bool kg_learn_rule_accepts(const kg_learn_rule *rule, const kg_lore *lore, const kg_pubkey *self,
			   int64_t now_ms)
{
	bool tagged = false;
	for (uint32_t i = 0; i < lore->tag_count && !tagged; i++) {
		tagged = strcmp(lore->tags[i], rule->tag) == 0;
	}
	double age_hours = (double)(now_ms - lore->time_ms) / 3600e3;
	return tagged && age_hours <= rule->hours &&
	       lore->consciousness >= rule->min_consciousness && lore->consciousness <= 1 &&
	       !kg_pubkey_equal(&lore->author, self);
}

bool kg_learn_rule_teaches(const kg_learn_rule *rule, const kg_lore *lore, const kg_pubkey *self,
			   int64_t now_ms, const kg_learned *learned)
{
	return kg_learn_rule_accepts(rule, lore, self, now_ms) &&
	       !kg_learned_has(learned, lore->id);
}
