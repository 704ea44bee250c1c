/* SPDX-License-Identifier: MIT */
#include "runtime/tokenizer_gguf.h"

#include <string.h>

/* Reads a key that may be absent: `*out` keeps its default then. */
static kg_err optional_u32(const kg_gguf *gguf, const char *key, uint32_t *out)
{
	return kg_gguf_has(gguf, key) ? kg_gguf_get_u32(gguf, key, out) : KG_OK;
}

static kg_err optional_bool(const kg_gguf *gguf, const char *key, bool *out)
{
	return kg_gguf_has(gguf, key) ? kg_gguf_get_bool(gguf, key, out) : KG_OK;
}

/* llama.cpp's defaults for this kind. */
static kg_err get_rules(const kg_gguf *gguf, kg_tokenizer_rules *rules)
{
	kg_err err;

	*rules =
		(kg_tokenizer_rules){.bos = 1, .eos = 2, .add_bos = true, .add_space_prefix = true};
	err = optional_u32(gguf, "tokenizer.ggml.bos_token_id", &rules->bos);
	if (err == KG_OK)
		err = optional_u32(gguf, "tokenizer.ggml.eos_token_id", &rules->eos);
	if (err == KG_OK)
		err = optional_u32(gguf, "tokenizer.ggml.unknown_token_id", &rules->unknown);
	if (err == KG_OK)
		err = optional_bool(gguf, "tokenizer.ggml.add_bos_token", &rules->add_bos);
	if (err == KG_OK)
		err = optional_bool(gguf, "tokenizer.ggml.add_space_prefix",
				    &rules->add_space_prefix);
	return err;
}

static kg_err check_kind(const kg_gguf *gguf)
{
	const char *kind;
	size_t size;
	kg_err err = kg_gguf_get_string(gguf, "tokenizer.ggml.model", &kind, &size);

	if (err != KG_OK)
		return err;
	if (size != 5 || memcmp(kind, "llama", 5) != 0)
		return kg_fail(KG_ECORRUPT,
			       "model file: tokenizer.ggml.model is not \"llama\", the "
			       "one kind known here");
	return KG_OK;
}

static kg_err put_all(kg_tokenizer *t, kg_gguf_array tokens, const kg_gguf_array *scores,
		      const kg_gguf_array *kinds)
{
	kg_err err = KG_OK;

	for (uint32_t id = 0; tokens.count > 0 && err == KG_OK; id++) {
		const char *piece;
		size_t size;
		float score;
		int32_t kind;

		kg_gguf_array_next(&tokens, &piece, &size);
		memcpy(&score, scores->data + sizeof(score) * id, sizeof(score));
		memcpy(&kind, kinds->data + sizeof(kind) * id, sizeof(kind));
		if (kind < KG_TOKEN_NORMAL || kind > KG_TOKEN_BYTE)
			return kg_fail(KG_EINVAL, "tokenizer: token %u is of kind %d", id, kind);
		err = kg_tokenizer_put(t, id, piece, size, score, (kg_token_kind)kind);
	}
	return err;
}

kg_err kg_tokenizer_from_gguf(kg_tokenizer **out, const kg_gguf *gguf)
{
	kg_tokenizer *t = NULL;
	kg_tokenizer_rules rules;
	kg_gguf_array tokens;
	kg_gguf_array scores;
	kg_gguf_array kinds;
	kg_err err = check_kind(gguf);

	if (err == KG_OK)
		err = get_rules(gguf, &rules);
	if (err == KG_OK)
		err = kg_gguf_get_array(gguf, "tokenizer.ggml.tokens", KG_GGUF_STRING, &tokens);
	if (err == KG_OK)
		err = kg_gguf_get_array(gguf, "tokenizer.ggml.scores", KG_GGUF_F32, &scores);
	if (err == KG_OK)
		err = kg_gguf_get_array(gguf, "tokenizer.ggml.token_type", KG_GGUF_I32, &kinds);
	if (err != KG_OK)
		return err;
	if (tokens.count == 0 || tokens.count > KG_TOKENIZER_COUNT_MAX ||
	    scores.count != tokens.count || kinds.count != tokens.count)
		return kg_fail(KG_ECORRUPT,
			       "model file: %llu tokens, %llu scores and %llu token types",
			       (unsigned long long)tokens.count, (unsigned long long)scores.count,
			       (unsigned long long)kinds.count);
	err = kg_tokenizer_new(&t, (uint32_t)tokens.count);
	if (err == KG_OK)
		err = put_all(t, tokens, &scores, &kinds);
	if (err == KG_OK)
		err = kg_tokenizer_finish(t, &rules);
	if (err != KG_OK) {
		kg_tokenizer_free(t);
		return err == KG_EINVAL ? kg_fail_context(KG_ECORRUPT, "model file") : err;
	}
	*out = t;
	return KG_OK;
}

