/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "memory/entry_impl.h"
#include "memory/quote.h"

/* Room for the longest value that is not quoted text: sixteen tags. */
enum { VALUE_SIZE = KG_ENTRY_TAGS_MAX * (KG_ENTRY_TAG_MAX + 2) + 1 };

typedef kg_err (*field_parser)(kg_entry *e, char *value, size_t length);

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

static kg_err field_format(kg_entry *e, char *value, size_t length)
{
	(void)e;
	(void)length;
	return strcmp(value, "1") == 0 ? KG_OK : corrupt("another version of the format");
}

static kg_err field_swarm(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_hex(e->swarm.bytes, value, sizeof(e->swarm.bytes));
}

static kg_err field_agent(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_hex(e->agent.bytes, value, sizeof(e->agent.bytes));
}

static kg_err field_name(kg_entry *e, char *value, size_t length)
{
	if (length >= sizeof(e->agent_name))
		return corrupt("a name that is too long");
	memcpy(e->agent_name, value, length + 1);
	return KG_OK;
}

static kg_err field_sequence(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_u64(&e->sequence, value, INT64_MAX);
}

static kg_err field_time(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return kg_clock_parse(&e->time_ms, value) == KG_OK ? KG_OK : corrupt("its time");
}

static kg_err field_counter(kg_entry *e, char *value, size_t length)
{
	uint64_t counter = 0;
	kg_err err = parse_u64(&counter, value, UINT16_MAX);

	(void)length;
	e->time_counter = (uint16_t)counter;
	return err;
}

