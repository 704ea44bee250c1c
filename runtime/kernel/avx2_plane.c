/* SPDX-License-Identifier: MIT */
/* Planes of complex weights, and phases, in halves of a tile. */
#include "runtime/kernel/avx2.h"

enum { TABLES = 4 };

/* The four operands of four complex columns: A takes 0 with x_r and 1 with x_i, D takes 2 and 3. */
AVX2_INLINE void look_up(__m256i part[TABLES], const __m256i table[TABLES], __m256i p, __m256i q)
{
	part[0] = _mm256_shuffle_epi8(table[0], p);
	part[1] = _mm256_shuffle_epi8(table[1], q);
	part[2] = _mm256_shuffle_epi8(table[2], q);
	part[3] = _mm256_shuffle_epi8(table[3], p);
}

/* Column quad `k` of a line. */
AVX2_INLINE void decode(__m256i part[TABLES], int stages, __m256i w, int k,
			const __m256i table[TABLES])
{
	const __m256i low = _mm256_set1_epi8(15);
	__m256i high = _mm256_srli_epi16(w, 4);

	if (stages == 2)
		look_up(part, table, _mm256_and_si256(_mm256_xor_si256(w, high), low),
			_mm256_and_si256(w, low));
	else if (k == 0)
		look_up(part, table, _mm256_and_si256(w, low), _mm256_and_si256(w, low));
	else
		look_up(part, table, _mm256_and_si256(high, low), _mm256_and_si256(high, low));
}

/* A and D of a half tile, without the offset; `half` is the distance from x_r to x_i. */
AVX2_INLINE void multiply(__m256i a[VECTORS], __m256i d[VECTORS], int stages, int vectors,
			  const uint8_t *line, uint32_t lines, const __m256i table[TABLES],
			  const int8_t *x, size_t stride, size_t half)
{
	for (int v = 0; v < vectors; v++)
		a[v] = d[v] = _mm256_setzero_si256();
	for (uint32_t at = 0; at < lines; at++, line += KG_LINE_SIZE) {
		__m256i w = load(line);

		for (int k = 0; k < (stages == 1 ? 2 : 1); k++, x += KG_TILE_COLS) {
			__m256i part[TABLES];

			decode(part, stages, w, k, table);
			for (int v = 0; v < vectors; v++) {
				__m256i re = four(x + (size_t)v * stride);
				__m256i im = four(x + (size_t)v * stride + half);

				a[v] = _mm256_add_epi32(a[v], dot(part[0], re));
				a[v] = _mm256_add_epi32(a[v], dot(part[1], im));
				d[v] = _mm256_add_epi32(d[v], dot(part[2], re));
				d[v] = _mm256_add_epi32(d[v], dot(part[3], im));
			}
		}
	}
}

/* Half tile `part` of a block of vectors from `at` on. */
AVX2_INLINE void block(int stages, int vectors, const kg_kernel_plane *p, uint32_t part,
		       const kg_kernel_job *job, uint32_t at, const int32_t *start,
		       const __m256i table[TABLES])
{
	const uint8_t *line = p->line + (size_t)(part / HALVES) * p->lines * KG_LINE_SIZE +
			      (size_t)(part % HALVES) * HALF_LINE;
	size_t columns = (size_t)p->lines * (stages == 1 ? 2 : 1) * KG_TILE_COLS;
	__m256i a[VECTORS];
	__m256i d[VECTORS];

	multiply(a, d, stages, vectors, line, p->lines, table, job->x + at * job->x_stride,
		 job->x_stride, columns);
	for (int v = 0; v < vectors; v++) {
		int32_t *y = job->y + (at + (uint32_t)v) * job->y_stride + (size_t)part * HALF_ROWS;

		/* A and D both lack the offset, their difference does not. The sums are even, so
		 * the arithmetic shift is the exact half. */
		store(y, _mm256_add_epi32(_mm256_srai_epi32(_mm256_add_epi32(a[v], d[v]), 1),
					  _mm256_set1_epi32(start[v])));
		store(y + (size_t)p->tiles * KG_TILE_ROWS,
		      _mm256_srai_epi32(_mm256_sub_epi32(d[v], a[v]), 1));
	}
}

AVX2_INLINE void product(int stages, const kg_kernel_plane *p, const kg_kernel_job *job)
{
	uint32_t columns = p->lines * (stages == 1 ? 2 : 1) * KG_TILE_COLS;
	int32_t start[KG_KERNEL_BATCH];
	__m256i table[TABLES];

	for (int i = 0; i < TABLES; i++)
		table[i] = load_twice(p->table[i]);
	for (uint32_t v = 0; v < job->count; v++)
		start[v] = -(int32_t)p->offset * sum_i8(job->x + v * job->x_stride, 2 * columns);
	for (uint32_t part = HALVES * job->first; part < HALVES * job->last; part++)
		for (uint32_t v = 0, n; v < job->count; v += n) {
			n = block_of(job->count - v);
			if (n == VECTORS)
				block(stages, VECTORS, p, part, job, v, start + v, table);
			else if (n == 2)
				block(stages, 2, p, part, job, v, start + v, table);
			else
				block(stages, 1, p, part, job, v, start + v, table);
		}
}

