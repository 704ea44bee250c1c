/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <signal.h>
#include <unistd.h>

#include "memory/journal.h"

#define FIRST "0000000000000001"

/* What a reading saw: the objects joined by '|', those of proofs in brackets. */
static kg_err collect(void *payload, kg_journal_kind kind, const uint8_t *object, size_t size)
{
	kg_buf *seen = payload;

	kg_buf_puts(seen, kind == KG_JOURNAL_PROOF ? "[" : "");
	kg_buf_put(seen, object, size);
	kg_buf_puts(seen, kind == KG_JOURNAL_PROOF ? "]|" : "|");
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

static void put(kg_journal *journal, const char *text)
{
	assert_int_equal(kg_journal_append(journal, KG_JOURNAL_ENTRY, text, strlen(text)), KG_OK);
}

static void write_file(const fixture *f, const char *name, const kg_buf *bytes, size_t size)
{
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/%s", f->dir, name), KG_OK);
	assert_int_equal(kg_fs_write(path, bytes->data, size, 0600), KG_OK);
}

static void read_file(const fixture *f, const char *name, kg_buf *bytes)
{
	char path[KG_PATH_SIZE];

	kg_buf_clear(bytes);
	assert_int_equal(kg_path(path, "%s/%s", f->dir, name), KG_OK);
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
	put(journal, "first");
	put(journal, "KGR1 second");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	two = (size_t)kg_journal_size(journal);
	put(journal, "third");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	read_file(&f, FIRST, &file);
	for (size_t size = two; size <= file.size; size++) {
		write_file(&f, FIRST, &file, size);
		journal = reopen(&f, &seen, &torn);
		assert_string_equal(kg_buf_text(&seen), size < file.size
								? "first|KGR1 second|"
								: "first|KGR1 second|third|");
		assert_int_equal(torn, size < file.size ? size - two : 0);
		/* What comes next is whole, in a segment of its own. */
		put(journal, "next");
		assert_int_equal(kg_journal_sync(journal), KG_OK);
		kg_journal_free(journal);
		journal = reopen(&f, &seen, &torn);
		assert_non_null(strstr(kg_buf_text(&seen), "second|"));
		assert_string_equal(kg_buf_text(&seen) + seen.size - 5, "next|");
		assert_int_equal(kg_journal_clear(journal), KG_OK);
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
	put(journal, "first");
	put(journal, "second");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	read_file(&f, FIRST, &file);
	for (size_t i = KG_JOURNAL_HEADER_SIZE; i < KG_JOURNAL_HEADER_SIZE + 45; i++) {
		/* The kind is among these bytes: an entry does not turn into a proof. */
		file.data[i] ^= i == KG_JOURNAL_HEADER_SIZE + 7 ? 0x01 : 0x20;
		write_file(&f, FIRST, &file, file.size);
		journal = reopen(&f, &seen, &torn);
		assert_string_equal(kg_buf_text(&seen), "second|");
		assert_int_equal(torn, 45);
		kg_journal_free(journal);
		file.data[i] ^= i == KG_JOURNAL_HEADER_SIZE + 7 ? 0x01 : 0x20;
	}
	file.data[0] ^= 1;
	write_file(&f, FIRST, &file, file.size);
	assert_int_equal(kg_journal_open(&journal, f.dir, &torn, collect, &seen), KG_ECORRUPT);
	kg_buf_release(&seen);
	kg_buf_release(&file);
	fixture_remove(&f);
}

static void test_journal__cleared_it_has_no_file(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	assert_false(kg_journal_is_there(f.dir));
	journal = reopen(&f, &seen, &torn);
	put(journal, "first");
	assert_false(kg_journal_is_there(f.dir));
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	assert_true(kg_journal_is_there(f.dir));
	assert_int_equal(kg_journal_clear(journal), KG_OK);
	assert_int_equal(kg_journal_size(journal), 0);
	assert_false(kg_journal_is_there(f.dir));
	assert_int_equal(fixture_shell(&f, NULL, "test -z \"$(ls)\""), 0);
	put(journal, "second");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	journal = reopen(&f, &seen, &torn);
	assert_string_equal(kg_buf_text(&seen), "second|");
	kg_journal_free(journal);
	kg_buf_release(&seen);
	fixture_remove(&f);
}

static void test_journal__what_is_not_synced_leaves_no_trace(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	journal = reopen(&f, &seen, &torn);
	put(journal, "first");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	put(journal, "forgotten");
	kg_journal_cancel(journal);
	put(journal, "second");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	put(journal, "never synced");
	kg_journal_free(journal);
	journal = reopen(&f, &seen, &torn);
	assert_string_equal(kg_buf_text(&seen), "first|second|");
	assert_int_equal(torn, 0);
	kg_journal_free(journal);
	kg_buf_release(&seen);
	fixture_remove(&f);
}

static void test_journal__a_proof_is_told_from_an_entry(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	journal = reopen(&f, &seen, &torn);
	put(journal, "an entry");
	assert_int_equal(kg_journal_append(journal, KG_JOURNAL_PROOF, "a proof", 7), KG_OK);
	put(journal, "another");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	journal = reopen(&f, &seen, &torn);
	assert_string_equal(kg_buf_text(&seen), "an entry|[a proof]|another|");
	kg_journal_free(journal);
	kg_buf_release(&seen);
	fixture_remove(&f);
}

/* Fills segments with records of a quarter of a megabyte; the number of records. */
static unsigned fill(kg_journal *journal, uint64_t until)
{
	static char large[1 << 18];
	unsigned count = 0;

	memset(large, 'x', sizeof(large));
	while (kg_journal_segment(journal) < until) {
		assert_int_equal(kg_journal_append(journal, KG_JOURNAL_ENTRY, large, sizeof(large)),
				 KG_OK);
		assert_int_equal(kg_journal_sync(journal), KG_OK);
		count++;
	}
	return count;
}

static kg_err count_records(void *payload, kg_journal_kind kind, const uint8_t *object, size_t size)
{
	unsigned *count = payload;

	(void)kind;
	(void)object;
	*count += size == 1 << 18 ? 1 : 0;
	return KG_OK;
}

static void test_journal__segments_are_read_in_order_and_go_one_by_one(void **state)
{
	fixture f;
	kg_journal *journal = NULL;
	unsigned count;
	unsigned seen = 0;
	uint64_t torn;

	(void)state;
	fixture_make(&f);
	assert_int_equal(kg_journal_open(&journal, f.dir, &torn, count_records, &seen), KG_OK);
	count = fill(journal, 3);
	assert_int_equal(kg_journal_oldest(journal), 1);
	assert_int_equal(fixture_shell(&f, NULL, "test $(ls | wc -l) = 3"), 0);
	kg_journal_free(journal);
	assert_int_equal(kg_journal_open(&journal, f.dir, &torn, count_records, &seen), KG_OK);
	assert_int_equal(seen, count);
	assert_int_equal(kg_journal_segment(journal), 4);
	assert_int_equal(kg_journal_drop(journal, 2), KG_OK);
	assert_int_equal(fixture_shell(&f, NULL,
				       "test \"$(ls | tr '\\n' ' ')\" = "
				       "'0000000000000002 0000000000000003 '"),
			 0);
	assert_int_equal(kg_journal_oldest(journal), 2);
	/* The one that is written to stays. */
	put(journal, "more");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	assert_int_equal(kg_journal_drop(journal, UINT64_MAX), KG_OK);
	assert_int_equal(fixture_shell(&f, NULL, "test \"$(ls)\" = 0000000000000004"), 0);
	kg_journal_free(journal);
	fixture_remove(&f);
}

static void test_journal__the_single_file_of_before_is_read_first_and_goes(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	journal = reopen(&f, &seen, &torn);
	put(journal, "old");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	/* Its form was that of a segment. */
	assert_int_equal(fixture_shell(&f, NULL, "mv " FIRST " journal; echo x > notes"), 0);
	assert_true(kg_journal_is_there(f.dir));
	journal = reopen(&f, &seen, &torn);
	assert_string_equal(kg_buf_text(&seen), "old|");
	put(journal, "new");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	journal = reopen(&f, &seen, &torn);
	assert_string_equal(kg_buf_text(&seen), "old|new|");
	assert_int_equal(kg_journal_drop(journal, 1), KG_OK);
	assert_int_equal(
		fixture_shell(&f, NULL, "test \"$(ls | tr '\\n' ' ')\" = '" FIRST " notes '"), 0);
	kg_journal_free(journal);
	kg_buf_release(&seen);
	fixture_remove(&f);
}

static void test_journal__a_group_that_does_not_fit_is_not_there_at_all(void **state)
{
	fixture f;
	kg_journal *journal;
	uint64_t torn;
	kg_buf seen;

	(void)state;
	fixture_make(&f);
	kg_buf_init(&seen, 1 << 16);
	(void)signal(SIGXFSZ, SIG_IGN);
	journal = reopen(&f, &seen, &torn);
	put(journal, "first");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	for (rlim_t room = 0; room < 200; room += 7) {
		fixture_limit_files((rlim_t)kg_journal_size(journal) + room);
		put(journal, "one of a group that has much to say, all of which is said at once");
		put(journal, "the other of the group, for which there is room even less than that");
		assert_int_equal(kg_journal_sync(journal), KG_EFULL);
		fixture_limit_files(RLIM_INFINITY);
	}
	put(journal, "second");
	assert_int_equal(kg_journal_sync(journal), KG_OK);
	kg_journal_free(journal);
	journal = reopen(&f, &seen, &torn);
	assert_string_equal(kg_buf_text(&seen), "first|second|");
	assert_int_equal(torn, 0);
	kg_journal_free(journal);
	kg_buf_release(&seen);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal__a_tail_torn_at_any_byte_costs_only_the_last_record),
		cmocka_unit_test(test_journal__a_damaged_record_does_not_hide_those_behind_it),
		cmocka_unit_test(test_journal__cleared_it_has_no_file),
		cmocka_unit_test(test_journal__what_is_not_synced_leaves_no_trace),
		cmocka_unit_test(test_journal__a_proof_is_told_from_an_entry),
		cmocka_unit_test(test_journal__segments_are_read_in_order_and_go_one_by_one),
		cmocka_unit_test(test_journal__the_single_file_of_before_is_read_first_and_goes),
		cmocka_unit_test(test_journal__a_group_that_does_not_fit_is_not_there_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
