/* SPDX-License-Identifier: MIT */
#include "runtime/tokenizer_gguf.h"

#include <string.h>

#include "runtime/alphabet.h"
#include "runtime/tokenizer_impl.h"

/* Reads a key that may be absent: `*out` keeps its default then. */
static kg_err optional_u32(const kg_gguf *gguf, const char *key, uint32_t *out)
{
	return kg_gguf_has(gguf, key) ? kg_gguf_get_u32(gguf, key, out) : KG_OK;
}

static kg_err optional_bool(const kg_gguf *gguf, const char *key, bool *out)
{
	return kg_gguf_has(gguf, key) ? kg_gguf_get_bool(gguf, key, out) : KG_OK;
}

/* Of the byte-level kind: llama.cpp's defaults for each family. */
static kg_err get_words(const kg_gguf *gguf, kg_tokenizer_rules *rules)
{
	const char *name;
	size_t size;
	kg_err err = kg_gguf_get_string(gguf, "tokenizer.ggml.pre", &name, &size);

	if (err == KG_OK && kg_pretokenizer_from_name(&rules->words, name, size) != KG_OK)
		err = kg_fail_context(KG_EINVAL, "model file");
	rules->add_bos = rules->words == KG_PRETOKENIZER_LLAMA3;
	rules->ignore_merges = rules->words == KG_PRETOKENIZER_LLAMA3;
	return err;
}

/* What vocabularies of other makers need, and llama.cpp has no key for. */
static kg_err get_own_rules(const kg_gguf *gguf, kg_tokenizer_rules *rules)
{
	bool split = false;
	kg_err err = optional_bool(gguf, "kindergarten.tokenizer.ranked", &rules->ranked);

	if (err == KG_OK)
		err = optional_bool(gguf, "kindergarten.tokenizer.prefix_once",
				    &rules->prefix_once);
	if (err == KG_OK)
		err = optional_bool(gguf, "kindergarten.tokenizer.prefix_missing",
				    &rules->prefix_missing);
	if (err == KG_OK)
		err = optional_bool(gguf, "kindergarten.tokenizer.ignore_merges",
				    &rules->ignore_merges);
	if (err == KG_OK)
		err = optional_bool(gguf, "kindergarten.tokenizer.compose", &rules->compose);
	if (err == KG_OK)
		err = optional_bool(gguf, "kindergarten.tokenizer.squeeze_spaces",
				    &rules->squeeze_spaces);
	if (err == KG_OK)
		err = optional_bool(gguf, "kindergarten.tokenizer.fuse_unknown",
				    &rules->fuse_unknown);
	if (err == KG_OK)
		err = optional_bool(gguf, "kindergarten.tokenizer.split_spaces", &split);
	if (err == KG_OK && split && !rules->byte_level)
		rules->words = KG_PRETOKENIZER_SPACES;
	return err;
}

static kg_err get_ids(const kg_gguf *gguf, kg_tokenizer_rules *rules)
{
	kg_err err = optional_u32(gguf, "tokenizer.ggml.bos_token_id", &rules->bos);

	if (err == KG_OK)
		err = optional_u32(gguf, "tokenizer.ggml.eos_token_id", &rules->eos);
	if (err == KG_OK)
		err = optional_u32(gguf, "tokenizer.ggml.unknown_token_id", &rules->unknown);
	if (err == KG_OK)
		err = optional_bool(gguf, "tokenizer.ggml.add_bos_token", &rules->add_bos);
	if (err == KG_OK)
		err = optional_bool(gguf, "tokenizer.ggml.add_eos_token", &rules->add_eos);
	return err;
}

