/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

/* RFC 4648, section 10. */
static const struct {
	const char *bytes;
	const char *base64;
	const char *hex;
} vectors[] = {
	{"", "", ""},
	{"f", "Zg==", "66"},
	{"fo", "Zm8=", "666f"},
	{"foo", "Zm9v", "666f6f"},
	{"foob", "Zm9vYg==", "666f6f62"},
	{"fooba", "Zm9vYmE=", "666f6f6261"},
	{"foobar", "Zm9vYmFy", "666f6f626172"},
};

enum { VECTORS = sizeof(vectors) / sizeof(vectors[0]) };

static void test_hex__rfc_4648_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		size_t size = strlen(vectors[i].bytes);
		char text[32];
		uint8_t back[8] = {0};

		kg_hex_encode(text, (const uint8_t *)vectors[i].bytes, size);
		assert_string_equal(text, vectors[i].hex);
		assert_int_equal(kg_hex_decode(back, size, text), KG_OK);
		assert_memory_equal(back, vectors[i].bytes, size);
	}
}

static void test_hex__decoding_is_exact(void **state)
{
	uint8_t out[2] = {7, 7};

	(void)state;
	assert_int_equal(kg_hex_decode(out, 2, "012"), KG_EINVAL);
	assert_int_equal(kg_hex_decode(out, 2, "01234"), KG_EINVAL);
	assert_int_equal(kg_hex_decode(out, 2, "012g"), KG_EINVAL);
	assert_int_equal(kg_hex_decode(out, 2, "012F"), KG_EINVAL);
	assert_int_equal(kg_hex_decode(out, 2, " 123"), KG_EINVAL);
	assert_int_equal(kg_hex_decode(out, 2, ""), KG_EINVAL);
	assert_int_equal(out[0], 7);
	assert_int_equal(kg_hex_decode(out, 0, ""), KG_OK);
	assert_int_equal(kg_hex_decode(out, 2, "00ff"), KG_OK);
	assert_int_equal(out[0], 0);
	assert_int_equal(out[1], 255);
}

static void test_hex__is_looks_at_the_first_characters(void **state)
{
	(void)state;
	assert_true(kg_hex_is("0123456789abcdef", 16));
	assert_true(kg_hex_is("00zz", 2));
	assert_false(kg_hex_is("00zz", 3));
	assert_false(kg_hex_is("00", 3));
	assert_false(kg_hex_is("AB", 2));
}

static void test_base64__rfc_4648_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		size_t size = strlen(vectors[i].bytes);
		size_t room = size;
		char text[32];
		uint8_t back[8] = {0};

		assert_int_equal(kg_base64_size(size), strlen(vectors[i].base64) + 1);
		kg_base64_encode(text, (const uint8_t *)vectors[i].bytes, size);
		assert_string_equal(text, vectors[i].base64);
		assert_int_equal(kg_base64_decode(back, &room, text, strlen(text)), KG_OK);
		assert_int_equal(room, size);
		assert_memory_equal(back, vectors[i].bytes, size);
		if (size == 0)
			continue;
		room = size - 1;
		assert_int_equal(kg_base64_decode(back, &room, text, strlen(text)), KG_EFULL);
		assert_int_equal(room, size - 1);
	}
}

static void test_base64__every_pair_of_bytes_returns(void **state)
{
	(void)state;
	for (int a = 0; a < 256; a++) {
		for (int b = 0; b < 256; b++) {
			uint8_t in[4] = {(uint8_t)a, (uint8_t)b, (uint8_t)(a ^ b), (uint8_t)~a};
			uint8_t out[4];
			char text[9];

			for (size_t size = 2; size <= 4; size++) {
				size_t room = sizeof(out);

				kg_base64_encode(text, in, size);
				assert_int_equal(kg_base64_decode(out, &room, text, strlen(text)),
						 KG_OK);
				assert_int_equal(room, size);
				assert_memory_equal(in, out, size);
			}
		}
	}
}

static void test_base64__only_the_canonical_form_decodes(void **state)
{
	static const char *const bad[] = {
		"Z",    "Zg",   "Zg=",      "Zg= ",         " Zg=", "Zh==", "Zm9=",     "=Zg=",
		"====", "Z===", "Zg==Zg==", "Zm9v\n\n\n\n", "Zm_v", "Zm-v", "Zm8=Zm8=",
	};
	uint8_t out[16];

	(void)state;
	memset(out, 7, sizeof(out));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t room = sizeof(out);

		assert_int_equal(kg_base64_decode(out, &room, bad[i], strlen(bad[i])), KG_ECORRUPT);
		assert_int_equal(room, sizeof(out));
	}
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], 7);
}

static void test_base64__a_nul_is_no_digit(void **state)
{
	uint8_t out[3];
	size_t room = sizeof(out);

	(void)state;
	assert_int_equal(kg_base64_decode(out, &room, "Zm\0v", 4), KG_ECORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex__rfc_4648_vectors),
		cmocka_unit_test(test_hex__decoding_is_exact),
		cmocka_unit_test(test_hex__is_looks_at_the_first_characters),
		cmocka_unit_test(test_base64__rfc_4648_vectors),
		cmocka_unit_test(test_base64__every_pair_of_bytes_returns),
		cmocka_unit_test(test_base64__only_the_canonical_form_decodes),
		cmocka_unit_test(test_base64__a_nul_is_no_digit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
