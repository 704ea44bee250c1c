/* SPDX-License-Identifier: MIT */
#include "identity/generations.h"

#include <string.h>

#include "base/fs.h"
#include "base/hex.h"

static const char head[] = "kindergarten-generations 1\n";
static const char signed_by[] = "signature ";

enum { SIGNATURE_LINE = sizeof(signed_by) - 1 + 2 * KG_SIGNATURE_SIZE + 1 };

kg_err kg_generations_encode(kg_buf *out, const kg_swarm *swarm)
{
	uint8_t signature[KG_SIGNATURE_SIZE];
	char hex[2 * KG_SIGNATURE_SIZE + 1];
	const char *name;
	size_t start = out->size;
	kg_err err;

	kg_buf_puts(out, head);
	for (size_t i = 0; (name = kg_swarm_renewed(swarm, i)) != NULL; i++)
		kg_buf_printf(out, "%s %lu\n", name,
			      (unsigned long)kg_swarm_generation(swarm, name));
	err = kg_buf_ok(out);
	if (err != KG_OK)
		return err;
	kg_key_sign(kg_swarm_key(swarm), signature, out->data + start, out->size - start);
	kg_hex_encode(hex, signature, sizeof(signature));
	kg_buf_printf(out, "%s%s\n", signed_by, hex);
	return kg_buf_ok(out);
}

/* One line, as encode writes it, behind the name `before`. */
static kg_err line_read(kg_swarm *swarm, const char *line, size_t length, const char *before)
{
	char name[KG_NAME_SIZE];
	const char *space = memchr(line, ' ', length);
	size_t name_size = space != NULL ? (size_t)(space - line) : 0;
	size_t digits = length - name_size - 1;
	uint32_t generation = 0;

	if (name_size < 1 || name_size > KG_NAME_MAX || digits < 1 || digits > 4 || space[1] == '0')
		return kg_fail(KG_ECORRUPT, "generations: no name and number in a line");
	memcpy(name, line, name_size);
	name[name_size] = '\0';
	for (size_t i = 1; i <= digits; i++) {
		if (space[i] < '0' || space[i] > '9')
			return kg_fail(KG_ECORRUPT, "generations: no name and number in a line");
		generation = 10 * generation + (uint32_t)(space[i] - '0');
	}
	if (strlen(name) != name_size || kg_name_check(name) != KG_OK ||
	    (before != NULL && strcmp(before, name) >= 0))
		return kg_fail(KG_ECORRUPT, "generations: not a name, or not in order");
	return kg_swarm_set_generation(swarm, name, generation);
}

static kg_err lines_read(kg_swarm *swarm, const char *at, const char *end)
{
	kg_err err = KG_OK;

	for (size_t n = 0; err == KG_OK && at < end; n++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		KG_ASSERT(newline != NULL);
		err = line_read(swarm, at, (size_t)(newline - at),
				n > 0 ? kg_swarm_renewed(swarm, n - 1) : NULL);
		at = newline + 1;
	}
	return err;
}

static void forget(kg_swarm *swarm)
{
	const char *name;

	while ((name = kg_swarm_renewed(swarm, 0)) != NULL) {
		char copy[KG_NAME_SIZE];

		memcpy(copy, name, strlen(name) + 1);
		KG_ASSERT(kg_swarm_set_generation(swarm, copy, 0) == KG_OK);
	}
}

kg_err kg_generations_decode(kg_swarm *swarm, const char *text, size_t length)
{
	uint8_t signature[KG_SIGNATURE_SIZE];
	char hex[2 * KG_SIGNATURE_SIZE + 1];
	const char *last;
	kg_err err;

	forget(swarm);
	if (length < strlen(head) + SIGNATURE_LINE || length > KG_GENERATIONS_FILE_MAX ||
	    memcmp(text, head, strlen(head)) != 0)
		return kg_fail(KG_ECORRUPT, "generations: not such a file, or cut short");
	last = text + length - SIGNATURE_LINE;
	if (last[-1] != '\n' || memcmp(last, signed_by, strlen(signed_by)) != 0 ||
	    text[length - 1] != '\n')
		return kg_fail(KG_ECORRUPT, "generations: no signature at the end");
	memcpy(hex, last + strlen(signed_by), 2 * KG_SIGNATURE_SIZE);
	hex[2 * KG_SIGNATURE_SIZE] = '\0';
	if (kg_hex_decode(signature, sizeof(signature), hex) != KG_OK)
		return kg_fail(KG_ECORRUPT, "generations: no signature at the end");
	err = kg_pubkey_verify(kg_swarm_id(swarm), signature, text, (size_t)(last - text));
	if (err == KG_OK)
		err = lines_read(swarm, text + strlen(head), last);
	if (err != KG_OK)
		forget(swarm);
	return err;
}

kg_err kg_generations_read(kg_swarm *swarm, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = kg_path(path, "%s/keys/generations", state_dir);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, KG_GENERATIONS_FILE_MAX);
	err = kg_fs_read(&text, path);
	if (err == KG_OK)
		err = kg_generations_decode(swarm, kg_buf_text(&text), text.size);
	kg_buf_release(&text);
	return err;
}

kg_err kg_generations_write(const kg_swarm *swarm, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = kg_path(path, "%s/keys/generations", state_dir);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, KG_GENERATIONS_FILE_MAX);
	err = kg_generations_encode(&text, swarm);
	/* The same keys sign the same bytes: what says so already is left alone. */
	if (err == KG_OK)
		err = kg_fs_update(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	return err;
}
