/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void test_buf__an_empty_one_reads_as_empty_text(void **state)
{
	kg_buf buf;
	size_t size = 9;

	(void)state;
	kg_buf_init(&buf, 10);
	assert_string_equal(kg_buf_text(&buf), "");
	assert_int_equal(kg_buf_ok(&buf), KG_OK);
	kg_buf_put(&buf, NULL, 0);
	assert_int_equal(kg_buf_ok(&buf), KG_OK);
	kg_buf_release(&buf);
	assert_null(kg_buf_take(&buf, &size));
	assert_int_equal(size, 0);
}

static void test_buf__appends_in_order_and_stays_terminated(void **state)
{
	kg_buf buf;

	(void)state;
	kg_buf_init(&buf, 1 << 20);
	for (int i = 0; i < 1000; i++) {
		kg_buf_printf(&buf, "%03d", i);
		kg_buf_puts(&buf, ",");
		assert_int_equal(buf.data[buf.size], 0);
		assert_int_equal(buf.size, 4 * (i + 1));
	}
	assert_int_equal(kg_buf_ok(&buf), KG_OK);
	assert_memory_equal(kg_buf_text(&buf) + 4 * 567, "567,", 4);
	kg_buf_release(&buf);
}

static void test_buf__integers_have_the_stated_byte_order(void **state)
{
	static const uint8_t want[] = {0xfe, 0x04, 0x03, 0x02, 0x01, 0x08, 0x07, 0x06, 0x05,
				       0x04, 0x03, 0x02, 0x01, 0x01, 0x02, 0x03, 0x04};
	kg_buf buf;

	(void)state;
	kg_buf_init(&buf, sizeof(want));
	kg_buf_put_u8(&buf, 0xfe);
	kg_buf_put_u32le(&buf, 0x01020304);
	kg_buf_put_u64le(&buf, 0x0102030405060708);
	kg_buf_put_u32be(&buf, 0x01020304);
	assert_int_equal(kg_buf_ok(&buf), KG_OK);
	assert_int_equal(buf.size, sizeof(want));
	assert_memory_equal(buf.data, want, sizeof(want));
	kg_buf_release(&buf);
}

static void test_buf__holds_exactly_its_maximum(void **state)
{
	static const size_t limits[] = {0, 1, 63, 64, 65, 100, 128, 4096};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		kg_buf buf;

		kg_buf_init(&buf, limits[i]);
		for (size_t k = 0; k < limits[i]; k++)
			kg_buf_put_u8(&buf, (uint8_t)k);
		assert_int_equal(kg_buf_ok(&buf), KG_OK);
		assert_true(buf.room <= limits[i]);
		kg_buf_put_u8(&buf, 1);
		assert_int_equal(kg_buf_ok(&buf), KG_EFULL);
		assert_int_equal(buf.size, limits[i]);
		kg_buf_release(&buf);
	}
}

static void test_buf__after_a_failure_appends_do_nothing(void **state)
{
	kg_buf buf;

	(void)state;
	kg_buf_init(&buf, 4);
	kg_buf_puts(&buf, "abc");
	kg_buf_printf(&buf, "%d", 12345);
	kg_buf_puts(&buf, "d");
	assert_string_equal(kg_buf_text(&buf), "abc");
	assert_int_equal(kg_buf_ok(&buf), KG_EFULL);
	assert_null(kg_buf_reserve(&buf, 1));
	kg_buf_clear(&buf);
	assert_int_equal(kg_buf_ok(&buf), KG_OK);
	kg_buf_puts(&buf, "wxyz");
	assert_int_equal(kg_buf_ok(&buf), KG_OK);
	assert_string_equal(kg_buf_text(&buf), "wxyz");
	kg_buf_release(&buf);
}

static void test_buf__impossible_sizes_fail_cleanly(void **state)
{
	kg_buf buf;

	(void)state;
	kg_buf_init(&buf, SIZE_MAX);
	kg_buf_puts(&buf, "a");
	assert_null(kg_buf_reserve(&buf, SIZE_MAX - 1));
	assert_int_equal(kg_buf_ok(&buf), KG_ENOMEM);
	kg_buf_clear(&buf);
	kg_buf_puts(&buf, "b");
	assert_null(kg_buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(kg_buf_ok(&buf), KG_EFULL);
	assert_string_equal(kg_buf_text(&buf), "b");
	kg_buf_release(&buf);
}

static void test_buf__reserved_room_is_written_in_place(void **state)
{
	kg_buf buf;
	uint8_t *at;

	(void)state;
	kg_buf_init(&buf, 200);
	kg_buf_puts(&buf, "x");
	at = kg_buf_reserve(&buf, 150);
	assert_non_null(at);
	memset(at, 'y', 150);
	kg_buf_added(&buf, 149);
	assert_int_equal(buf.size, 150);
	assert_int_equal(strlen(kg_buf_text(&buf)), 150);
	kg_buf_release(&buf);
}

static void test_buf__take_gives_the_memory_away(void **state)
{
	kg_buf buf;
	uint8_t *mine;
	size_t size = 0;

	(void)state;
	kg_buf_init(&buf, 100);
	kg_buf_puts(&buf, "mine");
	mine = kg_buf_take(&buf, &size);
	assert_int_equal(size, 4);
	kg_buf_puts(&buf, "next");
	assert_string_equal((char *)mine, "mine");
	assert_string_equal(kg_buf_text(&buf), "next");
	free(mine);
	kg_buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf__an_empty_one_reads_as_empty_text),
		cmocka_unit_test(test_buf__appends_in_order_and_stays_terminated),
		cmocka_unit_test(test_buf__integers_have_the_stated_byte_order),
		cmocka_unit_test(test_buf__holds_exactly_its_maximum),
		cmocka_unit_test(test_buf__after_a_failure_appends_do_nothing),
		cmocka_unit_test(test_buf__impossible_sizes_fail_cleanly),
		cmocka_unit_test(test_buf__reserved_room_is_written_in_place),
		cmocka_unit_test(test_buf__take_gives_the_memory_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
