/* SPDX-License-Identifier: MIT */
#include "orchestrator/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/rng.h"

static kg_err get_seed(kg_question *q, const json_t *body)
{
	const char *text;
	char *end;
	kg_err err;

	if (json_object_get(body, "seed") == NULL)
		return KG_OK;
	err = kg_json_get_text(&text, body, "seed", 20);
	if (err != KG_OK)
		return err;
	errno = 0;
	q->seed = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		return kg_fail(KG_EINVAL, "seed is not a number of 64 bits");
	q->has_seed = true;
	return KG_OK;
}

kg_err kg_question_read(kg_question *out, const json_t *body)
{
	kg_question q = {0};
	int64_t k;
	int64_t max_tokens;
	int64_t top_k;
	const char *prompt;
	kg_err err;

	if ((err = kg_json_get_text(&prompt, body, "prompt", KG_ROUND_PROMPT_MAX)) != KG_OK ||
	    (err = kg_json_get_i64(&k, body, "k", 0, KG_ROUND_AGENTS_MAX)) != KG_OK ||
	    (err = kg_json_get_i64(&max_tokens, body, "max_tokens", 1, KG_ASK_TOKENS_MAX)) !=
		    KG_OK ||
	    (err = kg_json_get_double(&q.temperature, body, "temperature", 0, 100)) != KG_OK ||
	    (err = kg_json_get_i64(&top_k, body, "top_k", 0, INT32_MAX)) != KG_OK ||
	    (err = kg_json_get_double(&q.top_p, body, "top_p", 0, 1)) != KG_OK ||
	    (err = get_seed(&q, body)) != KG_OK)
		return err;
	if (prompt[0] == '\0')
		return kg_fail(KG_EINVAL, "the prompt is empty");
	q.k = (unsigned)k;
	q.max_tokens = (uint32_t)max_tokens;
	q.top_k = (uint32_t)top_k;
	q.prompt = strdup(prompt);
	if (q.prompt == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the prompt");
	*out = q;
	return KG_OK;
}

void kg_question_release(kg_question *question)
{
	free(question->prompt);
	memset(question, 0, sizeof(*question));
}

uint64_t kg_exchange_agent_seed(uint64_t round_seed, unsigned agent)
{
	uint64_t x = round_seed + ((uint64_t)agent + 1) * 0x9e3779b97f4a7c15U;

	/* The output function of splitmix64 (Steele, Lea & Flood 2014). */
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
	x = (x ^ x >> 27) * 0x94d049bb133111ebU;
	return x ^ x >> 31;
}

json_t *kg_exchange_think(const char *round_id, const kg_question *q, uint64_t agent_seed,
			  int64_t deadline_ms)
{
	char seed[24];

	(void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)agent_seed);
	return json_pack("{s:s, s:s, s:I, s:f, s:I, s:f, s:s, s:I}", "round", round_id, "prompt",
			 q->prompt, "max_tokens", (json_int_t)q->max_tokens, "temperature",
			 q->temperature, "top_k", (json_int_t)q->top_k, "top_p", q->top_p, "seed",
			 seed, "deadline_ms", (json_int_t)deadline_ms);
}

static json_t *base64(const uint8_t *bytes, size_t size)
{
	char *text = malloc(kg_base64_size(size));
	json_t *value;

	if (text == NULL)
		return NULL;
	kg_base64_encode(text, bytes, size);
	value = json_string(text);
	free(text);
	return value;
}

json_t *kg_exchange_score(const char *round_id, const kg_question *q, const kg_round *round)
{
	json_t *candidates = json_array();

	for (size_t i = 0; i < kg_round_candidates(round); i++) {
		const uint8_t *bytes;
		size_t size;
		size_t id = kg_round_candidate(round, i, &bytes, &size);

		(void)json_array_append_new(candidates,
					    json_pack("{s:I, s:o}", "id", (json_int_t)id,
						      "bytes_b64", base64(bytes, size)));
	}
	return json_pack("{s:s, s:s, s:o}", "round", round_id, "prompt", q->prompt, "candidates",
			 candidates);
}

json_t *kg_exchange_settle(const char *round_id, const kg_round *round, size_t slot)
{
	size_t winner = kg_round_winner(round);

	return json_pack("{s:s, s:I, s:f, s:b}", "round", round_id, "answer_id", (json_int_t)winner,
			 "agreement", kg_round_agreement(round), "winner", (int)(slot == winner));
}

