/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "identity/keyring.h"
#include "identity/secret.h"

static const uint8_t entropy[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};

typedef struct {
	char dir[64];
	char state[KG_PATH_SIZE]; /* not there before the first creation */
	char keys[KG_PATH_SIZE];
	char key[KG_PATH_SIZE];
	char pub[KG_PATH_SIZE];
} fixture;

static int setup(void **state)
{
	fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/kg-keyring-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(kg_path(f->state, "%s/state", f->dir), KG_OK);
	assert_int_equal(kg_path(f->keys, "%s/state/keys", f->dir), KG_OK);
	assert_int_equal(kg_path(f->key, "%s/state/keys/swarm.key", f->dir), KG_OK);
	assert_int_equal(kg_path(f->pub, "%s/state/keys/swarm.pub", f->dir), KG_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;

	(void)unlink(f->key);
	(void)unlink(f->pub);
	(void)rmdir(f->keys);
	(void)rmdir(f->state);
	/* Anything else left behind makes this fail. */
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return kg_secret_used() == 0 ? 0 : -1;
}

static void slurp(kg_buf *out, const char *path)
{
	kg_buf_init(out, 4096);
	assert_int_equal(kg_fs_read(out, path), KG_OK);
}

static kg_err open_and_close(const char *state_dir, const char *passphrase)
{
	kg_swarm *swarm = NULL;
	kg_err err = kg_keyring_open(&swarm, state_dir, passphrase);

	kg_swarm_free(swarm);
	return err;
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_keyring__opens_what_was_created(void **state)
{
	static const char *const passphrases[] = {NULL, "correct horse"};
	fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		kg_keyring_public public;
		kg_swarm *made;
		kg_swarm *read;
		bool sealed;

		assert_int_equal(kg_keyring_probe(f->state, &sealed), KG_ENOTFOUND);
		assert_int_equal(kg_keyring_read_public(&public, f->state), KG_ENOTFOUND);
		assert_int_equal(open_and_close(f->state, NULL), KG_ENOTFOUND);
		assert_int_equal(kg_keyring_create(f->state, entropy, 32, passphrases[i]), KG_OK);
		assert_int_equal(mode_of(f->keys), 0700);
		assert_int_equal(mode_of(f->key), 0600);
		assert_int_equal(kg_keyring_probe(f->state, &sealed), KG_OK);
		assert_int_equal(sealed, passphrases[i] != NULL);
		assert_int_equal(kg_swarm_from_entropy(&made, entropy, 32), KG_OK);
		assert_int_equal(kg_keyring_open(&read, f->state, passphrases[i]), KG_OK);
		assert_true(kg_pubkey_equal(kg_swarm_id(made), kg_swarm_id(read)));
		assert_int_equal(kg_keyring_read_public(&public, f->state), KG_OK);
		assert_true(kg_pubkey_equal(&public.swarm, kg_swarm_id(made)));
		assert_true(kg_pubkey_equal(&public.operator_key,
					    kg_key_public(kg_swarm_operator_key(made))));
		kg_swarm_free(made);
		kg_swarm_free(read);
		assert_int_equal(unlink(f->key), 0);
		assert_int_equal(unlink(f->pub), 0);
	}
}

static void test_keyring__identity_is_never_replaced(void **state)
{
	static const uint8_t other[32] = {9};
	fixture *f = *state;
	kg_buf before;
	kg_buf after;

	assert_int_equal(kg_keyring_create(f->state, entropy, 32, NULL), KG_OK);
	slurp(&before, f->key);
	assert_int_equal(kg_keyring_create(f->state, other, 32, NULL), KG_EEXISTS);
	assert_int_equal(kg_keyring_create(f->state, other, 16, "x"), KG_EEXISTS);
	slurp(&after, f->key);
	assert_int_equal(before.size, after.size);
	assert_memory_equal(before.data, after.data, before.size);
	kg_buf_release(&before);
	kg_buf_release(&after);
	/* A damaged one is not replaced either. */
	assert_int_equal(kg_fs_write(f->key, "?", 1, 0600), KG_OK);
	assert_int_equal(kg_keyring_create(f->state, other, 32, NULL), KG_EEXISTS);
}

/* Of many processes that create at once exactly one succeeds, and its identity is whole. */
static void test_keyring__one_of_many_creators_wins(void **state)
{
	enum { CREATORS = 8 };
	fixture *f = *state;
	pid_t pids[CREATORS];
	int won = 0;
	int lost = 0;

	for (int i = 0; i < CREATORS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			uint8_t mine[32] = {(uint8_t)i};
			kg_err err = kg_keyring_create(f->state, mine, 32, NULL);

			_exit(err == KG_OK ? 0 : err == KG_EEXISTS ? 1 : 2);
		}
	}
	for (int i = 0; i < CREATORS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		won += WEXITSTATUS(status) == 0;
		lost += WEXITSTATUS(status) == 1;
	}
	assert_int_equal(won, 1);
	assert_int_equal(lost, CREATORS - 1);
	assert_int_equal(open_and_close(f->state, NULL), KG_OK);
}

