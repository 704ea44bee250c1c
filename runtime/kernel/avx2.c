/* SPDX-License-Identifier: MIT */
/* AVX2 and F16C. */
#include "runtime/kernel/avx2.h"
#include "runtime/kernel/processor.h"

static bool usable(void)
{
	return kg_processor_has(x86_cpu_AVX2) && kg_processor_has(x86_cpu_F16C);
}

static void gather(int8_t *out, const int8_t *x, uint32_t reach, const uint16_t *index,
		   const int8_t *sign, uint32_t n)
{
	enum { BLOCK = 32 };
	uint32_t whole = n - n % BLOCK;
	int8_t room[BLOCK];

	(void)reach;
	for (uint32_t from = 0; from < whole; from += BLOCK) {
		for (uint32_t i = 0; i < BLOCK; i++)
			room[i] = x[index[from + i]];
		store(out + from, _mm256_sign_epi8(load(room), load(sign + from)));
	}
	for (uint32_t i = whole; i < n; i++)
		out[i] = (int8_t)(sign[i] * x[index[i]]);
}

const kg_kernel kg_kernel_avx2 = {
	.name = "avx2",
	.usable = usable,
	.lines = kg_kernel__avx2_lines,
	.groups = kg_kernel__avx2_groups,
	.plane = kg_kernel__avx2_plane,
	.phases = kg_kernel__avx2_phases,
	.gather = gather,
	.scatter = kg_kernel__avx2_scatter,
	.scatter_four = kg_kernel__avx2_scatter_four,
	.spread_four = kg_kernel__avx2_spread_four,
	.scale_f32 = kg_kernel__avx2_scale_f32,
	.scale_f16 = kg_kernel__avx2_scale_f16,
	.weigh = kg_kernel__avx2_weigh,
	.mix_i8 = kg_kernel__avx2_mix_i8,
	.rows_f32 = kg_kernel__avx2_rows_f32,
	.rows_f16 = kg_kernel__avx2_rows_f16,
	.argmax = kg_kernel__avx2_argmax,
	.dot_f32 = kg_kernel__avx2_dot_f32,
	.dot_f16 = kg_kernel__avx2_dot_f16,
	.add = kg_kernel__avx2_add,
	.norm = kg_kernel__avx2_norm,
	.turn = kg_kernel__avx2_turn,
	.softmax = kg_kernel__avx2_softmax,
	.swiglu = kg_kernel__avx2_swiglu,
	.quantize = kg_kernel__avx2_quantize,
};
