/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include "memory/journal.h"

/* What a reading saw: the objects joined by '|'. */
static kg_err collect(void *payload, const uint8_t *object, size_t size)
{
	kg_buf *seen = payload;

	kg_buf_put(seen, object, size);
	kg_buf_puts(seen, "|");
	return KG_OK;
}

static kg_journal *reopen(const fixture *f, kg_buf *seen, uint64_t *torn)
{
	kg_journal *journal = NULL;

	kg_buf_clear(seen);
	*torn = 0;
	if (kg_journal_open(&journal, f->dir, torn, collect, seen) != KG_OK)
		fail_msg("%s", kg_err_text());
	return journal;
}

static void write_file(const fixture *f, const kg_buf *bytes, size_t size)
{
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/journal", f->dir), KG_OK);
	assert_int_equal(kg_fs_write(path, bytes->data, size, 0600), KG_OK);
}

static void read_file(const fixture *f, kg_buf *bytes)
{
	char path[KG_PATH_SIZE];

	kg_buf_clear(bytes);
	assert_int_equal(kg_path(path, "%s/journal", f->dir), KG_OK);
	assert_int_equal(kg_fs_read(bytes, path), KG_OK);
}

static void test_journal__a_tail_torn_at_any_byte_costs_only_the_last_record(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;
	kg_buf file;
	size_t two;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	kg_buf_init(&file, 1 << 16);
	journal = reopen(&f, &seen, &torn);
	assert_int_equal(kg_journal_append(journal, "first", 5), KG_OK);
	assert_int_equal(kg_journal_append(journal, "KGR1 second", 11), KG_OK);
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	two = KG_JOURNAL_HEADER_SIZE + (size_t)kg_journal_size(journal);
	assert_int_equal(kg_journal_append(journal, "third", 5), KG_OK);
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	read_file(&f, &file);
	for (size_t size = two; size <= file.size; size++) {
		write_file(&f, &file, size);
		journal = reopen(&f, &seen, &torn);
		assert_string_equal(kg_buf_text(&seen), size < file.size
								? "first|KGR1 second|"
								: "first|KGR1 second|third|");
		assert_int_equal(torn, size < file.size ? size - two : 0);
		/* What comes next is whole again. */
		assert_int_equal(kg_journal_append(journal, "next", 4), KG_OK);
		assert_int_equal(kg_journal_sync(journal), KG_OK);
		kg_journal_free(journal);
		journal = reopen(&f, &seen, &torn);
		assert_int_equal(torn, 0);
		assert_non_null(strstr(kg_buf_text(&seen), "second|"));
		assert_string_equal(kg_buf_text(&seen) + seen.size - 5, "next|");
		kg_journal_free(journal);
	}
	kg_buf_release(&seen);
	kg_buf_release(&file);
	fixture_remove(&f);
}

static void test_journal__a_damaged_record_does_not_hide_those_behind_it(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;
	kg_buf file;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	kg_buf_init(&file, 1 << 16);
	journal = reopen(&f, &seen, &torn);
	assert_int_equal(kg_journal_append(journal, "first", 5), KG_OK);
	assert_int_equal(kg_journal_append(journal, "second", 6), KG_OK);
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	read_file(&f, &file);
	for (size_t i = KG_JOURNAL_HEADER_SIZE; i < KG_JOURNAL_HEADER_SIZE + 45; i++) {
		file.data[i] ^= 0x20;
		write_file(&f, &file, file.size);
		journal = reopen(&f, &seen, &torn);
		assert_string_equal(kg_buf_text(&seen), "second|");
		assert_int_equal(torn, 45);
		kg_journal_free(journal);
		file.data[i] ^= 0x20;
	}
	file.data[0] ^= 1;
	write_file(&f, &file, file.size);
	assert_int_equal(kg_journal_open(&journal, f.dir, &torn, collect, &seen), KG_ECORRUPT);
	kg_buf_release(&seen);
	kg_buf_release(&file);
	fixture_remove(&f);
}

static void test_journal__cleared_it_is_empty(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	journal = reopen(&f, &seen, &torn);
	assert_int_equal(kg_journal_append(journal, "first", 5), KG_OK);
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	assert_int_equal(kg_journal_clear(journal), KG_OK);
	assert_int_equal(kg_journal_size(journal), 0);
	kg_journal_free(journal);
	journal = reopen(&f, &seen, &torn);
	assert_int_equal(seen.size, 0);
	kg_journal_free(journal);
	kg_buf_release(&seen);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal__a_tail_torn_at_any_byte_costs_only_the_last_record),
		cmocka_unit_test(test_journal__a_damaged_record_does_not_hide_those_behind_it),
		cmocka_unit_test(test_journal__cleared_it_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
