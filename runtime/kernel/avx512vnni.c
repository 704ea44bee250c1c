/* SPDX-License-Identifier: MIT */
/* AVX-512 F, BW, VL and VNNI; this file alone is compiled for them. A line is one register. */
#include <immintrin.h>
#include <string.h>

#include "runtime/fmath_loops.h"
#include "runtime/kernel/tables.h"

enum { LANES = 16, PARTS = 4, AHEAD = 8192 /* prefetch distance, bytes: measured best in DRAM */ };

static bool usable(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

/* sum += four unsigned times four signed bytes, per lane. In assembly because GCC 12 copies the
 * accumulator around the intrinsic, which costs a third of the speed. */
static inline void dot(__m512i *sum, __m512i u, __m512i s)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(u), "v"(s));
}

static inline __m512i four(const int8_t *x)
{
	int32_t bytes;

	memcpy(&bytes, x, sizeof(bytes));
	return _mm512_set1_epi32(bytes);
}

static int32_t sum_i8(const int8_t *x, uint32_t n)
{
	__m512i sum = _mm512_setzero_si512();
	const __m512i ones = _mm512_set1_epi8(1);
	uint32_t i = 0;

	for (; i + 64 <= n; i += 64)
		dot(&sum, ones, _mm512_loadu_si512(x + i));
	if (i < n) {
		__mmask64 rest = ~0ULL >> (64 - (n - i));

		dot(&sum, ones, _mm512_maskz_loadu_epi8(rest, x + i));
	}
	return _mm512_reduce_add_epi32(sum);
}

static void tile_i8(int32_t *y, const int8_t *line, const int8_t *x, uint32_t tiles, uint32_t quads)
{
	/* w xor 128 is w + 128 as unsigned; 128 * sum(x) is taken off again. */
	const __m512i flip = _mm512_set1_epi8(-128);
	const __m512i start = _mm512_set1_epi32(-128 * sum_i8(x, quads * KG_TILE_COLS));
	const size_t step = (size_t)PARTS * KG_TILE_COLS;
	uint32_t whole = quads - quads % PARTS;

	for (uint32_t tile = 0; tile < tiles; tile++, y += KG_TILE_ROWS) {
		__m512i part[PARTS] = {start, _mm512_setzero_si512(), _mm512_setzero_si512(),
				       _mm512_setzero_si512()};
		const int8_t *v = x;

		for (uint32_t quad = 0; quad < whole; quad += PARTS, v += step)
			for (int k = 0; k < PARTS; k++, line += KG_LINE_SIZE) {
				_mm_prefetch(line + AHEAD, _MM_HINT_T0);
				dot(&part[k], _mm512_xor_si512(_mm512_loadu_si512(line), flip),
				    four(v + KG_TILE_COLS * (size_t)k));
			}
		/* Always the same sum: an index that varies would move all four to the stack. */
		for (uint32_t quad = whole; quad < quads; quad++, line += KG_LINE_SIZE)
			dot(&part[0], _mm512_xor_si512(_mm512_loadu_si512(line), flip),
			    four(x + (size_t)quad * KG_TILE_COLS));
		_mm512_storeu_si512(y, _mm512_add_epi32(_mm512_add_epi32(part[0], part[1]),
							_mm512_add_epi32(part[2], part[3])));
	}
}

static void plane_one(int32_t *y_r, int32_t *y_i, const kg_kernel_plane *p, const int8_t *x_r,
		      const int8_t *x_i)
{
	const __m512i nibble = _mm512_set1_epi8(15);
	const __m512i zero = _mm512_setzero_si512();
	const uint8_t *line = p->line;
	uint32_t cols = p->lines * KG_TILE_COLS;
	__m512i start =
		_mm512_set1_epi32(-(int32_t)p->offset * (sum_i8(x_r, cols) + sum_i8(x_i, cols)));
	__m512i table[4];

	for (int i = 0; i < 4; i++)
		table[i] = _mm512_broadcast_i32x4(
			_mm_load_si128((const __m128i *)(const void *)p->table[i]));
	for (uint32_t tile = 0; tile < p->tiles; tile++) {
		/* Eight chains hide the latency of the dot product: two lines, two inputs, A, D. */
		__m512i a[4] = {start, zero, zero, zero};
		__m512i d[4] = {start, zero, zero, zero};

		for (uint32_t quad = 0; quad < p->lines; quad += 2) {
			for (uint32_t k = 0; k < 2; k++, line += KG_LINE_SIZE) {
				__m512i w = _mm512_load_si512(line);
				__m512i q = _mm512_and_si512(w, nibble);
				__m512i h = _mm512_and_si512(
					_mm512_xor_si512(w, _mm512_srli_epi16(w, 4)), nibble);
				__m512i re = four(x_r + (size_t)(quad + k) * KG_TILE_COLS);
				__m512i im = four(x_i + (size_t)(quad + k) * KG_TILE_COLS);

				_mm_prefetch(line + AHEAD, _MM_HINT_T0);
				dot(&a[k], _mm512_shuffle_epi8(table[0], h), re);
				dot(&a[2 + k], _mm512_shuffle_epi8(table[1], q), im);
				dot(&d[k], _mm512_shuffle_epi8(table[2], q), re);
				dot(&d[2 + k], _mm512_shuffle_epi8(table[3], h), im);
			}
		}
		a[0] = _mm512_add_epi32(_mm512_add_epi32(a[0], a[1]), _mm512_add_epi32(a[2], a[3]));
		d[0] = _mm512_add_epi32(_mm512_add_epi32(d[0], d[1]), _mm512_add_epi32(d[2], d[3]));
		/* The sums are even, so the arithmetic shift is the exact half. */
		_mm512_storeu_si512(y_r, _mm512_srai_epi32(_mm512_add_epi32(a[0], d[0]), 1));
		_mm512_storeu_si512(y_i, _mm512_srai_epi32(_mm512_sub_epi32(d[0], a[0]), 1));
		y_r += KG_TILE_ROWS;
		y_i += KG_TILE_ROWS;
	}
}