static kg_err get_rules(const kg_gguf *gguf, kg_tokenizer_rules *rules)
{
	const char *kind;
	size_t size;
	kg_err err = kg_gguf_get_string(gguf, "tokenizer.ggml.model", &kind, &size);

	if (err != KG_OK)
		return err;
	if (size == 5 && memcmp(kind, "llama", 5) == 0) {
		*rules = (kg_tokenizer_rules){
			.bos = 1, .eos = 2, .add_bos = true, .add_space_prefix = true};
		err = optional_bool(gguf, "tokenizer.ggml.add_space_prefix",
				    &rules->add_space_prefix);
	} else if (size == 4 && memcmp(kind, "gpt2", 4) == 0) {
		*rules = (kg_tokenizer_rules){.bos = KG_TOKENIZER_NONE,
					      .eos = KG_TOKENIZER_NONE,
					      .unknown = KG_TOKENIZER_NONE,
					      .ranked = true,
					      .byte_level = true};
		err = get_words(gguf, rules);
	} else {
		return kg_fail(KG_ECORRUPT,
			       "model file: tokenizer.ggml.model is \"%.*s\"; \"llama\" and "
			       "\"gpt2\" are known",
			       size > 64 ? 64 : (int)size, kind);
	}
	if (err == KG_OK)
		err = get_own_rules(gguf, rules);
	return err == KG_OK ? get_ids(gguf, rules) : err;
}

static kg_err put_all(kg_tokenizer *t, kg_gguf_array tokens, const kg_gguf_array *scores,
		      const kg_gguf_array *kinds)
{
	/* Where a string has its length, a piece has two bytes behind it. */
	kg_err err = kg_tokenizer__reserve(t, tokens.size);

	for (uint32_t id = 0; tokens.count > 0 && err == KG_OK; id++) {
		const char *piece;
		size_t size;
		float score = 0;
		int32_t kind;

		kg_gguf_array_next(&tokens, &piece, &size);
		if (scores != NULL)
			memcpy(&score, scores->data + sizeof(score) * id, sizeof(score));
		memcpy(&kind, kinds->data + sizeof(kind) * id, sizeof(kind));
		if (kind < KG_TOKEN_NORMAL || kind > KG_TOKEN_BYTE)
			return kg_fail(KG_EINVAL, "tokenizer: token %u is of kind %d", id, kind);
		if (scores != NULL)
			err = kg_tokenizer_put(t, id, piece, size, score, (kg_token_kind)kind);
		else
			err = kg_tokenizer_put_letters(t, id, piece, size, (kg_token_kind)kind);
	}
	return err;
}

static kg_err put_merges(kg_tokenizer *t, const kg_gguf *gguf, const kg_tokenizer_rules *rules)
{
	kg_gguf_array merges;
	kg_err err = kg_gguf_get_array(gguf, "tokenizer.ggml.merges", KG_GGUF_STRING, &merges);

	while (err == KG_OK && merges.count > 0) {
		const char *merge;
		size_t size;

		kg_gguf_array_next(&merges, &merge, &size);
		err = kg_tokenizer_put_merge_line(t, rules->byte_level, merge, size);
	}
	return err;
}

/* The arrays of a vocabulary; scores of the kind that has them. */
typedef struct {
	kg_gguf_array tokens;
	kg_gguf_array scores;
	kg_gguf_array kinds;
} arrays;

static kg_err get_arrays(arrays *a, const kg_gguf *gguf, bool scores)
{
	kg_err err = kg_gguf_get_array(gguf, "tokenizer.ggml.tokens", KG_GGUF_STRING, &a->tokens);

	if (err == KG_OK)
		err = kg_gguf_get_array(gguf, "tokenizer.ggml.token_type", KG_GGUF_I32, &a->kinds);
	if (err == KG_OK && scores)
		err = kg_gguf_get_array(gguf, "tokenizer.ggml.scores", KG_GGUF_F32, &a->scores);
	if (err != KG_OK)
		return err;
	if (a->tokens.count == 0 || a->tokens.count > KG_TOKENIZER_COUNT_MAX ||
	    (scores && a->scores.count != a->tokens.count) || a->kinds.count != a->tokens.count)
		return kg_fail(
			KG_ECORRUPT, "model file: %llu tokens, %llu scores and %llu token types",
			(unsigned long long)a->tokens.count, (unsigned long long)a->scores.count,
			(unsigned long long)a->kinds.count);
	return KG_OK;
}

