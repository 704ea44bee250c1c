/* SPDX-License-Identifier: MIT */
#include "identity/sshsig.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"

#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END   "\n-----END SSH SIGNATURE-----"

enum {
	LINE = 70,           /* what ssh-keygen writes */
	BASE64_LENGTH = 232, /* of 173 bytes */
	KEY_BLOB_SIZE = 51,  /* str("ssh-ed25519") str(public key) */
	KEY_AT = 33,         /* the public key in the signature blob */
	SIGNATURE_AT = 109,
	SIGNED_SIZE = 95
};

/* The blob with zeros for key and signature: what never changes. */
static const uint8_t blob_frame[KG_SSHSIG_BLOB_SIZE + 1] =
	"SSHSIG\0\0\0\1"
	"\0\0\0\x33\0\0\0\x0bssh-ed25519\0\0\0\x20"
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	"\0\0\0\3git\0\0\0\0\0\0\0\6sha512"
	"\0\0\0\x53\0\0\0\x0bssh-ed25519\0\0\0\x40";

static const uint8_t signed_frame[SIGNED_SIZE + 1] = "SSHSIG\0\0\0\3git\0\0\0\0\0\0\0\6sha512"
						     "\0\0\0\x40";

static void signed_make(uint8_t out[SIGNED_SIZE], const void *payload, size_t size)
{
	memcpy(out, signed_frame, SIGNED_SIZE);
	crypto_hash_sha512(out + SIGNED_SIZE - crypto_hash_sha512_BYTES, payload, size);
}

static void armour_make(char armour[KG_SSHSIG_ARMOUR_SIZE], const uint8_t blob[KG_SSHSIG_BLOB_SIZE])
{
	char base64[BASE64_LENGTH + 1];
	char *at = stpcpy(armour, BEGIN);

	kg_base64_encode(base64, blob, KG_SSHSIG_BLOB_SIZE);
	for (size_t i = 0; i < BASE64_LENGTH; i += LINE) {
		size_t length = BASE64_LENGTH - i < LINE ? BASE64_LENGTH - i : LINE;

		if (i > 0)
			*at++ = '\n';
		memcpy(at, base64 + i, length);
		at += length;
	}
	at = stpcpy(at, END);
	KG_ASSERT(at - armour == KG_SSHSIG_ARMOUR_LENGTH);
}

void kg_sshsig_sign(char armour[KG_SSHSIG_ARMOUR_SIZE], const kg_key *key, const void *payload,
		    size_t size)
{
	uint8_t tbs[SIGNED_SIZE];
	uint8_t blob[KG_SSHSIG_BLOB_SIZE];

	signed_make(tbs, payload, size);
	memcpy(blob, blob_frame, sizeof(blob));
	memcpy(blob + KEY_AT, kg_key_public(key)->bytes, KG_PUBKEY_SIZE);
	kg_key_sign(key, blob + SIGNATURE_AT, tbs, sizeof(tbs));
	armour_make(armour, blob);
}

/* The 232 digits between the two marker lines, newlines left out. */
static kg_err base64_take(char base64[BASE64_LENGTH], const char *armour, size_t length)
{
	size_t begin = strlen(BEGIN);
	size_t end = strlen(END);
	size_t used = 0;

	if (length > 0 && armour[length - 1] == '\n')
		length--;
	if (length < begin + end || memcmp(armour, BEGIN, begin) != 0 ||
	    memcmp(armour + length - end, END, end) != 0)
		return kg_fail(KG_ECORRUPT, "ssh signature: marker lines are missing");
	for (size_t i = begin; i < length - end; i++) {
		if (armour[i] == '\n')
			continue;
		if (used == BASE64_LENGTH)
			return kg_fail(KG_ECORRUPT, "ssh signature: too long");
		base64[used++] = armour[i];
	}
	if (used != BASE64_LENGTH)
		return kg_fail(KG_ECORRUPT, "ssh signature: too short");
	return KG_OK;
}

