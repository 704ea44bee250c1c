/* SPDX-License-Identifier: MIT */
#include "runtime/tokenizer_sentencepiece.h"

#include <stdio.h>
#include <string.h>

/* Protocol buffers: a field is its number and type, then what the type says. */
typedef enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 } wire_type;

typedef struct {
	const uint8_t *at;
	const uint8_t *end;
} span;

typedef struct {
	uint64_t number;
	uint64_t value; /* of a varint or 32 bits */
	span bytes;
	wire_type type;
} field;

/* Fields of sentencepiece_model.proto that are read here. */
enum {
	MODEL_PIECE = 1,
	MODEL_TRAINER = 2,
	MODEL_NORMALIZER = 3,

	PIECE_TEXT = 1,
	PIECE_SCORE = 2,
	PIECE_KIND = 3,

	TRAINER_TYPE = 3,
	TRAINER_SPACE_AFTER = 24,
	TRAINER_BYTES = 35,
	TRAINER_UNKNOWN = 40,
	TRAINER_BOS = 41,
	TRAINER_EOS = 42,

	NORMALIZER_NAME = 1,
	NORMALIZER_TABLE = 2,
	NORMALIZER_PREFIX = 3,
	NORMALIZER_SQUEEZE = 4,
	NORMALIZER_ESCAPE = 5,
};

/* trainer.type */
enum { UNIGRAM = 1, BPE = 2, WORD = 3, CHARACTERS = 4 };

typedef struct {
	kg_tokenizer *t;
	uint32_t count;      /* of pieces */
	uint32_t user_count; /* of them user-defined */
	uint64_t type;
	bool space_after;
	bool escape;
	bool bytes;
	span name; /* of the normalizer */
	span table;
	kg_tokenizer_rules rules;
} model;

static kg_err corrupt(const char *what)
{
	return kg_fail(KG_ECORRUPT, "tokenizer.model: %s", what);
}

static kg_err unknown(const char *what)
{
	return kg_fail(KG_EINVAL, "tokenizer.model: %s not known here", what);
}

static kg_err take_varint(span *in, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;

		*out |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return KG_OK;
	}
	return corrupt("a number is cut off");
}

static kg_err take_fixed(span *in, size_t size, uint64_t *out)
{
	if ((size_t)(in->end - in->at) < size)
		return corrupt("a number is cut off");
	*out = 0;
	for (size_t i = 0; i < size; i++)
		*out |= (uint64_t)*in->at++ << 8 * i;
	return KG_OK;
}

static kg_err take_field(span *in, field *out)
{
	uint64_t tag = 0;
	uint64_t size = 0;
	kg_err err = take_varint(in, &tag);

	if (err != KG_OK)
		return err;
	*out = (field){.number = tag >> 3, .type = (wire_type)(tag & 7)};
	switch (out->type) {
	case VARINT:
		return take_varint(in, &out->value);
	case FIXED64:
		return take_fixed(in, 8, &out->value);
	case FIXED32:
		return take_fixed(in, 4, &out->value);
	case BYTES:
		err = take_varint(in, &size);
		if (err == KG_OK && size > (uint64_t)(in->end - in->at))
			err = corrupt("a field is cut off");
		if (err != KG_OK)
			return err;
		out->bytes = (span){in->at, in->at + size};
		in->at += size;
		return KG_OK;
	}
	return corrupt("a field of no known type");
}

/* Ids are 32-bit integers, sign-extended; what is negative is none. */
static uint32_t id_of(uint64_t value)
{
	return value < KG_TOKENIZER_COUNT_MAX ? (uint32_t)value : KG_TOKENIZER_NONE;
}

static void take_trainer_field(model *m, const field *f)
{
	if (f->type != VARINT)
		return;
	if (f->number == TRAINER_TYPE)
		m->type = f->value;
	else if (f->number == TRAINER_SPACE_AFTER)
		m->space_after = f->value != 0;
	else if (f->number == TRAINER_BYTES)
		m->bytes = f->value != 0;
	else if (f->number == TRAINER_UNKNOWN)
		m->rules.unknown = id_of(f->value);
	else if (f->number == TRAINER_BOS)
		m->rules.bos = id_of(f->value);
	else if (f->number == TRAINER_EOS)
		m->rules.eos = id_of(f->value);
}

static void take_normalizer_field(model *m, const field *f)
{
	if (f->type == BYTES && f->number == NORMALIZER_NAME)
		m->name = f->bytes;
	else if (f->type == BYTES && f->number == NORMALIZER_TABLE)
		m->table = f->bytes;
	else if (f->type == VARINT && f->number == NORMALIZER_PREFIX)
		m->rules.add_space_prefix = f->value != 0;
	else if (f->type == VARINT && f->number == NORMALIZER_SQUEEZE)
		m->rules.squeeze_spaces = f->value != 0;
	else if (f->type == VARINT && f->number == NORMALIZER_ESCAPE)
		m->escape = f->value != 0;
}

static kg_err take_message(model *m, span in, void (*take)(model *, const field *))
{
	kg_err err = KG_OK;

	while (in.at < in.end && err == KG_OK) {
		field f;

		err = take_field(&in, &f);
		if (err == KG_OK)
			take(m, &f);
	}
	return err;
}

