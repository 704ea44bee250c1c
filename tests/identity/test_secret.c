/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sodium.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "identity/secret.h"

/* In a child that may lock nothing; before any secret of this process. */
static void test_secret__refused_lock_is_told(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	assert_false(kg_secret_is_locked());
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};

		/* root is above the limit */
		if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
			_exit(2);
		/* Where locking is not refused after all (a sanitizer answers for the system),
		 * there is nothing to tell. */
		if (mlock(&none, sizeof(none)) == 0)
			_exit(77);
		if (kg_identity_init() != KG_OK)
			_exit(3);
		_exit(kg_secret_is_locked() ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_secret__is_zeroed_aligned_and_apart(void **state)
{
	void *a;
	void *b;

	(void)state;
	assert_int_equal(kg_secret_new(&a, 65), KG_OK);
	assert_int_equal(kg_secret_new(&b, 1), KG_OK);
	assert_int_equal(kg_secret_used(), 3);
	assert_int_equal((uintptr_t)a % KG_SECRET_SLOT, 0);
	assert_int_equal((uintptr_t)b % KG_SECRET_SLOT, 0);
	assert_true((uint8_t *)b >= (uint8_t *)a + 65 || (uint8_t *)b < (uint8_t *)a);
	assert_true(sodium_is_zero(a, 65));
	memset(a, 0xaa, 65);
	assert_true(sodium_is_zero(b, 1));
	kg_secret_free(a);
	kg_secret_free(b);
	kg_secret_free(NULL);
	assert_int_equal(kg_secret_used(), 0);
}

static void test_secret__release_wipes(void **state)
{
	void *a;
	void *again;

	(void)state;
	assert_int_equal(kg_secret_new(&a, 128), KG_OK);
	memset(a, 0x55, 128);
	kg_secret_free(a);
	assert_int_equal(kg_secret_new(&again, 128), KG_OK);
	assert_ptr_equal(again, a); /* the same slots, or the next line says nothing */
	assert_true(sodium_is_zero(again, 128));
	kg_secret_free(again);
}

static void test_secret__limits(void **state)
{
	static void *all[KG_SECRET_SLOTS];
	void *one;

	(void)state;
	assert_int_equal(kg_secret_new(&one, 0), KG_EINVAL);
	assert_int_equal(kg_secret_new(&one, KG_SECRET_MAX + 1), KG_EINVAL);
	assert_int_equal(kg_secret_new(&one, KG_SECRET_MAX), KG_OK);
	kg_secret_free(one);
	for (size_t i = 0; i < KG_SECRET_SLOTS; i++)
		assert_int_equal(kg_secret_new(&all[i], KG_SECRET_SLOT), KG_OK);
	assert_int_equal(kg_secret_new(&one, 1), KG_EFULL);
	/* A gap of two slots holds no three. */
	kg_secret_free(all[100]);
	kg_secret_free(all[101]);
	assert_int_equal(kg_secret_new(&one, (size_t)3 * KG_SECRET_SLOT), KG_EFULL);
	assert_int_equal(kg_secret_new(&one, (size_t)2 * KG_SECRET_SLOT), KG_OK);
	assert_ptr_equal(one, all[100]);
	kg_secret_free(one);
	for (size_t i = 0; i < KG_SECRET_SLOTS; i++)
		if (i != 100 && i != 101)
			kg_secret_free(all[i]);
	assert_int_equal(kg_secret_used(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret__refused_lock_is_told),
		cmocka_unit_test(test_secret__is_zeroed_aligned_and_apart),
		cmocka_unit_test(test_secret__release_wipes),
		cmocka_unit_test(test_secret__limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
