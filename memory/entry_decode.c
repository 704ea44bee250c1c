/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "memory/entry.h"
#include "memory/quote.h"

/* Room for the longest value that is not quoted text: sixteen tags. */
enum { VALUE_SIZE = KG_ENTRY_TAGS_MAX * (KG_ENTRY_TAG_MAX + 2) + 1 };

typedef kg_err (*field_parser)(kg_entry *e, const char *value, size_t length);

static kg_err corrupt(const char *what)
{
	return kg_fail(KG_ECORRUPT, "%s", what);
}

static kg_err parse_u64(uint64_t *out, const char *text, uint64_t max)
{
	uint64_t value = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return corrupt("a number in another form than the only one");
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || value > (max - digit) / 10)
			return corrupt("a number out of range");
		value = value * 10 + digit;
	}
	*out = value;
	return KG_OK;
}

static kg_err parse_u32(uint32_t *out, const char *text)
{
	uint64_t value = 0;
	kg_err err = parse_u64(&value, text, UINT32_MAX);

	if (err == KG_OK)
		*out = (uint32_t)value;
	return err;
}

static kg_err parse_number(double *out, const char *text)
{
	const char *point = strchr(text, '.');
	char digits[16];
	uint64_t whole = 0;
	uint64_t steps = 0;
	kg_err err;

	if (point == NULL || point - text > 3 || strlen(point + 1) != 6)
		return corrupt("a decimal number in another form than the only one");
	memcpy(digits, text, (size_t)(point - text));
	digits[point - text] = '\0';
	err = parse_u64(&whole, digits, 100);
	if (err != KG_OK)
		return err;
	for (size_t i = 1; i <= 6; i++) {
		if (point[i] < '0' || point[i] > '9')
			return corrupt("a decimal number with another character");
		steps = steps * 10 + (uint64_t)(point[i] - '0');
	}
	*out = (double)(whole * 1000000 + steps) / 1e6;
	return KG_OK;
}

static kg_err parse_hex(uint8_t *out, const char *text, size_t size)
{
	if (kg_hex_decode(out, size, text) != KG_OK)
		return corrupt("a key or digest in another form than the only one");
	return KG_OK;
}

static kg_err parse_quoted(kg_entry_bytes *out, const char *value, size_t length)
{
	kg_buf bytes;
	kg_err err;

	if (out->data != NULL)
		return corrupt("a field twice");
	kg_buf_init(&bytes, KG_ENTRY_TEXT_MAX);
	err = kg_quote_parse(&bytes, value, length);
	if (err == KG_OK && bytes.data == NULL && kg_buf_reserve(&bytes, 1) == NULL)
		err = kg_buf_ok(&bytes);
	if (err == KG_OK)
		out->data = kg_buf_take(&bytes, &out->size);
	kg_buf_release(&bytes);
	return err;
}

static kg_err field_format(kg_entry *e, const char *value, size_t length)
{
	(void)e;
	(void)length;
	return strcmp(value, "1") == 0 ? KG_OK : corrupt("another version of the format");
}

static kg_err field_swarm(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_hex(e->swarm.bytes, value, sizeof(e->swarm.bytes));
}

static kg_err field_agent(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_hex(e->agent.bytes, value, sizeof(e->agent.bytes));
}

static kg_err field_name(kg_entry *e, const char *value, size_t length)
{
	if (length >= sizeof(e->agent_name))
		return corrupt("a name that is too long");
	memcpy(e->agent_name, value, length + 1);
	return KG_OK;
}

static kg_err field_sequence(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_u64(&e->sequence, value, INT64_MAX);
}

static kg_err field_time(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return kg_clock_parse(&e->time_ms, value) == KG_OK ? KG_OK : corrupt("its time");
}

static kg_err field_counter(kg_entry *e, const char *value, size_t length)
{
	uint64_t counter = 0;
	kg_err err = parse_u64(&counter, value, UINT16_MAX);

	(void)length;
	e->time_counter = (uint16_t)counter;
	return err;
}

static kg_err field_tags(kg_entry *e, const char *value, size_t length)
{
	char tags[VALUE_SIZE];
	char *at = tags;

	if (length >= sizeof(tags) || e->tag_count > 0)
		return corrupt("its tags");
	memcpy(tags, value, length + 1);
	while (at != NULL) {
		char *next = strstr(at, ", ");

		if (next != NULL) {
			*next = '\0';
			next += 2;
		}
		if (kg_entry_add_tag(e, at) != KG_OK)
			return corrupt("its tags");
		at = next;
	}
	return KG_OK;
}

static kg_err field_confidence(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	e->has_confidence = true;
	return parse_number(&e->confidence, value);
}

static kg_err field_level(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	e->has_level = true;
	return parse_number(&e->level, value);
}

static kg_err field_awareness(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	e->has_parts = true;
	return parse_number(&e->parts.quantization_awareness, value);
}

static kg_err field_understanding(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_number(&e->parts.complex_understanding, value);
}

