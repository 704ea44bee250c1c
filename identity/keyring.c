/* SPDX-License-Identifier: MIT */
#include "identity/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hex.h"
#include "identity/generations.h"
#include "identity/hash.h"
#include "identity/mnemonic.h"
#include "identity/secret.h"

enum {
	VERSION = 1,
	PLAIN = 0,
	SEALED = 1,
	AT_VERSION = 8,
	AT_PROTECTION = 9,
	AT_ENTROPY_SIZE = 10,
	AT_RESERVED = 11,
	AT_OPS = 12,
	AT_MEM = 20,
	AT_ALG = 28,
	AT_SALT = 32,
	AT_NONCE = 48,
	PUBLIC_TEXT_MAX = 1024
};

#define MAGIC "KGSWARMK"

_Static_assert(AT_NONCE - AT_SALT == crypto_pwhash_SALTBYTES, "salt");
_Static_assert(KG_KEYRING_HEADER_SIZE - AT_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	       "nonce");
_Static_assert(KG_KEYRING_TAG_SIZE == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");

static void store_le(uint8_t *at, uint64_t v, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t load_le(const uint8_t *at, size_t size)
{
	uint64_t v = 0;

	for (size_t i = size; i-- > 0;)
		v = v << 8 | at[i];
	return v;
}

/* The key that seals: Argon2id over the passphrase with the numbers of the header, in locked
 * memory. */
static kg_err sealing_key(void **out, const uint8_t header[KG_KEYRING_HEADER_SIZE],
			  const char *passphrase)
{
	size_t length = strnlen(passphrase, KG_KEYRING_PASSPHRASE_MAX + 1);
	uint64_t ops = load_le(header + AT_OPS, 8);
	uint64_t mem = load_le(header + AT_MEM, 8);
	void *key = NULL;
	kg_err err;

	if (length < 1 || length > KG_KEYRING_PASSPHRASE_MAX)
		return kg_fail(KG_EINVAL, "a passphrase has 1 to %d bytes",
			       KG_KEYRING_PASSPHRASE_MAX);
	err = kg_secret_new(&key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
	if (err != KG_OK)
		return err;
	if (crypto_pwhash(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES, passphrase, length,
			  header + AT_SALT, ops, (size_t)mem, crypto_pwhash_ALG_ARGON2ID13) != 0) {
		kg_secret_free(key);
		return kg_fail(KG_ENOMEM,
			       "no memory to derive the key of the passphrase "
			       "(%llu bytes)",
			       (unsigned long long)mem);
	}
	*out = key;
	return KG_OK;
}

static void plain_tag(uint8_t tag[KG_KEYRING_TAG_SIZE], const uint8_t *file, size_t size)
{
	uint8_t digest[KG_HASH_SIZE];

	kg_hash(digest, "kindergarten keyring v1", file, size);
	memcpy(tag, digest, KG_KEYRING_TAG_SIZE);
	sodium_memzero(digest, sizeof(digest));
}

kg_err kg_keyring_encode(uint8_t file[KG_KEYRING_FILE_MAX], size_t *file_size,
			 const uint8_t *entropy, size_t size, const char *passphrase)
{
	uint8_t header[KG_KEYRING_HEADER_SIZE] = MAGIC;
	void *key = NULL;
	kg_err err;

	if (size < 16 || size > KG_MNEMONIC_ENTROPY_MAX || size % 4 != 0)
		return kg_fail(KG_EINVAL, "an identity of %zu bytes", size);
	header[AT_VERSION] = VERSION;
	header[AT_PROTECTION] = passphrase == NULL ? PLAIN : SEALED;
	header[AT_ENTROPY_SIZE] = (uint8_t)size;
	if (passphrase == NULL) {
		memcpy(file, header, sizeof(header));
		memcpy(file + sizeof(header), entropy, size);
		plain_tag(file + sizeof(header) + size, file, sizeof(header) + size);
	} else {
		store_le(header + AT_OPS, crypto_pwhash_OPSLIMIT_INTERACTIVE, 8);
		store_le(header + AT_MEM, crypto_pwhash_MEMLIMIT_INTERACTIVE, 8);
		store_le(header + AT_ALG, crypto_pwhash_ALG_ARGON2ID13, 4);
		err = kg_identity_init();
		if (err != KG_OK)
			return err;
		randombytes_buf(header + AT_SALT, sizeof(header) - AT_SALT);
		err = sealing_key(&key, header, passphrase);
		if (err != KG_OK)
			return err;
		KG_ASSERT(key != NULL);
		crypto_aead_xchacha20poly1305_ietf_encrypt(file + sizeof(header), NULL, entropy,
							   size, header, sizeof(header), NULL,
							   header + AT_NONCE, key);
		memcpy(file, header, sizeof(header));
		kg_secret_free(key);
	}
	*file_size = sizeof(header) + size + KG_KEYRING_TAG_SIZE;
	return KG_OK;
}

/* Everything about the header that can be judged without a key. */
static kg_err header_check(const uint8_t *file, size_t file_size)
{
	uint64_t ops;
	uint64_t mem;
	size_t size;

	if (file_size < KG_KEYRING_HEADER_SIZE || memcmp(file, MAGIC, AT_VERSION) != 0)
		return kg_fail(KG_ECORRUPT, "key file: not one, or cut short");
	if (file[AT_VERSION] != VERSION)
		return kg_fail(KG_ECORRUPT, "key file: version %u is not known", file[AT_VERSION]);
	size = file[AT_ENTROPY_SIZE];
	if (file[AT_PROTECTION] > SEALED || file[AT_RESERVED] != 0 || size < 16 ||
	    size > KG_MNEMONIC_ENTROPY_MAX || size % 4 != 0)
		return kg_fail(KG_ECORRUPT, "key file: impossible header");
	if (file_size != KG_KEYRING_HEADER_SIZE + size + KG_KEYRING_TAG_SIZE)
		return kg_fail(KG_ECORRUPT, "key file: %zu bytes instead of %zu", file_size,
			       KG_KEYRING_HEADER_SIZE + size + KG_KEYRING_TAG_SIZE);
	if (file[AT_PROTECTION] == PLAIN) {
		if (!sodium_is_zero(file + AT_OPS, KG_KEYRING_HEADER_SIZE - AT_OPS))
			return kg_fail(KG_ECORRUPT, "key file: impossible header");
		return KG_OK;
	}
	ops = load_le(file + AT_OPS, 8);
	mem = load_le(file + AT_MEM, 8);
	if (load_le(file + AT_ALG, 4) != crypto_pwhash_ALG_ARGON2ID13)
		return kg_fail(KG_ECORRUPT, "key file: unknown passphrase algorithm");
	if (ops < crypto_pwhash_OPSLIMIT_MIN || ops > KG_KEYRING_OPS_MAX ||
	    mem < crypto_pwhash_MEMLIMIT_MIN || mem > KG_KEYRING_MEM_MAX)
		return kg_fail(KG_ECORRUPT, "key file: passphrase cost outside the limits");
	return KG_OK;
}

static kg_err sealed_open(uint8_t *entropy, const uint8_t *file, size_t file_size,
			  const char *passphrase)
{
	void *key = NULL;
	int rc;
	kg_err err;

	if (passphrase == NULL)
		return kg_fail(KG_EINVAL, "the identity is sealed: a passphrase is needed");
	err = sealing_key(&key, file, passphrase);
	if (err != KG_OK)
		return err;
	KG_ASSERT(key != NULL);
	rc = crypto_aead_xchacha20poly1305_ietf_decrypt(
		entropy, NULL, NULL, file + KG_KEYRING_HEADER_SIZE,
		file_size - KG_KEYRING_HEADER_SIZE, file, KG_KEYRING_HEADER_SIZE, file + AT_NONCE,
		key);
	kg_secret_free(key);
	return rc == 0 ? KG_OK : kg_fail(KG_EBADSIG, "wrong passphrase, or a damaged key file");
}

kg_err kg_keyring_decode(uint8_t *entropy, size_t *size, const uint8_t *file, size_t file_size,
			 const char *passphrase)
{
	uint8_t tag[KG_KEYRING_TAG_SIZE];
	kg_err err = header_check(file, file_size);

	if (err != KG_OK)
		return err;
	if (file[AT_PROTECTION] == SEALED) {
		err = sealed_open(entropy, file, file_size, passphrase);
		if (err != KG_OK)
			return err;
	} else {
		plain_tag(tag, file, file_size - sizeof(tag));
		if (sodium_memcmp(tag, file + file_size - sizeof(tag), sizeof(tag)) != 0)
			return kg_fail(KG_ECORRUPT, "key file: damaged");
		memcpy(entropy, file + KG_KEYRING_HEADER_SIZE, file[AT_ENTROPY_SIZE]);
	}
	*size = file[AT_ENTROPY_SIZE];
	return KG_OK;
}

/* A file or directory of ours that nobody else can reach. */
static kg_err ownership_check(const struct stat *st, const char *path)
{
	if (st->st_uid != geteuid())
		return kg_fail(KG_EDENIED, "%s belongs to another user", path);
	if ((st->st_mode & 077) != 0)
		return kg_fail(KG_EDENIED, "%s is open to others (mode %03o): chmod go= it", path,
			       (unsigned)(st->st_mode & 07777));
	return KG_OK;
}

static kg_err no_identity(const char *state_dir)
{
	return kg_fail(KG_ENOTFOUND, "no identity in %s (`kindergarten identity new` makes one)",
		       state_dir);
}

/* Reads swarm.key into `file`, which is locked memory of one byte more than a file may have. */
static kg_err key_file_read(uint8_t *file, size_t *file_size, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	struct stat st;
	size_t used = 0;
	int fd;
	kg_err err = kg_path(path, "%s/keys", state_dir);

	if (err != KG_OK)
		return err;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? no_identity(state_dir) : kg_fail_errno(errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return kg_fail(KG_EDENIED, "%s is not a directory", path);
	err = ownership_check(&st, path);
	if (err == KG_OK)
		err = kg_path(path, "%s/keys/swarm.key", state_dir);
	if (err != KG_OK)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? no_identity(state_dir) : kg_fail_errno(errno, "%s", path);
	if (fstat(fd, &st) != 0)
		err = kg_fail_errno(errno, "%s", path);
	else if (!S_ISREG(st.st_mode))
		err = kg_fail(KG_EDENIED, "%s is not a file", path);
	else
		err = ownership_check(&st, path);
	while (err == KG_OK && used <= KG_KEYRING_FILE_MAX) {
		ssize_t n = read(fd, file + used, KG_KEYRING_FILE_MAX + 1 - used);

		if (n == 0)
			break;
		if (n > 0)
			used += (size_t)n;
		else if (errno != EINTR)
			err = kg_fail_errno(errno, "%s", path);
	}
	close(fd);
	*file_size = used;
	return err;
}

kg_err kg_keyring_probe(const char *state_dir, bool *sealed)
{
	void *file;
	size_t file_size = 0;
	kg_err err = kg_secret_new(&file, KG_KEYRING_FILE_MAX + 1);

	if (err != KG_OK)
		return err;
	err = key_file_read(file, &file_size, state_dir);
	if (err == KG_OK)
		err = header_check(file, file_size);
	if (err == KG_OK)
		*sealed = ((const uint8_t *)file)[AT_PROTECTION] == SEALED;
	kg_secret_free(file);
	return err;
}

/* The part of swarm.pub that its signature covers. */
static void public_format(char text[PUBLIC_TEXT_MAX], const kg_pubkey *swarm,
			  const kg_pubkey *operator_key)
{
	char a[KG_PUBKEY_TEXT_SIZE];
	char b[KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(a, swarm);
	kg_pubkey_format(b, operator_key);
	snprintf(text, PUBLIC_TEXT_MAX, "kindergarten-swarm 1\nswarm %s\noperator %s\n", a, b);
}

static kg_err public_write(const kg_swarm *swarm, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	char text[PUBLIC_TEXT_MAX];
	char hex[2 * KG_SIGNATURE_SIZE + 1];
	uint8_t signature[KG_SIGNATURE_SIZE];
	size_t length;
	kg_err err = kg_path(path, "%s/keys/swarm.pub", state_dir);

	if (err != KG_OK)
		return err;
	public_format(text, kg_swarm_id(swarm), kg_key_public(kg_swarm_operator_key(swarm)));
	length = strlen(text);
	kg_key_sign(kg_swarm_key(swarm), signature, text, length);
	kg_hex_encode(hex, signature, sizeof(signature));
	snprintf(text + length, sizeof(text) - length, "signature %s\n", hex);
	return kg_fs_write(path, text, strlen(text), 0644);
}

/* The hex of the line that begins with `name` and a space, as exactly 2 * size digits; moves on. */
static bool line_take(const char **at, const char *end, const char *name, uint8_t *out, size_t size)
{
	char hex[2 * KG_SIGNATURE_SIZE + 1];
	size_t skip = strlen(name);

	if ((size_t)(end - *at) < skip + 2 + 2 * size || memcmp(*at, name, skip) != 0 ||
	    (*at)[skip] != ' ' || (*at)[skip + 1 + 2 * size] != '\n')
		return false;
	memcpy(hex, *at + skip + 1, 2 * size);
	hex[2 * size] = '\0';
	*at += skip + 2 + 2 * size;
	return kg_hex_decode(out, size, hex) == KG_OK;
}

kg_err kg_keyring_decode_public(kg_keyring_public *out, const char *text, size_t length)
{
	static const char head[] = "kindergarten-swarm 1\n";
	const char *at = text;
	const char *end = text + length;
	uint8_t signature[KG_SIGNATURE_SIZE];
	kg_keyring_public parsed;
	size_t signed_length;
	kg_err err;

	if (length < strlen(head) || memcmp(text, head, strlen(head)) != 0)
		return kg_fail(KG_ECORRUPT, "swarm.pub: unknown first line");
	at += strlen(head);
	if (!line_take(&at, end, "swarm", parsed.swarm.bytes, KG_PUBKEY_SIZE) ||
	    !line_take(&at, end, "operator", parsed.operator_key.bytes, KG_PUBKEY_SIZE))
		return kg_fail(KG_ECORRUPT, "swarm.pub: a key is missing");
	signed_length = (size_t)(at - text);
	if (!line_take(&at, end, "signature", signature, sizeof(signature)) || at != end)
		return kg_fail(KG_ECORRUPT, "swarm.pub: no signature at the end");
	err = kg_pubkey_check(&parsed.swarm);
	if (err == KG_OK)
		err = kg_pubkey_check(&parsed.operator_key);
	if (err == KG_OK)
		err = kg_pubkey_verify(&parsed.swarm, signature, text, signed_length);
	if (err == KG_OK)
		*out = parsed;
	return err;
}

kg_err kg_keyring_read_public(kg_keyring_public *out, const char *state_dir)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = kg_path(path, "%s/keys/swarm.pub", state_dir);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, PUBLIC_TEXT_MAX);
	err = kg_fs_read(&text, path);
	if (err == KG_OK)
		err = kg_keyring_decode_public(out, kg_buf_text(&text), text.size);
	else if (err == KG_ENOTFOUND)
		err = no_identity(state_dir);
	kg_buf_release(&text);
	return err;
}

/* swarm.pub must speak of this swarm; one that is lost, or from before the operator's key was
 * replaced, is written again. */
kg_err kg_keyring_settle_public(const kg_swarm *swarm, const char *state_dir)
{
	kg_keyring_public public;
	kg_err err = kg_keyring_read_public(&public, state_dir);

	if (err == KG_ENOTFOUND)
		return public_write(swarm, state_dir);
	if (err != KG_OK)
		return err;
	if (!kg_pubkey_equal(&public.swarm, kg_swarm_id(swarm)))
		return kg_fail(KG_ECORRUPT, "%s/keys: swarm.pub is not of swarm.key", state_dir);
	if (!kg_pubkey_equal(&public.operator_key, kg_key_public(kg_swarm_operator_key(swarm))))
		return public_write(swarm, state_dir);
	return KG_OK;
}

/* A directory made by hand for a swarm may be open to others; one that holds other things is not
 * ours to close. */
static kg_err close_to_others(const char *state_dir)
{
	bool ours = true;
	DIR *dir = opendir(state_dir);

	if (dir == NULL)
		return kg_fail_errno(errno, "%s", state_dir);
	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		ours = ours && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
				strcmp(e->d_name, "kindergarten.conf") == 0);
	if (ours && fchmod(dirfd(dir), 0700) != 0) {
		int code = errno;

		(void)closedir(dir);
		return kg_fail_errno(code, "%s", state_dir);
	}
	(void)closedir(dir);
	return KG_OK;
}

kg_err kg_keyring_create(const char *state_dir, const uint8_t *entropy, size_t size,
			 const char *passphrase)
{
	char path[KG_PATH_SIZE];
	uint8_t *file;
	void *room = NULL;
	size_t file_size = 0;
	kg_swarm *swarm = NULL;
	kg_err err = kg_path(path, "%s/keys/swarm.key", state_dir);

	if (err != KG_OK)
		return err;
	/* Asked before the costly part, and again by the creation itself. */
	if (kg_fs_exists(path))
		return kg_fail(KG_EEXISTS, "%s exists: an identity is never replaced", path);
	err = kg_secret_new(&room, KG_KEYRING_FILE_MAX);
	if (err != KG_OK)
		return err;
	file = room;
	err = kg_swarm_from_entropy(&swarm, entropy, size);
	if (err == KG_OK)
		err = kg_keyring_encode(file, &file_size, entropy, size, passphrase);
	if (err != KG_OK)
		goto done;
	err = kg_path(path, "%s/keys", state_dir);
	if (err == KG_OK)
		err = kg_fs_mkdirs(state_dir, 0700);
	if (err == KG_OK)
		err = close_to_others(state_dir);
	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = kg_path(path, "%s/keys/swarm.key", state_dir);
	if (err == KG_OK)
		err = kg_fs_create(path, file, file_size, 0600);
	if (err == KG_EEXISTS)
		err = kg_fail(KG_EEXISTS, "%s exists: an identity is never replaced", path);
	if (err == KG_OK)
		err = public_write(swarm, state_dir);
done:
	kg_swarm_free(swarm);
	kg_secret_free(room);
	return err;
}

kg_err kg_keyring_open(kg_swarm **out, const char *state_dir, const char *passphrase)
{
	void *file;
	void *entropy = NULL;
	kg_swarm *swarm = NULL;
	size_t file_size = 0;
	size_t size = 0;
	kg_err err = kg_secret_new(&file, KG_KEYRING_FILE_MAX + 1);

	if (err != KG_OK)
		return err;
	err = key_file_read(file, &file_size, state_dir);
	if (err == KG_OK)
		err = kg_secret_new(&entropy, KG_MNEMONIC_ENTROPY_MAX);
	if (err == KG_OK)
		err = kg_keyring_decode(entropy, &size, file, file_size, passphrase);
	if (err == KG_OK)
		err = kg_swarm_from_entropy(&swarm, entropy, size);
	if (err == KG_OK) {
		err = kg_generations_read(swarm, state_dir);
		if (err == KG_ENOTFOUND)
			err = KG_OK;
		else if (err != KG_OK)
			err = kg_fail_context(err, "%s/keys/generations, which may be removed",
					      state_dir);
	}
	if (err == KG_OK)
		err = kg_keyring_settle_public(swarm, state_dir);
	if (err == KG_OK) {
		*out = swarm;
		swarm = NULL;
	}
	kg_swarm_free(swarm);
	kg_secret_free(entropy);
	kg_secret_free(file);
	return err;
}