static kg_err field_tags(kg_entry *e, char *value, size_t length)
{
	char *at = value;

	(void)length;
	if (e->tag_count > 0)
		return corrupt("its tags");
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

static kg_err field_confidence(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_confidence = true;
	return parse_number(&e->confidence, value);
}

static kg_err field_level(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_level = true;
	return parse_number(&e->level, value);
}

static kg_err field_awareness(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_parts = true;
	return parse_number(&e->parts.quantization_awareness, value);
}

static kg_err field_understanding(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_number(&e->parts.complex_understanding, value);
}

static kg_err field_readiness(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_number(&e->parts.compression_readiness, value);
}

static kg_err field_capacity(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_number(&e->parts.pedagogical_capacity, value);
}

static kg_err field_reference(kg_entry *e, char *value, size_t length)
{
	kg_entry_id id;
	kg_err err = parse_hex(id.bytes, value, sizeof(id.bytes));

	(void)length;
	return err == KG_OK ? kg_entry_add_reference(e, &id) : err;
}

static kg_err field_base(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_genome = true;
	return parse_hex(e->genome.base_digest, value, KG_HASH_SIZE);
}

static kg_err field_weights(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_hex(e->genome.weights_digest, value, KG_HASH_SIZE);
}

static kg_err field_strategy(kg_entry *e, char *value, size_t length)
{
	if (length >= sizeof(e->genome.strategy))
		return corrupt("a strategy that is too long");
	memcpy(e->genome.strategy, value, length + 1);
	return KG_OK;
}

static kg_err field_genome_seed(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_hex(e->genome.seed, value, KG_HASH_SIZE);
}

static kg_err field_temperature(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_sampler = true;
	return parse_number(&e->sampler.temperature, value);
}

static kg_err field_top_k(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_u32(&e->sampler.top_k, value);
}

static kg_err field_top_p(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_number(&e->sampler.top_p, value);
}

static kg_err field_sampler_seed(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_u64(&e->sampler.seed, value, UINT64_MAX);
}

static kg_err field_max_tokens(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_u32(&e->sampler.max_tokens, value);
}

static kg_err field_tokens(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_u32(&e->sampler.tokens, value);
}

/* The words of a value, one space between them; false unless there are exactly `count`. */
static bool split(char *words[], size_t count, char *value)
{
	for (size_t i = 0; i < count; i++) {
		char *space = strchr(value, ' ');

		words[i] = value;
		if ((space == NULL) != (i + 1 == count))
			return false;
		if (space != NULL) {
			*space = '\0';
			value = space + 1;
		}
	}
	return true;
}

static kg_err parse_head(kg_entry_head *head, char *value)
{
	char *words[3];
	kg_err err;

	if (!split(words, 3, value))
		return corrupt("a head");
	err = parse_hex(head->agent.bytes, words[0], sizeof(head->agent.bytes));
	if (err == KG_OK)
		err = parse_u64(&head->sequence, words[1], INT64_MAX);
	if (err == KG_OK)
		err = parse_hex(head->commit.bytes, words[2], sizeof(head->commit.bytes));
	return err;
}

static kg_err field_head(kg_entry *e, char *value, size_t length)
{
	kg_entry_head head;
	kg_err err = parse_head(&head, value);

	(void)length;
	return err == KG_OK ? kg_entry_add_head(e, &head) : err;
}

static kg_err field_seen(kg_entry *e, char *value, size_t length)
{
	kg_entry_head head;
	kg_err err = parse_head(&head, value);

	(void)length;
	return err == KG_OK ? kg_entry__put_seen(e, &head) : err;
}

static kg_err parse_name(kg_entry_member **names, size_t *count, size_t count_max, char *value)
{
	char *words[2];
	kg_pubkey key;
	kg_err err;

	if (!split(words, 2, value))
		return corrupt("a member");
	err = parse_hex(key.bytes, words[0], sizeof(key.bytes));
	return err == KG_OK ? kg_entry__put_name(names, count, count_max, &key, words[1]) : err;
}

static kg_err field_member(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_name(&e->members, &e->member_count, KG_ENTRY_MEMBERS_MAX, value);
}

static kg_err field_peer(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_name(&e->peers, &e->peer_count, KG_ENTRY_PEERS_MAX, value);
}

static kg_err field_successor(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_successor = true;
	return parse_hex(e->successor.bytes, value, KG_PUBKEY_SIZE);
}

static kg_err field_predecessor(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_predecessor = true;
	return parse_head(&e->predecessor, value);
}

static kg_err field_epoch(kg_entry *e, char *value, size_t length)
{
	kg_entry_epoch *epoch = &e->epoch;
	char *words[6];
	kg_err err;

	(void)length;
	if (!split(words, 6, value))
		return corrupt("an epoch");
	e->has_epoch = true;
	epoch->old.agent = e->agent;
	err = parse_u64(&epoch->number, words[0], INT64_MAX);
	if (err == KG_OK)
		err = parse_u64(&epoch->old.sequence, words[1], INT64_MAX);
	if (err == KG_OK)
		err = parse_hex(epoch->old.commit.bytes, words[2], KG_COMMIT_SIZE);
	if (err == KG_OK)
		err = parse_u64(&epoch->kept, words[3], INT64_MAX);
	if (err == KG_OK)
		err = parse_u64(&epoch->dropped, words[4], INT64_MAX);
	if (err == KG_OK)
		err = parse_hex(epoch->digest, words[5], KG_HASH_SIZE);
	return err;
}

static kg_err field_carried(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_u64(&e->carried, value, INT64_MAX);
}

static kg_err field_protocol(kg_entry *e, char *value, size_t length)
{
	(void)length;
	e->has_origin = true;
	return strcmp(value, "mmogit") == 0 ? KG_OK : corrupt("another protocol");
}

static kg_err field_origin_author(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_hex(e->origin.author.bytes, value, KG_PUBKEY_SIZE);
}

static kg_err field_origin_time(kg_entry *e, char *value, size_t length)
{
	if (length >= sizeof(e->origin.time))
		return corrupt("a time that is too long");
	memcpy(e->origin.time, value, length + 1);
	return KG_OK;
}

static kg_err field_origin_signature(kg_entry *e, char *value, size_t length)
{
	(void)length;
	return parse_hex(e->origin.signature, value, KG_SIGNATURE_SIZE);
}

static kg_err field_sealed(kg_entry *e, char *value, size_t length)
{
	char *words[2];
	kg_err err;

	(void)length;
	if (!split(words, 2, value))
		return corrupt("what is sealed");
	e->has_sealed = true;
	err = parse_hex(e->sealed.digest, words[0], KG_HASH_SIZE);
	return err == KG_OK ? parse_u64(&e->sealed.size, words[1], KG_ENTRY_SEALED_MAX) : err;
}

static kg_err field_recipient(kg_entry *e, char *value, size_t length)
{
	kg_entry_sealed *s = &e->sealed;

	(void)length;
	if (s->recipient_count == KG_ENTRY_RECIPIENTS_MAX)
		return corrupt("too many recipients");
	return parse_hex(s->recipients[s->recipient_count++].bytes, value, KG_PUBKEY_SIZE);
}

/* In the order in which they are written, and may stand. Quoted ones are read in place. */
#define FIELD(key, parse)        \
 {                               \
  key, sizeof(key) - 1, parse, 0 \
 }
#define QUOTED(key, member)                              \
 {                                                       \
  key, sizeof(key) - 1, NULL, offsetof(kg_entry, member) \
 }

static const struct {
	const char *key;
	size_t length;
	field_parser parse;
	size_t quoted; /* where the bytes go */
} fields[] = {
	FIELD("Kindergarten-Format", field_format),
	FIELD("Swarm", field_swarm),
	FIELD("Agent", field_agent),
	FIELD("Agent-Name", field_name),
	FIELD("Sequence", field_sequence),
	FIELD("Time", field_time),
	FIELD("Time-Counter", field_counter),
	FIELD("Carried", field_carried),
	FIELD("Tags", field_tags),
	FIELD("Confidence", field_confidence),
	FIELD("Consciousness", field_level),
	FIELD("Quantization-Awareness", field_awareness),
	FIELD("Complex-Understanding", field_understanding),
	FIELD("Compression-Readiness", field_readiness),
	FIELD("Pedagogical-Capacity", field_capacity),
	FIELD("Reference", field_reference),
	FIELD("Seen", field_seen),
	FIELD("Genome-Base", field_base),
	FIELD("Genome-Weights", field_weights),
	FIELD("Genome-Strategy", field_strategy),
	FIELD("Genome-Seed", field_genome_seed),
	FIELD("Sampler-Temperature", field_temperature),
	FIELD("Sampler-Top-K", field_top_k),
	FIELD("Sampler-Top-P", field_top_p),
	FIELD("Sampler-Seed", field_sampler_seed),
	FIELD("Sampler-Max-Tokens", field_max_tokens),
	FIELD("Sampler-Tokens", field_tokens),
	QUOTED("Prompt", prompt),
	QUOTED("Answer", answer),
	FIELD("Origin-Protocol", field_protocol),
	FIELD("Origin-Author", field_origin_author),
	FIELD("Origin-Time", field_origin_time),
	FIELD("Origin-Signature", field_origin_signature),
	QUOTED("Origin-Content", origin.content),
	FIELD("Sealed", field_sealed),
	FIELD("Sealed-For", field_recipient),
	FIELD("Head", field_head),
	FIELD("Member", field_member),
	FIELD("Peer", field_peer),
	FIELD("Successor", field_successor),
	FIELD("Predecessor", field_predecessor),
	FIELD("Epoch", field_epoch),
};

kg_err kg_entry__parse_field(kg_entry *e, size_t *next, const char *line, size_t length)
{
	const char *colon = memchr(line, ':', length);
	char value[VALUE_SIZE];
	size_t key;
	size_t size;
	size_t i = *next;

	if (colon == NULL || (size_t)(colon - line) + 2 > length || colon[1] != ' ')
		return corrupt("a line that is no field");
	key = (size_t)(colon - line);
	size = length - key - 2;
	while (i < sizeof(fields) / sizeof(fields[0]) &&
	       (fields[i].length != key || memcmp(fields[i].key, line, key) != 0))
		i++;
	if (i == sizeof(fields) / sizeof(fields[0]))
		return corrupt("an unknown field, or one that is not in its place");
	*next = i;
	if (fields[i].parse == NULL)
		return parse_quoted((void *)((char *)e + fields[i].quoted), colon + 2, size);
	if (size >= sizeof(value))
		return corrupt("a field that is too long");
	memcpy(value, colon + 2, size);
	value[size] = '\0';
	if (memchr(value, '\0', size) != NULL)
		return corrupt("a field with a zero byte");
	return fields[i].parse(e, value, size);
}
