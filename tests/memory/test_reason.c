/* SPDX-License-Identifier: MIT */
#include "memory/reason.h"

#include "identity/sshsig.h"
#include "tests/memory/fixture.h"

static void test_reason__every_reason_has_a_word_of_its_own(void **state)
{
	(void)state;
	assert_string_equal(kg_reason_name(KG_REASON_NONE), "");
	assert_int_equal(kg_reason_code(KG_REASON_NONE), KG_OK);
	for (unsigned i = 1; i < KG_REASONS; i++) {
		const char *word = kg_reason_name((kg_reason)i);

		assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_"),
				 strlen(word));
		assert_in_range(strlen(word), 3, 20);
		assert_int_not_equal(kg_reason_code((kg_reason)i), KG_OK);
		for (unsigned k = 1; k < i; k++)
			assert_string_not_equal(word, kg_reason_name((kg_reason)k));
	}
}

static void test_reason__the_line_of_the_error_begins_with_the_word(void **state)
{
	kg_reason why = KG_REASON_NONE;

	(void)state;
	assert_int_equal(kg_reason_fail(&why, KG_REASON_FORKED, "place %d", 7), KG_ECONFLICT);
	assert_int_equal(why, KG_REASON_FORKED);
	assert_string_equal(kg_err_text(), "forked: place 7");
	assert_int_equal(kg_reason_fail(NULL, KG_REASON_REVOKED, "no"), KG_EDENIED);
}

/* The signed bytes of an insight by agent-0. */
static void make_payload(kg_buf *payload, author *who)
{
	kg_key *swarm = fixture_key(100);
	kg_entry e;

	*who = (author){.key = fixture_key(1), .swarm = *kg_key_public(swarm), .name = "agent-0"};
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_text(&e, "the wheels on the bus", 21), KG_OK);
	assert_int_equal(kg_entry_place(&e, &who->swarm, who->key, who->name, &who->head, 1000),
			 KG_OK);
	kg_buf_init(payload, KG_ENTRY_OBJECT_MAX);
	assert_int_equal(kg_entry_encode(payload, &e, NULL), KG_OK);
	kg_entry_release(&e);
	kg_key_free(swarm);
}

/* The commit that signs these bytes, its armour in lines of `width`. */
static void sign_payload(kg_buf *object, const kg_buf *payload, const kg_key *key, size_t width)
{
	const char *bytes = kg_buf_text(payload);
	const char *message = strstr(bytes, "\n\n") + 1;
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	const char *digits;
	size_t column = 0;

	kg_sshsig_sign(armour, key, payload->data, payload->size);
	digits = strchr(armour, '\n') + 1;
	kg_buf_init(object, KG_ENTRY_OBJECT_MAX);
	kg_buf_put(object, bytes, (size_t)(message - bytes));
	kg_buf_puts(object, "gpgsig -----BEGIN SSH SIGNATURE-----");
	for (; *digits != '-'; digits++) {
		if (*digits == '\n')
			continue;
		if (column++ % width == 0)
			kg_buf_puts(object, "\n ");
		kg_buf_put(object, digits, 1);
	}
	kg_buf_puts(object, "\n -----END SSH SIGNATURE-----\n");
	kg_buf_put(object, message, payload->size - (size_t)(message - bytes));
	assert_int_equal(kg_buf_ok(object), KG_OK);
}

static kg_reason reason_of(const kg_buf *object)
{
	kg_entry_proof proof;
	kg_entry e;
	kg_err err = kg_entry_open(&e, &proof, object->data, object->size);

	if (err == KG_OK)
		kg_entry_release(&e);
	return kg_reason_of_object(err, object->data, object->size);
}

