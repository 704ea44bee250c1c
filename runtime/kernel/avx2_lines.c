/* SPDX-License-Identifier: MIT */
/* Lines of every kind, in halves. Small codes stay unsigned, and an offset makes up for the sign;
 * their products are added in 16 bits for as many lines as fit. Whole numbers to 127 are multiplied
 * by their size, with the activation taking the sign. */
#include "runtime/kernel/avx2.h"
#include "runtime/kernel/kinds.h"

enum { PARTS_MAX = 4 };

/* Half tiles of one kind. */
typedef struct {
	const uint8_t *line;
	uint32_t lines;
	__m256i table;
} source;

/* Operands of a line: each meets four columns of x. */
AVX2_INLINE int parts_of(kg_lines_kind kind)
{
	return (int)kg_lines_columns(kind) / KG_TILE_COLS;
}

/* Lines whose products, pairs of two at most 15, 3 or 2 times 127 for each part, fit 16 bits. */
AVX2_INLINE uint32_t run_of(kg_lines_kind kind)
{
	switch (kind) {
	case KG_LINES_INT4:
		return 4; /* 4 * 2 * 2 * 15 * 127 = 30480 */
	case KG_LINES_INT2:
		return 8; /* 8 * 4 * 2 * 3 * 127 = 24384 */
	case KG_LINES_TERNARY:
		return 16; /* 16 * 4 * 2 * 2 * 127 = 32512 */
	default:
		return 0; /* signed */
	}
}

AVX2_INLINE int32_t factor_of(kg_lines_kind kind)
{
	return kind == KG_LINES_INT2 ? 2 : 1;
}

/* A sum of products is factor * (sum of the codes' products) - offset * sum(x). */
AVX2_INLINE int32_t offset_of(kg_lines_kind kind)
{
	return kind == KG_LINES_INT4      ? 8
	       : kind == KG_LINES_INT2    ? 3
	       : kind == KG_LINES_TERNARY ? 1
					  : 0;
}

AVX2_INLINE __m256i table_of(const kg_kernel_lines *w, kg_lines_kind kind, uint32_t tile, int half)
{
	if (kind == KG_LINES_PALETTE16)
		return load_twice(w->palette);
	if (kind == KG_LINES_PALETTE4)
		return load(w->palette + (size_t)tile * KG_LINE_SIZE + half * HALF_LINE);
	return _mm256_setzero_si256();
}

AVX2_INLINE __m256i shifted(__m256i w, int pair)
{
	return pair == 0   ? w
	       : pair == 1 ? _mm256_srli_epi16(w, 2)
	       : pair == 2 ? _mm256_srli_epi16(w, 4)
			   : _mm256_srli_epi16(w, 6);
}

AVX2_INLINE void decode(__m256i part[PARTS_MAX], kg_lines_kind kind, const uint8_t *line,
			__m256i table)
{
	const __m256i low = _mm256_set1_epi8(15);
	const __m256i pair = _mm256_set1_epi8(3);
	/* Of the four rows in 128 bits, each has four entries of the table. */
	const __m256i row = _mm256_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0, 0x0c0c0c0c,
					     0x08080808, 0x04040404, 0);
	__m256i w = load(line);

	for (int k = 0; k < parts_of(kind); k++)
		switch (kind) {
		case KG_LINES_INT8:
		case KG_LINES_PALETTE256: /* looked up before */
			part[k] = w;
			break;
		case KG_LINES_INT4:
			part[k] = _mm256_and_si256(shifted(w, 2 * k), low);
			break;
		case KG_LINES_PALETTE16:
			part[k] = _mm256_shuffle_epi8(table,
						      _mm256_and_si256(shifted(w, 2 * k), low));
			break;
		case KG_LINES_INT2:
		case KG_LINES_TERNARY:
			part[k] = _mm256_and_si256(shifted(w, k), pair);
			break;
		case KG_LINES_PALETTE4:
			part[k] = _mm256_shuffle_epi8(
				table, _mm256_or_si256(_mm256_and_si256(shifted(w, k), pair), row));
			break;
		}
}

/* One line's products in pairs, added in 16 bits. */
AVX2_INLINE void add_small(__m256i pairs[VECTORS], kg_lines_kind kind, int vectors,
			   const uint8_t *line, const int8_t *x, size_t stride)
{
	__m256i part[PARTS_MAX];

	decode(part, kind, line, _mm256_setzero_si256());
	for (int v = 0; v < vectors; v++)
		for (int k = 0; k < parts_of(kind); k++)
			pairs[v] = _mm256_add_epi16(
				pairs[v],
				_mm256_maddubs_epi16(part[k], four(x + (size_t)v * stride +
								   (size_t)k * KG_TILE_COLS)));
}