static kg_err blob_parse(uint8_t blob[KG_SSHSIG_BLOB_SIZE], const char *armour, size_t length,
			 bool strict)
{
	char base64[BASE64_LENGTH];
	char canonical[KG_SSHSIG_ARMOUR_SIZE];
	size_t size = KG_SSHSIG_BLOB_SIZE;
	kg_err err;

	if (length > KG_SSHSIG_TEXT_MAX)
		return kg_fail(KG_ECORRUPT, "ssh signature: %zu bytes of armour", length);
	err = base64_take(base64, armour, length);
	if (err != KG_OK)
		return err;
	err = kg_base64_decode(blob, &size, base64, sizeof(base64));
	if (err != KG_OK || size != KG_SSHSIG_BLOB_SIZE)
		return kg_fail(KG_ECORRUPT, "ssh signature: not canonical base64 of %d bytes",
			       KG_SSHSIG_BLOB_SIZE);
	if (memcmp(blob, blob_frame, KEY_AT) != 0 ||
	    memcmp(blob + KEY_AT + KG_PUBKEY_SIZE, blob_frame + KEY_AT + KG_PUBKEY_SIZE,
		   SIGNATURE_AT - KEY_AT - KG_PUBKEY_SIZE) != 0)
		return kg_fail(KG_ECORRUPT, "ssh signature: not Ed25519, namespace git, sha512");
	if (strict) {
		armour_make(canonical, blob);
		if (length != KG_SSHSIG_ARMOUR_LENGTH || memcmp(armour, canonical, length) != 0)
			return kg_fail(KG_ECORRUPT, "ssh signature: lines are not as git writes "
						    "them");
	}
	return KG_OK;
}

kg_err kg_sshsig_verify(kg_pubkey *signer, const char *armour, size_t length, const void *payload,
			size_t size, bool strict)
{
	uint8_t blob[KG_SSHSIG_BLOB_SIZE];
	uint8_t tbs[SIGNED_SIZE];
	kg_pubkey pubkey;
	kg_err err = blob_parse(blob, armour, length, strict);

	if (err != KG_OK)
		return err;
	memcpy(pubkey.bytes, blob + KEY_AT, sizeof(pubkey.bytes));
	signed_make(tbs, payload, size);
	err = kg_pubkey_verify(&pubkey, blob + SIGNATURE_AT, tbs, sizeof(tbs));
	if (err != KG_OK)
		return err;
	*signer = pubkey;
	return KG_OK;
}

static void key_blob_make(uint8_t blob[KEY_BLOB_SIZE], const kg_pubkey *pubkey)
{
	/* In the signature blob the same bytes stand after magic, version and a length. */
	memcpy(blob, blob_frame + KEY_AT + KG_PUBKEY_SIZE - KEY_BLOB_SIZE, KEY_BLOB_SIZE);
	memcpy(blob + KEY_BLOB_SIZE - KG_PUBKEY_SIZE, pubkey->bytes, KG_PUBKEY_SIZE);
}

void kg_sshsig_fingerprint(char text[KG_SSHSIG_FINGERPRINT_SIZE], const kg_pubkey *pubkey)
{
	uint8_t blob[KEY_BLOB_SIZE];
	uint8_t digest[crypto_hash_sha256_BYTES];
	char base64[45];

	key_blob_make(blob, pubkey);
	crypto_hash_sha256(digest, blob, sizeof(blob));
	kg_base64_encode(base64, digest, sizeof(digest));
	/* 32 bytes are 43 digits and one '=', which ssh leaves out. */
	snprintf(text, KG_SSHSIG_FINGERPRINT_SIZE, "SHA256:%.43s", base64);
}

void kg_sshsig_public(char text[KG_SSHSIG_PUBLIC_SIZE], const kg_pubkey *pubkey)
{
	uint8_t blob[KEY_BLOB_SIZE];

	key_blob_make(blob, pubkey);
	kg_base64_encode(stpcpy(text, "ssh-ed25519 "), blob, sizeof(blob));
}

kg_err kg_sshsig_signers(char text[KG_SSHSIG_SIGNERS_SIZE], const char *principal,
			 const kg_pubkey *pubkey)
{
	size_t length = strnlen(principal, KG_SSHSIG_PRINCIPAL_MAX + 1);
	char public[KG_SSHSIG_PUBLIC_SIZE];

	if (length < 1 || length > KG_SSHSIG_PRINCIPAL_MAX)
		return kg_fail(KG_EINVAL, "a principal has 1 to %d bytes", KG_SSHSIG_PRINCIPAL_MAX);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)principal[i];

		if (c >= 0x80 || (!isalnum(c) && strchr("@.-_+", c) == NULL))
			return kg_fail(KG_EINVAL, "principal: byte %zu is not allowed", i);
	}
	kg_sshsig_public(public, pubkey);
	snprintf(text, KG_SSHSIG_SIGNERS_SIZE, "%s namespaces=\"git\" %s", principal, public);
	return KG_OK;
}
