/* SPDX-License-Identifier: MIT */
#include "memory/entry_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory/quote.h"

/* Where git cuts a message off before it looks for trailers (wt-status.c). In a text it would let
 * the trailers above it pass for ours. */
static const char cut_line[] = "------------------------ >8 ------------------------";

enum { WHOLE_MAX = 2 * KG_ENTRY_TEXT_MAX };

static const int64_t time_ms_max = 253402300799999; /* end of the year 9999 */

static bool is_text_point(uint32_t point)
{
	return (point >= 0x20 && point != 0x7f && !(point >= 0x80 && point < 0xa0)) ||
	       point == '\t' || point == '\n' || point == '\r';
}

/* Where the line is that would cut a message off; NULL: nowhere. Looks for its rarest sign first.
 */
static uint8_t *find_cut(uint8_t *text, size_t size)
{
	static const size_t before = 25; /* signs of the line before the scissors */
	uint8_t *end = text + size;
	uint8_t *at = text;

	while ((at = memchr(at, '>', (size_t)(end - at))) != NULL) {
		if ((size_t)(at - text) >= before &&
		    (size_t)(end - at) >= sizeof(cut_line) - 1 - before &&
		    memcmp(at - before, cut_line, sizeof(cut_line) - 1) == 0)
			return at - before;
		at++;
	}
	return NULL;
}

kg_err kg_entry__check_text(const kg_entry_bytes *text)
{
	for (size_t i = 0; i < text->size;) {
		uint32_t point = text->data[i];
		size_t step = 1;

		if (point >= 0x80)
			step = kg_utf8_step(&point, text->data + i, text->size - i);
		if (step == 0)
			return kg_fail(KG_EINVAL, "the text is not UTF-8 at byte %zu", i);
		if (!is_text_point(point))
			return kg_fail(KG_EINVAL, "the text holds a control character at byte %zu",
				       i);
		i += step;
	}
	if (text->size > 0 && find_cut(text->data, text->size) != NULL)
		return kg_fail(KG_EINVAL, "the text holds git's scissors line");
	return KG_OK;
}

kg_err kg_entry__check_tag(const char *tag)
{
	size_t length = 0;

	while ((tag[length] >= 'a' && tag[length] <= 'z') ||
	       (tag[length] >= '0' && tag[length] <= '9') || tag[length] == '.' ||
	       tag[length] == '_' || tag[length] == '-')
		length++;
	if (length < 1 || length > KG_ENTRY_TAG_MAX || tag[length] != '\0')
		return kg_fail(KG_EINVAL, "tag \"%.60s\" is not 1..%d of a-z 0-9 . _ -", tag,
			       KG_ENTRY_TAG_MAX);
	return KG_OK;
}

void kg_entry_readable(kg_buf *out, const void *data, size_t size)
{
	const uint8_t *at = data;
	size_t start = out->size;
	uint8_t *cut;

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
	while ((cut = find_cut(out->data + start, out->size - start)) != NULL)
		cut[24] = '-'; /* the space before the scissors */
}

kg_err kg_entry__readable_of(kg_buf *out, const kg_entry_bytes *prompt,
			     const kg_entry_bytes *answer)
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

double kg_entry__parts_mean(const kg_entry_parts *p)
{
	return (p->quantization_awareness + p->complex_understanding + p->compression_readiness +
		p->pedagogical_capacity) /
	       4;
}

static int compare_keys(const kg_pubkey *a, const kg_pubkey *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
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
	if (!e->has_level || fabs(e->level - kg_entry__parts_mean(p)) > 2e-6)
		return kg_fail(KG_EINVAL, "consciousness is not the mean of its parts");
	return KG_OK;
}