AVX2_INLINE void multiply_small(__m256i sum[VECTORS], kg_lines_kind kind, int vectors,
				const source *w, const int8_t *x, size_t stride)
{
	const uint32_t run = run_of(kind);
	const uint8_t *line = w->line;

	for (uint32_t from = 0; from < w->lines; from += run) {
		uint32_t n = w->lines - from < run ? w->lines - from : run;
		__m256i pairs[VECTORS];

		for (int v = 0; v < vectors; v++)
			pairs[v] = _mm256_setzero_si256();
		for (uint32_t i = 0; i < n; i++, line += KG_LINE_SIZE, x += kg_lines_columns(kind))
			add_small(pairs, kind, vectors, line, x, stride);
		for (int v = 0; v < vectors; v++)
			sum[v] = _mm256_add_epi32(sum[v], widen(pairs[v]));
	}
}

AVX2_INLINE void multiply_signed(__m256i sum[VECTORS], kg_lines_kind kind, int vectors,
				 const source *w, const int8_t *x, size_t stride)
{
	const uint8_t *line = w->line;

	for (uint32_t i = 0; i < w->lines; i++, line += KG_LINE_SIZE) {
		__m256i part[PARTS_MAX];

		decode(part, kind, line, w->table);
		for (int k = 0; k < parts_of(kind); k++, x += KG_TILE_COLS) {
			__m256i size = _mm256_abs_epi8(part[k]);

			for (int v = 0; v < vectors; v++) {
				__m256i s = _mm256_sign_epi8(four(x + (size_t)v * stride), part[k]);

				sum[v] = _mm256_add_epi32(sum[v], dot(size, s));
			}
		}
	}
}

/* The sums of a half tile, without factor and offset. */
AVX2_INLINE void multiply(__m256i sum[VECTORS], kg_lines_kind kind, int vectors, const source *w,
			  const int8_t *x, size_t stride)
{
	for (int v = 0; v < vectors; v++)
		sum[v] = _mm256_setzero_si256();
	if (run_of(kind) != 0)
		multiply_small(sum, kind, vectors, w, x, stride);
	else
		multiply_signed(sum, kind, vectors, w, x, stride);
}

/* `y` is that of the first vector and row. */
AVX2_INLINE void block(kg_lines_kind kind, int vectors, const source *w, const int8_t *x,
		       size_t x_stride, int32_t *y, size_t y_stride, const int32_t *start)
{
	__m256i sum[VECTORS];

	multiply(sum, kind, vectors, w, x, x_stride);
	for (int v = 0; v < vectors; v++) {
		if (factor_of(kind) == 2)
			sum[v] = _mm256_add_epi32(sum[v], sum[v]);
		store(y + (size_t)v * y_stride,
		      _mm256_add_epi32(sum[v], _mm256_set1_epi32(start[v])));
	}
}

AVX2_INLINE void product(kg_lines_kind kind, const kg_kernel_lines *w, const kg_kernel_job *job)
{
	uint32_t columns = w->lines * kg_lines_columns(kind);
	int32_t start[KG_KERNEL_BATCH];

	for (uint32_t v = 0; v < job->count; v++)
		start[v] = -offset_of(kind) * sum_i8(job->x + v * job->x_stride, columns);
	for (uint32_t part = HALVES * job->first; part < HALVES * job->last; part++) {
		uint32_t tile = part / HALVES;
		int half = (int)(part % HALVES);
		source s = {w->line + (size_t)tile * w->lines * KG_LINE_SIZE + half * HALF_LINE,
			    w->lines, table_of(w, kind, tile, half)};

		for (uint32_t v = 0, n; v < job->count; v += n) {
			const int8_t *x = job->x + v * job->x_stride;
			int32_t *y = job->y + v * job->y_stride + (size_t)part * HALF_ROWS;

			n = block_of(job->count - v);
			if (n == VECTORS)
				block(kind, VECTORS, &s, x, job->x_stride, y, job->y_stride,
				      start + v);
			else if (n == 2)
				block(kind, 2, &s, x, job->x_stride, y, job->y_stride, start + v);
			else
				block(kind, 1, &s, x, job->x_stride, y, job->y_stride, start + v);
		}
	}
}

/* Looked up byte by byte, a run of lines for all vectors at once. */
static void palette256(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	enum { RUN = 64 };
	uint8_t run[RUN * KG_LINE_SIZE];
	kg_kernel_lines part = {KG_LINES_INT8, 1, 0, run, NULL};
	int32_t sum[KG_KERNEL_BATCH * KG_TILE_ROWS];
	kg_kernel_job once = {.x_stride = job->x_stride,
			      .y = sum,
			      .y_stride = KG_TILE_ROWS,
			      .count = job->count,
			      .last = 1};

	for (uint32_t tile = job->first; tile < job->last; tile++) {
		const uint8_t *line = w->line + (size_t)tile * w->lines * KG_LINE_SIZE;

		for (uint32_t v = 0; v < job->count; v++)
			memset(job->y + v * job->y_stride + (size_t)tile * KG_TILE_ROWS, 0,
			       KG_TILE_ROWS * sizeof(*job->y));
		for (uint32_t from = 0; from < w->lines; from += part.lines) {
			part.lines = w->lines - from < RUN ? w->lines - from : RUN;
			for (size_t i = 0; i < (size_t)part.lines * KG_LINE_SIZE; i++)
				run[i] = (uint8_t)w->palette[line[(size_t)from * KG_LINE_SIZE + i]];
			once.x = job->x + (size_t)from * KG_TILE_COLS;
			product(KG_LINES_PALETTE256, &part, &once);
			for (uint32_t v = 0; v < job->count; v++)
				for (size_t r = 0; r < KG_TILE_ROWS; r++)
					job->y[v * job->y_stride + (size_t)tile * KG_TILE_ROWS +
					       r] += sum[v * KG_TILE_ROWS + r];
		}
	}
}

