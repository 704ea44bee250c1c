/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include "base/buf.h"
#include "identity/seal.h"

enum { PEOPLE = 3 };

static const char secret[] = "The key to the garden is under the third stone.";

/* Three keys in ascending order, a stranger, and who says it. */
typedef struct {
	kg_key *keys[PEOPLE];
	kg_pubkey recipients[PEOPLE];
	kg_key *stranger;
	kg_seal_context context;
} people;

static int compare_keys(const void *a, const void *b)
{
	const kg_key *const *x = a;
	const kg_key *const *y = b;

	return memcmp(kg_key_public(*x)->bytes, kg_key_public(*y)->bytes, KG_PUBKEY_SIZE);
}

static kg_key *key_make(uint8_t first)
{
	uint8_t seed[KG_KEY_SEED_SIZE] = {first};
	kg_key *key = NULL;

	assert_int_equal(kg_key_new(&key, seed), KG_OK);
	return key;
}

static int setup(void **state)
{
	people *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	for (uint8_t i = 0; i < PEOPLE; i++)
		p->keys[i] = key_make((uint8_t)(10 + i));
	qsort(p->keys, PEOPLE, sizeof(kg_key *), compare_keys);
	for (size_t i = 0; i < PEOPLE; i++)
		p->recipients[i] = *kg_key_public(p->keys[i]);
	p->stranger = key_make(99);
	p->context.author = p->recipients[0];
	p->context.swarm = *kg_key_public(p->stranger);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	people *p = *state;

	for (size_t i = 0; i < PEOPLE; i++)
		kg_key_free(p->keys[i]);
	kg_key_free(p->stranger);
	free(p);
	return 0;
}

static void seal_text(kg_buf *out, const people *p, const void *text, size_t size)
{
	kg_buf_init(out, KG_SEAL_SIZE_MAX);
	assert_int_equal(kg_seal(out, text, size, &p->context, p->recipients, PEOPLE), KG_OK);
}

static kg_err open_text(uint8_t *text, size_t *size, const kg_buf *sealed, const people *p,
			const kg_key *key)
{
	return kg_seal_open(text, size, sealed->data, sealed->size, &p->context, key);
}

static void test_seal__every_recipient_reads_it_and_nobody_else(void **state)
{
	const people *p = *state;
	uint8_t *text = malloc(KG_SEAL_TEXT_MAX);
	size_t size;
	kg_buf sealed;

	assert_non_null(text);
	seal_text(&sealed, p, secret, sizeof(secret));
	for (size_t i = 0; i < PEOPLE; i++) {
		size = 0;
		assert_int_equal(open_text(text, &size, &sealed, p, p->keys[i]), KG_OK);
		assert_int_equal(size, sizeof(secret));
		assert_memory_equal(text, secret, sizeof(secret));
	}
	assert_int_equal(open_text(text, &size, &sealed, p, p->stranger), KG_EDENIED);
	assert_null(memmem(sealed.data, sealed.size, secret, 8));
	kg_buf_release(&sealed);
	free(text);
}

static void test_seal__every_changed_byte_shows(void **state)
{
	const people *p = *state;
	uint8_t text[256];
	size_t size;
	kg_buf sealed;

	seal_text(&sealed, p, secret, sizeof(secret));
	for (size_t i = 0; i < sealed.size; i++) {
		sealed.data[i] ^= 0x10;
		assert_int_not_equal(open_text(text, &size, &sealed, p, p->keys[1]), KG_OK);
		sealed.data[i] ^= 0x10;
	}
	assert_int_equal(open_text(text, &size, &sealed, p, p->keys[1]), KG_OK);
	kg_buf_release(&sealed);
}

static void test_seal__a_cut_at_any_byte_is_refused(void **state)
{
	const people *p = *state;
	uint8_t text[256];
	size_t size;
	kg_buf sealed;

	seal_text(&sealed, p, secret, sizeof(secret));
	for (size_t i = 0; i < sealed.size; i++) {
		/* A block of its own, so that reading beyond it shows. */
		uint8_t *part = malloc(i + 1);

		assert_non_null(part);
		memcpy(part, sealed.data, i);
		assert_int_equal(kg_seal_open(text, &size, part, i, &p->context, p->keys[0]),
				 KG_ECORRUPT);
		free(part);
	}
	kg_buf_release(&sealed);
}

