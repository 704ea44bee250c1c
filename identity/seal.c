/* SPDX-License-Identifier: MIT */
#include "identity/seal.h"

#include <sodium.h>
#include <string.h>

#include "identity/secret.h"

enum {
	VERSION = 1,
	AT_VERSION = 8,
	AT_COUNT = 9,
	AT_RESERVED = 10,
	AT_NONCE = 12,
	LENGTH_SIZE = 4,
	ROOM_MIN = 256,
	TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	KEY_SIZE = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
	CONTEXT_SIZE = 2 * KG_PUBKEY_SIZE,
	BOXES_MAX = KG_SEAL_RECIPIENTS_MAX * KG_SEAL_BOX_SIZE
};

#define MAGIC "KGSEALED"

_Static_assert(KG_SEAL_BOX_SIZE == crypto_box_SEALBYTES + KEY_SIZE, "a box holds the data key");
_Static_assert(KG_SEAL_HEADER_SIZE - AT_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	       "nonce");

/* What the cipher covers beside the text. */
typedef struct {
	uint8_t bytes[CONTEXT_SIZE + KG_SEAL_HEADER_SIZE + BOXES_MAX];
	size_t size;
} associated;

static void associated_fill(associated *a, const kg_seal_context *context, const uint8_t *sealed,
			    size_t count)
{
	size_t open = KG_SEAL_HEADER_SIZE + count * KG_SEAL_BOX_SIZE;

	memcpy(a->bytes, context->swarm.bytes, KG_PUBKEY_SIZE);
	memcpy(a->bytes + KG_PUBKEY_SIZE, context->author.bytes, KG_PUBKEY_SIZE);
	memcpy(a->bytes + CONTEXT_SIZE, sealed, open);
	a->size = CONTEXT_SIZE + open;
}

/* Bytes for the text and the zeros behind it. */
static size_t room_for(size_t size)
{
	size_t room = ROOM_MIN;

	while (room < size)
		room *= 2;
	return room;
}

static kg_err recipients_check(const kg_pubkey *recipients, size_t count)
{
	if (count < 1 || count > KG_SEAL_RECIPIENTS_MAX)
		return kg_fail(KG_EINVAL, "sealed for 1 to %d keys, not %zu",
			       KG_SEAL_RECIPIENTS_MAX, count);
	for (size_t i = 0; i < count; i++) {
		kg_err err = kg_pubkey_check(&recipients[i]);

		if (err != KG_OK)
			return err;
		if (i > 0 &&
		    memcmp(recipients[i - 1].bytes, recipients[i].bytes, KG_PUBKEY_SIZE) >= 0)
			return kg_fail(KG_EINVAL, "the recipients are not in order");
	}
	return KG_OK;
}

static kg_err box_make(uint8_t box[KG_SEAL_BOX_SIZE], const uint8_t data_key[KEY_SIZE],
		       const kg_pubkey *recipient)
{
	uint8_t exchange[crypto_box_PUBLICKEYBYTES];

	if (crypto_sign_ed25519_pk_to_curve25519(exchange, recipient->bytes) != 0 ||
	    crypto_box_seal(box, data_key, KEY_SIZE, exchange) != 0)
		return kg_fail(KG_EDENIED, "not a public key that can be sealed for: low order");
	return KG_OK;
}