KINDS(product, palette256)

void kg_kernel__avx2_lines(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	lines_of_kind(w, job);
}

/* -8 * sum(x) of each group of one vector. */
static void group_starts(int32_t *start, const int8_t *x, uint32_t lines)
{
	const uint32_t columns = kg_lines_columns(KG_LINES_INT4);

	for (uint32_t from = 0; from < lines; from += KG_GROUP_LINES) {
		uint32_t n = lines - from < KG_GROUP_LINES ? lines - from : KG_GROUP_LINES;

		*start++ = -8 * sum_i8(x + (size_t)from * columns, n * columns);
	}
}

/* Where a block of vectors meets a half tile with its scales. */
typedef struct {
	const uint8_t *line;
	uint32_t lines;
	const uint16_t *scale;
	const int8_t *x;
	size_t x_stride;
	const int32_t *start; /* of a group, -8 * sum(x) */
	size_t start_stride;
	const float *step;
} group_source;

AVX2_INLINE void group_block(float *out, size_t out_stride, int vectors, const group_source *g)
{
	const uint8_t *line = g->line;
	const int8_t *x = g->x;
	const uint16_t *scale = g->scale;
	__m256 part[VECTORS];

	for (int v = 0; v < vectors; v++)
		part[v] = _mm256_setzero_ps();
	for (uint32_t from = 0, at = 0; from < g->lines; from += KG_GROUP_LINES, at++) {
		uint32_t n = g->lines - from < KG_GROUP_LINES ? g->lines - from : KG_GROUP_LINES;
		__m256 s = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)scale));
		__m256i pairs[VECTORS];

		for (int v = 0; v < vectors; v++)
			pairs[v] = _mm256_setzero_si256();
		for (uint32_t i = 0; i < n; i++, line += KG_LINE_SIZE, x += 2 * KG_TILE_COLS)
			add_small(pairs, KG_LINES_INT4, vectors, line, x, g->x_stride);
		for (int v = 0; v < vectors; v++) {
			__m256i start =
				_mm256_set1_epi32(g->start[(size_t)v * g->start_stride + at]);
			__m256i sum = _mm256_add_epi32(widen(pairs[v]), start);

			part[v] = _mm256_add_ps(part[v], _mm256_mul_ps(_mm256_cvtepi32_ps(sum), s));
		}
		scale += KG_TILE_ROWS;
	}
	for (int v = 0; v < vectors; v++)
		_mm256_storeu_ps(out + (size_t)v * out_stride,
				 _mm256_mul_ps(part[v], _mm256_set1_ps(g->step[v])));
}

/* Vectors from..to-1, whose starts are `start`, `count` each. */
static void group_tiles(float *out, size_t out_stride, const kg_kernel_lines *w,
			const uint16_t *scale, const float *step, const kg_kernel_job *job,
			uint32_t from, uint32_t to, const int32_t *start, uint32_t count)
{
	group_source g = {.lines = w->lines, .x_stride = job->x_stride, .start_stride = count};

	for (uint32_t part = HALVES * job->first; part < HALVES * job->last; part++) {
		size_t tile = part / HALVES;

		g.line = w->line + tile * w->lines * KG_LINE_SIZE +
			 (size_t)(part % HALVES) * HALF_LINE;
		g.scale = scale + tile * count * KG_TILE_ROWS + (size_t)(part % HALVES) * HALF_ROWS;
		for (uint32_t v = from, n; v < to; v += n) {
			float *y = out + v * out_stride + (size_t)part * HALF_ROWS;

			g.x = job->x + v * job->x_stride;
			g.start = start + (size_t)(v - from) * count;
			g.step = step + v;
			n = block_of(to - v);
			if (n == VECTORS)
				group_block(y, out_stride, VECTORS, &g);
			else if (n == 2)
				group_block(y, out_stride, 2, &g);
			else
				group_block(y, out_stride, 1, &g);
		}
	}
}

void kg_kernel__avx2_groups(float *out, size_t out_stride, const kg_kernel_lines *w,
			    const uint16_t *scale, const float *step, const kg_kernel_job *job)
{
	enum { ROOM = 16384 };
	uint32_t count = (w->lines + KG_GROUP_LINES - 1) / KG_GROUP_LINES;
	int32_t start[ROOM];
	uint32_t most;

	KG_ASSERT(count <= ROOM);
	most = count == 0 ? job->count : ROOM / count;
	for (uint32_t at = 0, n; at < job->count; at += n) {
		n = job->count - at < most ? job->count - at : most;
		for (uint32_t v = 0; v < n; v++)
			group_starts(start + (size_t)v * count, job->x + (at + v) * job->x_stride,
				     w->lines);
		group_tiles(out, out_stride, w, scale, step, job, at, at + n, start, count);
	}
}
