/* SPDX-License-Identifier: MIT */
/* AVX2 and F16C; this file alone is compiled for them. A line is two halves of eight rows. */
#include <immintrin.h>
#include <string.h>

#include "runtime/fmath_loops.h"
#include "runtime/kernel/processor.h"
#include "runtime/kernel/tables.h"

enum { LANES = 16, PARTS = 4 };

static bool usable(void)
{
	return kg_processor_has(x86_cpu_AVX2) && kg_processor_has(x86_cpu_F16C);
}

static inline __m256i load(const void *at)
{
	return _mm256_loadu_si256((const __m256i *)at);
}

static inline void store(void *at, __m256i v)
{
	_mm256_storeu_si256((__m256i *)at, v);
}

/* Four activations, broadcast to all rows. */
static inline __m256i four(const int8_t *x)
{
	int32_t bytes;

	memcpy(&bytes, x, sizeof(bytes));
	return _mm256_set1_epi32(bytes);
}

/* Pairs of unsigned times signed bytes fit int16 here: 128 * 127 * 2 < 2^15. */
static inline __m256i dot(__m256i u, __m256i s)
{
	return _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1));
}

static void tile_i8(int32_t *y, const int8_t *line, const int8_t *x, uint32_t tiles, uint32_t quads)
{
	for (uint32_t tile = 0; tile < tiles; tile++, y += KG_TILE_ROWS) {
		__m256i low = _mm256_setzero_si256();
		__m256i high = _mm256_setzero_si256();

		for (uint32_t quad = 0; quad < quads; quad++, line += KG_LINE_SIZE) {
			__m256i w0 = load(line);
			__m256i w1 = load(line + 32);
			__m256i v = four(x + (size_t)quad * KG_TILE_COLS);

			/* |w| times x with the sign of w: maddubs wants one side unsigned. */
			low = _mm256_add_epi32(low,
					       dot(_mm256_abs_epi8(w0), _mm256_sign_epi8(v, w0)));
			high = _mm256_add_epi32(high,
						dot(_mm256_abs_epi8(w1), _mm256_sign_epi8(v, w1)));
		}
		store(y, low);
		store(y + 8, high);
	}
}

static int32_t sum_i8(const int8_t *x, uint32_t n)
{
	int32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += x[i];
	return sum;
}

static void plane_one(int32_t *y_r, int32_t *y_i, const kg_kernel_plane *p, const int8_t *x_r,
		      const int8_t *x_i)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	const uint8_t *line = p->line;
	uint32_t cols = p->lines * KG_TILE_COLS;
	__m256i start =
		_mm256_set1_epi32(-(int32_t)p->offset * (sum_i8(x_r, cols) + sum_i8(x_i, cols)));
	__m256i table[4];

	for (int i = 0; i < 4; i++)
		table[i] = _mm256_broadcastsi128_si256(
			_mm_load_si128((const __m128i *)(const void *)p->table[i]));
	for (uint32_t tile = 0; tile < p->tiles; tile++) {
		__m256i a[2] = {start, start};
		__m256i d[2] = {start, start};

		for (uint32_t quad = 0; quad < p->lines; quad++, line += KG_LINE_SIZE) {
			__m256i re = four(x_r + (size_t)quad * KG_TILE_COLS);
			__m256i im = four(x_i + (size_t)quad * KG_TILE_COLS);

			for (int k = 0; k < 2; k++) {
				__m256i w = load(line + 32 * (size_t)k);
				__m256i q = _mm256_and_si256(w, nibble);
				__m256i h = _mm256_and_si256(
					_mm256_xor_si256(w, _mm256_srli_epi16(w, 4)), nibble);

				a[k] = _mm256_add_epi32(a[k],
							dot(_mm256_shuffle_epi8(table[0], h), re));
				a[k] = _mm256_add_epi32(a[k],
							dot(_mm256_shuffle_epi8(table[1], q), im));
				d[k] = _mm256_add_epi32(d[k],
							dot(_mm256_shuffle_epi8(table[2], q), re));
				d[k] = _mm256_add_epi32(d[k],
							dot(_mm256_shuffle_epi8(table[3], h), im));
			}
		}
		for (int k = 0; k < 2; k++, y_r += 8, y_i += 8) {
			/* The sums are even, so the arithmetic shift is the exact half. */
			store(y_r, _mm256_srai_epi32(_mm256_add_epi32(a[k], d[k]), 1));
			store(y_i, _mm256_srai_epi32(_mm256_sub_epi32(d[k], a[k]), 1));
		}
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

static inline __m256 floats(const int8_t *v)
{
	return _mm256_cvtepi32_ps(
		_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)v)));
}