static void test_seal__it_cannot_be_passed_off_as_anothers(void **state)
{
	const people *p = *state;
	kg_seal_context other = p->context;
	uint8_t text[256];
	size_t size;
	kg_buf sealed;

	seal_text(&sealed, p, secret, sizeof(secret));
	other.author = p->recipients[1];
	assert_int_equal(kg_seal_open(text, &size, sealed.data, sealed.size, &other, p->keys[0]),
			 KG_ECORRUPT);
	other = p->context;
	other.swarm = p->recipients[1];
	assert_int_equal(kg_seal_open(text, &size, sealed.data, sealed.size, &other, p->keys[0]),
			 KG_ECORRUPT);
	kg_buf_release(&sealed);
}

/* The layout of the header: 36 bytes, 80 for each key, a length and a tag; the rest is a power of
 * two that the text fits in. */
static void test_seal__the_size_tells_little_of_the_length(void **state)
{
	static const struct {
		size_t length;
		size_t room;
	} cases[] = {{0, 256},     {1, 256},       {256, 256},     {257, 512},    {1000, 1024},
		     {1025, 2048}, {32768, 32768}, {32769, 65536}, {65536, 65536}};
	const people *p = *state;
	uint8_t *text = calloc(1, KG_SEAL_TEXT_MAX);
	uint8_t *back = malloc(KG_SEAL_TEXT_MAX);
	size_t size;

	assert_non_null(text);
	assert_non_null(back);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kg_buf sealed;

		seal_text(&sealed, p, text, cases[i].length);
		assert_int_equal(sealed.size, 36 + 3 * 80 + 4 + cases[i].room + 16);
		assert_int_equal(open_text(back, &size, &sealed, p, p->keys[2]), KG_OK);
		assert_int_equal(size, cases[i].length);
		kg_buf_release(&sealed);
	}
	free(text);
	free(back);
}

static void test_seal__limits_and_order_are_kept(void **state)
{
	const people *p = *state;
	kg_pubkey many[KG_SEAL_RECIPIENTS_MAX + 1] = {{{0}}};
	uint8_t *text = calloc(1, KG_SEAL_TEXT_MAX + 1);
	kg_buf sealed;

	assert_non_null(text);
	kg_buf_init(&sealed, KG_SEAL_SIZE_MAX);
	assert_int_equal(
		kg_seal(&sealed, text, KG_SEAL_TEXT_MAX + 1, &p->context, p->recipients, PEOPLE),
		KG_EFULL);
	assert_int_equal(kg_seal(&sealed, text, 1, &p->context, p->recipients, 0), KG_EINVAL);
	assert_int_equal(kg_seal(&sealed, text, 1, &p->context, many, KG_SEAL_RECIPIENTS_MAX + 1),
			 KG_EINVAL);
	many[0] = p->recipients[1];
	many[1] = p->recipients[0];
	assert_int_equal(kg_seal(&sealed, text, 1, &p->context, many, 2), KG_EINVAL);
	many[1] = p->recipients[1];
	assert_int_equal(kg_seal(&sealed, text, 1, &p->context, many, 2), KG_EINVAL);
	assert_int_equal(sealed.size, 0);
	kg_buf_release(&sealed);
	free(text);
}

static void test_seal__keys_of_low_order_are_refused(void **state)
{
	const people *p = *state;
	kg_pubkey low[2] = {{{0}}, {{1}}}; /* a point of order four, and the identity */
	kg_buf sealed;

	kg_buf_init(&sealed, KG_SEAL_SIZE_MAX);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(kg_seal(&sealed, "x", 1, &p->context, &low[i], 1), KG_EDENIED);
	kg_buf_release(&sealed);
}

static void test_seal__the_outside_tells_for_how_many(void **state)
{
	const people *p = *state;
	size_t count = 0;
	kg_buf sealed;

	seal_text(&sealed, p, secret, sizeof(secret));
	assert_int_equal(kg_seal_check(&count, sealed.data, sealed.size), KG_OK);
	assert_int_equal(count, PEOPLE);
	kg_buf_release(&sealed);
}

/* Made with Python: hashlib, and the X25519, Ed25519, ChaCha20 and Poly1305 of cryptography, with
 * Salsa20 and HChaCha20 written from their papers. Seeds of bytes 01 and 02 for the recipients, 03
 * for the author, 64 (hexadecimal) for the swarm; data key of bytes 11, nonce 22, ephemeral keys of
 * bytes 33 and 34. */