void kg_kernel__avx2_plane(const kg_kernel_plane *p, const kg_kernel_job *job)
{
	if (p->stages == 2)
		product(2, p, job);
	else
		product(1, p, job);
}

/* Sums of x where a bit is set: the sign bits with x_r and x_i, then sign xor axis. A weight +-1 is
 * x minus twice its sign; the two mixtures of sign and axis give all four sums. */
enum { BITS = 4, MARKS = 4, MARK_VECTORS = 2 };

/* One line's marks in pairs, added in 16 bits. */
AVX2_INLINE void add_marks(__m256i pairs[MARK_VECTORS][MARKS], int vectors, const uint8_t *line,
			   const int8_t *x, size_t stride, size_t half)
{
	const __m256i one = _mm256_set1_epi8(1);
	__m256i s = load(line);
	__m256i h = _mm256_xor_si256(s, _mm256_srli_epi16(s, 4));

	for (int k = 0; k < BITS; k++, x += KG_TILE_COLS) {
		__m256i sign = _mm256_and_si256(s, one);
		__m256i turned = _mm256_and_si256(h, one);

		for (int v = 0; v < vectors; v++) {
			__m256i re = four(x + (size_t)v * stride);
			__m256i im = four(x + (size_t)v * stride + half);
			__m256i product[MARKS] = {
				_mm256_maddubs_epi16(sign, re), _mm256_maddubs_epi16(sign, im),
				_mm256_maddubs_epi16(turned, re), _mm256_maddubs_epi16(turned, im)};

			for (int m = 0; m < MARKS; m++)
				pairs[v][m] = _mm256_add_epi16(pairs[v][m], product[m]);
		}
		s = _mm256_srli_epi16(s, 1);
		h = _mm256_srli_epi16(h, 1);
	}
}

AVX2_INLINE void put_phases(int32_t *y, size_t rows, const __m256i mark[MARKS],
			    const int32_t start[2])
{
	for (int half = 0; half < 2; half++) {
		__m256i sign = mark[half];
		__m256i turned = mark[2 + half];

		store(y + (size_t)half * rows, _mm256_sub_epi32(_mm256_set1_epi32(start[half]),
								_mm256_add_epi32(sign, turned)));
		store(y + (size_t)(2 + half) * rows, _mm256_sub_epi32(turned, sign));
	}
}

/* Half tile `part` of a block of vectors from `at` on. */
AVX2_INLINE void phase_block(int vectors, const kg_kernel_phases *p, uint32_t part,
			     const kg_kernel_job *job, uint32_t at, int32_t start[][2])
{
	const uint32_t run = 32; /* lines whose sums fit 16 bits: 32 * 4 * 2 * 127 = 32512 */
	const uint8_t *line = p->line + (size_t)(part / HALVES) * p->lines * KG_LINE_SIZE +
			      (size_t)(part % HALVES) * HALF_LINE;
	const int8_t *x = job->x + at * job->x_stride;
	size_t half = (size_t)p->lines * BITS * KG_TILE_COLS;
	__m256i mark[MARK_VECTORS][MARKS];

	for (int v = 0; v < vectors; v++)
		for (int m = 0; m < MARKS; m++)
			mark[v][m] = _mm256_setzero_si256();
	for (uint32_t from = 0; from < p->lines; from += run) {
		uint32_t n = p->lines - from < run ? p->lines - from : run;
		__m256i pairs[MARK_VECTORS][MARKS];

		for (int v = 0; v < vectors; v++)
			for (int m = 0; m < MARKS; m++)
				pairs[v][m] = _mm256_setzero_si256();
		for (; n > 0; n--, line += KG_LINE_SIZE, x += BITS * KG_TILE_COLS)
			add_marks(pairs, vectors, line, x, job->x_stride, half);
		for (int v = 0; v < vectors; v++)
			for (int m = 0; m < MARKS; m++)
				mark[v][m] = _mm256_add_epi32(mark[v][m], widen(pairs[v][m]));
	}
	for (int v = 0; v < vectors; v++)
		put_phases(job->y + (at + (uint32_t)v) * job->y_stride + (size_t)part * HALF_ROWS,
			   (size_t)p->tiles * KG_TILE_ROWS, mark[v], start[v]);
}

void kg_kernel__avx2_phases(const kg_kernel_phases *p, const kg_kernel_job *job)
{
	uint32_t columns = p->lines * BITS * KG_TILE_COLS;
	int32_t start[KG_KERNEL_BATCH][2];

	for (uint32_t v = 0; v < job->count; v++)
		for (uint32_t half = 0; half < 2; half++)
			start[v][half] = sum_i8(job->x + v * job->x_stride + (size_t)half * columns,
						columns);
	for (uint32_t part = HALVES * job->first; part < HALVES * job->last; part++)
		for (uint32_t v = 0, n; v < job->count; v += n) {
			n = job->count - v >= MARK_VECTORS ? MARK_VECTORS : 1;
			if (n == MARK_VECTORS)
				phase_block(MARK_VECTORS, p, part, job, v, start + v);
			else
				phase_block(1, p, part, job, v, start + v);
		}
}