/* Header and boxes; then the cipher over the room, which is made in place. */
static kg_err seal_into(uint8_t *at, size_t room, const void *text, size_t size,
			const kg_seal_context *context, const kg_pubkey *recipients, size_t count,
			const uint8_t *data_key)
{
	uint8_t *cipher = at + KG_SEAL_HEADER_SIZE + count * KG_SEAL_BOX_SIZE;
	associated a;
	kg_err err = KG_OK;

	memcpy(at, MAGIC, AT_VERSION);
	at[AT_VERSION] = VERSION;
	at[AT_COUNT] = (uint8_t)count;
	memset(at + AT_RESERVED, 0, AT_NONCE - AT_RESERVED);
	randombytes_buf(at + AT_NONCE, KG_SEAL_HEADER_SIZE - AT_NONCE);
	for (size_t i = 0; err == KG_OK && i < count; i++)
		err = box_make(at + KG_SEAL_HEADER_SIZE + i * KG_SEAL_BOX_SIZE, data_key,
			       &recipients[i]);
	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < LENGTH_SIZE; i++)
		cipher[i] = (uint8_t)(size >> 8 * i);
	if (size > 0)
		memcpy(cipher + LENGTH_SIZE, text, size);
	memset(cipher + LENGTH_SIZE + size, 0, room - size);
	associated_fill(&a, context, at, count);
	KG_ASSERT(crypto_aead_xchacha20poly1305_ietf_encrypt(cipher, NULL, cipher,
							     LENGTH_SIZE + room, a.bytes, a.size,
							     NULL, at + AT_NONCE, data_key) == 0);
	return KG_OK;
}

kg_err kg_seal(kg_buf *out, const void *text, size_t size, const kg_seal_context *context,
	       const kg_pubkey *recipients, size_t count)
{
	size_t room = room_for(size);
	size_t sealed =
		KG_SEAL_HEADER_SIZE + count * KG_SEAL_BOX_SIZE + LENGTH_SIZE + room + TAG_SIZE;
	void *data_key = NULL;
	uint8_t *at;
	kg_err err;

	if (size > KG_SEAL_TEXT_MAX)
		return kg_fail(KG_EFULL, "a sealed text has at most %d bytes", KG_SEAL_TEXT_MAX);
	err = recipients_check(recipients, count);
	if (err == KG_OK)
		err = kg_secret_new(&data_key, KEY_SIZE);
	if (err != KG_OK)
		return err;
	randombytes_buf(data_key, KEY_SIZE);
	at = kg_buf_reserve(out, sealed);
	err = at == NULL ? kg_buf_ok(out)
			 : seal_into(at, room, text, size, context, recipients, count, data_key);
	if (err == KG_OK)
		kg_buf_added(out, sealed);
	else if (at != NULL)
		kg_secret_wipe(at, sealed);
	kg_secret_free(data_key);
	return err;
}

kg_err kg_seal_check(size_t *recipients, const void *sealed, size_t sealed_size)
{
	const uint8_t *at = sealed;
	size_t count;
	size_t open;
	size_t room;

	if (sealed_size < KG_SEAL_HEADER_SIZE || sealed_size > KG_SEAL_SIZE_MAX ||
	    memcmp(at, MAGIC, AT_VERSION) != 0)
		return kg_fail(KG_ECORRUPT, "no sealed text, or cut short");
	if (at[AT_VERSION] != VERSION)
		return kg_fail(KG_ECORRUPT, "sealed text: version %u is not known", at[AT_VERSION]);
	count = at[AT_COUNT];
	if (count < 1 || count > KG_SEAL_RECIPIENTS_MAX ||
	    !sodium_is_zero(at + AT_RESERVED, AT_NONCE - AT_RESERVED))
		return kg_fail(KG_ECORRUPT, "sealed text: impossible header");
	open = KG_SEAL_HEADER_SIZE + count * KG_SEAL_BOX_SIZE;
	if (sealed_size < open + LENGTH_SIZE + ROOM_MIN + TAG_SIZE)
		return kg_fail(KG_ECORRUPT, "sealed text: cut short");
	room = sealed_size - open - LENGTH_SIZE - TAG_SIZE;
	if (room_for(room) != room)
		return kg_fail(KG_ECORRUPT, "sealed text: %zu bytes is no size of one",
			       sealed_size);
	*recipients = count;
	return KG_OK;
}

/* What opening needs for a moment, in locked memory. */
typedef struct {
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	uint8_t exchange[crypto_box_SECRETKEYBYTES];
	uint8_t data_key[KEY_SIZE];
} opening;

