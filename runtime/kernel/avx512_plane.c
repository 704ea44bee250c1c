/* SPDX-License-Identifier: MIT */
/* Planes of complex weights, and phases. */
#include "runtime/kernel/avx512.h"

enum { TABLES = 4, CHAINS_MAX = 4 };

/* The four operands of four complex columns: A takes 0 with x_r and 1 with x_i, D takes 2 and 3. */
AVX512_INLINE void look_up(__m512i part[TABLES], const __m512i table[TABLES], __m512i p, __m512i q)
{
	part[0] = _mm512_shuffle_epi8(table[0], p);
	part[1] = _mm512_shuffle_epi8(table[1], q);
	part[2] = _mm512_shuffle_epi8(table[2], q);
	part[3] = _mm512_shuffle_epi8(table[3], p);
}

/* Column quad `k` of a line. */
AVX512_INLINE void decode(__m512i part[TABLES], int stages, __m512i w, int k,
			  const __m512i table[TABLES])
{
	const __m512i low = _mm512_set1_epi8(15);
	__m512i high = _mm512_srli_epi16(w, 4);

	if (stages == 2)
		/* 0x28: (a ^ b) & c, in the register of a, which is not needed again */
		look_up(part, table, _mm512_ternarylogic_epi32(high, w, low, 0x28),
			_mm512_and_si512(w, low));
	else if (k == 0)
		look_up(part, table, _mm512_and_si512(w, low), _mm512_and_si512(w, low));
	else
		look_up(part, table, _mm512_and_si512(high, low), _mm512_and_si512(high, low));
}

/* A and D of a tile, without the offset. */
AVX512_INLINE void multiply(__m512i a[VECTORS], __m512i d[VECTORS], int stages, int vectors,
			    const kg_kernel_plane *p, uint32_t tile, const __m512i table[TABLES],
			    const int8_t *x, size_t stride)
{
	const int quads = stages == 1 ? 2 : 1; /* of a line */
	/* Chains for A and as many for D; eight in all hide the latency of the dot product. */
	const int chains = vectors == 1 ? CHAINS_MAX : 2;
	const uint8_t *line = p->line + (size_t)tile * p->lines * KG_LINE_SIZE;
	const size_t half = (size_t)p->lines * (size_t)quads * KG_TILE_COLS;
	__m512i sum[VECTORS][2][CHAINS_MAX];

	for (int v = 0; v < vectors; v++)
		for (int c = 0; c < chains; c++)
			sum[v][0][c] = sum[v][1][c] = _mm512_setzero_si512();
	for (uint32_t at = 0; at < p->lines; at += 2)
		for (int u = 0; u < 2; u++, line += KG_LINE_SIZE) {
			__m512i w = load_line(line);

			for (int k = 0; k < quads; k++, x += KG_TILE_COLS) {
				const int c = (u * quads + k) * 2 % chains;
				__m512i part[TABLES];

				decode(part, stages, w, k, table);
				for (int v = 0; v < vectors; v++) {
					const int8_t *from = x + (size_t)v * stride;
					__m512i re = four(from);
					__m512i im = four(from + half);

					dot(&sum[v][0][c], part[0], re);
					dot(&sum[v][0][c + 1], part[1], im);
					dot(&sum[v][1][c], part[2], re);
					dot(&sum[v][1][c + 1], part[3], im);
				}
			}
		}
	for (int v = 0; v < vectors; v++) {
		a[v] = sum[v][0][0];
		d[v] = sum[v][1][0];
		for (int c = 1; c < chains; c++) {
			a[v] = _mm512_add_epi32(a[v], sum[v][0][c]);
			d[v] = _mm512_add_epi32(d[v], sum[v][1][c]);
		}
	}
}

