/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <git2.h>

#include "base/hex.h"
#include "base/rng.h"
#include "memory/entry.h"
#include "memory/sha1.h"

static void assert_sha1(const char *hex, const void *data, size_t size, size_t times)
{
	uint8_t found[KG_SHA1_SIZE];
	char text[2 * KG_SHA1_SIZE + 1];
	kg_sha1 sha1;

	kg_sha1_init(&sha1);
	for (size_t i = 0; i < times; i++)
		kg_sha1_put(&sha1, data, size);
	kg_sha1_end(&sha1, found);
	kg_hex_encode(text, found, sizeof(found));
	assert_string_equal(text, hex);
}

/* The examples of FIPS 180, and the empty message of NIST CAVP. */
static void test_sha1__published_vectors_hold(void **state)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

	(void)state;
	assert_sha1("da39a3ee5e6b4b0d3255bfef95601890afd80709", "", 0, 1);
	assert_sha1("a9993e364706816aba3e25717850c26c9cd0d89d", "abc", 3, 1);
	assert_sha1("84983e441c3bd26ebaae4aa1f95129e5e54670f1", two_blocks, 56, 1);
	assert_sha1("34aa973cd4c4daa4f61eeb2bdbad27316534016f", "a", 1, 1000000);
	assert_sha1("34aa973cd4c4daa4f61eeb2bdbad27316534016f", "aaaaaaaaaa", 10, 100000);
}

static void test_sha1__names_commits_as_git_does(void **state)
{
	uint8_t object[300];
	kg_rng rng;

	(void)state;
	assert_true(git_libgit2_init() > 0);
	kg_rng_init_u64(&rng, 1);
	for (size_t i = 0; i < sizeof(object); i++)
		object[i] = (uint8_t)kg_rng_below(&rng, 256);
	for (size_t size = 0; size <= sizeof(object); size++) {
		kg_commit id;
		git_oid oid;

		kg_commit_id(&id, object, size);
		assert_int_equal(git_odb_hash(&oid, object, size, GIT_OBJECT_COMMIT), 0);
		assert_memory_equal(id.bytes, oid.id, sizeof(id.bytes));
	}
	(void)git_libgit2_shutdown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha1__published_vectors_hold),
		cmocka_unit_test(test_sha1__names_commits_as_git_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
