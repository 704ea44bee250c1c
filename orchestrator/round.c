/* SPDX-License-Identifier: MIT */
#include "orchestrator/round.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One agent's part. */
typedef struct {
	unsigned agent;
	bool present; /* not lost */
	bool owing;   /* asked in this stage, not answered */
	bool has_thought;
	uint8_t *bytes;
	size_t size;
	char *text;
	uint32_t tokens;
	size_t same_as; /* the first slot with the same bytes; itself when there is none before */
	double total;   /* sum over scorers of log-likelihood per byte, of same_as == itself */
	char entries[KG_ROUND_ENTRIES_MAX][KG_HASH_TEXT_SIZE];
	size_t entry_count;
} part;

struct kg_round {
	kg_round_stage stage;
	size_t count;
	size_t asked; /* in this stage */
	size_t scorers;
	size_t winner;
	char why[256];
	part parts[KG_ROUND_AGENTS_MAX];
};

kg_err kg_round_new(kg_round **out, const unsigned *agents, size_t count)
{
	kg_round *r;

	if (count < 1 || count > KG_ROUND_AGENTS_MAX)
		return kg_fail(KG_EINVAL, "a round of %zu agents", count);
	for (size_t i = 1; i < count; i++)
		if (agents[i] <= agents[i - 1])
			return kg_fail(KG_EINVAL, "agents of a round are not in order");
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a round");
	r->count = count;
	r->asked = count;
	for (size_t i = 0; i < count; i++) {
		r->parts[i].agent = agents[i];
		r->parts[i].present = true;
		r->parts[i].owing = true;
	}
	*out = r;
	return KG_OK;
}

void kg_round_free(kg_round *round)
{
	if (round == NULL)
		return;
	for (size_t i = 0; i < round->count; i++) {
		free(round->parts[i].bytes);
		free(round->parts[i].text);
	}
	free(round);
}

kg_round_stage kg_round_get_stage(const kg_round *round)
{
	return round->stage;
}

size_t kg_round_count(const kg_round *round)
{
	return round->count;
}

unsigned kg_round_agent(const kg_round *round, size_t slot)
{
	KG_ASSERT(slot < round->count);
	return round->parts[slot].agent;
}

size_t kg_round_slot(const kg_round *round, unsigned agent)
{
	size_t i = 0;

	while (i < round->count && round->parts[i].agent != agent)
		i++;
	return i;
}

bool kg_round_is_owing(const kg_round *round, size_t slot)
{
	return slot < round->count && round->parts[slot].owing;
}

static size_t owing(const kg_round *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		n += r->parts[i].owing;
	return n;
}

void kg_round_progress(const kg_round *round, size_t *done, size_t *of)
{
	*of = round->asked;
	*done = round->asked - owing(round);
}

/* Everyone who is still there owes the next delivery. */
static void ask_all(kg_round *r, kg_round_stage stage)
{
	r->stage = stage;
	r->asked = 0;
	for (size_t i = 0; i < r->count; i++) {
		r->parts[i].owing = r->parts[i].present;
		r->asked += r->parts[i].present;
	}
}