AVX512_INLINE void block(int stages, int vectors, const kg_kernel_plane *p, uint32_t tile,
			 const kg_kernel_job *job, uint32_t at, const int32_t *start,
			 const __m512i table[TABLES])
{
	__m512i a[VECTORS];
	__m512i d[VECTORS];

	multiply(a, d, stages, vectors, p, tile, table, job->x + at * job->x_stride, job->x_stride);
	for (int v = 0; v < vectors; v++) {
		int32_t *y =
			job->y + (at + (uint32_t)v) * job->y_stride + (size_t)tile * KG_TILE_ROWS;

		/* A and D both lack the offset, their difference does not. The sums are even, so
		 * the arithmetic shift is the exact half. */
		_mm512_storeu_si512(
			y, _mm512_add_epi32(_mm512_srai_epi32(_mm512_add_epi32(a[v], d[v]), 1),
					    _mm512_set1_epi32(start[v])));
		_mm512_storeu_si512(y + (size_t)p->tiles * KG_TILE_ROWS,
				    _mm512_srai_epi32(_mm512_sub_epi32(d[v], a[v]), 1));
	}
}

AVX512_INLINE void tiles(int stages, const kg_kernel_plane *p, const kg_kernel_job *job)
{
	uint32_t columns = p->lines * (stages == 1 ? 2 : 1) * KG_TILE_COLS;
	int32_t start[KG_KERNEL_BATCH];
	__m512i table[TABLES];

	for (int i = 0; i < TABLES; i++)
		table[i] = _mm512_broadcast_i32x4(
			_mm_load_si128((const __m128i *)(const void *)p->table[i]));
	for (uint32_t v = 0; v < job->count; v++)
		start[v] = -(int32_t)p->offset * sum_i8(job->x + v * job->x_stride, 2 * columns);
	for (uint32_t tile = job->first; tile < job->last; tile++)
		for (uint32_t v = 0, n; v < job->count; v += n) {
			n = block_of(job->count - v);
			if (n == VECTORS)
				block(stages, VECTORS, p, tile, job, v, start + v, table);
			else if (n == 2)
				block(stages, 2, p, tile, job, v, start + v, table);
			else
				block(stages, 1, p, tile, job, v, start + v, table);
		}
}

void kg_kernel__avx512_plane(const kg_kernel_plane *p, const kg_kernel_job *job)
{
	if (p->stages == 2)
		tiles(2, p, job);
	else
		tiles(1, p, job);
}

/* Sums of x where a bit is set: the sign bits with x_r and x_i, then sign xor axis. A weight +-1 is
 * x minus twice its sign; the two mixtures of sign and axis give all four sums. */
enum { BITS = 4, MARKS = 4 };

/* One vector: bits stay where they are, sums are shifted at the end; sixteen chains. */
AVX512_INLINE void mark_one(__m512i sum[MARKS], const uint8_t *line, uint32_t lines,
			    const int8_t *x)
{
	const int8_t *x_i = x + (size_t)lines * BITS * KG_TILE_COLS;
	__m512i chain[MARKS][BITS];

	for (int m = 0; m < MARKS; m++)
		for (int k = 0; k < BITS; k++)
			chain[m][k] = _mm512_setzero_si512();
	for (uint32_t at = 0; at < lines; at++, line += KG_LINE_SIZE) {
		__m512i s = load_line(line);
		__m512i h = _mm512_xor_si512(s, _mm512_srli_epi16(s, 4));

		for (int k = 0; k < BITS; k++, x += KG_TILE_COLS, x_i += KG_TILE_COLS) {
			const __m512i bit = _mm512_set1_epi8((char)(1 << k));
			__m512i sign = _mm512_and_si512(s, bit);
			__m512i turned = _mm512_and_si512(h, bit);
			__m512i re = four(x);
			__m512i im = four(x_i);

			dot(&chain[0][k], sign, re);
			dot(&chain[1][k], sign, im);
			dot(&chain[2][k], turned, re);
			dot(&chain[3][k], turned, im);
		}
	}
	for (int m = 0; m < MARKS; m++) {
		sum[m] = chain[m][0];
		for (int k = 1; k < BITS; k++)
			sum[m] = _mm512_add_epi32(sum[m],
						  _mm512_srai_epi32(chain[m][k], (unsigned)k));
	}
}