static void test_keyring__wrong_passphrase_is_told(void **state)
{
	fixture *f = *state;
	kg_swarm *swarm;

	assert_int_equal(kg_keyring_create(f->state, entropy, 32, "correct horse"), KG_OK);
	assert_int_equal(kg_keyring_open(&swarm, f->state, "correct horsE"), KG_EBADSIG);
	assert_non_null(strstr(kg_err_text(), "wrong passphrase"));
	assert_int_equal(kg_keyring_open(&swarm, f->state, NULL), KG_EINVAL);
	assert_int_equal(kg_keyring_open(&swarm, f->state, ""), KG_EINVAL);
}

static void test_keyring__others_may_not_reach_it(void **state)
{
	static const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666};
	fixture *f = *state;
	bool sealed;

	assert_int_equal(kg_keyring_create(f->state, entropy, 32, NULL), KG_OK);
	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		assert_int_equal(chmod(f->key, open_modes[i]), 0);
		assert_int_equal(open_and_close(f->state, NULL), KG_EDENIED);
		assert_int_equal(kg_keyring_probe(f->state, &sealed), KG_EDENIED);
	}
	assert_int_equal(chmod(f->key, 0400), 0);
	assert_int_equal(open_and_close(f->state, NULL), KG_OK);
	assert_int_equal(chmod(f->keys, 0755), 0);
	assert_int_equal(open_and_close(f->state, NULL), KG_EDENIED);
	assert_int_equal(chmod(f->keys, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(f->key, 65534, (gid_t)-1), 0);
		assert_int_equal(open_and_close(f->state, NULL), KG_EDENIED);
	}
}

static void test_keyring__links_and_devices_are_not_followed(void **state)
{
	fixture *f = *state;
	char elsewhere[KG_PATH_SIZE];

	assert_int_equal(kg_keyring_create(f->state, entropy, 32, NULL), KG_OK);
	assert_int_equal(kg_path(elsewhere, "%s/elsewhere", f->dir), KG_OK);
	assert_int_equal(rename(f->key, elsewhere), 0);
	assert_int_equal(symlink(elsewhere, f->key), 0);
	assert_int_not_equal(open_and_close(f->state, NULL), KG_OK);
	assert_int_equal(unlink(f->key), 0);
	assert_int_equal(mkfifo(f->key, 0600), 0);
	assert_int_equal(open_and_close(f->state, NULL), KG_EDENIED);
	assert_int_equal(unlink(elsewhere), 0);
}

