/* SPDX-License-Identifier: MIT */
/* What a message of mmogit says, as an entry. */
#include "memory/mmogit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { TAGS_LOOKED_AT = 256 };

/* How a structured memory is told: its type here, the tag that goes with it, and the members that
 * make its text, joined by ": ". */
typedef struct {
	const char *name;
	kg_entry_type type;
	const char *tag;
	const char *members[3];
} form;

static const form forms[] = {
	{"Observation", KG_ENTRY_OBSERVATION, NULL, {"subject", "insight", NULL}},
	{"Learning", KG_ENTRY_LEARNING, NULL, {"topic", "lesson", "context"}},
	{"Relationship", KG_ENTRY_OBSERVATION, "relationship", {"identity", "context", NULL}},
	{"Task", KG_ENTRY_OBSERVATION, "task", {"description", "status", NULL}},
	{"Experience", KG_ENTRY_OBSERVATION, "experience", {"description", NULL, NULL}},
	{"Reflection", KG_ENTRY_REFLECTION, NULL, {"observation", "comparison_to", NULL}},
	{"Question", KG_ENTRY_QUESTION, NULL, {"query", "answered", NULL}},
	{"Custom", KG_ENTRY_OBSERVATION, "custom", {"schema", "data", NULL}},
};

static const form *form_of(const json_t *memory)
{
	const char *type = json_string_value(json_object_get(memory, "type"));

	for (size_t i = 0; type != NULL && i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(type, forms[i].name) == 0)
			return &forms[i];
	return NULL;
}

/* Appends a member that says something the text does not say yet. */
static void put_member(kg_buf *text, const json_t *memory, const char *name)
{
	const json_t *value = json_object_get(memory, name);
	char *dumped = NULL;
	const char *said = json_string_value(value);

	if (value == NULL || json_is_null(value))
		return;
	if (said == NULL && kg_json_dump(&dumped, value) == KG_OK)
		said = dumped;
	if (said != NULL && said[0] != '\0' && strcmp(kg_buf_text(text), said) != 0)
		kg_buf_printf(text, "%s%s", text->size > 0 ? ": " : "", said);
	free(dumped);
}

static kg_err set_text(kg_entry *entry, const void *data, size_t size)
{
	kg_buf readable;
	kg_err err;

	kg_buf_init(&readable, KG_ENTRY_TEXT_MAX);
	kg_entry_readable(&readable, data, size);
	err = kg_buf_ok(&readable);
	if (err == KG_OK)
		err = kg_entry_set_text(entry, (const char *)readable.data, readable.size);
	kg_buf_release(&readable);
	return err;
}

/* A tag of theirs in our letters; none is left of one that has no letter of ours. */
static void add_tag(kg_entry *entry, const char *theirs)
{
	char tag[KG_ENTRY_TAG_MAX + 1];
	size_t size = 0;

	for (; *theirs != '\0' && size < KG_ENTRY_TAG_MAX; theirs++) {
		char c = (char)tolower((unsigned char)*theirs);

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_')
			tag[size++] = c;
		else if (size > 0 && tag[size - 1] != '-')
			tag[size++] = '-';
	}
	while (size > 0 && tag[size - 1] == '-')
		size--;
	tag[size] = '\0';
	/* One that does not fit any more is left out: the message itself still has it. */
	if (size > 0 && entry->tag_count < KG_ENTRY_TAGS_MAX && !kg_entry_has_tag(entry, tag) &&
	    kg_entry_add_tag(entry, tag) != KG_OK)
		return;
}

static kg_err take_structure(kg_entry *entry, const json_t *whole, const json_t *memory,
			     const form *f)
{
	const json_t *tags = json_object_get(whole, "tags");
	const json_t *confidence = json_object_get(memory, "confidence");
	kg_buf text;
	kg_err err;

	entry->type = f->type;
	if (f->tag != NULL)
		add_tag(entry, f->tag);
	for (size_t i = 0; i < json_array_size(tags) && i < TAGS_LOOKED_AT; i++)
		if (json_is_string(json_array_get(tags, i)))
			add_tag(entry, json_string_value(json_array_get(tags, i)));
	if (json_is_number(confidence) && json_number_value(confidence) >= 0 &&
	    json_number_value(confidence) <= 1)
		kg_entry_set_confidence(entry, json_number_value(confidence));
	kg_buf_init(&text, (size_t)4 * KG_ENTRY_TEXT_MAX);
	for (size_t i = 0; i < 3 && f->members[i] != NULL; i++)
		put_member(&text, memory, f->members[i]);
	err = kg_buf_ok(&text);
	if (err == KG_OK)
		err = set_text(entry, text.data, text.size);
	kg_buf_release(&text);
	return err;
}

/* The content as a structured memory; NULL when it is none. */
static json_t *structure_of(const kg_mmogit_message *m)
{
	json_t *whole = NULL;

	if (m->content.data[0] != '{' ||
	    kg_json_parse(&whole, m->content.data, m->content.size) != KG_OK)
		return NULL;
	if (form_of(json_object_get(whole, "memory")) != NULL)
		return whole;
	json_decref(whole);
	return NULL;
}

kg_err kg_mmogit_entry(kg_entry *out, const kg_mmogit_message *message)
{
	char tag[KG_MMOGIT_TAG_SIZE];
	json_t *whole = structure_of(message);
	const json_t *memory = json_object_get(whole, "memory");
	kg_entry entry;
	kg_err err;

	kg_mmogit_tag(tag, message);
	kg_entry_init(&entry, KG_ENTRY_OBSERVATION);
	err = kg_entry_add_tags(&entry, "mmogit");
	if (err == KG_OK)
		err = kg_entry_add_tag(&entry, tag);
	if (err == KG_OK && message->was_private)
		err = kg_entry_add_tag(&entry, "was-private");
	if (err == KG_OK && whole != NULL)
		err = take_structure(&entry, whole, memory, form_of(memory));
	else if (err == KG_OK)
		err = set_text(&entry, message->content.data, message->content.size);
	if (err == KG_OK)
		err = kg_entry_set_origin(&entry, &message->author, message->time,
					  message->signature, message->content.data,
					  message->content.size);
	json_decref(whole);
	if (err != KG_OK) {
		kg_entry_release(&entry);
		return err;
	}
	*out = entry;
	return KG_OK;
}
