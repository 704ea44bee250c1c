/* SPDX-License-Identifier: MIT */
/* AVX-512 VNNI, with the byte permutes of VBMI where they win: look-ups in 128 bytes at once. */
#include "runtime/kernel/avx512.h"
#include "runtime/kernel/processor.h"

static bool usable(void)
{
	return kg_kernel_avx512vnni.usable() && kg_processor_has(x86_cpu_AVX512_VBMI);
}

enum {
	TABLE = 2 * KG_LINE_SIZE, /* bytes that one permute looks up in */
	TABLES_MAX = 24,          /* with more of them, bytes one by one are as fast */
};

/* Where sixty-four indices point: their low seven bits, the table of 128, and that table's lowest
 * two bits. */
typedef struct {
	__m512i low;
	__m512i table;
	__mmask64 odd;
	__mmask64 second;
} places;

/* Of `count` (4, 2 or 1) tables, the first of which `table` has a number that `count` divides; to
 * the bytes that are there. */
AVX512_INLINE __m512i pick(__m512i out, int count, const int8_t *x, uint32_t lines, uint32_t table,
			   const places *at)
{
	const __m512i group = _mm512_set1_epi8((char)-count);
	__m512i part[4];
	__mmask64 here = _mm512_cmpeq_epi8_mask(_mm512_and_si512(at->table, group),
						_mm512_set1_epi8((char)table));

	for (int t = 0; t < count; t++) {
		uint32_t line = 2 * (table + (uint32_t)t);
		__m512i first = _mm512_loadu_si512(x + (size_t)line * KG_LINE_SIZE);
		__m512i second = first;

		if (line + 1 < lines)
			second = _mm512_loadu_si512(x + (size_t)(line + 1) * KG_LINE_SIZE);
		part[t] = _mm512_permutex2var_epi8(first, at->low, second);
	}
	for (int t = 0; t + 1 < count; t += 2)
		part[t] = _mm512_mask_mov_epi8(part[t], at->odd, part[t + 1]);
	if (count == 4)
		part[0] = _mm512_mask_mov_epi8(part[0], at->second, part[2]);
	return _mm512_mask_mov_epi8(out, here, part[0]);
}

/* The bytes of x, all its lines, that the indices name. */
static inline __m512i pick_all(const int8_t *x, uint32_t lines, const places *at)
{
	__m512i out = _mm512_setzero_si512();
	uint32_t tables = (lines + 1) / 2;
	uint32_t t = 0;

	for (; t + 4 <= tables; t += 4)
		out = pick(out, 4, x, lines, t, at);
	if (t + 2 <= tables) {
		out = pick(out, 2, x, lines, t, at);
		t += 2;
	}
	return t < tables ? pick(out, 1, x, lines, t, at) : out;
}

static void gather(int8_t *out, const int8_t *x, uint32_t reach, const uint16_t *index,
		   const int8_t *sign, uint32_t n)
{
	uint32_t lines = (reach + KG_LINE_SIZE - 1) / KG_LINE_SIZE;
	uint8_t even_bytes[KG_LINE_SIZE];
	__m512i even;

	if (lines > 2 * TABLES_MAX) {
		kg_kernel_avx512vnni.gather(out, x, reach, index, sign, n);
		return;
	}
	for (int i = 0; i < KG_LINE_SIZE; i++)
		even_bytes[i] = (uint8_t)(2 * i);
	even = _mm512_loadu_si512(even_bytes);
	for (uint32_t from = 0; from < n; from += KG_LINE_SIZE) {
		uint32_t count = n - from < KG_LINE_SIZE ? n - from : KG_LINE_SIZE;
		__mmask64 some = ~0ULL >> (KG_LINE_SIZE - count);
		__m512i i0 = _mm512_maskz_loadu_epi16((__mmask32)some, index + from);
		__m512i i1 = _mm512_maskz_loadu_epi16((__mmask32)(some >> 32), index + from + 32);
		places at = {.low = _mm512_permutex2var_epi8(i0, even, i1),
			     .table = _mm512_permutex2var_epi8(_mm512_srli_epi16(i0, 7), even,
							       _mm512_srli_epi16(i1, 7))};
		__mmask64 negative =
			_mm512_movepi8_mask(_mm512_maskz_loadu_epi8(some, sign + from));
		__m512i v;

		at.odd = _mm512_test_epi8_mask(at.table, _mm512_set1_epi8(1));
		at.second = _mm512_test_epi8_mask(at.table, _mm512_set1_epi8(2));
		v = pick_all(x, lines, &at);
		v = _mm512_mask_sub_epi8(v, negative, _mm512_setzero_si512(), v);
		_mm512_mask_storeu_epi8(out + from, some, v);
	}
}

static void look_up(uint8_t *out, const uint8_t *line, uint32_t count, const int8_t *palette)
{
	__m512i table[4];

	for (int i = 0; i < 4; i++)
		table[i] = _mm512_xor_si512(_mm512_set1_epi8(-128),
					    _mm512_loadu_si512(palette + i * KG_LINE_SIZE));
	for (uint32_t at = 0; at < count; at++, line += KG_LINE_SIZE, out += KG_LINE_SIZE) {
		__m512i w = load_line(line);
		__m512i v = _mm512_permutex2var_epi8(table[0], w, table[1]);

		v = _mm512_mask_mov_epi8(v, _mm512_movepi8_mask(w),
					 _mm512_permutex2var_epi8(table[2], w, table[3]));
		_mm512_store_si512(out, v);
	}
}

static void lines(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	if (w->kind == KG_LINES_PALETTE256)
		kg_kernel__avx512_palette256(w, job, look_up);
	else
		kg_kernel__avx512_lines(w, job);
}

const kg_kernel kg_kernel_avx512vbmi = {
	.name = "avx512vbmi",
	.usable = usable,
	.lines = lines,
	.gather = gather,
	AVX512_SHARED,
};
