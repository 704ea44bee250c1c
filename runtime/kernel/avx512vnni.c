/* SPDX-License-Identifier: MIT */
/* AVX-512 F, BW, VL and VNNI. */
#include "runtime/kernel/avx512.h"
#include "runtime/kernel/processor.h"

static bool usable(void)
{
	return kg_processor_has(x86_cpu_AVX512F) && kg_processor_has(x86_cpu_AVX512BW) &&
	       kg_processor_has(x86_cpu_AVX512VL) && kg_processor_has(x86_cpu_AVX512_VNNI);
}

/* One by one, because a gather instruction reads four bytes for one and is no faster; the signs in
 * whole registers. */
static void gather(int8_t *out, const int8_t *x, uint32_t reach, const uint16_t *index,
		   const int8_t *sign, uint32_t n)
{
	(void)reach;
	for (uint32_t from = 0; from < n; from += KG_LINE_SIZE) {
		uint32_t count = n - from < KG_LINE_SIZE ? n - from : KG_LINE_SIZE;
		__mmask64 some = ~0ULL >> (KG_LINE_SIZE - count);
		int8_t room[KG_LINE_SIZE];
		__mmask64 negative;
		__m512i v;

		for (uint32_t i = 0; i < count; i++)
			room[i] = x[index[from + i]];
		negative = _mm512_movepi8_mask(_mm512_maskz_loadu_epi8(some, sign + from));
		v = _mm512_loadu_si512(room);
		v = _mm512_mask_sub_epi8(v, negative, _mm512_setzero_si512(), v);
		_mm512_mask_storeu_epi8(out + from, some, v);
	}
}

const kg_kernel kg_kernel_avx512vnni = {
	.name = "avx512vnni",
	.usable = usable,
	.lines = kg_kernel__avx512_lines,
	.gather = gather,
	AVX512_SHARED,
};