static kg_err field_readiness(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_number(&e->parts.compression_readiness, value);
}

static kg_err field_capacity(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_number(&e->parts.pedagogical_capacity, value);
}

static kg_err field_reference(kg_entry *e, const char *value, size_t length)
{
	kg_entry_id id;
	kg_err err = parse_hex(id.bytes, value, sizeof(id.bytes));

	(void)length;
	return err == KG_OK ? kg_entry_add_reference(e, &id) : err;
}

static kg_err field_base(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	e->has_genome = true;
	return parse_hex(e->genome.base_digest, value, KG_HASH_SIZE);
}

static kg_err field_weights(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_hex(e->genome.weights_digest, value, KG_HASH_SIZE);
}

static kg_err field_strategy(kg_entry *e, const char *value, size_t length)
{
	if (length >= sizeof(e->genome.strategy))
		return corrupt("a strategy that is too long");
	memcpy(e->genome.strategy, value, length + 1);
	return KG_OK;
}

static kg_err field_genome_seed(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_hex(e->genome.seed, value, KG_HASH_SIZE);
}

static kg_err field_temperature(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	e->has_sampler = true;
	return parse_number(&e->sampler.temperature, value);
}

static kg_err field_top_k(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_u32(&e->sampler.top_k, value);
}

static kg_err field_top_p(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_number(&e->sampler.top_p, value);
}

static kg_err field_sampler_seed(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_u64(&e->sampler.seed, value, UINT64_MAX);
}

static kg_err field_max_tokens(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_u32(&e->sampler.max_tokens, value);
}

static kg_err field_tokens(kg_entry *e, const char *value, size_t length)
{
	(void)length;
	return parse_u32(&e->sampler.tokens, value);
}

static kg_err field_prompt(kg_entry *e, const char *value, size_t length)
{
	return parse_quoted(&e->prompt, value, length);
}

static kg_err field_answer(kg_entry *e, const char *value, size_t length)
{
	return parse_quoted(&e->answer, value, length);
}

static kg_err field_head(kg_entry *e, const char *value, size_t length)
{
	char text[KG_PUBKEY_TEXT_SIZE + 20 + 1 + KG_COMMIT_TEXT_SIZE];
	char *sequence;
	char *commit;
	kg_entry_head head;
	kg_err err;

	if (length >= sizeof(text) || length < KG_PUBKEY_TEXT_SIZE + 1)
		return corrupt("a head");
	memcpy(text, value, length + 1);
	sequence = text + KG_PUBKEY_TEXT_SIZE - 1;
	commit = strchr(sequence + 1, ' ');
	if (*sequence != ' ' || commit == NULL)
		return corrupt("a head");
	*sequence++ = '\0';
	*commit++ = '\0';
	err = parse_hex(head.agent.bytes, text, sizeof(head.agent.bytes));
	if (err == KG_OK)
		err = parse_u64(&head.sequence, sequence, INT64_MAX);
	if (err == KG_OK)
		err = parse_hex(head.commit.bytes, commit, sizeof(head.commit.bytes));
	return err == KG_OK ? kg_entry_add_head(e, &head) : err;
}

static kg_err field_member(kg_entry *e, const char *value, size_t length)
{
	char text[KG_PUBKEY_TEXT_SIZE];
	kg_pubkey agent;
	kg_err err;

	if (length < sizeof(text) || value[sizeof(text) - 1] != ' ')
		return corrupt("a member");
	memcpy(text, value, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err = parse_hex(agent.bytes, text, sizeof(agent.bytes));
	return err == KG_OK ? kg_entry_add_member(e, &agent, value + sizeof(text)) : err;
}

/* In the order in which they are written, though that is checked by writing them again. */
static const struct {
	const char *key;
	field_parser parse;
} fields[] = {
	{"Kindergarten-Format", field_format},
	{"Swarm", field_swarm},
	{"Agent", field_agent},
	{"Agent-Name", field_name},
	{"Sequence", field_sequence},
	{"Time", field_time},
	{"Time-Counter", field_counter},
	{"Tags", field_tags},
	{"Confidence", field_confidence},
	{"Consciousness", field_level},
	{"Quantization-Awareness", field_awareness},
	{"Complex-Understanding", field_understanding},
	{"Compression-Readiness", field_readiness},
	{"Pedagogical-Capacity", field_capacity},
	{"Reference", field_reference},
	{"Genome-Base", field_base},
	{"Genome-Weights", field_weights},
	{"Genome-Strategy", field_strategy},
	{"Genome-Seed", field_genome_seed},
	{"Sampler-Temperature", field_temperature},
	{"Sampler-Top-K", field_top_k},
	{"Sampler-Top-P", field_top_p},
	{"Sampler-Seed", field_sampler_seed},
	{"Sampler-Max-Tokens", field_max_tokens},
	{"Sampler-Tokens", field_tokens},
	{"Prompt", field_prompt},
	{"Answer", field_answer},
	{"Head", field_head},
	{"Member", field_member},
};

static kg_err parse_field(kg_entry *e, const char *line, size_t length)
{
	const char *colon = memchr(line, ':', length);
	size_t key;

	if (colon == NULL || (size_t)(colon - line) + 2 > length || colon[1] != ' ')
		return corrupt("a line that is no field");
	key = (size_t)(colon - line);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char value[VALUE_SIZE];
		size_t size = length - key - 2;

		if (strlen(fields[i].key) != key || memcmp(fields[i].key, line, key) != 0)
			continue;
		if (fields[i].parse == field_prompt || fields[i].parse == field_answer)
			return fields[i].parse(e, colon + 2, size);
		if (size >= sizeof(value))
			return corrupt("a field that is too long");
		memcpy(value, colon + 2, size);
		value[size] = '\0';
		if (strlen(value) != size)
			return corrupt("a field with a zero byte");
		return fields[i].parse(e, value, size);
	}
	return corrupt("an unknown field");
}