static void test_seal__what_others_seal_by_the_documents_opens(void **state)
{
	static const char hex[] =
		"4b475345414c4544010200002222222222222222222222222222222222222222222222227b0d47d934"
		"27f831"
		"1160781c7c733fd89f88970aef490d8aa0ee19a4cb8a1b14b3338257f0b68eb8c687bb7359c3064516"
		"a8f9ed"
		"f76e6b9e9ab2ac64a39138010384238171b6cab0689565b9e0179216ffc951aa6f2fa03096d1d1b579"
		"735b2f"
		"6f84019fe2f617aa65ff3d68705f25270fc3befec6bee1b95024a559d605c5ffb93d35b236b378d9ef"
		"ad5288"
		"bfb39752919382330f0ced09e3e104718935189e9867e70c05dc88f88a3a34aad31d81805ee2a6f478"
		"ff9181"
		"402c0482148e77255ed7b64385ffda42e77f632a5734232872b8282c6aa786083f14dcfbc7e13ccacf"
		"9409f4"
		"ff6d955a5adf85f22044ec57495dbb7e9c53e6fc1bd5894ea92b137f95ffbce3d9a8362d96c58eb3ee"
		"bf1f08"
		"167ab23e7219f7e0340e2ae8d078787318891f95f0ecab2f236a1082e983b410623dac39ad9fa260bb"
		"7e324f"
		"387b897ae59cbe25b349dc4c79ab4fc3e29d3de90ecd4dc275740e5c045ec71be575a3aad6a7f42f70"
		"2fd15c"
		"6cf9a25a6833b5de12d4da907daffb6ad94a67db0fb37d02689d616d0aad2b3315d866b1af3333b4d1"
		"ee5406"
		"74c0924e8e5dd3c537bb0601d7708978bbc0351e9eb01aa87f2a4e9f854ce5c8";
	static const char digest_hex[] =
		"d187e6159b4a5c7fdbc3ddb1b6ebf56e3de7529d1e3b87d5f0bb7019019beb76";
	uint8_t bytes[sizeof(hex) / 2];
	uint8_t want[KG_HASH_SIZE];
	uint8_t digest[KG_HASH_SIZE];
	uint8_t seed[KG_KEY_SEED_SIZE];
	kg_seal_context context;
	uint8_t text[256];
	size_t size;

	(void)state;
	from_hex(bytes, sizeof(bytes), hex);
	for (uint8_t who = 1; who <= 3; who++) {
		kg_key *keys[3];
		static const uint8_t fills[] = {100, 3};

		for (size_t i = 0; i < 3; i++) {
			memset(seed, i < 2 ? fills[i] : who, sizeof(seed));
			assert_int_equal(kg_key_new(&keys[i], seed), KG_OK);
		}
		context.swarm = *kg_key_public(keys[0]);
		context.author = *kg_key_public(keys[1]);
		size = 0;
		assert_int_equal(kg_seal_open(text, &size, bytes, sizeof(bytes), &context, keys[2]),
				 who < 3 ? KG_OK : KG_EDENIED);
		if (who < 3) {
			assert_int_equal(size, 27);
			assert_memory_equal(text, "Yellow and blue make green.", 27);
		}
		for (size_t i = 0; i < 3; i++)
			kg_key_free(keys[i]);
	}
	from_hex(want, sizeof(want), digest_hex);
	kg_seal_digest(digest, bytes, sizeof(bytes));
	assert_memory_equal(digest, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal__every_recipient_reads_it_and_nobody_else),
		cmocka_unit_test(test_seal__every_changed_byte_shows),
		cmocka_unit_test(test_seal__a_cut_at_any_byte_is_refused),
		cmocka_unit_test(test_seal__it_cannot_be_passed_off_as_anothers),
		cmocka_unit_test(test_seal__the_size_tells_little_of_the_length),
		cmocka_unit_test(test_seal__limits_and_order_are_kept),
		cmocka_unit_test(test_seal__keys_of_low_order_are_refused),
		cmocka_unit_test(test_seal__the_outside_tells_for_how_many),
		cmocka_unit_test(test_seal__what_others_seal_by_the_documents_opens),
	};

	return cmocka_run_group_tests_name("seal", tests, setup, teardown);
}
