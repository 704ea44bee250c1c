/* SPDX-License-Identifier: MIT */
/*
 * avx2 – what the AVX2 files share: the dot product, loads, and the functions of the table.
 *
 * Private to kernel/avx2*.c, which alone are compiled for AVX2 and F16C. A tile is multiplied in
 * two halves of eight rows, each in the first or last 32 bytes of its lines.
 */
#ifndef KG_RUNTIME_KERNEL_AVX2_H
#define KG_RUNTIME_KERNEL_AVX2_H

#ifdef __AVX2__ /* of no use to a file that is compiled without */
# include <immintrin.h>
# include <string.h>

# include "runtime/kernel/tables.h"

/* Functions whose constant arguments choose their code. */
# define AVX2_INLINE static inline __attribute__((always_inline))

enum {
	LANES = 16,
	HALVES = 2, /* of a tile, and of sixteen lanes */
	HALF_ROWS = KG_TILE_ROWS / HALVES,
	HALF_LINE = KG_LINE_SIZE / HALVES,
	VECTORS = 4, /* that share a decoded line */
};

static inline __m256i load(const void *at)
{
	return _mm256_loadu_si256((const __m256i *)at);
}

static inline void store(void *at, __m256i v)
{
	_mm256_storeu_si256((__m256i *)at, v);
}

/* Sixteen bytes in both halves of a register. */
static inline __m256i load_twice(const void *at)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)at));
}

/* Four activations, broadcast to all rows. */
static inline __m256i four(const int8_t *x)
{
	int32_t bytes;

	memcpy(&bytes, x, sizeof(bytes));
	return _mm256_set1_epi32(bytes);
}

/* Pairs of 16-bit sums to 32 bits. */
static inline __m256i widen(__m256i pairs)
{
	return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* Four unsigned times four signed bytes a lane. A pair of products must fit 16 bits, so the
 * unsigned ones are at most 128: 128 * 127 * 2 < 2^15. */
static inline __m256i dot(__m256i u, __m256i s)
{
	return widen(_mm256_maddubs_epi16(u, s));
}

static inline int32_t sum_i8(const int8_t *x, uint32_t n)
{
	const __m256i ones = _mm256_set1_epi8(1);
	__m256i sum = _mm256_setzero_si256();
	int32_t lane[8];
	int32_t total = 0;
	uint32_t i = 0;

	for (; i + 32 <= n; i += 32)
		sum = _mm256_add_epi32(sum, dot(ones, load(x + i)));
	store(lane, sum);
	for (int l = 0; l < 8; l++)
		total += lane[l];
	for (; i < n; i++)
		total += x[i];
	return total;
}

/* The vectors of a block: 4, 2 or 1 of those that are left. */
static inline uint32_t block_of(uint32_t left)
{
	return left >= VECTORS ? VECTORS : left >= 2 ? 2 : 1;
}

void kg_kernel__avx2_lines(const kg_kernel_lines *w, const kg_kernel_job *job);
void kg_kernel__avx2_groups(float *out, size_t out_stride, const kg_kernel_lines *w,
			    const uint16_t *scale, const float *step, const kg_kernel_job *job);
void kg_kernel__avx2_plane(const kg_kernel_plane *p, const kg_kernel_job *job);
void kg_kernel__avx2_phases(const kg_kernel_phases *p, const kg_kernel_job *job);
void kg_kernel__avx2_scatter(float *y, const kg_kernel_scatter *from);
void kg_kernel__avx2_scatter_four(float *room, const kg_kernel_scatter *from);
void kg_kernel__avx2_spread_four(float *y, size_t y_stride, const float *room, uint32_t n);
void kg_kernel__avx2_scale_f32(float *y, const int32_t *sum, const float *scale, float step,
			       uint32_t n);
void kg_kernel__avx2_scale_f16(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
			       float step, uint32_t n);
void kg_kernel__avx2_weigh(float *p, const kg_kernel_scores *from);
void kg_kernel__avx2_mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width,
			    const float *p, size_t p_stride, uint32_t count, uint32_t vectors);
void kg_kernel__avx2_rows_f32(float *y, size_t y_stride, const float *w, const float *x,
			      size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count);
void kg_kernel__avx2_rows_f16(float *y, size_t y_stride, const uint16_t *w, const float *x,
			      size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count);
float kg_kernel__avx2_dot_f32(const float *a, const float *b, size_t n);
float kg_kernel__avx2_dot_f16(const uint16_t *a, const float *b, size_t n);
uint32_t kg_kernel__avx2_argmax(const float *x, size_t n);
void kg_kernel__avx2_add(float *x, const float *y, size_t n);
void kg_kernel__avx2_norm(float *out, const float *x, const float *gain, size_t n, float divisor,
			  float eps);
void kg_kernel__avx2_turn(float *x, const float *cosine, const float *sine, size_t n);
void kg_kernel__avx2_softmax(float *x, size_t n);
void kg_kernel__avx2_swiglu(float *gate, const float *up, size_t n);
float kg_kernel__avx2_quantize(int8_t *q, const float *x, size_t n);

#endif
#endif
