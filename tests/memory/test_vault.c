/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <unistd.h>

#include "identity/seal.h"
#include "memory/store.h"
#include "memory/vault.h"

static const char plain[] = "Nobody but the operator is to read this sentence.";

/* A memory with one sealed entry of agent-0, for agent-1. */
typedef struct {
	fixture f;
	kg_store *store;
	kg_buf sealed;
	kg_entry_id id;
} vault;

static int setup(void **state)
{
	vault *v = calloc(1, sizeof(*v));
	kg_seal_context context;
	uint8_t digest[KG_HASH_SIZE];
	kg_memory *memory;
	kg_receipt receipt;
	kg_entry_proof proof;
	kg_pubkey reader;
	kg_buf object;
	kg_entry e;

	assert_non_null(v);
	fixture_make(&v->f);
	memory = fixture_open(&v->f);
	context.swarm = v->f.agents[0].swarm;
	context.author = *kg_key_public(v->f.agents[0].key);
	reader = *kg_key_public(v->f.agents[1].key);
	kg_buf_init(&v->sealed, KG_SEAL_SIZE_MAX);
	assert_int_equal(kg_seal(&v->sealed, plain, strlen(plain), &context, &reader, 1), KG_OK);
	kg_seal_digest(digest, v->sealed.data, v->sealed.size);
	kg_entry_init(&e, KG_ENTRY_OBSERVATION);
	assert_int_equal(kg_entry_set_sealed(&e, digest, v->sealed.size, &reader, 1), KG_OK);
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	proof = fixture_sign(&object, &v->f.agents[0], &e, v->f.now_ms);
	v->id = proof.id;
	assert_int_equal(kg_memory_keep_sealed(memory, &v->id, v->sealed.data, v->sealed.size),
			 KG_OK);
	assert_int_equal(kg_memory_submit(memory, &receipt, object.data, object.size, v->f.now_ms),
			 KG_OK);
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
	kg_buf_release(&object);
	kg_entry_release(&e);
	assert_int_equal(kg_store_create(&v->store, v->f.dir, &v->f.agents[0].swarm), KG_OK);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	vault *v = *state;

	kg_store_free(v->store);
	kg_buf_release(&v->sealed);
	fixture_remove(&v->f);
	free(v);
	return 0;
}

static kg_err read_back(vault *v)
{
	kg_buf back;
	kg_err err;

	kg_buf_init(&back, KG_SEAL_SIZE_MAX);
	err = kg_vault_read(v->store, &back, &v->id);
	if (err == KG_OK) {
		assert_int_equal(back.size, v->sealed.size);
		assert_memory_equal(back.data, v->sealed.data, back.size);
	}
	kg_buf_release(&back);
	return err;
}

static kg_err put(vault *v)
{
	return kg_vault_put(v->store, &v->id, v->sealed.data, v->sealed.size);
}

static void test_vault__content_is_a_blob_that_stock_git_reads(void **state)
{
	vault *v = *state;
	char hex[KG_HASH_TEXT_SIZE];
	kg_buf out;

	assert_int_equal(read_back(v), KG_OK);
	kg_entry_id_format(hex, &v->id);
	kg_buf_init(&out, 1 << 20);
	assert_int_equal(
		fixture_shell(&v->f, &out, "git -C memory.git cat-file blob refs/vault/%s", hex),
		0);
	assert_int_equal(out.size, v->sealed.size);
	assert_memory_equal(out.data, v->sealed.data, out.size);
	kg_buf_release(&out);
	assert_int_equal(fixture_shell(&v->f, NULL, "git -C memory.git fsck --strict"), 0);
}

static void test_vault__the_same_content_again_is_fine_and_other_is_not(void **state)
{
	vault *v = *state;

	assert_int_equal(put(v), KG_OK);
	v->sealed.data[v->sealed.size - 1] ^= 1;
	assert_int_equal(put(v), KG_EEXISTS);
	assert_int_equal(kg_vault_put(v->store, &v->id, "no sealed text", 14), KG_ECORRUPT);
	v->sealed.data[v->sealed.size - 1] ^= 1;
	assert_int_equal(read_back(v), KG_OK);
}

/* Whether it is in any file of the state directory, however git keeps its objects: every file as it
 * is, and every object unpacked. */
