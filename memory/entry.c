/* SPDX-License-Identifier: MIT */
#include "memory/entry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sha1.h>

#include "base/hex.h"
#include "memory/quote.h"

static const char *const type_names[KG_ENTRY_TYPES] = {
	"birth", "insight",   "observation", "learning",   "reflection", "question",
	"trace", "heartbeat", "lineage",     "checkpoint", "revocation",
};

/* Where git cuts a message off before it looks for trailers (wt-status.c). In a text it would let
 * the trailers above it pass for ours. */
static const char cut_line[] = "------------------------ >8 ------------------------";

enum { WHOLE_MAX = 2 * KG_ENTRY_TEXT_MAX };

static const int64_t time_ms_max = 253402300799999; /* end of the year 9999 */

void kg_entry_init(kg_entry *entry, kg_entry_type type)
{
	memset(entry, 0, sizeof(*entry));
	entry->type = type;
}

void kg_entry_release(kg_entry *entry)
{
	free(entry->prompt.data);
	free(entry->answer.data);
	free(entry->text.data);
	free(entry->heads);
	free(entry->members);
	kg_entry_init(entry, entry->type);
}

const char *kg_entry_type_name(kg_entry_type type)
{
	return (unsigned)type < KG_ENTRY_TYPES ? type_names[type] : NULL;
}

kg_err kg_entry_type_parse(kg_entry_type *out, const char *name)
{
	for (unsigned i = 0; i < KG_ENTRY_TYPES; i++) {
		if (strcmp(type_names[i], name) == 0) {
			*out = (kg_entry_type)i;
			return KG_OK;
		}
	}
	return kg_fail(KG_EINVAL, "unknown type of entry \"%.40s\"", name);
}

