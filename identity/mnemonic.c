/* SPDX-License-Identifier: MIT */
#include "identity/mnemonic.h"

#include <sodium.h>
#include <string.h>
#include <utf8proc.h>

#include "identity/secret.h"
#include "identity/wordlist.h"

enum {
	WORD_BITS = 11,
	BITS_SIZE = KG_MNEMONIC_ENTROPY_MAX + 1, /* entropy, then at most 8 bits of checksum */
	ROUNDS = 2048,
	POINTS = KG_SECRET_MAX / (int)sizeof(utf8proc_int32_t) - 1 /* one is for the terminator */
};

static bool entropy_size_is_valid(size_t size)
{
	return size >= 16 && size <= KG_MNEMONIC_ENTROPY_MAX && size % 4 == 0;
}

/* `length` bytes of UTF-8 in form NFKD, case folded when asked, as terminated text in locked
 * memory. */
static kg_err normalize(char **out, const char *text, size_t length, bool fold)
{
	int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
	void *room;
	utf8proc_int32_t *points;
	utf8proc_ssize_t n;
	kg_err err = kg_secret_new(&room, KG_SECRET_MAX);

	if (err != KG_OK)
		return err;
	points = room;
	n = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, points,
			       POINTS,
			       (utf8proc_option_t)(options | (fold ? UTF8PROC_CASEFOLD : 0)));
	if (n > POINTS)
		err = kg_fail(KG_EINVAL, "the text is too long");
	else if (n < 0 || utf8proc_reencode(points, n, (utf8proc_option_t)0) < 0)
		err = kg_fail(KG_EINVAL, "the text is not UTF-8");
	if (err != KG_OK) {
		kg_secret_free(room);
		return err;
	}
	*out = room;
	return KG_OK;
}

/* Puts the 11 bits of `index` at bit 11 * nth, highest bit first. */
static void bits_put(uint8_t bits[BITS_SIZE], size_t nth, unsigned index)
{
	for (size_t i = 0; i < WORD_BITS; i++) {
		size_t at = nth * WORD_BITS + i;

		if (index >> (WORD_BITS - 1 - i) & 1)
			bits[at / 8] = (uint8_t)(bits[at / 8] | 0x80 >> at % 8);
	}
}

static unsigned bits_get(const uint8_t bits[BITS_SIZE], size_t nth)
{
	unsigned index = 0;

	for (size_t i = 0; i < WORD_BITS; i++) {
		size_t at = nth * WORD_BITS + i;

		index = index << 1 | (bits[at / 8] >> (7 - at % 8) & 1);
	}
	return index;
}

/* The checksum byte: the first size / 4 bits of the SHA-256, zeros behind. */
static uint8_t checksum(const uint8_t *entropy, size_t size)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	uint8_t sum;

	crypto_hash_sha256(digest, entropy, size);
	sum = (uint8_t)(digest[0] & 0xff << (8 - size / 4));
	sodium_memzero(digest, sizeof(digest));
	return sum;
}

kg_err kg_mnemonic_generate(uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX])
{
	kg_err err = kg_identity_init();

	if (err == KG_OK)
		randombytes_buf(entropy, KG_MNEMONIC_ENTROPY_MAX);
	return err;
}

kg_err kg_mnemonic_encode(char words[KG_MNEMONIC_SIZE], const uint8_t *entropy, size_t size)
{
	uint8_t bits[BITS_SIZE];
	char *at = words;

	if (!entropy_size_is_valid(size))
		return kg_fail(KG_EINVAL, "a mnemonic of %zu bytes", size);
	memcpy(bits, entropy, size);
	bits[size] = checksum(entropy, size);
	for (size_t i = 0; i < size * 3 / 4; i++) {
		if (i > 0)
			*at++ = ' ';
		at = stpcpy(at, kg_wordlist[bits_get(bits, i)]);
	}
	sodium_memzero(bits, sizeof(bits));
	return KG_OK;
}

/* Splits the text in place; sets the bits of its words and their number. */
static kg_err words_parse(uint8_t bits[BITS_SIZE], size_t *count, char *text)
{
	static const char space[] = " \t\n\v\f\r";
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(text, space, &save); w; w = strtok_r(NULL, space, &save)) {
		int index = kg_wordlist_find(w);

		if (n == KG_MNEMONIC_WORDS_MAX)
			return kg_fail(KG_EINVAL, "more than %d words", KG_MNEMONIC_WORDS_MAX);
		if (index < 0)
			return kg_fail(KG_EINVAL, "word %zu is not in the list", n + 1);
		bits_put(bits, n++, (unsigned)index);
	}
	*count = n;
	return KG_OK;
}