static kg_err parse_message(kg_entry *e, const char *message, size_t size)
{
	const char *text = memmem(message, size, "\n\n", 2);
	const char *end = message + size;
	const char *trailers;
	kg_err err;

	if (text == NULL || end[-1] != '\n')
		return corrupt("no subject");
	text += 2;
	trailers = end - 1;
	while (trailers > text && memcmp(trailers - 1, "\n\n", 2) != 0)
		trailers--;
	if (trailers <= text)
		return corrupt("no fields");
	trailers++; /* now the first byte of the last paragraph */
	err = kg_entry_set_text(e, text, (size_t)(trailers - 2 - text));
	while (err == KG_OK && trailers < end) {
		const char *line_end = memchr(trailers, '\n', (size_t)(end - trailers));

		err = parse_field(e, trailers, (size_t)(line_end - trailers));
		trailers = line_end + 1;
	}
	return err;
}

static kg_err parse_type(kg_entry *e, const char *message, size_t size)
{
	char name[16];
	const char *colon = memchr(message, ':', size < sizeof(name) ? size : sizeof(name));

	if (colon == NULL)
		return corrupt("no type");
	memcpy(name, message, (size_t)(colon - message));
	name[colon - message] = '\0';
	return kg_entry_type_parse(&e->type, name) == KG_OK ? KG_OK : corrupt("no type");
}

static kg_err parse_parent(kg_entry_proof *proof, const char *header, size_t size)
{
	static const char key[] = "\nparent ";
	const char *found = memmem(header, size, key, sizeof(key) - 1);
	char text[KG_COMMIT_TEXT_SIZE];

	if (found == NULL)
		return KG_OK;
	found += sizeof(key) - 1;
	if ((size_t)(header + size - found) < sizeof(text) - 1)
		return corrupt("its parent");
	memcpy(text, found, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	proof->has_parent = true;
	return parse_hex(proof->parent.bytes, text, sizeof(proof->parent.bytes));
}

/* The one check that makes every other strictness needless: what was read, written again, must be
 * the bytes that were read. */
static kg_err check_canonical(const kg_entry *e, const kg_entry_proof *proof, const void *payload,
			      size_t size)
{
	kg_buf again;
	kg_err err;

	kg_buf_init(&again, size + 1);
	if (kg_entry_encode(&again, e, proof->has_parent ? &proof->parent : NULL) != KG_OK) {
		err = again.failed == KG_ENOMEM ? KG_ENOMEM : KG_ECORRUPT;
	} else {
		err = again.size == size && memcmp(again.data, payload, size) == 0
			      ? KG_OK
			      : corrupt("another form than the only one");
	}
	kg_buf_release(&again);
	return err;
}

kg_err kg_entry_decode(kg_entry *entry, kg_entry_proof *proof, const void *payload, size_t size)
{
	const char *header = payload;
	const char *message;
	kg_entry_proof found = {0};
	kg_entry e;
	kg_err err;

	if (size > KG_ENTRY_OBJECT_MAX)
		return corrupt("too large");
	message = size > 0 ? memmem(header, size, "\n\n", 2) : NULL;
	if (message == NULL)
		return corrupt("no message");
	message += 2;
	kg_entry_init(&e, KG_ENTRY_OBSERVATION);
	err = parse_parent(&found, header, (size_t)(message - header));
	if (err == KG_OK)
		err = parse_type(&e, message, (size_t)(header + size - message));
	if (err == KG_OK)
		err = parse_message(&e, message, (size_t)(header + size - message));
	if (err == KG_OK)
		err = check_canonical(&e, &found, payload, size);
	if (err != KG_OK) {
		kg_entry_release(&e);
		return err == KG_ENOMEM ? err : kg_fail_context(KG_ECORRUPT, "not an entry");
	}
	kg_hash(found.id.bytes, "kindergarten entry id v1", payload, size);
	*entry = e;
	*proof = found;
	return KG_OK;
}