/* The data key from the box that is for `key`. */
static kg_err box_open(opening *o, const uint8_t *sealed, size_t count, const kg_key *key)
{
	const kg_pubkey *public = kg_key_public(key);
	uint8_t exchange[crypto_box_PUBLICKEYBYTES];

	memcpy(o->secret, kg_key_seed(key), KG_KEY_SEED_SIZE);
	memcpy(o->secret + KG_KEY_SEED_SIZE, public->bytes, KG_PUBKEY_SIZE);
	KG_ASSERT(crypto_sign_ed25519_sk_to_curve25519(o->exchange, o->secret) == 0);
	if (crypto_sign_ed25519_pk_to_curve25519(exchange, public->bytes) != 0)
		return kg_fail(KG_EDENIED, "a key of low order opens nothing");
	for (size_t i = 0; i < count; i++) {
		const uint8_t *box = sealed + KG_SEAL_HEADER_SIZE + i * KG_SEAL_BOX_SIZE;

		if (crypto_box_seal_open(o->data_key, box, KG_SEAL_BOX_SIZE, exchange,
					 o->exchange) == 0)
			return KG_OK;
	}
	return kg_fail(KG_EDENIED, "it is not sealed for this key");
}

/* There is one room for a text: its length, and nothing but zeros behind it. */
static kg_err room_read(uint8_t *text, size_t *size, const uint8_t *room, size_t room_size)
{
	size_t length = 0;

	for (size_t i = LENGTH_SIZE; i-- > 0;)
		length = length << 8 | room[i];
	if (length > room_size || room_for(length) != room_size ||
	    !sodium_is_zero(room + LENGTH_SIZE + length, room_size - length))
		return kg_fail(KG_ECORRUPT, "sealed text: impossible length inside");
	memcpy(text, room + LENGTH_SIZE, length);
	*size = length;
	return KG_OK;
}

static kg_err text_open(uint8_t *text, size_t *size, const uint8_t *sealed, size_t sealed_size,
			size_t count, const kg_seal_context *context, const uint8_t *data_key)
{
	const uint8_t *cipher = sealed + KG_SEAL_HEADER_SIZE + count * KG_SEAL_BOX_SIZE;
	size_t cipher_size = sealed_size - KG_SEAL_HEADER_SIZE - count * KG_SEAL_BOX_SIZE;
	associated a;
	kg_buf room;
	uint8_t *at;
	kg_err err;

	kg_buf_init(&room, KG_SEAL_SIZE_MAX);
	at = kg_buf_reserve(&room, cipher_size);
	if (at == NULL)
		return kg_buf_ok(&room);
	associated_fill(&a, context, sealed, count);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, cipher, cipher_size, a.bytes,
						       a.size, sealed + AT_NONCE, data_key) != 0)
		err = kg_fail(KG_ECORRUPT, "sealed text: changed, or not of this author");
	else
		err = room_read(text, size, at, cipher_size - TAG_SIZE - LENGTH_SIZE);
	kg_secret_wipe(at, cipher_size);
	kg_buf_release(&room);
	return err;
}

kg_err kg_seal_open(uint8_t *text, size_t *size, const void *sealed, size_t sealed_size,
		    const kg_seal_context *context, const kg_key *key)
{
	void *room = NULL;
	opening *o;
	size_t count;
	kg_err err = kg_seal_check(&count, sealed, sealed_size);

	if (err == KG_OK)
		err = kg_secret_new(&room, sizeof(*o));
	if (err != KG_OK)
		return err;
	KG_ASSERT(room != NULL);
	o = room;
	err = box_open(o, sealed, count, key);
	if (err == KG_OK)
		err = text_open(text, size, sealed, sealed_size, count, context, o->data_key);
	kg_secret_free(o);
	return err;
}

void kg_seal_digest(uint8_t digest[KG_HASH_SIZE], const void *sealed, size_t size)
{
	kg_hash(digest, "kindergarten sealed v1", sealed, size);
}