static kg_err set_bytes(kg_entry_bytes *bytes, const char *what, const void *data, size_t size)
{
	uint8_t *copy;

	if (size > KG_ENTRY_TEXT_MAX)
		return kg_fail(KG_EFULL, "%s of %zu bytes, at most %d", what, size,
			       KG_ENTRY_TEXT_MAX);
	copy = malloc(size + 1);
	if (copy == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %s", what);
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	free(bytes->data);
	*bytes = (kg_entry_bytes){copy, size};
	return KG_OK;
}

static bool is_text_point(uint32_t point)
{
	return (point >= 0x20 && point != 0x7f && !(point >= 0x80 && point < 0xa0)) ||
	       point == '\t' || point == '\n' || point == '\r';
}

static kg_err check_text(const kg_entry_bytes *text)
{
	for (size_t i = 0; i < text->size;) {
		uint32_t point = 0;
		size_t step = kg_utf8_step(&point, text->data + i, text->size - i);

		if (step == 0)
			return kg_fail(KG_EINVAL, "the text is not UTF-8 at byte %zu", i);
		if (!is_text_point(point))
			return kg_fail(KG_EINVAL, "the text holds a control character at byte %zu",
				       i);
		i += step;
	}
	if (text->size > 0 &&
	    memmem(text->data, text->size, cut_line, sizeof(cut_line) - 1) != NULL)
		return kg_fail(KG_EINVAL, "the text holds git's scissors line");
	return KG_OK;
}

kg_err kg_entry_set_text(kg_entry *entry, const char *text, size_t size)
{
	kg_entry_bytes bytes = {0};
	kg_err err;

	err = set_bytes(&bytes, "the text", text, size);
	if (err != KG_OK)
		return err;
	err = check_text(&bytes);
	if (err != KG_OK) {
		free(bytes.data);
		return err;
	}
	free(entry->text.data);
	entry->text = bytes;
	return KG_OK;
}

static kg_err check_tag(const char *tag)
{
	size_t length = strlen(tag);

	if (length < 1 || length > KG_ENTRY_TAG_MAX ||
	    strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789._-") != length)
		return kg_fail(KG_EINVAL, "tag \"%.60s\" is not 1..%d of a-z 0-9 . _ -", tag,
			       KG_ENTRY_TAG_MAX);
	return KG_OK;
}

bool kg_entry_has_tag(const kg_entry *entry, const char *tag)
{
	for (size_t i = 0; i < entry->tag_count; i++)
		if (strcmp(entry->tags[i], tag) == 0)
			return true;
	return false;
}

kg_err kg_entry_add_tag(kg_entry *entry, const char *tag)
{
	kg_err err = check_tag(tag);

	if (err != KG_OK)
		return err;
	if (kg_entry_has_tag(entry, tag))
		return kg_fail(KG_EINVAL, "tag \"%s\" given twice", tag);
	if (entry->tag_count == KG_ENTRY_TAGS_MAX)
		return kg_fail(KG_EFULL, "more than %d tags", KG_ENTRY_TAGS_MAX);
	memcpy(entry->tags[entry->tag_count++], tag, strlen(tag) + 1);
	return KG_OK;
}

kg_err kg_entry_add_tags(kg_entry *entry, const char *list)
{
	while (*list != '\0') {
		size_t length = strcspn(list, ",");
		char tag[KG_ENTRY_TAG_MAX + 2];
		kg_err err;

		if (length > KG_ENTRY_TAG_MAX)
			return check_tag(list);
		memcpy(tag, list, length);
		tag[length] = '\0';
		err = kg_entry_add_tag(entry, tag);
		if (err != KG_OK)
			return err;
		list += length;
		if (*list == ',' && *++list == '\0')
			return kg_fail(KG_EINVAL, "the list of tags ends in a comma");
	}
	return KG_OK;
}

kg_err kg_entry_add_reference(kg_entry *entry, const kg_entry_id *id)
{
	if (entry->reference_count == KG_ENTRY_REFERENCES_MAX)
		return kg_fail(KG_EFULL, "more than %d references", KG_ENTRY_REFERENCES_MAX);
	entry->references[entry->reference_count++] = *id;
	return KG_OK;
}

static int compare_keys(const kg_pubkey *a, const kg_pubkey *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Room for one more at the sorted place of `agent` in an array that begins each element with its
 * key; *at is the index. The capacity is the next power of two, so that growth needs no field. */
static kg_err make_room(void **array, size_t count, size_t count_max, size_t element,
			const kg_pubkey *agent, size_t *at)
{
	size_t low = 0;
	size_t high = count;
	uint8_t *bytes = *array;

	if (count == count_max)
		return kg_fail(KG_EFULL, "more than %zu keys in one entry", count_max);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(bytes + middle * element, agent->bytes, sizeof(agent->bytes)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < count && memcmp(bytes + low * element, agent->bytes, sizeof(agent->bytes)) == 0)
		return kg_fail(KG_EINVAL, "the same key twice in one entry");
	if ((count & (count - 1)) == 0) {
		bytes = realloc(*array, (count == 0 ? 1 : 2 * count) * element);
		if (bytes == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu keys", count + 1);
		*array = bytes;
	}
	memmove(bytes + (low + 1) * element, bytes + low * element, (count - low) * element);
	*at = low;
	return KG_OK;
}

kg_err kg_entry_add_head(kg_entry *entry, const kg_entry_head *head)
{
	void *array = entry->heads;
	size_t at = 0;
	kg_err err;

	_Static_assert(offsetof(kg_entry_head, agent) == 0, "make_room compares first bytes");
	err = make_room(&array, entry->head_count, KG_ENTRY_HEADS_MAX, sizeof(*head), &head->agent,
			&at);
	if (err != KG_OK)
		return err;
	entry->heads = array;
	entry->heads[at] = *head;
	entry->head_count++;
	return KG_OK;
}

kg_err kg_entry_add_member(kg_entry *entry, const kg_pubkey *agent, const char *name)
{
	void *array = entry->members;
	size_t at = 0;
	kg_err err;

	_Static_assert(offsetof(kg_entry_member, agent) == 0, "make_room compares first bytes");
	err = kg_name_check(name);
	if (err != KG_OK)
		return err;
	err = kg_pubkey_check(agent);
	if (err != KG_OK)
		return err;
	err = make_room(&array, entry->member_count, KG_ENTRY_MEMBERS_MAX,
			sizeof(entry->members[0]), agent, &at);
	if (err != KG_OK)
		return err;
	entry->members = array;
	memset(&entry->members[at], 0, sizeof(entry->members[at]));
	entry->members[at].agent = *agent;
	memcpy(entry->members[at].name, name, strlen(name) + 1);
	entry->member_count++;
	return KG_OK;
}

void kg_entry_set_confidence(kg_entry *entry, double confidence)
{
	entry->has_confidence = true;
	entry->confidence = confidence;
}

void kg_entry_set_level(kg_entry *entry, double level)
{
	entry->has_level = true;
	entry->level = level;
}

static double parts_mean(const kg_entry_parts *p)
{
	return (p->quantization_awareness + p->complex_understanding + p->compression_readiness +
		p->pedagogical_capacity) /
	       4;
}

void kg_entry_set_parts(kg_entry *entry, const kg_entry_parts *parts)
{
	entry->has_parts = true;
	entry->parts = *parts;
	kg_entry_set_level(entry, parts_mean(parts));
}

void kg_entry_readable(kg_buf *out, const void *data, size_t size)
{
	const uint8_t *at = data;
	size_t start = out->size;
	char *cut;

	while (size > 0) {
		uint32_t point = 0;
		size_t step = kg_utf8_step(&point, at, size);
		bool good = step > 0 && is_text_point(point);

		if (out->size - start + (good ? step : 3) > KG_ENTRY_TEXT_MAX)
			break;
		if (good)
			kg_buf_put(out, at, step);
		else
			kg_buf_puts(out, "\xef\xbf\xbd");
		step = step > 0 ? step : 1;
		at += step;
		size -= step;
	}
	if (out->failed != KG_OK || out->size == start)
		return;
	while ((cut = memmem(out->data + start, out->size - start, cut_line,
			     sizeof(cut_line) - 1)) != NULL)
		cut[24] = '-'; /* the space before the scissors */
}

/* The text of a generated entry: the last line of the prompt, which is the question, and the answer
 * behind it. Without its question an answer of two digits could not be found or learned from. */
static kg_err readable_of(kg_buf *out, const kg_entry_bytes *prompt, const kg_entry_bytes *answer)
{
	const uint8_t *end = prompt->data + prompt->size;
	const uint8_t *line = memrchr(prompt->data, '\n', prompt->size);
	kg_buf whole;
	kg_err err;

	kg_buf_init(out, KG_ENTRY_TEXT_MAX);
	kg_buf_init(&whole, WHOLE_MAX);
	line = line != NULL ? line + 1 : prompt->data;
	kg_buf_put(&whole, line, (size_t)(end - line));
	kg_buf_put(&whole, answer->data, answer->size);
	err = kg_buf_ok(&whole);
	if (err == KG_OK) {
		kg_entry_readable(out, whole.data, whole.size);
		err = kg_buf_ok(out);
	}
	kg_buf_release(&whole);
	return err;
}

kg_err kg_entry_set_generated(kg_entry *entry, const kg_entry_sampler *sampler, const void *prompt,
			      size_t prompt_size, const void *answer, size_t answer_size)
{
	kg_buf text;
	kg_err err;

	if (!entry->has_genome)
		return kg_fail(KG_EINVAL, "a generated text needs its genome");
	err = set_bytes(&entry->prompt, "the prompt", prompt, prompt_size);
	if (err != KG_OK)
		return err;
	err = set_bytes(&entry->answer, "the answer", answer, answer_size);
	if (err != KG_OK)
		return err;
	err = readable_of(&text, &entry->prompt, &entry->answer);
	if (err == KG_OK)
		err = set_bytes(&entry->text, "the text", text.data, text.size);
	kg_buf_release(&text);
	if (err != KG_OK)
		return err;
	entry->has_sampler = true;
	entry->sampler = *sampler;
	return KG_OK;
}

kg_err kg_entry_place(kg_entry *entry, const kg_pubkey *swarm, const kg_key *author,
		      const char *name, const kg_chain_head *previous, int64_t now_ms)
{
	kg_err err = kg_name_check(name);

	if (err != KG_OK)
		return err;
	entry->swarm = *swarm;
	entry->agent = *kg_key_public(author);
	memset(entry->agent_name, 0, sizeof(entry->agent_name));
	memcpy(entry->agent_name, name, strlen(name) + 1);
	entry->sequence = previous->sequence + 1;
	entry->time_ms = now_ms;
	entry->time_counter = 0;
	if (previous->sequence == 0 || now_ms > previous->time_ms)
		return KG_OK;
	entry->time_ms = previous->time_ms;
	entry->time_counter = (uint16_t)(previous->time_counter + 1);
	if (entry->time_counter == 0)
		entry->time_ms++;
	return KG_OK;
}

static bool in_unit(double value)
{
	return value >= 0.0 && value <= 1.0; /* false for NaN */
}

static kg_err check_numbers(const kg_entry *e)
{
	const kg_entry_parts *p = &e->parts;

	if (e->has_confidence && !in_unit(e->confidence))
		return kg_fail(KG_EINVAL, "confidence is outside 0..1");
	if (e->has_level && !in_unit(e->level))
		return kg_fail(KG_EINVAL, "consciousness is outside 0..1");
	if (!e->has_parts)
		return KG_OK;
	if (!in_unit(p->quantization_awareness) || !in_unit(p->complex_understanding) ||
	    !in_unit(p->compression_readiness) || !in_unit(p->pedagogical_capacity))
		return kg_fail(KG_EINVAL, "a part of the coefficient is outside 0..1");
	/* Each of the five numbers is rounded to 1e-6 on its own. */
	if (!e->has_level || fabs(e->level - parts_mean(p)) > 2e-6)
		return kg_fail(KG_EINVAL, "consciousness is not the mean of its parts");
	return KG_OK;
}

static kg_err check_tags(const kg_entry *e)
{
	if (e->tag_count > KG_ENTRY_TAGS_MAX || e->reference_count > KG_ENTRY_REFERENCES_MAX)
		return kg_fail(KG_EINVAL, "too many tags or references");
	for (size_t i = 0; i < e->tag_count; i++) {
		kg_err err = check_tag(e->tags[i]);

		if (err != KG_OK)
			return err;
		for (size_t k = 0; k < i; k++)
			if (strcmp(e->tags[i], e->tags[k]) == 0)
				return kg_fail(KG_EINVAL, "tag \"%s\" given twice", e->tags[i]);
	}
	return KG_OK;
}

static kg_err check_generated(const kg_entry *e)
{
	size_t strategy = strnlen(e->genome.strategy, sizeof(e->genome.strategy));
	kg_buf text;
	kg_err err;

	if (e->has_genome) {
		if (strategy < 1 || strategy > KG_ENTRY_STRATEGY_MAX)
			return kg_fail(KG_EINVAL, "strategy is not 1..%d characters",
				       KG_ENTRY_STRATEGY_MAX);
		for (size_t i = 0; i < strategy; i++)
			if (e->genome.strategy[i] <= ' ' || e->genome.strategy[i] > '~')
				return kg_fail(KG_EINVAL, "strategy is not printable ASCII");
	}
	if (e->has_sampler != (e->prompt.data != NULL) ||
	    e->has_sampler != (e->answer.data != NULL) || (e->has_sampler && !e->has_genome))
		return kg_fail(KG_EINVAL, "genome, sampler, prompt and answer come together");
	if (!e->has_sampler)
		return KG_OK;
	if (!(e->sampler.temperature >= 0.0 && e->sampler.temperature <= 100.0) ||
	    !in_unit(e->sampler.top_p))
		return kg_fail(KG_EINVAL, "sampler settings are out of range");
	err = readable_of(&text, &e->prompt, &e->answer);
	if (err == KG_OK && (text.size != e->text.size ||
			     (text.size > 0 && memcmp(text.data, e->text.data, text.size) != 0)))
		err = kg_fail(KG_EINVAL,
			      "the text is not the readable form of question and answer");
	kg_buf_release(&text);
	return err;
}

static kg_err check_keys(const kg_entry *e)
{
	bool by_swarm = kg_pubkey_equal(&e->agent, &e->swarm);
	bool witness = e->type == KG_ENTRY_CHECKPOINT || e->type == KG_ENTRY_REVOCATION;

	if (witness && !by_swarm)
		return kg_fail(KG_EINVAL, "a %s is for the swarm key alone", type_names[e->type]);
	if (e->head_count > 0 && !witness)
		return kg_fail(KG_EINVAL, "heads in an entry that is no checkpoint");
	if (e->member_count > 0 && (e->type != KG_ENTRY_LINEAGE || !by_swarm))
		return kg_fail(KG_EINVAL, "members in an entry that is no lineage of the swarm");
	if (e->type == KG_ENTRY_REVOCATION && e->head_count != 1)
		return kg_fail(KG_EINVAL, "a revocation names one key");
	for (size_t i = 1; i < e->head_count; i++)
		if (compare_keys(&e->heads[i - 1].agent, &e->heads[i].agent) >= 0)
			return kg_fail(KG_EINVAL, "heads are not in order");
	for (size_t i = 1; i < e->member_count; i++)
		if (compare_keys(&e->members[i - 1].agent, &e->members[i].agent) >= 0)
			return kg_fail(KG_EINVAL, "members are not in order");
	return KG_OK;
}

kg_err kg_entry_check(const kg_entry *e)
{
	kg_err err;

	if ((unsigned)e->type >= KG_ENTRY_TYPES)
		return kg_fail(KG_EINVAL, "unknown type of entry %u", (unsigned)e->type);
	if (e->sequence < 1 || e->sequence > INT64_MAX)
		return kg_fail(KG_EINVAL, "sequence is out of range");
	if (e->time_ms < 0 || e->time_ms > time_ms_max)
		return kg_fail(KG_EINVAL, "time is out of range");
	if (e->text.size > KG_ENTRY_TEXT_MAX || e->prompt.size > KG_ENTRY_TEXT_MAX ||
	    e->answer.size > KG_ENTRY_TEXT_MAX)
		return kg_fail(KG_EINVAL, "text, prompt or answer is too long");
	err = kg_name_check(e->agent_name);
	if (err == KG_OK)
		err = check_text(&e->text);
	if (err == KG_OK)
		err = check_tags(e);
	if (err == KG_OK)
		err = check_numbers(e);
	if (err == KG_OK)
		err = check_generated(e);
	if (err == KG_OK)
		err = check_keys(e);
	return err;
}

void kg_entry_id_format(char text[KG_HASH_TEXT_SIZE], const kg_entry_id *id)
{
	kg_hex_encode(text, id->bytes, sizeof(id->bytes));
}

kg_err kg_entry_id_parse(kg_entry_id *id, const char *text)
{
	return kg_hex_decode(id->bytes, sizeof(id->bytes), text);
}

void kg_commit_format(char text[KG_COMMIT_TEXT_SIZE], const kg_commit *commit)
{
	kg_hex_encode(text, commit->bytes, sizeof(commit->bytes));
}

kg_err kg_commit_parse(kg_commit *commit, const char *text)
{
	return kg_hex_decode(commit->bytes, sizeof(commit->bytes), text);
}

/* Not by libgit2, which an agent would load for this alone. libmd has come with ZeroMQ already;
 * git's own, with its look-out for collisions, names whatever is stored. */
void kg_commit_id(kg_commit *commit, const void *object, size_t size)
{
	char header[32];
	int length = snprintf(header, sizeof(header), "commit %zu", size);
	SHA1_CTX sha1;

	SHA1Init(&sha1);
	SHA1Update(&sha1, (const uint8_t *)header, (size_t)length + 1); /* with its terminator */
	SHA1Update(&sha1, object, size);
	SHA1Final(commit->bytes, &sha1);
}