static bool is_same(const part *a, const part *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static void find_equals(kg_round *r)
{
	for (size_t i = 0; i < r->count; i++) {
		r->parts[i].same_as = i;
		for (size_t j = 0; j < i && r->parts[i].has_thought; j++)
			if (r->parts[j].has_thought && is_same(&r->parts[j], &r->parts[i])) {
				r->parts[i].same_as = j;
				break;
			}
	}
}

/* A candidate that gets scored: said, not said before, not empty. */
static bool is_candidate(const kg_round *r, size_t slot)
{
	const part *p = &r->parts[slot];

	return p->has_thought && p->same_as == slot && p->size > 0;
}

size_t kg_round_candidates(const kg_round *round)
{
	size_t n = 0;

	for (size_t i = 0; i < round->count; i++)
		n += is_candidate(round, i);
	return n;
}

size_t kg_round_candidate(const kg_round *round, size_t i, const uint8_t **bytes, size_t *size)
{
	size_t slot = 0;

	for (;; slot++) {
		KG_ASSERT(slot < round->count);
		if (is_candidate(round, slot) && i-- == 0)
			break;
	}
	*bytes = round->parts[slot].bytes;
	*size = round->parts[slot].size;
	return slot;
}

bool kg_round_scored(const kg_round *round, size_t slot, double *score)
{
	size_t first;

	KG_ASSERT(slot < round->count);
	first = round->parts[slot].same_as;
	if (!round->parts[slot].has_thought || !is_candidate(round, first) || round->scorers == 0)
		return false;
	*score = round->parts[first].total / (double)round->scorers;
	return true;
}

/* The best score; of equal ones the lowest slot; an empty candidate only when all are. */
static void choose(kg_round *r)
{
	double best = -INFINITY;
	bool found = false;

	for (size_t i = 0; i < r->count; i++) {
		double score = -INFINITY;

		if (!r->parts[i].has_thought)
			continue;
		(void)kg_round_scored(r, i, &score);
		if (!found || score > best) {
			found = true;
			best = score;
			r->winner = i;
		}
	}
}

static bool fail_if(kg_round *r, bool condition)
{
	if (condition) {
		r->stage = KG_ROUND_FAILED;
		for (size_t i = 0; i < r->count; i++)
			r->parts[i].owing = false;
	}
	return condition;
}

/* When nobody owes anything more, on to the next stage; perhaps through several. */
static void advance(kg_round *r)
{
	bool said = false;

	if (r->stage >= KG_ROUND_DONE || owing(r) > 0)
		return;
	for (size_t i = 0; i < r->count; i++)
		said = said || r->parts[i].has_thought;
	if (r->stage == KG_ROUND_THINKING) {
		if (fail_if(r, !said))
			return;
		find_equals(r);
		ask_all(r, KG_ROUND_SCORING);
		if (kg_round_candidates(r) > 0 && r->asked > 0)
			return;
		/* Nothing to score, or nobody left to do it. */
		for (size_t i = 0; i < r->count; i++)
			r->parts[i].owing = false;
	}
	if (r->stage == KG_ROUND_SCORING) {
		if (fail_if(r, r->scorers == 0 && kg_round_candidates(r) > 0))
			return;
		choose(r);
		ask_all(r, KG_ROUND_PUBLISHING);
		if (r->asked > 0)
			return;
	}
	r->stage = KG_ROUND_DONE;
}

static kg_err check_owing(const kg_round *r, size_t slot, kg_round_stage stage)
{
	if (r->stage != stage || !kg_round_is_owing(r, slot))
		return kg_fail(KG_ECONFLICT, "not asked for, or too late");
	return KG_OK;
}

kg_err kg_round_think(kg_round *round, size_t slot, const kg_round_thought *thought)
{
	kg_err err = check_owing(round, slot, KG_ROUND_THINKING);
	uint8_t *bytes;
	char *text;
	part *p;

	if (err != KG_OK)
		return err;
	if (thought->size > KG_ROUND_CANDIDATE_MAX)
		return kg_fail(KG_EFULL, "a candidate of %zu bytes", thought->size);
	bytes = malloc(thought->size + 1);
	text = strdup(thought->text);
	if (bytes == NULL || text == NULL) {
		free(bytes);
		free(text);
		return kg_fail(KG_ENOMEM, "no memory for a candidate");
	}
	if (thought->size > 0)
		memcpy(bytes, thought->bytes, thought->size);
	p = &round->parts[slot];
	p->bytes = bytes;
	p->size = thought->size;
	p->text = text;
	p->tokens = thought->tokens;
	p->has_thought = true;
	p->owing = false;
	advance(round);
	return KG_OK;
}

kg_err kg_round_score(kg_round *round, size_t slot, const double *loglik, size_t count)
{
	kg_err err = check_owing(round, slot, KG_ROUND_SCORING);

	if (err != KG_OK)
		return err;
	if (count != kg_round_candidates(round))
		return kg_fail(KG_ECORRUPT, "%zu scores for %zu candidates", count,
			       kg_round_candidates(round));
	for (size_t i = 0; i < count; i++)
		if (!isfinite(loglik[i]) || loglik[i] > 0)
			return kg_fail(KG_ECORRUPT, "%g is no log-likelihood", loglik[i]);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *bytes;
		size_t size;
		size_t first = kg_round_candidate(round, i, &bytes, &size);

		round->parts[first].total += loglik[i] / (double)size;
	}
	round->scorers++;
	round->parts[slot].owing = false;
	advance(round);
	return KG_OK;
}