static void test_keyring__every_truncation_is_corrupt(void **state)
{
	static const size_t sizes[] = {16, 20, 24, 28, 32};
	fixture *f = *state;
	bool sealed;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (int with = 0; with < 2; with++) {
			const char *passphrase = with ? "p" : NULL;
			uint8_t file[KG_KEYRING_FILE_MAX];
			uint8_t back[32];
			size_t back_size;
			size_t size;

			assert_int_equal(
				kg_keyring_encode(file, &size, entropy, sizes[s], passphrase),
				KG_OK);
			for (size_t n = 0; n < size; n++) {
				uint8_t *part = malloc(n + 1);

				assert_non_null(part);
				memcpy(part, file, n);
				assert_int_equal(
					kg_keyring_decode(back, &back_size, part, n, passphrase),
					KG_ECORRUPT);
				free(part);
			}
			assert_int_equal(
				kg_keyring_decode(back, &back_size, file, size, passphrase), KG_OK);
			assert_int_equal(back_size, sizes[s]);
			assert_memory_equal(back, entropy, sizes[s]);
		}
	}
	/* And through the file, where one byte too much shows as well. */
	assert_int_equal(kg_keyring_create(f->state, entropy, 32, NULL), KG_OK);
	assert_int_equal(truncate(f->key, 119), 0);
	assert_int_equal(open_and_close(f->state, NULL), KG_ECORRUPT);
	assert_int_equal(kg_keyring_probe(f->state, &sealed), KG_ECORRUPT);
	assert_int_equal(truncate(f->key, 121), 0);
	assert_int_equal(open_and_close(f->state, NULL), KG_ECORRUPT);
	assert_int_equal(truncate(f->key, 0), 0);
	assert_int_equal(open_and_close(f->state, NULL), KG_ECORRUPT);
}

static void test_keyring__every_changed_bit_of_a_plain_file_is_corrupt(void **state)
{
	uint8_t file[KG_KEYRING_FILE_MAX];
	uint8_t back[32];
	size_t back_size;
	size_t size;

	(void)state;
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 32, NULL), KG_OK);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(kg_keyring_decode(back, &back_size, file, size, NULL),
				 KG_ECORRUPT);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* Sealed bytes: one of each field, since every try that passes the header costs Argon2id. */
static void test_keyring__changed_sealed_bytes_are_refused(void **state)
{
	static const size_t places[] = {32, 47, 48, 71, 72, 103, 104, 119};
	uint8_t file[KG_KEYRING_FILE_MAX];
	uint8_t back[32];
	size_t back_size;
	size_t size;

	(void)state;
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 32, "p"), KG_OK);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		file[places[i]] ^= 1;
		assert_int_equal(kg_keyring_decode(back, &back_size, file, size, "p"), KG_EBADSIG);
		file[places[i]] ^= 1;
	}
	assert_int_equal(kg_keyring_decode(back, &back_size, file, size, "p"), KG_OK);
}

static void put_le(uint8_t *at, uint64_t v, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

static void test_keyring__hostile_costs_are_refused_at_once(void **state)
{
	static const struct {
		size_t at;
		size_t size;
		uint64_t value;
	} hostile[] = {
		{12, 8, 0},          {12, 8, KG_KEYRING_OPS_MAX + 1},
		{12, 8, UINT64_MAX}, {20, 8, 0},
		{20, 8, 8191},       {20, 8, (uint64_t)KG_KEYRING_MEM_MAX + 1},
		{20, 8, UINT64_MAX}, {28, 4, 0},
		{28, 4, 1},          {28, 4, 3},
		{28, 4, UINT32_MAX},
	};
	uint8_t file[KG_KEYRING_FILE_MAX];
	uint8_t back[32];
	size_t back_size;
	size_t size;

	(void)state;
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 32, "p"), KG_OK);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		uint8_t bad[KG_KEYRING_FILE_MAX];

		memcpy(bad, file, sizeof(bad));
		put_le(bad + hostile[i].at, hostile[i].value, hostile[i].size);
		assert_int_equal(kg_keyring_decode(back, &back_size, bad, size, "p"), KG_ECORRUPT);
	}
}

/* The sealed form computed again from the written layout with libsodium alone. */
static void test_keyring__sealed_form_is_the_written_one(void **state)
{
	uint8_t file[KG_KEYRING_FILE_MAX];
	uint8_t key[32];
	uint8_t plain[32];
	size_t size;

	(void)state;
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 32, "correct horse"), KG_OK);
	assert_int_equal(size, 120);
	assert_memory_equal(file, "KGSWARMK\1\1\x20\0", 12);
	assert_int_equal(crypto_pwhash(key, 32, "correct horse", 13, file + 32, 2, 64 << 20,
				       crypto_pwhash_ALG_ARGON2ID13),
			 0);
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, file + 72,
								    48, file, 72, file + 48, key),
			 0);
	assert_memory_equal(plain, entropy, 32);
}