static kg_err check_tags(const kg_entry *e)
{
	if (e->tag_count > KG_ENTRY_TAGS_MAX || e->reference_count > KG_ENTRY_REFERENCES_MAX)
		return kg_fail(KG_EINVAL, "too many tags or references");
	for (size_t i = 0; i < e->tag_count; i++) {
		kg_err err = kg_entry__check_tag(e->tags[i]);

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
	err = kg_entry__readable_of(&text, &e->prompt, &e->answer);
	if (err == KG_OK && (text.size != e->text.size ||
			     (text.size > 0 && memcmp(text.data, e->text.data, text.size) != 0)))
		err = kg_fail(KG_EINVAL,
			      "the text is not the readable form of question and answer");
	kg_buf_release(&text);
	return err;
}

kg_err kg_entry__check_time(const char *time)
{
	static const char shape[] = "0000-00-00T00:00:00";
	static const char zone[] = "+00:00";
	size_t at = sizeof(shape) - 1;
	size_t digits = 0;

	if (strnlen(time, KG_ENTRY_ORIGIN_TIME_MAX + 1) > KG_ENTRY_ORIGIN_TIME_MAX)
		return kg_fail(KG_EINVAL, "a time is at most %d characters",
			       KG_ENTRY_ORIGIN_TIME_MAX);
	for (size_t i = 0; i < at; i++)
		if (shape[i] == '0' ? time[i] < '0' || time[i] > '9' : time[i] != shape[i])
			return kg_fail(KG_EINVAL, "a time is not of the form %s", shape);
	if (time[at] == '.') {
		while (time[at + 1 + digits] >= '0' && time[at + 1 + digits] <= '9')
			digits++;
		if (digits < 1 || digits > 9)
			return kg_fail(KG_EINVAL, "a second has 1 to 9 digits behind its point");
		at += 1 + digits;
	}
	if (strcmp(time + at, "Z") == 0)
		return KG_OK;
	for (size_t i = 0; i < sizeof(zone); i++)
		if (zone[i] == '0'   ? time[at + i] < '0' || time[at + i] > '9'
		    : zone[i] == '+' ? time[at + i] != '+' && time[at + i] != '-'
				     : time[at + i] != zone[i])
			return kg_fail(KG_EINVAL, "a time ends in Z or in its distance from it");
	return KG_OK;
}

/* Content that is elsewhere, or was said elsewhere. */
static kg_err check_elsewhere(const kg_entry *e)
{
	static const char text[] = KG_ENTRY_SEALED_TEXT;
	const kg_entry_sealed *s = &e->sealed;

	if (e->has_origin != (e->origin.content.data != NULL) ||
	    e->origin.content.size > KG_ENTRY_TEXT_MAX)
		return kg_fail(KG_EINVAL, "an origin without its message, or too long a one");
	if (e->has_origin && (e->has_sampler || e->has_sealed))
		return kg_fail(KG_EINVAL, "a text is generated, sealed, or of another protocol");
	if (!e->has_sealed)
		return e->has_origin ? kg_entry__check_time(e->origin.time) : KG_OK;
	if (e->has_sampler || e->type == KG_ENTRY_LINEAGE || e->type == KG_ENTRY_CHECKPOINT ||
	    e->type == KG_ENTRY_REVOCATION)
		return kg_fail(KG_EINVAL, "an entry of this kind cannot be sealed");
	if (e->text.size != sizeof(text) - 1 || memcmp(e->text.data, text, sizeof(text) - 1) != 0)
		return kg_fail(KG_EINVAL, "a sealed entry has another text than the fixed one");
	if (s->size < 1 || s->size > KG_ENTRY_SEALED_MAX ||
	    s->recipient_count > KG_ENTRY_RECIPIENTS_MAX)
		return kg_fail(KG_EINVAL, "sealed content or its recipients are out of range");
	for (size_t i = 1; i < s->recipient_count; i++)
		if (compare_keys(&s->recipients[i - 1], &s->recipients[i]) >= 0)
			return kg_fail(KG_EINVAL, "recipients are not in order");
	return KG_OK;
}

static kg_err check_seen(const kg_entry *e)
{
	if (e->seen_count > KG_ENTRY_SEEN_MAX)
		return kg_fail(KG_EINVAL, "too many chains seen");
	for (size_t i = 0; i < e->seen_count; i++) {
		const kg_entry_head *h = &e->seen[i];

		if (h->sequence < 1 || h->sequence > INT64_MAX ||
		    kg_pubkey_equal(&h->agent, &e->agent))
			return kg_fail(KG_EINVAL, "an entry that cannot have been seen");
		if (i > 0 && compare_keys(&e->seen[i - 1].agent, &h->agent) >= 0)
			return kg_fail(KG_EINVAL, "chains seen are not in order");
	}
	return KG_OK;
}

/* A revocation takes a key away and names its last entry, or puts entries in quarantine. */
static kg_err check_revocation(const kg_entry *e)
{
	static const kg_commit none;
	const kg_entry_head *head = e->heads;

	if (e->type != KG_ENTRY_REVOCATION)
		return KG_OK;
	if (e->head_count > 1 || (e->head_count == 1) == (e->reference_count > 0))
		return kg_fail(KG_EINVAL, "a revocation names one key, or entries");
	if (e->head_count == 0)
		return KG_OK;
	if (kg_pubkey_equal(&head->agent, &e->swarm))
		return kg_fail(KG_EINVAL, "a swarm cannot revoke its own key");
	if ((head->sequence == 0) !=
	    (memcmp(head->commit.bytes, none.bytes, sizeof(none.bytes)) == 0))
		return kg_fail(KG_EINVAL, "a revocation names an entry by sequence and commit");
	return KG_OK;
}

static kg_err check_names(const kg_entry_member *names, size_t count, const char *what)
{
	for (size_t i = 0; i < count; i++) {
		kg_err err = kg_name_check(names[i].name);

		if (err != KG_OK)
			return err;
		if (i > 0 && compare_keys(&names[i - 1].agent, &names[i].agent) >= 0)
			return kg_fail(KG_EINVAL, "%s are not in order", what);
	}
	return KG_OK;
}

/* What the swarm's chain says of others. */
static kg_err check_witness(const kg_entry *e)
{
	bool by_swarm = kg_pubkey_equal(&e->agent, &e->swarm);
	bool names = e->member_count > 0 || e->peer_count > 0;
	kg_err err;

	if (!by_swarm && (e->type == KG_ENTRY_CHECKPOINT || e->head_count > 0))
		return kg_fail(KG_EINVAL, "heads are for the swarm key alone");
	if (e->head_count > 0 && e->type != KG_ENTRY_CHECKPOINT && e->type != KG_ENTRY_REVOCATION)
		return kg_fail(KG_EINVAL, "heads in an entry that is no checkpoint");
	if (names && (e->type != KG_ENTRY_LINEAGE || !by_swarm))
		return kg_fail(KG_EINVAL, "members in an entry that is no lineage of the swarm");
	if (e->head_count > KG_ENTRY_HEADS_MAX || e->member_count > KG_ENTRY_MEMBERS_MAX ||
	    e->peer_count > KG_ENTRY_PEERS_MAX)
		return kg_fail(KG_EINVAL, "too many heads, members or peers");
	for (size_t i = 0; i < e->head_count; i++) {
		if (e->heads[i].sequence > INT64_MAX)
			return kg_fail(KG_EINVAL, "the sequence of a head is out of range");
		if (i > 0 && compare_keys(&e->heads[i - 1].agent, &e->heads[i].agent) >= 0)
			return kg_fail(KG_EINVAL, "heads are not in order");
	}
	for (size_t i = 0; i < e->peer_count; i++)
		if (kg_pubkey_equal(&e->peers[i].agent, &e->swarm))
			return kg_fail(KG_EINVAL, "a swarm is not its own peer");
	err = check_names(e->members, e->member_count, "members");
	if (err == KG_OK)
		err = check_names(e->peers, e->peer_count, "peers");
	return err == KG_OK ? check_revocation(e) : err;
}

/* Rotation: the swarm's own key is what everything hangs on, and cannot be replaced. */
static kg_err check_rotation(const kg_entry *e)
{
	const kg_entry_head *old = &e->predecessor;

	if (!e->has_successor && !e->has_predecessor)
		return KG_OK;
	if (e->type != KG_ENTRY_LINEAGE || kg_pubkey_equal(&e->agent, &e->swarm) || e->has_epoch)
		return kg_fail(KG_EINVAL, "a key is replaced in a lineage entry of its own");
	if (e->has_successor &&
	    (e->carried > 0 || e->has_predecessor || kg_pubkey_equal(&e->successor, &e->agent)))
		return kg_fail(KG_EINVAL, "a key is given up once, for another");
	if (e->has_predecessor &&
	    ((e->sequence != 1 && e->carried == 0) || kg_pubkey_equal(&old->agent, &e->agent) ||
	     old->sequence < 1 || old->sequence > INT64_MAX))
		return kg_fail(KG_EINVAL, "only the first entry of a key names the key before it");
	return KG_OK;
}

static kg_err check_epoch(const kg_entry *e)
{
	const kg_entry_epoch *epoch = &e->epoch;

	if ((e->has_epoch || e->carried > 0) && kg_pubkey_equal(&e->agent, &e->swarm))
		return kg_fail(KG_EINVAL, "the chain of a swarm has one epoch");
	if (e->carried >= e->sequence)
		return kg_fail(KG_EINVAL, "an entry is carried over to a later place");
	if (!e->has_epoch)
		return KG_OK;
	if (e->type != KG_ENTRY_LINEAGE || e->carried > 0)
		return kg_fail(KG_EINVAL, "the root of an epoch is a lineage entry");
	if (e->sequence < 2 || epoch->old.sequence != e->sequence - 1 ||
	    !kg_pubkey_equal(&epoch->old.agent, &e->agent))
		return kg_fail(KG_EINVAL, "the root of an epoch follows the end of the one before");
	if (epoch->number < 1 || epoch->number > epoch->old.sequence ||
	    epoch->kept > epoch->old.sequence ||
	    epoch->dropped > epoch->old.sequence - epoch->kept || epoch->kept + epoch->dropped == 0)
		return kg_fail(KG_EINVAL, "an epoch of numbers that cannot be");
	return KG_OK;
}

kg_err kg_entry_check(const kg_entry *e)
{
	static kg_err (*const parts[])(const kg_entry *) = {
		check_tags, check_numbers, check_generated, check_elsewhere,
		check_seen, check_witness, check_rotation,  check_epoch,
	};
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
		err = kg_entry__check_text(&e->text);
	for (size_t i = 0; err == KG_OK && i < sizeof(parts) / sizeof(parts[0]); i++)
		err = parts[i](e);
	return err;
}
