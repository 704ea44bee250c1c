/* SPDX-License-Identifier: MIT */
#include "memory/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sha1.h>

#include "base/hex.h"
#include "memory/entry_impl.h"

static const char *const type_names[KG_ENTRY_TYPES] = {
	"birth", "insight",   "observation", "learning",   "reflection", "question",
	"trace", "heartbeat", "lineage",     "checkpoint", "revocation",
};

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
	free(entry->peers);
	free(entry->origin.content.data);
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

kg_err kg_entry__set_bytes(kg_entry_bytes *bytes, const char *what, const void *data, size_t size)
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

kg_err kg_entry_set_text(kg_entry *entry, const char *text, size_t size)
{
	kg_entry_bytes bytes = {0};
	kg_err err;

	err = kg_entry__set_bytes(&bytes, "the text", text, size);
	if (err != KG_OK)
		return err;
	err = kg_entry__check_text(&bytes);
	if (err != KG_OK) {
		free(bytes.data);
		return err;
	}
	free(entry->text.data);
	entry->text = bytes;
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
	kg_err err = kg_entry__check_tag(tag);

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
			return kg_entry__check_tag(list);
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

/* The sorted place of `key` among elements that begin with theirs; KG_EINVAL when it is there. */
static kg_err find_place(const void *array, size_t count, size_t element, const kg_pubkey *key,
			 size_t *at)
{
	const uint8_t *bytes = array;
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(bytes + middle * element, key->bytes, sizeof(key->bytes)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < count && memcmp(bytes + low * element, key->bytes, sizeof(key->bytes)) == 0)
		return kg_fail(KG_EINVAL, "the same key twice in one entry");
	*at = low;
	return KG_OK;
}

/* Room for one more at the sorted place of `key` in an array on the heap. The capacity is the next
 * power of two, so that growth needs no field. */
static kg_err make_room(void **array, size_t count, size_t count_max, size_t element,
			const kg_pubkey *key, size_t *at)
{
	uint8_t *bytes = *array;
	kg_err err;

	if (count == count_max)
		return kg_fail(KG_EFULL, "more than %zu keys in one entry", count_max);
	err = find_place(*array, count, element, key, at);
	if (err != KG_OK)
		return err;
	if ((count & (count - 1)) == 0) {
		bytes = realloc(*array, (count == 0 ? 1 : 2 * count) * element);
		if (bytes == NULL)
			return kg_fail(KG_ENOMEM, "no memory for %zu keys", count + 1);
		*array = bytes;
	}
	memmove(bytes + (*at + 1) * element, bytes + *at * element, (count - *at) * element);
	return KG_OK;
}

kg_err kg_entry_add_head(kg_entry *entry, const kg_entry_head *head)
{
	void *array = entry->heads;
	size_t at = 0;
	kg_err err;

	_Static_assert(offsetof(kg_entry_head, agent) == 0, "find_place compares first bytes");
	err = make_room(&array, entry->head_count, KG_ENTRY_HEADS_MAX, sizeof(*head), &head->agent,
			&at);
	if (err != KG_OK)
		return err;
	entry->heads = array;
	entry->heads[at] = *head;
	entry->head_count++;
	return KG_OK;
}

kg_err kg_entry__put_name(kg_entry_member **names, size_t *count, size_t count_max,
			  const kg_pubkey *key, const char *name)
{
	void *array = *names;
	size_t at = 0;
	kg_err err;

	_Static_assert(offsetof(kg_entry_member, agent) == 0, "find_place compares first bytes");
	err = kg_name_check(name);
	if (err == KG_OK)
		err = make_room(&array, *count, count_max, sizeof(**names), key, &at);
	if (err != KG_OK)
		return err;
	*names = array;
	memset(&(*names)[at], 0, sizeof((*names)[at]));
	(*names)[at].agent = *key;
	memcpy((*names)[at].name, name, strlen(name) + 1);
	(*count)++;
	return KG_OK;
}

kg_err kg_entry_add_member(kg_entry *entry, const kg_pubkey *agent, const char *name)
{
	kg_err err = kg_pubkey_check(agent);

	return err != KG_OK ? err
			    : kg_entry__put_name(&entry->members, &entry->member_count,
						 KG_ENTRY_MEMBERS_MAX, agent, name);
}

kg_err kg_entry_add_peer(kg_entry *entry, const kg_pubkey *swarm, const char *name)
{
	kg_err err = kg_pubkey_check(swarm);

	return err != KG_OK ? err
			    : kg_entry__put_name(&entry->peers, &entry->peer_count,
						 KG_ENTRY_PEERS_MAX, swarm, name);
}

kg_err kg_entry__put_seen(kg_entry *entry, const kg_entry_head *head)
{
	size_t at = 0;
	kg_err err;

	if (entry->seen_count == KG_ENTRY_SEEN_MAX)
		return kg_fail(KG_EFULL, "more than %d chains seen", KG_ENTRY_SEEN_MAX);
	err = find_place(entry->seen, entry->seen_count, sizeof(*head), &head->agent, &at);
	if (err != KG_OK)
		return err;
	memmove(&entry->seen[at + 1], &entry->seen[at],
		(entry->seen_count - at) * sizeof(entry->seen[0]));
	entry->seen[at] = *head;
	entry->seen_count++;
	return KG_OK;
}

static void see_time(kg_entry *entry, const kg_chain_head *head)
{
	if (head->time_ms < entry->seen_ms ||
	    (head->time_ms == entry->seen_ms && head->time_counter < entry->seen_counter))
		return;
	entry->seen_ms = head->time_ms;
	entry->seen_counter = head->time_counter;
}

kg_err kg_entry_add_seen(kg_entry *entry, const kg_pubkey *agent, const kg_chain_head *head)
{
	kg_entry_head seen = {*agent, head->sequence, head->commit};
	kg_err err;

	if (head->sequence < 1)
		return kg_fail(KG_EINVAL, "an empty chain shows nothing");
	err = kg_entry__put_seen(entry, &seen);
	if (err != KG_OK)
		return err;
	see_time(entry, head);
	return KG_OK;
}

kg_err kg_entry_set_successor(kg_entry *entry, const kg_pubkey *key)
{
	kg_err err = kg_pubkey_check(key);

	if (err != KG_OK)
		return err;
	entry->has_successor = true;
	entry->successor = *key;
	return KG_OK;
}

kg_err kg_entry_set_predecessor(kg_entry *entry, const kg_pubkey *old, const kg_chain_head *last)
{
	if (last->sequence < 1)
		return kg_fail(KG_EINVAL, "an empty chain names no successor");
	entry->has_predecessor = true;
	entry->predecessor = (kg_entry_head){*old, last->sequence, last->commit};
	see_time(entry, last);
	return KG_OK;
}

kg_err kg_entry_set_epoch(kg_entry *entry, const kg_entry_epoch *epoch)
{
	if (epoch->number < 1 || epoch->old.sequence < 1)
		return kg_fail(KG_EINVAL, "the first epoch has no root");
	entry->has_epoch = true;
	entry->epoch = *epoch;
	return KG_OK;
}

kg_err kg_entry_set_sealed(kg_entry *entry, const uint8_t digest[KG_HASH_SIZE], uint64_t size,
			   const kg_pubkey *recipients, size_t count)
{
	kg_entry_sealed sealed = {.size = size};

	if (size < 1 || size > KG_ENTRY_SEALED_MAX)
		return kg_fail(KG_EINVAL, "sealed content is not of 1..%d bytes",
			       KG_ENTRY_SEALED_MAX);
	if (count > KG_ENTRY_RECIPIENTS_MAX)
		return kg_fail(KG_EFULL, "more than %d recipients", KG_ENTRY_RECIPIENTS_MAX);
	memcpy(sealed.digest, digest, sizeof(sealed.digest));
	for (size_t i = 0; i < count; i++) {
		size_t at = 0;
		kg_err err = kg_pubkey_check(&recipients[i]);

		if (err == KG_OK)
			err = find_place(sealed.recipients, i, sizeof(recipients[i]),
					 &recipients[i], &at);
		if (err != KG_OK)
			return err;
		memmove(&sealed.recipients[at + 1], &sealed.recipients[at],
			(i - at) * sizeof(recipients[i]));
		sealed.recipients[at] = recipients[i];
	}
	sealed.recipient_count = count;
	entry->has_sealed = true;
	entry->sealed = sealed;
	return kg_entry_set_text(entry, KG_ENTRY_SEALED_TEXT, sizeof(KG_ENTRY_SEALED_TEXT) - 1);
}

kg_err kg_entry_set_origin(kg_entry *entry, const kg_pubkey *author, const char *time,
			   const uint8_t signature[KG_SIGNATURE_SIZE], const void *content,
			   size_t size)
{
	kg_err err = kg_pubkey_check(author);

	if (err == KG_OK)
		err = kg_entry__check_time(time);
	if (err == KG_OK)
		err = kg_entry__set_bytes(&entry->origin.content, "the message", content, size);
	if (err != KG_OK)
		return err;
	entry->has_origin = true;
	entry->origin.author = *author;
	memset(entry->origin.time, 0, sizeof(entry->origin.time));
	memcpy(entry->origin.time, time, strlen(time) + 1);
	memcpy(entry->origin.signature, signature, KG_SIGNATURE_SIZE);
	return KG_OK;
}

kg_err kg_entry_carry(kg_entry *entry, uint64_t sequence)
{
	if (entry->sequence >= sequence)
		return kg_fail(KG_EINVAL, "an entry is carried over to a later place");
	entry->carried = entry->sequence;
	entry->sequence = sequence;
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

void kg_entry_set_parts(kg_entry *entry, const kg_entry_parts *parts)
{
	entry->has_parts = true;
	entry->parts = *parts;
	kg_entry_set_level(entry, kg_entry__parts_mean(parts));
}

kg_err kg_entry_set_generated(kg_entry *entry, const kg_entry_sampler *sampler, const void *prompt,
			      size_t prompt_size, const void *answer, size_t answer_size)
{
	kg_buf text;
	kg_err err;

	if (!entry->has_genome)
		return kg_fail(KG_EINVAL, "a generated text needs its genome");
	err = kg_entry__set_bytes(&entry->prompt, "the prompt", prompt, prompt_size);
	if (err != KG_OK)
		return err;
	err = kg_entry__set_bytes(&entry->answer, "the answer", answer, answer_size);
	if (err != KG_OK)
		return err;
	err = kg_entry__readable_of(&text, &entry->prompt, &entry->answer);
	if (err == KG_OK)
		err = kg_entry__set_bytes(&entry->text, "the text", text.data, text.size);
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
	int64_t last_ms = INT64_MIN;
	uint16_t last_counter = 0;

	if (err != KG_OK)
		return err;
	entry->swarm = *swarm;
	entry->agent = *kg_key_public(author);
	memset(entry->agent_name, 0, sizeof(entry->agent_name));
	memcpy(entry->agent_name, name, strlen(name) + 1);
	entry->sequence = previous->sequence + 1;
	if (previous->sequence > 0) {
		last_ms = previous->time_ms;
		last_counter = previous->time_counter;
	}
	if ((entry->seen_count > 0 || entry->has_predecessor) &&
	    (entry->seen_ms > last_ms ||
	     (entry->seen_ms == last_ms && entry->seen_counter > last_counter))) {
		last_ms = entry->seen_ms;
		last_counter = entry->seen_counter;
	}
	entry->time_ms = now_ms;
	entry->time_counter = 0;
	if (now_ms > last_ms)
		return KG_OK;
	entry->time_ms = last_ms;
	entry->time_counter = (uint16_t)(last_counter + 1);
	if (entry->time_counter == 0)
		entry->time_ms++;
	return KG_OK;
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