/* A piece as SentencePiece writes it: spaces are U+2581. */
static void put_piece(kg_buf *tokens, const char *piece, size_t size, kg_token_kind kind)
{
	bool marked = kind == KG_TOKEN_NORMAL || kind == KG_TOKEN_USER;
	size_t spaces = 0;

	for (size_t i = 0; i < size; i++)
		spaces += marked && piece[i] == ' ';
	kg_buf_put_u64le(tokens, size + 2 * spaces);
	for (size_t i = 0; i < size; i++) {
		if (marked && piece[i] == ' ')
			kg_buf_puts(tokens, "\xe2\x96\x81");
		else
			kg_buf_put_u8(tokens, (uint8_t)piece[i]);
	}
}

kg_err kg_tokenizer_to_gguf(const kg_tokenizer *tokenizer, kg_gguf_writer *writer)
{
	const kg_tokenizer_rules *rules = kg_tokenizer_get_rules(tokenizer);
	uint32_t count = kg_tokenizer_count(tokenizer);
	kg_buf tokens;
	kg_buf scores;
	kg_buf kinds;
	kg_err err;

	kg_buf_init(&tokens, (size_t)count * (8 + 3 * KG_TOKENIZER_PIECE_MAX));
	kg_buf_init(&scores, (size_t)count * sizeof(float));
	kg_buf_init(&kinds, (size_t)count * sizeof(int32_t));
	for (uint32_t id = 0; id < count; id++) {
		size_t size;
		const char *piece = kg_tokenizer_piece(tokenizer, id, &size);
		float score = kg_tokenizer_score(tokenizer, id);
		kg_token_kind kind = kg_tokenizer_kind(tokenizer, id);

		put_piece(&tokens, piece, size, kind);
		kg_buf_put(&scores, &score, sizeof(score));
		kg_buf_put_u32le(&kinds, (uint32_t)kind);
	}
	kg_gguf_put_string(writer, "tokenizer.ggml.model", "llama", 5);
	kg_gguf_put_array(writer, "tokenizer.ggml.tokens", KG_GGUF_STRING, count, tokens.data,
			  tokens.size);
	kg_gguf_put_array(writer, "tokenizer.ggml.scores", KG_GGUF_F32, count, scores.data,
			  scores.size);
	kg_gguf_put_array(writer, "tokenizer.ggml.token_type", KG_GGUF_I32, count, kinds.data,
			  kinds.size);
	kg_gguf_put_u32(writer, "tokenizer.ggml.bos_token_id", rules->bos);
	kg_gguf_put_u32(writer, "tokenizer.ggml.eos_token_id", rules->eos);
	kg_gguf_put_u32(writer, "tokenizer.ggml.unknown_token_id", rules->unknown);
	kg_gguf_put_bool(writer, "tokenizer.ggml.add_bos_token", rules->add_bos);
	kg_gguf_put_bool(writer, "tokenizer.ggml.add_space_prefix", rules->add_space_prefix);
	err = kg_buf_ok(&tokens);
	if (err == KG_OK)
		err = kg_buf_ok(&scores);
	if (err == KG_OK)
		err = kg_buf_ok(&kinds);
	kg_buf_release(&tokens);
	kg_buf_release(&scores);
	kg_buf_release(&kinds);
	return err;
}