kg_err kg_mnemonic_decode(uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX], size_t *size, const char *text,
			  size_t length)
{
	uint8_t bits[BITS_SIZE] = {0};
	char *plain = NULL;
	size_t count = 0;
	size_t bytes;
	kg_err err;

	if (length > KG_MNEMONIC_TEXT_MAX || memchr(text, '\0', length) != NULL)
		return kg_fail(KG_EINVAL, "too long for a mnemonic, or a zero byte in it");
	err = normalize(&plain, text, length, true);
	if (err != KG_OK)
		return err;
	err = words_parse(bits, &count, plain);
	if (err != KG_OK)
		goto done;
	bytes = count * 4 / 3;
	if (count % 3 != 0 || !entropy_size_is_valid(bytes)) {
		err = kg_fail(KG_EINVAL, "%zu words; a mnemonic has 12, 15, 18, 21 or 24", count);
		goto done;
	}
	if (bits[bytes] != checksum(bits, bytes)) {
		err = kg_fail(KG_ECORRUPT, "the checksum of the words does not match: "
					   "a word is wrong or two are swapped");
		goto done;
	}
	memcpy(entropy, bits, bytes);
	*size = bytes;
done:
	kg_secret_free(plain);
	sodium_memzero(bits, sizeof(bits));
	return err;
}

typedef struct {
	crypto_auth_hmacsha512_state keyed; /* after the password, before any message */
	crypto_auth_hmacsha512_state round;
	uint8_t u[crypto_auth_hmacsha512_BYTES];
	uint8_t sum[crypto_auth_hmacsha512_BYTES];
	char words[KG_MNEMONIC_SIZE];
} pbkdf2;

/* RFC 8018 §5.2 for one block, which is all that 64 bytes of HMAC-SHA512 need. */
static void pbkdf2_run(pbkdf2 *p, const char *salt)
{
	static const uint8_t block[4] = {0, 0, 0, 1};
	static const char prefix[] = "mnemonic";

	crypto_auth_hmacsha512_init(&p->keyed, (const uint8_t *)p->words, strlen(p->words));
	p->round = p->keyed;
	crypto_auth_hmacsha512_update(&p->round, (const uint8_t *)prefix, strlen(prefix));
	crypto_auth_hmacsha512_update(&p->round, (const uint8_t *)salt, strlen(salt));
	crypto_auth_hmacsha512_update(&p->round, block, sizeof(block));
	crypto_auth_hmacsha512_final(&p->round, p->u);
	memcpy(p->sum, p->u, sizeof(p->sum));
	for (int i = 1; i < ROUNDS; i++) {
		p->round = p->keyed;
		crypto_auth_hmacsha512_update(&p->round, p->u, sizeof(p->u));
		crypto_auth_hmacsha512_final(&p->round, p->u);
		for (size_t k = 0; k < sizeof(p->sum); k++)
			p->sum[k] ^= p->u[k];
	}
}

kg_err kg_mnemonic_seed(uint8_t seed[KG_MNEMONIC_SEED_SIZE], const uint8_t *entropy, size_t size,
			const char *passphrase)
{
	size_t length = strnlen(passphrase, KG_MNEMONIC_PASSPHRASE_MAX + 1);
	char *salt = NULL;
	void *room = NULL;
	pbkdf2 *p;
	kg_err err;

	if (length > KG_MNEMONIC_PASSPHRASE_MAX)
		return kg_fail(KG_EINVAL, "the passphrase has more than %d bytes",
			       KG_MNEMONIC_PASSPHRASE_MAX);
	err = normalize(&salt, passphrase, length, false);
	if (err != KG_OK)
		return err;
	err = kg_secret_new(&room, sizeof(pbkdf2));
	if (err != KG_OK)
		goto done;
	p = room;
	err = kg_mnemonic_encode(p->words, entropy, size);
	if (err != KG_OK)
		goto done;
	pbkdf2_run(p, salt);
	memcpy(seed, p->sum, KG_MNEMONIC_SEED_SIZE);
done:
	kg_secret_free(room);
	kg_secret_free(salt);
	return err;
}
