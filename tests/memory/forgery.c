/* SPDX-License-Identifier: MIT */
#include "tests/memory/forgery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "identity/sshsig.h"
#include "memory/entry.h"

void forgery_replace(kg_buf *bytes, const char *from, const void *to, size_t to_size)
{
	const char *at = memmem(bytes->data, bytes->size, from, strlen(from));
	size_t before;
	kg_buf made;

	if (at == NULL)
		fail_msg("nothing to replace: %s", from);
	before = (size_t)(at - (const char *)bytes->data);
	kg_buf_init(&made, 4 * KG_ENTRY_OBJECT_MAX);
	kg_buf_put(&made, bytes->data, before);
	kg_buf_put(&made, to, to_size);
	kg_buf_put(&made, bytes->data + before + strlen(from), bytes->size - before - strlen(from));
	assert_int_equal(kg_buf_ok(&made), KG_OK);
	kg_buf_release(bytes);
	*bytes = made;
}

/* Takes the signature out. */
void forgery_strip(kg_buf *object)
{
	static const char end_line[] = "-----END SSH SIGNATURE-----\n";
	uint8_t *begin = memmem(object->data, object->size, "gpgsig ", 7);
	uint8_t *end = memmem(object->data, object->size, end_line, sizeof(end_line) - 1);

	assert_non_null(begin);
	assert_non_null(end);
	end += sizeof(end_line) - 1;
	memmove(begin, end, (size_t)(object->data + object->size - end));
	object->size -= (size_t)(end - begin);
}

/* Puts an armour where git has it, lines folded. */
void forgery_put_armour(kg_buf *object, const char *armour)
{
	const char *end = memmem(object->data, object->size, "\n\n", 2);
	kg_buf folded;

	assert_non_null(end);
	kg_buf_init(&folded, 4096);
	kg_buf_puts(&folded, "\ngpgsig ");
	for (const char *at = armour; *at != '\0'; at++) {
		kg_buf_put_u8(&folded, (uint8_t)*at);
		if (*at == '\n')
			kg_buf_put_u8(&folded, ' ');
	}
	kg_buf_puts(&folded, "\n\n");
	forgery_replace(object, "\n\n", folded.data, folded.size);
	kg_buf_release(&folded);
}

void forgery_sign(kg_buf *payload, const kg_key *key)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];

	kg_sshsig_sign(armour, key, payload->data, payload->size);
	forgery_put_armour(payload, armour);
}

void forgery_put_string(kg_buf *out, const void *data, size_t size)
{
	kg_buf_put_u32be(out, (uint32_t)size);
	kg_buf_put(out, data, size);
}

/* An armour from its parts (OpenSSH PROTOCOL.sshsig), of any namespace, by any key. */
void forgery_armour(char armour[512], const char *space, const uint8_t key[32],
		    const uint8_t signature[64])
{
	char base64[512];
	kg_buf part;
	kg_buf blob;
	size_t length;
	char *at = stpcpy(armour, "-----BEGIN SSH SIGNATURE-----");

	kg_buf_init(&part, 256);
	kg_buf_init(&blob, 256);
	kg_buf_put(&blob, "SSHSIG\0\0\0\1", 10);
	forgery_put_string(&part, "ssh-ed25519", 11);
	forgery_put_string(&part, key, 32);
	forgery_put_string(&blob, part.data, part.size);
	forgery_put_string(&blob, space, strlen(space));
	forgery_put_string(&blob, "", 0);
	forgery_put_string(&blob, "sha512", 6);
	kg_buf_clear(&part);
	forgery_put_string(&part, "ssh-ed25519", 11);
	forgery_put_string(&part, signature, 64);
	forgery_put_string(&blob, part.data, part.size);
	kg_base64_encode(base64, blob.data, blob.size);
	length = strlen(base64);
	for (size_t i = 0; i < length; i += 70)
		at += sprintf(at, "\n%.70s", base64 + i);
	(void)stpcpy(at, "\n-----END SSH SIGNATURE-----");
	kg_buf_release(&part);
	kg_buf_release(&blob);
}