kg_err kg_tokenizer_from_gguf(kg_tokenizer **out, const kg_gguf *gguf)
{
	kg_tokenizer *t = NULL;
	kg_tokenizer_rules rules = {0};
	arrays a = {0};
	kg_err err = get_rules(gguf, &rules);

	if (err == KG_OK)
		err = get_arrays(&a, gguf, !rules.byte_level);
	if (err == KG_OK)
		err = kg_tokenizer_new(&t, (uint32_t)a.tokens.count);
	if (err != KG_OK)
		return err;
	err = put_all(t, a.tokens, rules.byte_level ? NULL : &a.scores, &a.kinds);
	if (err == KG_OK && rules.ranked)
		err = put_merges(t, gguf, &rules);
	if (err == KG_OK)
		err = kg_tokenizer_finish(t, &rules);
	if (err != KG_OK) {
		kg_tokenizer_free(t);
		return err == KG_ENOMEM ? err : kg_fail_context(KG_ECORRUPT, "model file");
	}
	*out = t;
	return KG_OK;
}

/* A string of an array: a piece as its kind of vocabulary writes it. SentencePiece marks spaces
 * with U+2581; byte-level vocabularies write normal pieces in their alphabet. */
static void put_piece(kg_buf *to, const kg_tokenizer *t, uint32_t id)
{
	size_t size;
	const char *piece = kg_tokenizer_piece(t, id, &size);
	kg_token_kind kind = kg_tokenizer_kind(t, id);
	bool spelled = kind == KG_TOKEN_NORMAL || kind == KG_TOKEN_USER;

	if (kg_tokenizer_get_rules(t)->byte_level) {
		char letters[KG_ALPHABET_LETTER_MAX * KG_TOKENIZER_PIECE_MAX];

		if (kind == KG_TOKEN_NORMAL)
			kg_buf_put(to, letters, kg_alphabet_encode(letters, piece, size));
		else
			kg_buf_put(to, piece, size);
		return;
	}
	for (size_t i = 0; i < size; i++) {
		if (spelled && piece[i] == ' ')
			kg_buf_puts(to, "\xe2\x96\x81");
		else
			kg_buf_put_u8(to, (uint8_t)piece[i]);
	}
}

/* Appends a string to an array's bytes. */
static void put_string(kg_buf *array, const kg_buf *text)
{
	kg_buf_put_u64le(array, text->size);
	kg_buf_put(array, text->data, text->size);
}

static kg_err put_tokens(const kg_tokenizer *t, kg_gguf_writer *writer)
{
	uint32_t count = kg_tokenizer_count(t);
	kg_buf text;
	kg_buf tokens;
	kg_buf scores;
	kg_buf kinds;
	kg_err err;

	kg_buf_init(&text, (size_t)3 * KG_TOKENIZER_PIECE_MAX);
	kg_buf_init(&tokens, (size_t)count * (8 + 3 * KG_TOKENIZER_PIECE_MAX));
	kg_buf_init(&scores, (size_t)count * sizeof(float));
	kg_buf_init(&kinds, (size_t)count * sizeof(int32_t));
	for (uint32_t id = 0; id < count; id++) {
		float score = kg_tokenizer_score(t, id);

		kg_buf_clear(&text);
		put_piece(&text, t, id);
		put_string(&tokens, &text);
		kg_buf_put(&scores, &score, sizeof(score));
		kg_buf_put_u32le(&kinds, (uint32_t)kg_tokenizer_kind(t, id));
	}
	kg_gguf_put_array(writer, "tokenizer.ggml.tokens", KG_GGUF_STRING, count, tokens.data,
			  tokens.size);
	if (!kg_tokenizer_get_rules(t)->byte_level)
		kg_gguf_put_array(writer, "tokenizer.ggml.scores", KG_GGUF_F32, count, scores.data,
				  scores.size);
	kg_gguf_put_array(writer, "tokenizer.ggml.token_type", KG_GGUF_I32, count, kinds.data,
			  kinds.size);
	err = kg_buf_ok(&tokens);
	if (err == KG_OK)
		err = kg_buf_ok(&scores);
	if (err == KG_OK)
		err = kg_buf_ok(&kinds);
	kg_buf_release(&text);
	kg_buf_release(&tokens);
	kg_buf_release(&scores);
	kg_buf_release(&kinds);
	return err;
}

