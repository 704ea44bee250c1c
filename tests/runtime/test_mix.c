/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/format.h"
#include "runtime/model.h"

static void test_mix__gives_every_class_its_format(void **state)
{
	kg_strategy mix;

	(void)state;
	assert_int_equal(kg_strategy_parse(&mix, "mix:ffn_down=int4,attn_v=palette16,*=int2"),
			 KG_OK);
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_ATTN_Q, mix), KG_FORMAT_INT2);
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_ATTN_V, mix), KG_FORMAT_PALETTE16);
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_ATTN_OUTPUT, mix), KG_FORMAT_INT2);
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_FFN_GATE, mix), KG_FORMAT_INT2);
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_FFN_DOWN, mix), KG_FORMAT_INT4);
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_EMBEDDING, mix), KG_FORMAT_INT8);
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_FFN_NORM, mix), KG_FORMAT_F32);
	assert_false(kg_strategy_is_paired(&mix));
	assert_int_equal(kg_strategy_parse(&mix, "mix:attn_q=fairy1,table=f32,*=ternary"), KG_OK);
	assert_true(kg_strategy_is_paired(&mix));
	assert_int_equal(kg_tensor_role_format(KG_TENSOR_HEAD, mix), KG_FORMAT_F32);
}

static void test_mix__has_one_name(void **state)
{
	static const char *const names[][2] = {
		{"mix:ffn_down=int4,attn_v=int4,*=int2", "mix:attn_v=int4,ffn_down=int4,*=int2"},
		{"mix:attn_q=fairyx2,*=int8", "mix:attn_q=fairy2,*=int8"},
		{"mix:attn_q=int4,attn_k=int2,table=int8,*=int4", "mix:attn_k=int2,*=int4"},
		{"mix:table=f16,*=int4", "mix:table=f16,*=int4"},
		{"mix:table=int4,*=int4", "mix:table=int4,*=int4"},
		{"mix:*=int2", "int2"},
		{"mix:attn_q=int2,*=int2", "int2"},
		{"palette4", "palette4"},
	};
	kg_strategy mix;
	kg_strategy again;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(kg_strategy_parse(&mix, names[i][0]), KG_OK);
		assert_string_equal(kg_strategy_name(&mix), names[i][1]);
		assert_int_equal(kg_strategy_parse(&again, kg_strategy_name(&mix)), KG_OK);
		assert_true(kg_strategy_same(&mix, &again));
		assert_memory_equal(mix.class, again.class, sizeof(mix.class));
		assert_int_equal(mix.table, again.table);
	}
}

static void test_mix__bad_ones_are_refused(void **state)
{
	/* more than 120 bytes */
	static const char long_one[] = "mix:attn_q=palette16,attn_k=palette16,attn_v=palette16,"
				       "attn_output=palette16,ffn_gate=palette16,ffn_up=palette16,"
				       "*=palette4";
	static const char *const bad[] = {
		"mix:",
		"mix",
		"mix:int4",
		"mix:attn_v=int4",
		"mix:attn_v=int4,*=f32",
		"mix:attn_v=f16,*=int4",
		"mix:table=int2,*=int4",
		"mix:attn_v=int4,attn_v=int2,*=int8",
		"mix:*=int4,attn_v=int2",
		"mix:*=int4,*=int4",
		"mix:*=int4,",
		"mix:,*=int4",
		"mix:output=int4,*=int2",
		"mix:attn_v=int3,*=int2",
		"mix:attn_v=,*=int2",
		long_one,
	};
	kg_strategy mix;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(kg_strategy_parse(&mix, bad[i]), KG_EINVAL);
}

static void test_mix__every_class_can_be_named(void **state)
{
	static const char all[] = "mix:attn_q=int2,attn_k=int4,attn_v=int8,attn_output=fairy2,"
				  "ffn_gate=fairy1,ffn_up=fairy3,table=int4,*=ternary";
	kg_strategy mix;

	(void)state;
	assert_int_equal(kg_strategy_parse(&mix, all), KG_OK);
	assert_string_equal(kg_strategy_name(&mix), all);
}

static void test_mix__has_no_narrower_one(void **state)
{
	kg_strategy mix;
	kg_strategy out;

	(void)state;
	assert_int_equal(kg_strategy_parse(&mix, "mix:attn_v=int8,*=int4"), KG_OK);
	assert_int_equal(kg_strategy_narrower(&out, &mix), KG_ENOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mix__gives_every_class_its_format),
		cmocka_unit_test(test_mix__has_one_name),
		cmocka_unit_test(test_mix__bad_ones_are_refused),
		cmocka_unit_test(test_mix__every_class_can_be_named),
		cmocka_unit_test(test_mix__has_no_narrower_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