static bool is_anywhere(vault *v)
{
	char path[KG_PATH_SIZE];
	bool found;
	kg_buf out;

	/* Beside the state directory, not in it. The first bytes are alike in all sealed texts. */
	assert_true(snprintf(path, sizeof(path), "%.200s.needle", v->f.dir) > 0);
	assert_int_equal(kg_fs_write(path, v->sealed.data + KG_SEAL_HEADER_SIZE, 64, 0600), KG_OK);
	kg_buf_init(&out, 1 << 20);
	assert_int_equal(
		fixture_shell(
			&v->f, &out,
			"perl -e 'local $/; open N, q(<), shift; $n = <N>; for (@ARGV) { open F, "
			"q(<), $_ or next; $f = <F>; print qq($_\n) if index($f, $n) >= 0 or "
			"index($f, q(%s)) >= 0 }' %s $(find . -type f)",
			plain, path),
		0);
	assert_int_equal(
		fixture_shell(&v->f, &out,
			      "git -C memory.git cat-file --batch --batch-all-objects --unordered "
			      "| perl -e 'local $/; open N, q(<), shift; $n = <N>; $f = <STDIN>; "
			      "print q(an object) if index($f, $n) >= 0' %s",
			      path),
		0);
	found = out.size > 0;
	kg_buf_release(&out);
	assert_int_equal(unlink(path), 0);
	return found;
}

static void test_vault__erased_content_is_gone_from_the_disk_and_stays_away(void **state)
{
	vault *v = *state;
	bool erased = false;

	/* Wherever git has put it meanwhile. */
	assert_int_equal(fixture_shell(&v->f, NULL, "git -C memory.git gc --quiet"), 0);
	assert_true(is_anywhere(v));
	assert_int_equal(kg_vault_is_erased(&erased, v->store, &v->id), KG_OK);
	assert_false(erased);
	assert_int_equal(kg_vault_erase(v->store, &v->id), KG_OK);
	assert_int_equal(kg_vault_is_erased(&erased, v->store, &v->id), KG_OK);
	assert_true(erased);
	assert_int_equal(kg_store_repack(v->store, NULL, NULL), KG_OK);
	assert_int_equal(read_back(v), KG_ENOTFOUND);
	assert_int_equal(put(v), KG_EDENIED);
	assert_false(is_anywhere(v));
	assert_int_equal(fixture_shell(&v->f, NULL, "git -C memory.git fsck --strict"), 0);
	assert_int_equal(fixture_shell(&v->f, NULL, "git clone -q --mirror memory.git copy.git"),
			 0);
	/* Again is fine. */
	assert_int_equal(kg_vault_erase(v->store, &v->id), KG_OK);
}

static kg_err nothing_known(void *payload, bool *known, const kg_entry_id *entry)
{
	(void)payload;
	(void)entry;
	*known = false;
	return KG_OK;
}

static kg_err all_known(void *payload, bool *known, const kg_entry_id *entry)
{
	(void)payload;
	(void)entry;
	*known = true;
	return KG_OK;
}

static void test_vault__content_without_an_entry_is_swept_away(void **state)
{
	vault *v = *state;
	size_t dropped = 0;
	bool erased = true;

	assert_int_equal(kg_vault_sweep(v->store, &dropped, all_known, NULL), KG_OK);
	assert_int_equal(dropped, 0);
	assert_int_equal(read_back(v), KG_OK);
	assert_int_equal(kg_vault_sweep(v->store, &dropped, nothing_known, NULL), KG_OK);
	assert_int_equal(dropped, 1);
	assert_int_equal(read_back(v), KG_ENOTFOUND);
	/* It was not erased: it may come again. */
	assert_int_equal(kg_vault_is_erased(&erased, v->store, &v->id), KG_OK);
	assert_false(erased);
	assert_int_equal(put(v), KG_OK);
}

static void test_vault__a_list_of_the_erased_that_is_damaged_is_told(void **state)
{
	vault *v = *state;
	char path[KG_PATH_SIZE];
	bool erased;

	assert_int_equal(kg_path(path, "%s/erased", v->f.dir), KG_OK);
	assert_int_equal(kg_fs_write(path, "abc\n", 4, 0600), KG_OK);
	assert_int_equal(kg_vault_is_erased(&erased, v->store, &v->id), KG_ECORRUPT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_vault__##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(content_is_a_blob_that_stock_git_reads),
		TEST(the_same_content_again_is_fine_and_other_is_not),
		TEST(erased_content_is_gone_from_the_disk_and_stays_away),
		TEST(content_without_an_entry_is_swept_away),
		TEST(a_list_of_the_erased_that_is_damaged_is_told),
	};

	return cmocka_run_group_tests_name("vault", tests, NULL, NULL);
}