/* "left right" for each. */
static kg_err put_merge_array(const kg_tokenizer *t, kg_gguf_writer *writer)
{
	const kg_merges *merges = kg_tokenizer_get_merges(t);
	kg_buf text;
	kg_buf array;
	kg_err err;

	kg_buf_init(&text, (size_t)6 * KG_TOKENIZER_PIECE_MAX + 1);
	kg_buf_init(&array, (size_t)merges->count * (9 + 6 * KG_TOKENIZER_PIECE_MAX));
	for (uint32_t i = 0; i < merges->count; i++) {
		kg_buf_clear(&text);
		put_piece(&text, t, merges->list[i].left);
		kg_buf_put_u8(&text, ' ');
		put_piece(&text, t, merges->list[i].right);
		put_string(&array, &text);
	}
	kg_gguf_put_array(writer, "tokenizer.ggml.merges", KG_GGUF_STRING, merges->count,
			  array.data, array.size);
	err = kg_buf_ok(&array);
	kg_buf_release(&text);
	kg_buf_release(&array);
	return err;
}

/* The SentencePiece kind has default ids, which only an id that cannot be takes back. */
static void put_ids(const kg_tokenizer_rules *rules, kg_gguf_writer *writer)
{
	if (rules->bos != KG_TOKENIZER_NONE || !rules->byte_level)
		kg_gguf_put_u32(writer, "tokenizer.ggml.bos_token_id", rules->bos);
	if (rules->eos != KG_TOKENIZER_NONE || !rules->byte_level)
		kg_gguf_put_u32(writer, "tokenizer.ggml.eos_token_id", rules->eos);
	if (rules->unknown != KG_TOKENIZER_NONE || !rules->byte_level)
		kg_gguf_put_u32(writer, "tokenizer.ggml.unknown_token_id", rules->unknown);
}

/* Only what differs from the default, so that files of plain vocabularies stay as they are. */
static void put_own_rules(const kg_tokenizer_rules *rules, kg_gguf_writer *writer)
{
	bool llama3 = rules->words == KG_PRETOKENIZER_LLAMA3;

	if (rules->ranked && !rules->byte_level)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.ranked", true);
	if (rules->prefix_once)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.prefix_once", true);
	if (rules->prefix_missing)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.prefix_missing", true);
	if (rules->compose)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.compose", true);
	if (rules->squeeze_spaces)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.squeeze_spaces", true);
	if (rules->fuse_unknown)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.fuse_unknown", true);
	if (rules->words == KG_PRETOKENIZER_SPACES)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.split_spaces", true);
	if (rules->ignore_merges != llama3)
		kg_gguf_put_bool(writer, "kindergarten.tokenizer.ignore_merges",
				 rules->ignore_merges);
}

kg_err kg_tokenizer_to_gguf(const kg_tokenizer *tokenizer, kg_gguf_writer *writer)
{
	const kg_tokenizer_rules *rules = kg_tokenizer_get_rules(tokenizer);
	const char *kind = rules->byte_level ? "gpt2" : "llama";
	const char *pre = kg_pretokenizer_name(rules->words);
	kg_err err;

	kg_gguf_put_string(writer, "tokenizer.ggml.model", kind, strlen(kind));
	if (rules->byte_level)
		kg_gguf_put_string(writer, "tokenizer.ggml.pre", pre, strlen(pre));
	err = put_tokens(tokenizer, writer);
	if (err == KG_OK && rules->ranked)
		err = put_merge_array(tokenizer, writer);
	put_ids(rules, writer);
	kg_gguf_put_bool(writer, "tokenizer.ggml.add_bos_token", rules->add_bos);
	if (rules->add_eos)
		kg_gguf_put_bool(writer, "tokenizer.ggml.add_eos_token", true);
	if (!rules->byte_level)
		kg_gguf_put_bool(writer, "tokenizer.ggml.add_space_prefix",
				 rules->add_space_prefix);
	put_own_rules(rules, writer);
	return err;
}
