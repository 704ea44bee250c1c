/* SPDX-License-Identifier: MIT */
/* int4 in groups of 32 columns, each with scales: the whole number of a group is exact, then it
 * becomes a float. */
#include "runtime/kernel/avx512.h"

/* Where a block of vectors meets one tile or two. */
typedef struct {
	const uint8_t *line;
	size_t tile_size; /* bytes */
	uint32_t lines;   /* of a tile */
	const uint16_t *scale;
	size_t scale_step; /* from tile to tile */
	const int8_t *x;
	size_t x_stride;
	const int32_t *start; /* -8 * sum(x) of each group */
	size_t start_stride;
	const float *step;
} source;

/* Codes as they are, 0..15; what 8 * sum(x) is too much is in `start`. */
static void find_starts(int32_t *start, const int8_t *x, uint32_t lines)
{
	const uint32_t columns = kg_lines_columns(KG_LINES_INT4);

	for (uint32_t from = 0; from < lines; from += KG_GROUP_LINES) {
		uint32_t n = lines - from < KG_GROUP_LINES ? lines - from : KG_GROUP_LINES;

		*start++ = -8 * sum_i8(x + (size_t)from * columns, n * columns);
	}
}

AVX512_INLINE void add_line(__m512i sum[TILES][VECTORS], int tiles, int vectors,
			    const uint8_t *line, size_t tile_size, const int8_t *x, size_t stride)
{
	const __m512i low = _mm512_set1_epi8(15);
	__m512i part[TILES][2];

	for (int t = 0; t < tiles; t++) {
		__m512i w = load_line(line + (size_t)t * tile_size);

		part[t][0] = _mm512_and_si512(w, low);
		part[t][1] = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
	}
	for (int k = 0; k < 2; k++)
		for (int v = 0; v < vectors; v++) {
			__m512i four_x = four(x + (size_t)v * stride + (size_t)k * KG_TILE_COLS);

			for (int t = 0; t < tiles; t++)
				dot(&sum[t][v], part[t][k], four_x);
		}
}

/* part += (float)sum * scale of group `at`, which has n lines. */
AVX512_INLINE void add_group(__m512 part[TILES][VECTORS], int tiles, int vectors, const source *s,
			     uint32_t at, uint32_t n)
{
	const uint8_t *line = s->line + (size_t)at * KG_GROUP_LINES * KG_LINE_SIZE;
	const int8_t *x = s->x + (size_t)at * KG_GROUP_LINES * 2 * KG_TILE_COLS;
	__m512i sum[TILES][VECTORS];

	for (int t = 0; t < tiles; t++)
		for (int v = 0; v < vectors; v++)
			sum[t][v] = _mm512_set1_epi32(s->start[(size_t)v * s->start_stride + at]);
	for (uint32_t i = 0; i < n; i++, line += KG_LINE_SIZE, x += 2 * KG_TILE_COLS)
		add_line(sum, tiles, vectors, line, s->tile_size, x, s->x_stride);
	for (int t = 0; t < tiles; t++) {
		const uint16_t *scale =
			s->scale + (size_t)t * s->scale_step + (size_t)at * KG_TILE_ROWS;
		__m512 scales =
			_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)scale));

		for (int v = 0; v < vectors; v++)
			part[t][v] = _mm512_add_ps(
				part[t][v], _mm512_mul_ps(_mm512_cvtepi32_ps(sum[t][v]), scales));
	}
}

/* `out` is that of the first row and vector. */
AVX512_INLINE void block(float *out, size_t out_stride, int tiles, int vectors, const source *s)
{
	const uint32_t whole = s->lines / KG_GROUP_LINES;
	__m512 part[TILES][VECTORS];

	for (int t = 0; t < tiles; t++)
		for (int v = 0; v < vectors; v++)
			part[t][v] = _mm512_setzero_ps();
	for (uint32_t at = 0; at < whole; at++)
		add_group(part, tiles, vectors, s, at, KG_GROUP_LINES);
	if (s->lines % KG_GROUP_LINES != 0)
		add_group(part, tiles, vectors, s, whole, s->lines % KG_GROUP_LINES);
	for (int v = 0; v < vectors; v++) {
		__m512 step = _mm512_set1_ps(s->step[v]);

		for (int t = 0; t < tiles; t++)
			_mm512_storeu_ps(out + (size_t)v * out_stride + t * KG_TILE_ROWS,
					 _mm512_mul_ps(part[t][v], step));
	}
}

/* Vectors from..to-1, whose starts are `start`. */
static void multiply(float *out, size_t out_stride, const kg_kernel_lines *w, const uint16_t *scale,
		     const float *step, const kg_kernel_job *job, uint32_t from, uint32_t to,
		     const int32_t *start)
{
	const uint32_t groups = (w->lines + KG_GROUP_LINES - 1) / KG_GROUP_LINES;
	source s = {.tile_size = (size_t)w->lines * KG_LINE_SIZE,
		    .lines = w->lines,
		    .scale_step = (size_t)groups * KG_TILE_ROWS,
		    .x_stride = job->x_stride,
		    .start_stride = groups};

	for (uint32_t tile = job->first, tiles; tile < job->last; tile += tiles) {
		/* One vector reads faster in one stream. */
		tiles = job->count > 1 && job->last - tile >= TILES ? TILES : 1;
		s.line = w->line + tile * s.tile_size;
		s.scale = scale + tile * s.scale_step;
		for (uint32_t v = from, n; v < to; v += n) {
			float *y = out + v * out_stride + (size_t)tile * KG_TILE_ROWS;

			s.x = job->x + v * job->x_stride;
			s.start = start + (size_t)(v - from) * groups;
			s.step = step + v;
			n = tiles == 1 ? 1 : block_of(to - v);
			if (tiles == 1)
				block(y, out_stride, 1, 1, &s);
			else if (n == VECTORS)
				block(y, out_stride, TILES, VECTORS, &s);
			else if (n == 2)
				block(y, out_stride, TILES, 2, &s);
			else
				block(y, out_stride, TILES, 1, &s);
		}
	}
}

void kg_kernel__avx512_groups(float *out, size_t out_stride, const kg_kernel_lines *w,
			      const uint16_t *scale, const float *step, const kg_kernel_job *job)
{
	enum { ROOM = 16384 };
	const uint32_t groups = (w->lines + KG_GROUP_LINES - 1) / KG_GROUP_LINES;
	int32_t start[ROOM];
	uint32_t most;

	KG_ASSERT(groups <= ROOM);
	most = groups == 0 ? job->count : ROOM / groups;
	for (uint32_t from = 0, n; from < job->count; from += n) {
		n = job->count - from < most ? job->count - from : most;
		for (uint32_t v = 0; v < n; v++)
			find_starts(start + (size_t)v * groups, job->x + (from + v) * job->x_stride,
				    w->lines);
		multiply(out, out_stride, w, scale, step, job, from, from + n, start);
	}
}