static kg_err check_round(const json_t *body, const char *round_id)
{
	const char *text;
	kg_err err = kg_json_get_text(&text, body, "round", 64);

	if (err == KG_OK && strcmp(text, round_id) != 0)
		err = kg_fail(KG_ECONFLICT, "an answer to another round");
	return err;
}

kg_err kg_exchange_thought(kg_round *round, size_t slot, const char *round_id, const json_t *body)
{
	kg_round_thought thought = {0};
	const char *encoded;
	int64_t tokens;
	uint8_t *bytes;
	size_t size;
	kg_err err = check_round(body, round_id);

	if (err != KG_OK ||
	    (err = kg_json_get_text(&thought.text, body, "text",
				    (size_t)4 * KG_ROUND_CANDIDATE_MAX)) != KG_OK ||
	    (err = kg_json_get_text(&encoded, body, "bytes_b64",
				    (size_t)2 * KG_ROUND_CANDIDATE_MAX)) != KG_OK ||
	    (err = kg_json_get_i64(&tokens, body, "tokens", 0, KG_ASK_TOKENS_MAX)) != KG_OK)
		return err;
	size = strlen(encoded) / 4 * 3 + 3;
	bytes = malloc(size);
	if (bytes == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a candidate");
	err = kg_base64_decode(bytes, &size, encoded, strlen(encoded));
	if (err == KG_OK) {
		thought.bytes = bytes;
		thought.size = size;
		thought.tokens = (uint32_t)tokens;
		err = kg_round_think(round, slot, &thought);
	}
	free(bytes);
	return err;
}

/* The log-likelihood that the array gives to candidate `id`. */
static kg_err find_score(double *out, const json_t *array, size_t id)
{
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		int64_t got;
		kg_err err = kg_json_get_i64(&got, value, "id", 0, KG_ROUND_AGENTS_MAX);

		if (err != KG_OK)
			return err;
		if ((size_t)got == id)
			return kg_json_get_double(out, value, "loglik", -1e12, 0);
	}
	return kg_fail(KG_ECORRUPT, "no score for candidate %zu", id);
}

kg_err kg_exchange_scores(kg_round *round, size_t slot, const char *round_id, const json_t *body)
{
	size_t count = kg_round_candidates(round);
	double loglik[KG_ROUND_AGENTS_MAX];
	json_t *array;
	kg_err err = check_round(body, round_id);

	if (err == KG_OK && kg_round_get_stage(round) != KG_ROUND_SCORING)
		err = kg_fail(KG_ECONFLICT, "scores too late");
	if (err == KG_OK)
		err = kg_json_get_array(&array, body, "scores", KG_ROUND_AGENTS_MAX);
	for (size_t i = 0; i < count && err == KG_OK; i++) {
		const uint8_t *bytes;
		size_t size;

		err = find_score(&loglik[i], array, kg_round_candidate(round, i, &bytes, &size));
	}
	return err == KG_OK ? kg_round_score(round, slot, loglik, count) : err;
}

kg_err kg_exchange_published(kg_round *round, size_t slot, const char *round_id, const json_t *body)
{
	char ids[KG_ROUND_ENTRIES_MAX][KG_HASH_TEXT_SIZE];
	const json_t *value;
	json_t *array;
	size_t i;
	kg_err err = check_round(body, round_id);

	if (err == KG_OK)
		err = kg_json_get_array(&array, body, "entries", KG_ROUND_ENTRIES_MAX);
	if (err != KG_OK)
		return err;
	json_array_foreach(array, i, value)
	{
		const char *id;

		err = kg_json_get_text(&id, value, "id", KG_HASH_TEXT_SIZE - 1);
		if (err != KG_OK)
			return err;
		if (strlen(id) != KG_HASH_TEXT_SIZE - 1 || !kg_hex_is(id, strlen(id)))
			return kg_fail(KG_ECORRUPT, "the id of an entry is not 64 hex digits");
		memcpy(ids[i], id, KG_HASH_TEXT_SIZE);
	}
	return kg_round_publish(round, slot, (const char(*)[KG_HASH_TEXT_SIZE])ids,
				json_array_size(array));
}