static void test_keyring__passphrase_limits(void **state)
{
	uint8_t file[KG_KEYRING_FILE_MAX];
	char text[KG_KEYRING_PASSPHRASE_MAX + 2];
	size_t size;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[KG_KEYRING_PASSPHRASE_MAX + 1] = '\0';
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 32, text), KG_EINVAL);
	text[KG_KEYRING_PASSPHRASE_MAX] = '\0';
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 32, text), KG_OK);
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 32, ""), KG_EINVAL);
	assert_int_equal(kg_keyring_encode(file, &size, entropy, 31, NULL), KG_EINVAL);
}

static void test_keyring__lost_public_half_comes_back(void **state)
{
	fixture *f = *state;
	kg_keyring_public public;
	kg_buf before;
	kg_buf after;

	assert_int_equal(kg_keyring_create(f->state, entropy, 32, NULL), KG_OK);
	slurp(&before, f->pub);
	assert_int_equal(unlink(f->pub), 0);
	assert_int_equal(kg_keyring_read_public(&public, f->state), KG_ENOTFOUND);
	assert_int_equal(open_and_close(f->state, NULL), KG_OK);
	slurp(&after, f->pub);
	assert_string_equal(kg_buf_text(&before), kg_buf_text(&after));
	kg_buf_release(&before);
	kg_buf_release(&after);
}

static void test_keyring__foreign_public_half_is_refused(void **state)
{
	static const uint8_t other[32] = {9};
	fixture *f = *state;
	kg_buf pub;

	assert_int_equal(kg_keyring_create(f->state, other, 32, NULL), KG_OK);
	slurp(&pub, f->pub);
	assert_int_equal(unlink(f->key), 0);
	assert_int_equal(kg_keyring_create(f->state, entropy, 32, NULL), KG_OK);
	assert_int_equal(kg_fs_write(f->pub, pub.data, pub.size, 0644), KG_OK);
	assert_int_equal(open_and_close(f->state, NULL), KG_ECORRUPT);
	kg_buf_release(&pub);
}

static void test_keyring__public_half_is_strict(void **state)
{
	fixture *f = *state;
	kg_keyring_public public;
	kg_buf pub;

	assert_int_equal(kg_keyring_create(f->state, entropy, 32, NULL), KG_OK);
	slurp(&pub, f->pub);
	for (size_t n = 0; n < pub.size; n++) {
		char *part = malloc(n + 1);

		assert_non_null(part);
		memcpy(part, pub.data, n);
		assert_int_equal(kg_keyring_decode_public(&public, part, n), KG_ECORRUPT);
		free(part);
	}
	for (size_t i = 0; i < pub.size; i++) {
		pub.data[i] ^= 1;
		assert_int_not_equal(kg_keyring_decode_public(&public, (char *)pub.data, pub.size),
				     KG_OK);
		pub.data[i] ^= 1;
	}
	assert_int_equal(kg_keyring_decode_public(&public, (char *)pub.data, pub.size), KG_OK);
	kg_buf_puts(&pub, "\n");
	assert_int_equal(kg_keyring_decode_public(&public, (char *)pub.data, pub.size),
			 KG_ECORRUPT);
	kg_buf_release(&pub);
}

#define KEYRING_TEST(name) cmocka_unit_test_setup_teardown(test_keyring__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEYRING_TEST(opens_what_was_created),
		KEYRING_TEST(identity_is_never_replaced),
		KEYRING_TEST(one_of_many_creators_wins),
		KEYRING_TEST(wrong_passphrase_is_told),
		KEYRING_TEST(others_may_not_reach_it),
		KEYRING_TEST(links_and_devices_are_not_followed),
		KEYRING_TEST(every_truncation_is_corrupt),
		KEYRING_TEST(every_changed_bit_of_a_plain_file_is_corrupt),
		KEYRING_TEST(changed_sealed_bytes_are_refused),
		KEYRING_TEST(hostile_costs_are_refused_at_once),
		KEYRING_TEST(sealed_form_is_the_written_one),
		KEYRING_TEST(passphrase_limits),
		KEYRING_TEST(lost_public_half_comes_back),
		KEYRING_TEST(foreign_public_half_is_refused),
		KEYRING_TEST(public_half_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
