/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "identity/generations.h"
#include "identity/keyring.h"
#include "identity/secret.h"

static kg_swarm *swarm_make(uint8_t first)
{
	uint8_t entropy[32] = {first};
	kg_swarm *swarm = NULL;

	assert_int_equal(kg_swarm_from_entropy(&swarm, entropy, sizeof(entropy)), KG_OK);
	return swarm;
}

static kg_err decode(kg_swarm *swarm, const kg_buf *text)
{
	return kg_generations_decode(swarm, kg_buf_text(text), text->size);
}

/* The file of a swarm in which two names were renewed. */
static void encode_two(kg_buf *out)
{
	kg_swarm *swarm = swarm_make(1);

	assert_int_equal(kg_swarm_set_generation(swarm, "agent-3", 1), KG_OK);
	assert_int_equal(kg_swarm_set_generation(swarm, KG_OPERATOR_NAME, 9999), KG_OK);
	kg_buf_init(out, KG_GENERATIONS_FILE_MAX);
	assert_int_equal(kg_generations_encode(out, swarm), KG_OK);
	kg_swarm_free(swarm);
}

static void test_generations__what_is_written_is_read(void **state)
{
	kg_swarm *swarm = swarm_make(1);
	kg_buf text;

	(void)state;
	encode_two(&text);
	assert_memory_equal(text.data,
			    "kindergarten-generations 1\nagent-3 1\noperator 9999\nsignature ", 61);
	assert_int_equal(kg_swarm_set_generation(swarm, "agent-9", 4), KG_OK);
	assert_int_equal(decode(swarm, &text), KG_OK);
	assert_int_equal(kg_swarm_generation(swarm, "agent-3"), 1);
	assert_int_equal(kg_swarm_generation(swarm, KG_OPERATOR_NAME), 9999);
	assert_int_equal(kg_swarm_generation(swarm, "agent-9"), 0);
	kg_buf_release(&text);
	kg_swarm_free(swarm);
}

static void test_generations__of_another_swarm_they_are_refused(void **state)
{
	kg_swarm *swarm = swarm_make(2);
	kg_buf text;

	(void)state;
	encode_two(&text);
	assert_int_equal(decode(swarm, &text), KG_EBADSIG);
	assert_null(kg_swarm_renewed(swarm, 0));
	kg_buf_release(&text);
	kg_swarm_free(swarm);
}

static void test_generations__a_cut_or_a_change_anywhere_is_refused(void **state)
{
	kg_swarm *swarm = swarm_make(1);
	kg_buf text;

	(void)state;
	encode_two(&text);
	for (size_t i = 0; i < text.size; i++) {
		char *part = malloc(i + 1);

		assert_non_null(part);
		memcpy(part, text.data, i);
		assert_int_equal(kg_generations_decode(swarm, part, i), KG_ECORRUPT);
		free(part);
		text.data[i] ^= 1;
		assert_int_not_equal(decode(swarm, &text), KG_OK);
		assert_null(kg_swarm_renewed(swarm, 0));
		text.data[i] ^= 1;
	}
	kg_buf_release(&text);
	kg_swarm_free(swarm);
}

/* Well signed, and still not what encode writes. */
static void test_generations__there_is_one_form(void **state)
{
	static const char *const bad[] = {
		"agent-3 0\n", "agent-3 01\n", "agent-3\n", "agent-3 -1\n", "b 1\na 1\n",
		"a 1\na 2\n",  "a 10000\n",    "A 1\n",     " 1\n",         "a 1 \n",
		"a  1\n",      "\n",           "a 1x\n"};
	kg_swarm *swarm = swarm_make(1);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t signature[KG_SIGNATURE_SIZE];
		char hex[2 * KG_SIGNATURE_SIZE + 1];
		kg_buf text;

		kg_buf_init(&text, 4096);
		kg_buf_printf(&text, "kindergarten-generations 1\n%s", bad[i]);
		kg_key_sign(kg_swarm_key(swarm), signature, text.data, text.size);
		kg_hex_encode(hex, signature, sizeof(signature));
		kg_buf_printf(&text, "signature %s\n", hex);
		assert_int_not_equal(decode(swarm, &text), KG_OK);
		assert_null(kg_swarm_renewed(swarm, 0));
		kg_buf_release(&text);
	}
	kg_swarm_free(swarm);
}

static void test_generations__the_identity_opens_with_its_keys_in_use(void **state)
{
	char dir[] = "/tmp/kg-generations-XXXXXX";
	uint8_t entropy[32] = {7};
	kg_keyring_public public;
	kg_swarm *swarm = NULL;
	char command[128];
	kg_pubkey renewed;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(kg_keyring_create(dir, entropy, sizeof(entropy), NULL), KG_OK);
	assert_int_equal(kg_keyring_open(&swarm, dir, NULL), KG_OK);
	assert_int_equal(kg_generations_read(swarm, dir), KG_ENOTFOUND);
	assert_int_equal(kg_swarm_set_generation(swarm, KG_OPERATOR_NAME, 2), KG_OK);
	renewed = *kg_key_public(kg_swarm_operator_key(swarm));
	assert_int_equal(kg_generations_write(swarm, dir), KG_OK);
	kg_swarm_free(swarm);

	assert_int_equal(kg_keyring_open(&swarm, dir, NULL), KG_OK);
	assert_true(kg_pubkey_equal(&renewed, kg_key_public(kg_swarm_operator_key(swarm))));
	kg_swarm_free(swarm);
	/* The public half follows. */
	assert_int_equal(kg_keyring_read_public(&public, dir), KG_OK);
	assert_true(kg_pubkey_equal(&renewed, &public.operator_key));
	(void)snprintf(command, sizeof(command), "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

static int nothing_left(void **state)
{
	(void)state;
	return kg_secret_used() == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations__what_is_written_is_read),
		cmocka_unit_test(test_generations__of_another_swarm_they_are_refused),
		cmocka_unit_test(test_generations__a_cut_or_a_change_anywhere_is_refused),
		cmocka_unit_test(test_generations__there_is_one_form),
		cmocka_unit_test(test_generations__the_identity_opens_with_its_keys_in_use),
	};

	return cmocka_run_group_tests_name("generations", tests, NULL, nothing_left);
}