static void test_reason__what_is_wrong_with_an_object_is_told(void **state)
{
	static const struct {
		const char *from; /* in what is signed, by its author */
		const char *to;
		size_t width;
		kg_reason reason;
	} cases[] = {
		{"Sequence: 1", "Sequence: 1", 70, KG_REASON_NONE},
		{"Sequence: 1", "Sequence: 1", 76, KG_REASON_BAD_ARMOUR},
		{"Sequence: 1", "Sequence: 1", 1000, KG_REASON_BAD_ARMOUR},
		{"Sequence: 1", "Sequence: 1", 1, KG_REASON_BAD_ARMOUR},
		{"Sequence: 1", "Sequence: 01", 70, KG_REASON_MALFORMED},
		{"Sequence: 1", "Sequence: 01", 76, KG_REASON_MALFORMED},
		{"the bus\n\nK", "the b\xffs\n\nK", 70, KG_REASON_NOT_UTF8},
		{"the bus\n\nK", "the b\xed\xa0\x80s\n\nK", 70, KG_REASON_NOT_UTF8},
		{"the bus\n\nK", "the b\033s\n\nK", 70, KG_REASON_MALFORMED},
		{"tree", "teer", 70, KG_REASON_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *found;
		kg_buf payload;
		kg_buf changed;
		kg_buf object;
		kg_reason why;
		author who;

		make_payload(&payload, &who);
		kg_buf_init(&changed, KG_ENTRY_OBJECT_MAX);
		found = strstr(kg_buf_text(&payload), cases[i].from);
		assert_non_null(found);
		kg_buf_put(&changed, payload.data, (size_t)(found - kg_buf_text(&payload)));
		kg_buf_puts(&changed, cases[i].to);
		kg_buf_puts(&changed, found + strlen(cases[i].from));
		sign_payload(&object, &changed, who.key, cases[i].width);
		why = reason_of(&object);
		if (why != cases[i].reason)
			fail_msg("case %zu: '%s'", i, kg_reason_name(why));
		kg_buf_release(&payload);
		kg_buf_release(&changed);
		kg_buf_release(&object);
		kg_key_free(who.key);
	}
}

static void test_reason__a_signature_is_missing_or_of_something_else(void **state)
{
	char *found;
	kg_buf payload;
	kg_buf object;
	author who;

	(void)state;
	make_payload(&payload, &who);
	assert_int_equal(reason_of(&payload), KG_REASON_UNSIGNED);
	sign_payload(&object, &payload, who.key, 70);
	assert_int_equal(reason_of(&object), KG_REASON_NONE);
	found = strstr((char *)object.data, "the wheels on the bus\n\nK");
	found[0] = 'T';
	assert_int_equal(reason_of(&object), KG_REASON_BAD_SIGNATURE);
	found[0] = 't';
	found = strstr((char *)object.data, "U1NIU0lH"); /* "SSHSIG": no longer a signature */
	found[0] = 'V';
	assert_int_equal(reason_of(&object), KG_REASON_MALFORMED);
	kg_buf_clear(&payload);
	assert_int_equal(reason_of(&payload), KG_REASON_UNSIGNED);
	kg_buf_release(&object);
	kg_buf_release(&payload);
	kg_key_free(who.key);
}

static void test_reason__what_is_too_large_is_not_looked_at(void **state)
{
	kg_buf object;

	(void)state;
	kg_buf_init(&object, 2 * (size_t)KG_ENTRY_OBJECT_MAX);
	assert_non_null(kg_buf_reserve(&object, (size_t)KG_ENTRY_OBJECT_MAX + 1));
	memset(object.data, 'a', (size_t)KG_ENTRY_OBJECT_MAX + 1);
	kg_buf_added(&object, (size_t)KG_ENTRY_OBJECT_MAX + 1);
	assert_int_equal(reason_of(&object), KG_REASON_OVERSIZE);
	assert_int_equal(kg_reason_of_object(KG_ENOMEM, object.data, object.size), KG_REASON_NONE);
	assert_int_equal(kg_reason_of_object(KG_EDENIED, object.data, object.size),
			 KG_REASON_WEAK_KEY);
	kg_buf_release(&object);
}

/* Whatever the bytes, looking closer ends in a word. */
static void test_reason__every_part_of_an_object_has_a_reason(void **state)
{
	kg_buf payload;
	kg_buf object;
	author who;

	(void)state;
	make_payload(&payload, &who);
	sign_payload(&object, &payload, who.key, 70);
	for (size_t size = 0; size < object.size; size++) {
		uint8_t *part = malloc(size + 1);
		kg_reason why;

		assert_non_null(part);
		memcpy(part, object.data, size);
		why = kg_reason_of_object(KG_ECORRUPT, part, size);
		assert_true(why == KG_REASON_UNSIGNED || why == KG_REASON_MALFORMED ||
			    why == KG_REASON_NOT_UTF8 || why == KG_REASON_BAD_SIGNATURE);
		free(part);
	}
	kg_buf_release(&object);
	kg_buf_release(&payload);
	kg_key_free(who.key);
}

static int start(void **state)
{
	(void)state;
	return kg_identity_init() == KG_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reason__every_reason_has_a_word_of_its_own),
		cmocka_unit_test(test_reason__the_line_of_the_error_begins_with_the_word),
		cmocka_unit_test(test_reason__what_is_wrong_with_an_object_is_told),
		cmocka_unit_test(test_reason__a_signature_is_missing_or_of_something_else),
		cmocka_unit_test(test_reason__what_is_too_large_is_not_looked_at),
		cmocka_unit_test(test_reason__every_part_of_an_object_has_a_reason),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
