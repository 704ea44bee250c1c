/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "memory/entry_impl.h"

static kg_err corrupt(const char *what)
{
	return kg_fail(KG_ECORRUPT, "%s", what);
}

static kg_err parse_message(kg_entry *e, const char *message, size_t size)
{
	const char *text = kg_entry__blank(message, size);
	const char *end = message + size;
	const char *trailers;
	size_t next = 0;
	kg_err err;

	if (text == NULL || end[-1] != '\n')
		return corrupt("no subject");
	text += 2;
	trailers = end - 1;
	while (trailers > text && (trailers[0] != '\n' || trailers[-1] != '\n'))
		trailers--;
	if (trailers <= text)
		return corrupt("no fields");
	trailers++; /* now the first byte of the last paragraph */
	/* Whether it may be a text is checked with all the rest before it is written again. */
	err = kg_entry__set_bytes(&e->text, "the text", text, (size_t)(trailers - 2 - text));
	while (err == KG_OK && trailers < end) {
		const char *line_end = memchr(trailers, '\n', (size_t)(end - trailers));

		err = kg_entry__parse_field(e, &next, trailers, (size_t)(line_end - trailers));
		trailers = line_end + 1;
	}
	return err;
}

/* Not by memmem, which looks at every byte of a header for a sign as rare as this. */
const char *kg_entry__blank(const void *bytes, size_t size)
{
	const char *at = bytes;
	const char *end = at + size;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		if (at + 1 < end && at[1] == '\n')
			return at;
		at++;
	}
	return NULL;
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

/* The second line of the header, if it is one; that the first is as long as it has to be is found
 * out with all the rest. */
static kg_err parse_parent(kg_entry_proof *proof, const char *header, size_t size)
{
	static const size_t at = sizeof("tree ") - 1 + 2 * KG_COMMIT_SIZE + 1;
	static const char key[] = "parent ";
	char text[KG_COMMIT_TEXT_SIZE];

	if (size < at + sizeof(key) + sizeof(text) ||
	    memcmp(header + at, key, sizeof(key) - 1) != 0)
		return KG_OK;
	memcpy(text, header + at + sizeof(key) - 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	proof->has_parent = true;
	return kg_commit_parse(&proof->parent, text) == KG_OK ? KG_OK : corrupt("its parent");
}

/* The one check that makes every other strictness needless: what was read, written again, must be
 * the bytes that were read. */
static kg_err check_canonical(const kg_entry *e, kg_entry_proof *proof, const void *payload,
			      size_t size)
{
	kg_entry__places places;
	kg_buf again;
	kg_err err;

	kg_buf_init(&again, size + 1);
	(void)kg_buf_reserve(&again, size); /* all there is to be in one piece */
	if (kg_entry__encode(&again, &places, e, proof->has_parent ? &proof->parent : NULL) !=
	    KG_OK) {
		err = again.failed == KG_ENOMEM ? KG_ENOMEM : KG_ECORRUPT;
	} else {
		err = again.size == size && memcmp(again.data, payload, size) == 0
			      ? KG_OK
			      : corrupt("another form than the only one");
	}
	if (err == KG_OK)
		kg_entry__id(&proof->id, payload, size, &places);
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
	message = size > 0 ? kg_entry__blank(header, size) : NULL;
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
	*entry = e;
	*proof = found;
	return KG_OK;
}
