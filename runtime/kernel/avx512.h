/* SPDX-License-Identifier: MIT */
/*
 * avx512 – what the AVX-512 files share: the dot product, loads, and the functions of the tables.
 *
 * Private to kernel/avx512*.c, which alone are compiled for these instructions. A line is one
 * register.
 */
#ifndef KG_RUNTIME_KERNEL_AVX512_H
#define KG_RUNTIME_KERNEL_AVX512_H

#ifdef __AVX512VNNI__ /* of no use to a file that is compiled without */
# include <immintrin.h>
# include <string.h>

# include "runtime/kernel/tables.h"

/* Functions whose constant arguments choose their code. */
# define AVX512_INLINE static inline __attribute__((always_inline))

enum {
	LANES = 16,
	TILES = 2,    /* at once: a broadcast of x then serves two dot products */
	VECTORS = 4,  /* that share a decoded line: enough to hide its price */
	AHEAD = 8192, /* prefetch distance, bytes: measured best in DRAM */
};

/* sum += four unsigned times four signed bytes, per lane. In assembly because GCC 12 copies the
 * accumulator around the intrinsic, which costs a third of the speed. */
static inline void dot(__m512i *sum, __m512i u, __m512i s)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(u), "v"(s));
}

/* A line, and the one `ahead` of it soon. Opaque, because GCC otherwise reads it again for every
 * use. */
static inline __m512i load_line_before(const uint8_t *line, size_t ahead)
{
	__m512i w = _mm512_load_si512(line);

	_mm_prefetch(line + ahead, _MM_HINT_T0);
	__asm__("" : "+v"(w));
	return w;
}

static inline __m512i load_line(const uint8_t *line)
{
	return load_line_before(line, AHEAD);
}

/* Four activations, broadcast to all rows. */
static inline __m512i four(const int8_t *x)
{
	int32_t bytes;

	memcpy(&bytes, x, sizeof(bytes));
	return _mm512_set1_epi32(bytes);
}

static inline int32_t sum_i8(const int8_t *x, uint32_t n)
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

/* The vectors of a block: 4, 2 or 1 of those that are left; three are two and one. */
static inline uint32_t block_of(uint32_t left)
{
	return left >= VECTORS ? VECTORS : left >= 2 ? 2 : 1;
}

/* What avx512vbmi takes over as it is. */
void kg_kernel__avx512_lines(const kg_kernel_lines *w, const kg_kernel_job *job);
void kg_kernel__avx512_groups(float *out, size_t out_stride, const kg_kernel_lines *w,
			      const uint16_t *scale, const float *step, const kg_kernel_job *job);
void kg_kernel__avx512_plane(const kg_kernel_plane *p, const kg_kernel_job *job);
void kg_kernel__avx512_phases(const kg_kernel_phases *p, const kg_kernel_job *job);
void kg_kernel__avx512_scatter(float *y, const kg_kernel_scatter *from);
void kg_kernel__avx512_scatter_four(float *room, const kg_kernel_scatter *from);
void kg_kernel__avx512_spread_four(float *y, size_t y_stride, const float *room, uint32_t n);
void kg_kernel__avx512_scale_f32(float *y, const int32_t *sum, const float *scale, float step,
				 uint32_t n);
void kg_kernel__avx512_scale_f16(float *y, const int32_t *sum, const uint16_t *scale, float divisor,
				 float step, uint32_t n);
void kg_kernel__avx512_weigh(float *p, const kg_kernel_scores *from);
void kg_kernel__avx512_mix_i8(float *y, size_t y_stride, const int8_t *value, uint32_t width,
			      const float *p, size_t p_stride, uint32_t count, uint32_t vectors);
void kg_kernel__avx512_rows_f32(float *y, size_t y_stride, const float *w, const float *x,
				size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count);
void kg_kernel__avx512_rows_f16(float *y, size_t y_stride, const uint16_t *w, const float *x,
				size_t x_stride, uint32_t rows, uint32_t cols, uint32_t count);
float kg_kernel__avx512_dot_f32(const float *a, const float *b, size_t n);
float kg_kernel__avx512_dot_f16(const uint16_t *a, const float *b, size_t n);
uint32_t kg_kernel__avx512_argmax(const float *x, size_t n);
void kg_kernel__avx512_add(float *x, const float *y, size_t n);
void kg_kernel__avx512_norm(float *out, const float *x, const float *gain, size_t n, float divisor,
			    float eps);
void kg_kernel__avx512_turn(float *x, const float *cosine, const float *sine, size_t n);
void kg_kernel__avx512_softmax(float *x, size_t n);
void kg_kernel__avx512_swiglu(float *gate, const float *up, size_t n);
float kg_kernel__avx512_quantize(int8_t *q, const float *x, size_t n);

/* Looks `count` lines up in 256 entries, made unsigned by adding 128. */
typedef void kg_kernel__look_up(uint8_t *out, const uint8_t *line, uint32_t count,
				const int8_t *palette);

/* Lines of palette256. */
void kg_kernel__avx512_palette256(const kg_kernel_lines *w, const kg_kernel_job *job,
				  kg_kernel__look_up *look_up);

#endif
/* The members that both tables have. */
#define AVX512_SHARED                                                                          \
 .groups = kg_kernel__avx512_groups, .plane = kg_kernel__avx512_plane,                         \
 .phases = kg_kernel__avx512_phases, .scatter = kg_kernel__avx512_scatter,                     \
 .scatter_four = kg_kernel__avx512_scatter_four, .spread_four = kg_kernel__avx512_spread_four, \
 .scale_f32 = kg_kernel__avx512_scale_f32, .scale_f16 = kg_kernel__avx512_scale_f16,           \
 .weigh = kg_kernel__avx512_weigh, .mix_i8 = kg_kernel__avx512_mix_i8,                         \
 .rows_f32 = kg_kernel__avx512_rows_f32, .rows_f16 = kg_kernel__avx512_rows_f16,               \
 .argmax = kg_kernel__avx512_argmax, .dot_f32 = kg_kernel__avx512_dot_f32,                     \
 .dot_f16 = kg_kernel__avx512_dot_f16, .add = kg_kernel__avx512_add,                           \
 .norm = kg_kernel__avx512_norm, .turn = kg_kernel__avx512_turn,                               \
 .softmax = kg_kernel__avx512_softmax, .swiglu = kg_kernel__avx512_swiglu,                     \
 .quantize = kg_kernel__avx512_quantize

#endif