kg_err kg_round_publish(kg_round *round, size_t slot, const char (*ids)[KG_HASH_TEXT_SIZE],
			size_t count)
{
	kg_err err = check_owing(round, slot, KG_ROUND_PUBLISHING);

	if (err != KG_OK)
		return err;
	if (count > KG_ROUND_ENTRIES_MAX)
		return kg_fail(KG_EFULL, "%zu entries from one agent", count);
	if (count > 0)
		memcpy(round->parts[slot].entries, ids, count * sizeof(*ids));
	round->parts[slot].entry_count = count;
	round->parts[slot].owing = false;
	advance(round);
	return KG_OK;
}

void kg_round_lose(kg_round *round, size_t slot, const char *why)
{
	KG_ASSERT(slot < round->count);
	if (!round->parts[slot].present || round->stage >= KG_ROUND_DONE)
		return;
	round->parts[slot].present = false;
	(void)snprintf(round->why, sizeof(round->why), "%s", why);
	if (round->parts[slot].owing) {
		round->parts[slot].owing = false;
		advance(round);
	}
}

void kg_round_expire(kg_round *round)
{
	bool late[KG_ROUND_AGENTS_MAX] = {false};

	for (size_t i = 0; i < round->count; i++)
		late[i] = round->parts[i].owing;
	for (size_t i = 0; i < round->count; i++)
		if (late[i])
			kg_round_lose(round, i, "no answer before the deadline");
}

const char *kg_round_why(const kg_round *round)
{
	return round->why;
}

size_t kg_round_winner(const kg_round *round)
{
	KG_ASSERT(round->stage == KG_ROUND_PUBLISHING || round->stage == KG_ROUND_DONE);
	return round->winner;
}

double kg_round_agreement(const kg_round *round)
{
	const part *winner = &round->parts[kg_round_winner(round)];
	size_t equal = 0;
	size_t all = 0;

	for (size_t i = 0; i < round->count; i++) {
		if (!round->parts[i].has_thought)
			continue;
		all++;
		equal += is_same(&round->parts[i], winner);
	}
	return (double)equal / (double)all;
}

bool kg_round_is_present(const kg_round *round, size_t slot)
{
	KG_ASSERT(slot < round->count);
	return round->parts[slot].present;
}

json_t *kg_round_json(const kg_round *round, const char *const *names, double seconds)
{
	json_t *candidates = json_array();
	json_t *entries = json_array();

	for (size_t i = 0; i < round->count; i++) {
		const part *p = &round->parts[i];
		double score;

		for (size_t k = 0; k < p->entry_count; k++)
			(void)json_array_append_new(entries, json_string(p->entries[k]));
		if (!p->has_thought)
			continue;
		(void)json_array_append_new(
			candidates, json_pack("{s:s, s:s, s:i, s:o}", "agent", names[i], "text",
					      p->text, "tokens", (int)p->tokens, "score",
					      kg_round_scored(round, i, &score) ? json_real(score)
										: json_null()));
	}
	return json_pack("{s:s, s:f, s:o, s:o, s:f}", "answer",
			 round->parts[kg_round_winner(round)].text, "agreement",
			 kg_round_agreement(round), "candidates", candidates, "entries", entries,
			 "seconds", seconds);
}
