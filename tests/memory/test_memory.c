/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_memory__what_is_said_is_recalled_and_stock_git_verifies_it(void **state)
{
	fixture f;
	kg_memory *memory;
	kg_index_rows rows = {0};
	kg_index_filter filter = {.query = "blue"};
	kg_receipt said;
	kg_buf out;

	(void)state;
	fixture_make(&f);
	memory = fixture_open(&f);
	said = fixture_say(&f, memory, &f.agents[0], "mixing yellow and blue gives green");
	(void)fixture_say(&f, memory, &f.agents[1], "two and two make four");
	assert_int_equal(kg_memory_recall(memory, &rows, &filter), KG_OK);
	assert_int_equal(rows.count, 1);
	assert_memory_equal(rows.rows[0].proof.id.bytes, said.id.bytes, KG_HASH_SIZE);
	assert_true(rows.rows[0].verified);
	kg_index_rows_release(&rows);
	kg_buf_init(&out, 1 << 20);
	if (fixture_shell(&f, &out,
			  "for r in $(git -C memory.git for-each-ref --format='%%(refname)'); do"
			  " for c in $(git -C memory.git rev-list $r); do"
			  " git -C memory.git verify-commit $c || exit 1; done; done;"
			  " git -C memory.git fsck --strict --no-dangling") != 0)
		fail_msg("%s", kg_buf_text(&out));
	kg_buf_release(&out);
	kg_memory_free(memory);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory__what_is_said_is_recalled_and_stock_git_verifies_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