static inline __m256 add_scaled(__m256 sum, float p, const int8_t *v)
{
	return _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(p), floats(v)));
}

static void mix_one(float *y, const int8_t *v, const float *p, uint32_t count, uint32_t width)
{
	uint32_t whole = count - count % PARTS;

	for (uint32_t at = 0; at < width; at += 8) {
		__m256 part[PARTS];
		const int8_t *row = v + at;

		for (int k = 0; k < PARTS; k++)
			part[k] = _mm256_setzero_ps();
		for (uint32_t t = 0; t < whole; t += PARTS)
			for (uint32_t k = 0; k < PARTS; k++, row += width)
				part[k] = add_scaled(part[k], p[t + k], row);
		/* One by one: an index that varies would move all four sums to the stack. */
		if (whole < count)
			part[0] = add_scaled(part[0], p[whole], row);
		if (whole + 1 < count)
			part[1] = add_scaled(part[1], p[whole + 1], row + width);
		if (whole + 2 < count)
			part[2] = add_scaled(part[2], p[whole + 2], row + 2 * (size_t)width);
		_mm256_storeu_ps(y + at, _mm256_add_ps(_mm256_add_ps(part[0], part[1]),
						       _mm256_add_ps(part[2], part[3])));
	}
}

static void mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width, const float *p,
		   size_t p_stride, uint32_t count, uint32_t vectors)
{
	for (uint32_t v = 0; v < vectors; v++)
		mix_one(y + v * y_stride, value, p + v * p_stride, count, width);
}

/* Lanes 0..7 in low, 8..15 in high; the tail is added lane by lane, as nothing else is. */
static float finish(__m256 low, __m256 high, const float *a, const float *b, size_t n)
{
	float lane[LANES];

	_mm256_storeu_ps(lane, low);
	_mm256_storeu_ps(lane + 8, high);
	for (size_t l = 0; l < n; l++)
		lane[l] += a[l] * b[l];
	return loops_tree(lane);
}

static float dot_f32(const float *a, const float *b, size_t n)
{
	size_t whole = n - n % LANES;
	__m256 low = _mm256_setzero_ps();
	__m256 high = _mm256_setzero_ps();

	for (size_t i = 0; i < whole; i += LANES) {
		low = _mm256_add_ps(low,
				    _mm256_mul_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
		high = _mm256_add_ps(high, _mm256_mul_ps(_mm256_loadu_ps(a + i + 8),
							 _mm256_loadu_ps(b + i + 8)));
	}
	return finish(low, high, a + whole, b + whole, n - whole);
}

static inline __m256 halves(const uint16_t *a)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)a));
}

static float dot_f16(const uint16_t *a, const float *b, size_t n)
{
	size_t whole = n - n % LANES;
	__m256 low = _mm256_setzero_ps();
	__m256 high = _mm256_setzero_ps();
	uint16_t rest[LANES] = {0};
	float tail[LANES];

	for (size_t i = 0; i < whole; i += LANES) {
		low = _mm256_add_ps(low, _mm256_mul_ps(halves(a + i), _mm256_loadu_ps(b + i)));
		high = _mm256_add_ps(high,
				     _mm256_mul_ps(halves(a + i + 8), _mm256_loadu_ps(b + i + 8)));
	}
	memcpy(rest, a + whole, (n - whole) * sizeof(*a));
	_mm256_storeu_ps(tail, halves(rest));
	_mm256_storeu_ps(tail + 8, halves(rest + 8));
	return finish(low, high, tail, b + whole, n - whole);
}

const kg_kernel kg_kernel_avx2 = {
	.name = "avx2",
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