/* Everything but the pieces, which are counted. */
static kg_err read_settings(model *m, span in)
{
	kg_err err = KG_OK;

	while (in.at < in.end && err == KG_OK) {
		field f;

		err = take_field(&in, &f);
		if (err != KG_OK || f.type != BYTES)
			continue;
		if (f.number == MODEL_PIECE && ++m->count > KG_TOKENIZER_COUNT_MAX)
			err = kg_fail(KG_EINVAL, "tokenizer.model: more than %d pieces",
				      KG_TOKENIZER_COUNT_MAX);
		else if (f.number == MODEL_TRAINER)
			err = take_message(m, f.bytes, take_trainer_field);
		else if (f.number == MODEL_NORMALIZER)
			err = take_message(m, f.bytes, take_normalizer_field);
	}
	return err;
}

static kg_err check_settings(const model *m)
{
	char what[96];

	if (m->type == UNIGRAM || m->type == WORD)
		return unknown(m->type == UNIGRAM ? "a unigram model is" : "a word model is");
	if (m->type != BPE && m->type != CHARACTERS)
		return corrupt("no type of model");
	if (m->table.at != m->table.end) {
		(void)snprintf(what, sizeof(what), "the normalizer \"%.*s\" is",
			       (int)(m->name.end - m->name.at < 40 ? m->name.end - m->name.at : 40),
			       m->name.at == NULL ? "" : (const char *)m->name.at);
		return unknown(what);
	}
	if (!m->escape)
		return unknown("a model whose spaces are not escaped is");
	if (m->space_after)
		return unknown("a model whose spaces come after words is");
	return m->count == 0 ? corrupt("no pieces") : KG_OK;
}

static kg_err put_piece(model *m, uint32_t id, span in)
{
	span text = {in.end, in.end};
	uint64_t kind = KG_TOKEN_NORMAL;
	uint32_t bits = 0;
	float score;
	kg_err err = KG_OK;

	while (in.at < in.end && err == KG_OK) {
		field f;

		err = take_field(&in, &f);
		if (err == KG_OK && f.number == PIECE_TEXT && f.type == BYTES)
			text = f.bytes;
		else if (err == KG_OK && f.number == PIECE_SCORE && f.type == FIXED32)
			bits = (uint32_t)f.value;
		else if (err == KG_OK && f.number == PIECE_KIND && f.type == VARINT)
			kind = f.value;
	}
	if (err != KG_OK)
		return err;
	if (kind == KG_TOKEN_UNUSED)
		return unknown("unused pieces are");
	if (kind < KG_TOKEN_NORMAL || kind > KG_TOKEN_BYTE)
		return corrupt("a piece of no known kind");
	m->user_count += kind == KG_TOKEN_USER;
	memcpy(&score, &bits, sizeof(score));
	err = kg_tokenizer_put(m->t, id, text.at, (size_t)(text.end - text.at), score,
			       (kg_token_kind)kind);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "tokenizer.model");
}

static kg_err put_pieces(model *m, span in, uint32_t count)
{
	char name[24];
	uint32_t id = 0;
	kg_err err = KG_OK;

	while (in.at < in.end && err == KG_OK) {
		field f;

		err = take_field(&in, &f);
		if (err == KG_OK && f.type == BYTES && f.number == MODEL_PIECE)
			err = put_piece(m, id++, f.bytes);
	}
	for (; id < count && err == KG_OK; id++) {
		int size = snprintf(name, sizeof(name), "<unused%u>", id);

		err = kg_tokenizer_put(m->t, id, name, (size_t)size, 0, KG_TOKEN_UNUSED);
	}
	if (err == KG_OK && m->user_count > 0 &&
	    (m->rules.add_space_prefix || m->rules.squeeze_spaces))
		err = unknown("user-defined pieces where spaces are added or taken away are");
	return err;
}

kg_err kg_tokenizer_from_sentencepiece(kg_tokenizer **out, const void *data, size_t size,
				       const kg_tokenizer_hints *hints)
{
	const span in = {data, (const uint8_t *)data + size};
	model m = {
		.type = UNIGRAM,
		.escape = true,
		.rules = {.unknown = 0,
			  .bos = 1,
			  .eos = 2,
			  .add_space_prefix = true,
			  .squeeze_spaces = true},
	};
	uint32_t count;
	kg_err err;

	if (size > KG_TOKENIZER_JSON_SIZE_MAX)
		return kg_fail(KG_EFULL, "tokenizer.model: more than %d bytes",
			       KG_TOKENIZER_JSON_SIZE_MAX);
	err = read_settings(&m, in);
	if (err == KG_OK)
		err = check_settings(&m);
	if (err == KG_OK && hints->count != 0 && m.count > hints->count)
		err = kg_fail(KG_EINVAL, "tokenizer.model: %u tokens; the model has %u", m.count,
			      hints->count);
	count = hints->count == 0 ? m.count : hints->count;
	if (err == KG_OK)
		err = kg_tokenizer_new(&m.t, count);
	if (err == KG_OK)
		err = put_pieces(&m, in, count);
	m.rules.fuse_unknown = !m.bytes;
	m.rules.bos = hints->bos == KG_TOKENIZER_NONE ? m.rules.bos : hints->bos;
	m.rules.eos = hints->eos == KG_TOKENIZER_NONE ? m.rules.eos : hints->eos;
	m.rules.add_bos = m.rules.bos != KG_TOKENIZER_NONE;
	if (err == KG_OK)
		err = kg_tokenizer_finish(m.t, &m.rules);
	if (err != KG_OK) {
		kg_tokenizer_free(m.t);
		return err;
	}
	*out = m.t;
	return KG_OK;
}