/* Several vectors: bits are made 0 or 1, so that one sum holds all columns. */
AVX512_INLINE void mark_more(__m512i sum[VECTORS][MARKS], int vectors, const uint8_t *line,
			     uint32_t lines, const int8_t *x, size_t stride)
{
	const __m512i one = _mm512_set1_epi8(1);
	const size_t half = (size_t)lines * BITS * KG_TILE_COLS;

	for (int v = 0; v < vectors; v++)
		for (int m = 0; m < MARKS; m++)
			sum[v][m] = _mm512_setzero_si512();
	for (uint32_t at = 0; at < lines; at++, line += KG_LINE_SIZE) {
		__m512i s = load_line(line);
		__m512i h = _mm512_xor_si512(s, _mm512_srli_epi16(s, 4));

		for (int k = 0; k < BITS; k++, x += KG_TILE_COLS) {
			const __m512i bit = _mm512_set1_epi8((char)(1 << k));
			__m512i sign = _mm512_min_epu8(_mm512_and_si512(s, bit), one);
			__m512i turned = _mm512_min_epu8(_mm512_and_si512(h, bit), one);

			for (int v = 0; v < vectors; v++) {
				const int8_t *from = x + (size_t)v * stride;
				__m512i re = four(from);
				__m512i im = four(from + half);

				dot(&sum[v][0], sign, re);
				dot(&sum[v][1], sign, im);
				dot(&sum[v][2], turned, re);
				dot(&sum[v][3], turned, im);
			}
		}
	}
}

AVX512_INLINE void put_phases(int32_t *y, size_t rows, const __m512i mark[MARKS],
			      const int32_t start[2])
{
	for (int half = 0; half < 2; half++) {
		__m512i sign = mark[half];
		__m512i turned = mark[2 + half];

		_mm512_storeu_si512(y + (size_t)half * rows,
				    _mm512_sub_epi32(_mm512_set1_epi32(start[half]),
						     _mm512_add_epi32(sign, turned)));
		_mm512_storeu_si512(y + (size_t)(2 + half) * rows, _mm512_sub_epi32(turned, sign));
	}
}

AVX512_INLINE void phase_block(int vectors, const kg_kernel_phases *p, uint32_t tile,
			       const kg_kernel_job *job, uint32_t at, int32_t start[][2])
{
	const uint8_t *line = p->line + (size_t)tile * p->lines * KG_LINE_SIZE;
	const int8_t *x = job->x + at * job->x_stride;
	__m512i mark[VECTORS][MARKS];

	if (vectors == 1)
		mark_one(mark[0], line, p->lines, x);
	else
		mark_more(mark, vectors, line, p->lines, x, job->x_stride);
	for (int v = 0; v < vectors; v++)
		put_phases(job->y + (at + (uint32_t)v) * job->y_stride +
				   (size_t)tile * KG_TILE_ROWS,
			   (size_t)p->tiles * KG_TILE_ROWS, mark[v], start[v]);
}

void kg_kernel__avx512_phases(const kg_kernel_phases *p, const kg_kernel_job *job)
{
	uint32_t columns = p->lines * BITS * KG_TILE_COLS;
	int32_t start[KG_KERNEL_BATCH][2];

	for (uint32_t v = 0; v < job->count; v++)
		for (uint32_t half = 0; half < 2; half++)
			start[v][half] = sum_i8(job->x + v * job->x_stride + (size_t)half * columns,
						columns);
	for (uint32_t tile = job->first; tile < job->last; tile++)
		/* Two vectors are faster one by one than with their bits made 0 and 1. */
		for (uint32_t v = 0, n; v < job->count; v += n) {
			n = job->count - v >= VECTORS ? VECTORS : 1;
			if (n == VECTORS)
				phase_block(VECTORS, p, tile, job, v, start + v);
			else
				phase_block(1, p, tile, job, v, start + v);
		}
}