static void plane(const kg_kernel_plane *p, const kg_kernel_job *job)
{
	kg_kernel_plane part = *p;

	if (p->stages == 1) {
		kg_kernel__plane(p, job);
		return;
	}
	part.tiles = job->last - job->first;
	part.line += (size_t)job->first * p->lines * KG_LINE_SIZE;
	for (uint32_t v = 0; v < job->count; v++) {
		const int8_t *x = job->x + v * job->x_stride;
		int32_t *y = job->y + v * job->y_stride + (size_t)job->first * KG_TILE_ROWS;

		plane_one(y, y + (size_t)p->tiles * KG_TILE_ROWS, &part, x,
			  x + (size_t)p->lines * KG_TILE_COLS);
	}
}

static inline __m512 floats(const int8_t *v)
{
	return _mm512_cvtepi32_ps(
		_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)v)));
}

static inline __m512 add_scaled(__m512 sum, float p, const int8_t *v)
{
	return _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(p), floats(v)));
}

static void mix_one(float *y, const int8_t *v, const float *p, uint32_t count, uint32_t width)
{
	uint32_t whole = count - count % PARTS;

	for (uint32_t at = 0; at < width; at += LANES) {
		__m512 part[PARTS];
		const int8_t *row = v + at;

		for (int k = 0; k < PARTS; k++)
			part[k] = _mm512_setzero_ps();
		for (uint32_t t = 0; t < whole; t += PARTS)
			for (uint32_t k = 0; k < PARTS; k++, row += width)
				part[k] = add_scaled(part[k], p[t + k], row);
		if (whole < count)
			part[0] = add_scaled(part[0], p[whole], row);
		if (whole + 1 < count)
			part[1] = add_scaled(part[1], p[whole + 1], row + width);
		if (whole + 2 < count)
			part[2] = add_scaled(part[2], p[whole + 2], row + 2 * (size_t)width);
		_mm512_storeu_ps(y + at, _mm512_add_ps(_mm512_add_ps(part[0], part[1]),
						       _mm512_add_ps(part[2], part[3])));
	}
}

static void mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width, const float *p,
		   size_t p_stride, uint32_t count, uint32_t vectors)
{
	for (uint32_t v = 0; v < vectors; v++)
		mix_one(y + v * y_stride, value, p + v * p_stride, count, width);
}

/* Adds the tail lane by lane, as nothing else is, and then the lanes. */
static float finish(__m512 sum, const float *a, const float *b, size_t n)
{
	float lane[LANES];

	_mm512_storeu_ps(lane, sum);
	for (size_t l = 0; l < n; l++)
		lane[l] += a[l] * b[l];
	return loops_tree(lane);
}

static float dot_f32(const float *a, const float *b, size_t n)
{
	size_t whole = n - n % LANES;
	__m512 sum = _mm512_setzero_ps();

	for (size_t i = 0; i < whole; i += LANES)
		sum = _mm512_add_ps(sum,
				    _mm512_mul_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i)));
	return finish(sum, a + whole, b + whole, n - whole);
}

static inline __m512 halves(const uint16_t *a)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)a));
}

static float dot_f16(const uint16_t *a, const float *b, size_t n)
{
	size_t whole = n - n % LANES;
	__m512 sum = _mm512_setzero_ps();
	uint16_t rest[LANES] = {0};
	float tail[LANES];

	for (size_t i = 0; i < whole; i += LANES)
		sum = _mm512_add_ps(sum, _mm512_mul_ps(halves(a + i), _mm512_loadu_ps(b + i)));
	memcpy(rest, a + whole, (n - whole) * sizeof(*a));
	_mm512_storeu_ps(tail, halves(rest));
	return finish(sum, tail, b + whole, n - whole);
}

const kg_kernel kg_kernel_avx512vnni = {
	.name = "avx512vnni",
	.usable = usable,
	.tile_i8 = tile_i8,
	.lines = kg_kernel__lines,
	.groups = kg_kernel__groups,
	.plane = plane,
	.phases = kg_kernel__phases,
	.gather = kg_kernel__gather,
	.scale_f32 = kg_kernel__scale_f32,
	.scale_f16 = kg_kernel__scale_f16,
	.mix_i8 = mix_i8,
	.rows_f32 = kg_kernel__rows_f32,
	.rows_f16 = kg_kernel__rows_f16,
	.argmax = kg_kernel__argmax,
	.dot_f32 = dot_f32,
	.dot_f16 = dot_f16,
	.softmax = loops_softmax,
	.swiglu = loops_swiglu,
	.quantize = loops_quantize,
};
