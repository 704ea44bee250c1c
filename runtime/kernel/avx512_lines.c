/* SPDX-License-Identifier: MIT */
/* Lines of every kind. A line becomes one to four operands of 16 rows by 4 columns, unsigned, some
 * times a power of two because their codes stay where they are; an offset makes up for the sign. */
#include "runtime/kernel/avx512.h"

enum { PARTS_MAX = 4, CHAINS_MAX = 8 };

/* Operands of a line: each meets four columns of x. */
AVX512_INLINE int parts_of(kg_lines_kind kind)
{
	return (int)kg_lines_columns(kind) / KG_TILE_COLS;
}

/* Operand `part` is 2^shift times what it means. */
AVX512_INLINE int shift_of(kg_lines_kind kind, int part)
{
	if (kind == KG_LINES_INT4)
		return 4 * part;
	return kind == KG_LINES_INT2 || kind == KG_LINES_TERNARY ? 2 * part : 0;
}

/* A sum of products is factor * (sum of the operands' products) - offset * sum(x). */
AVX512_INLINE int32_t factor_of(kg_lines_kind kind)
{
	return kind == KG_LINES_INT2 ? 2 : 1;
}

AVX512_INLINE int32_t offset_of(kg_lines_kind kind)
{
	switch (kind) {
	case KG_LINES_INT4:
		return 8;
	case KG_LINES_INT2:
		return 3;
	case KG_LINES_TERNARY:
		return 1;
	default:
		return 128;
	}
}

/* Sixteen entries a row group: palettes made unsigned. */
AVX512_INLINE __m512i table_of(const kg_kernel_lines *w, kg_lines_kind kind, uint32_t tile)
{
	const __m512i flip = _mm512_set1_epi8(-128);

	if (kind == KG_LINES_PALETTE16)
		return _mm512_xor_si512(flip, _mm512_broadcast_i32x4(_mm_loadu_si128(
						      (const __m128i *)(const void *)w->palette)));
	if (kind == KG_LINES_PALETTE4)
		return _mm512_xor_si512(flip, _mm512_loadu_si512(w->palette + (size_t)tile * 64));
	return flip;
}

AVX512_INLINE void decode(__m512i part[PARTS_MAX], kg_lines_kind kind, const uint8_t *line,
			  __m512i table)
{
	const __m512i low = _mm512_set1_epi8(15);
	const __m512i pair = _mm512_set1_epi8(3);
	/* Of the four rows in 128 bits, each has four entries of the table. */
	const __m512i row = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
	__m512i w = _mm512_load_si512(line);

	_mm_prefetch(line + AHEAD, _MM_HINT_T0);
	switch (kind) {
	case KG_LINES_INT8:
		part[0] = _mm512_xor_si512(w, table);
		break;
	case KG_LINES_PALETTE256: /* decoded before */
		part[0] = w;
		break;
	case KG_LINES_INT4:
		part[0] = _mm512_and_si512(w, low);
		part[1] = _mm512_andnot_si512(low, w);
		break;
	case KG_LINES_PALETTE16:
		part[0] = _mm512_shuffle_epi8(table, _mm512_and_si512(w, low));
		part[1] =
			_mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(w, 4), low));
		break;
	case KG_LINES_INT2:
	case KG_LINES_TERNARY:
		part[0] = _mm512_and_si512(w, pair);
		part[1] = _mm512_and_si512(w, _mm512_set1_epi8(3 << 2));
		part[2] = _mm512_and_si512(w, _mm512_set1_epi8(3 << 4));
		part[3] = _mm512_and_si512(w, _mm512_set1_epi8((char)(3 << 6)));
		break;
	case KG_LINES_PALETTE4:
		/* 0xEA: a & b | c */
		part[0] = _mm512_shuffle_epi8(table, _mm512_ternarylogic_epi32(w, pair, row, 0xEA));
		part[1] = _mm512_shuffle_epi8(
			table, _mm512_ternarylogic_epi32(_mm512_srli_epi16(w, 2), pair, row, 0xEA));
		part[2] = _mm512_shuffle_epi8(
			table, _mm512_ternarylogic_epi32(_mm512_srli_epi16(w, 4), pair, row, 0xEA));
		part[3] = _mm512_shuffle_epi8(
			table, _mm512_ternarylogic_epi32(_mm512_srli_epi16(w, 6), pair, row, 0xEA));
		break;
	}
}

/* Lines and vectors of one tile; sum[v] are the operands' products, without factor and offset. */
AVX512_INLINE void multiply(__m512i sum[VECTORS], kg_lines_kind kind, int vectors,
			    const uint8_t *line, uint32_t lines, __m512i table, const int8_t *x,
			    size_t stride)
{
	const int parts = parts_of(kind);
	/* Eight chains at least hide the latency of the dot product. */
	const int chains = vectors == 1 ? CHAINS_MAX : PARTS_MAX;
	const uint32_t unroll = (uint32_t)(chains / parts);
	__m512i chain[VECTORS][CHAINS_MAX];
	__m512i part[PARTS_MAX];
	uint32_t at = 0;

	for (int v = 0; v < vectors; v++)
		for (int c = 0; c < chains; c++)
			chain[v][c] = _mm512_setzero_si512();
	for (; at + unroll <= lines; at += unroll)
		for (uint32_t u = 0; u < unroll; u++, line += KG_LINE_SIZE) {
			decode(part, kind, line, table);
			for (int k = 0; k < parts; k++, x += KG_TILE_COLS)
				for (int v = 0; v < vectors; v++)
					dot(&chain[v][(int)u * parts + k], part[k],
					    four(x + (size_t)v * stride));
		}
	for (; at < lines; at++, line += KG_LINE_SIZE) {
		decode(part, kind, line, table);
		for (int k = 0; k < parts; k++, x += KG_TILE_COLS)
			for (int v = 0; v < vectors; v++)
				dot(&chain[v][k], part[k], four(x + (size_t)v * stride));
	}
	for (int v = 0; v < vectors; v++) {
		sum[v] = chain[v][0];
		for (int c = 1; c < chains; c++)
			sum[v] = _mm512_add_epi32(
				sum[v], _mm512_srai_epi32(chain[v][c],
							  (unsigned)shift_of(kind, c % parts)));
	}
}

AVX512_INLINE void block(kg_lines_kind kind, int vectors, const kg_kernel_lines *w, uint32_t tile,
			 const kg_kernel_job *job, uint32_t at, const int32_t *start)
{
	__m512i sum[VECTORS];

	multiply(sum, kind, vectors, w->line + (size_t)tile * w->lines * KG_LINE_SIZE, w->lines,
		 table_of(w, kind, tile), job->x + at * job->x_stride, job->x_stride);
	for (int v = 0; v < vectors; v++) {
		int32_t *y = job->y + (at + (uint32_t)v) * job->y_stride;

		if (factor_of(kind) == 2)
			sum[v] = _mm512_add_epi32(sum[v], sum[v]);
		_mm512_storeu_si512(y + (size_t)tile * KG_TILE_ROWS,
				    _mm512_add_epi32(sum[v], _mm512_set1_epi32(start[v])));
	}
}

AVX512_INLINE void tiles(kg_lines_kind kind, const kg_kernel_lines *w, const kg_kernel_job *job)
{
	uint32_t columns = w->lines * kg_lines_columns(kind);
	int32_t start[KG_KERNEL_BATCH];

	for (uint32_t v = 0; v < job->count; v++)
		start[v] = -offset_of(kind) * sum_i8(job->x + v * job->x_stride, columns);
	for (uint32_t tile = job->first; tile < job->last; tile++)
		for (uint32_t v = 0, n; v < job->count; v += n) {
			n = block_of(job->count - v);
			if (n == VECTORS)
				block(kind, VECTORS, w, tile, job, v, start + v);
			else if (n == 2)
				block(kind, 2, w, tile, job, v, start + v);
			else
				block(kind, 1, w, tile, job, v, start + v);
		}
}

/* Adds a run of decoded lines to the sums. */
static void add_run(const uint8_t *run, uint32_t lines, const kg_kernel_job *job, uint32_t tile,
		    uint32_t from)
{
	const __m512i none = _mm512_setzero_si512();

	for (uint32_t at = 0, n; at < job->count; at += n) {
		const int8_t *x = job->x + at * job->x_stride + (size_t)from * KG_TILE_COLS;
		__m512i sum[VECTORS];

		n = block_of(job->count - at);
		if (n == VECTORS)
			multiply(sum, KG_LINES_PALETTE256, VECTORS, run, lines, none, x,
				 job->x_stride);
		else if (n == 2)
			multiply(sum, KG_LINES_PALETTE256, 2, run, lines, none, x, job->x_stride);
		else
			multiply(sum, KG_LINES_PALETTE256, 1, run, lines, none, x, job->x_stride);
		for (uint32_t v = 0; v < n; v++) {
			int32_t *y =
				job->y + (at + v) * job->y_stride + (size_t)tile * KG_TILE_ROWS;

			_mm512_storeu_si512(y, _mm512_add_epi32(_mm512_loadu_si512(y), sum[v]));
		}
	}
}

void kg_kernel__avx512_palette256(const kg_kernel_lines *w, const kg_kernel_job *job,
				  kg_kernel__look_up *look_up)
{
	enum { RUN = 64 };
	uint8_t run[RUN * KG_LINE_SIZE] __attribute__((aligned(KG_LINE_SIZE)));
	int32_t start[KG_KERNEL_BATCH];

	for (uint32_t v = 0; v < job->count; v++)
		start[v] = -offset_of(KG_LINES_PALETTE256) *
			   sum_i8(job->x + v * job->x_stride, w->lines * KG_TILE_COLS);
	for (uint32_t tile = job->first; tile < job->last; tile++) {
		const uint8_t *line = w->line + (size_t)tile * w->lines * KG_LINE_SIZE;

		for (uint32_t v = 0; v < job->count; v++)
			_mm512_storeu_si512(job->y + v * job->y_stride +
						    (size_t)tile * KG_TILE_ROWS,
					    _mm512_set1_epi32(start[v]));
		for (uint32_t from = 0; from < w->lines; from += RUN) {
			uint32_t n = w->lines - from < RUN ? w->lines - from : RUN;

			look_up(run, line + (size_t)from * KG_LINE_SIZE, n, w->palette);
			add_run(run, n, job, tile, from);
		}
	}
}

/* Sixteen tables of sixteen entries, each for the codes whose high half names it. */
static void look_up(uint8_t *out, const uint8_t *line, uint32_t count, const int8_t *palette)
{
	const __m512i low = _mm512_set1_epi8(15);
	const __m512i flip = _mm512_set1_epi8(-128);
	__m512i table[16];

	for (int i = 0; i < 16; i++)
		table[i] = _mm512_xor_si512(
			flip, _mm512_broadcast_i32x4(_mm_loadu_si128(
				      (const __m128i *)(const void *)(palette + 16 * i))));
	for (uint32_t at = 0; at < count; at++, line += KG_LINE_SIZE, out += KG_LINE_SIZE) {
		__m512i w = _mm512_load_si512(line);
		__m512i entry = _mm512_and_si512(w, low);
		__m512i which = _mm512_andnot_si512(low, w);
		__m512i v = _mm512_shuffle_epi8(table[0], entry);

		_mm_prefetch(line + AHEAD, _MM_HINT_T0);
		for (int i = 1; i < 16; i++)
			v = _mm512_mask_shuffle_epi8(
				v, _mm512_cmpeq_epi8_mask(which, _mm512_set1_epi8((char)(16 * i))),
				table[i], entry);
		_mm512_store_si512(out, v);
	}
}

void kg_kernel__avx512_lines(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	switch (w->kind) {
	case KG_LINES_INT8:
		tiles(KG_LINES_INT8, w, job);
		break;
	case KG_LINES_INT4:
		tiles(KG_LINES_INT4, w, job);
		break;
	case KG_LINES_PALETTE16:
		tiles(KG_LINES_PALETTE16, w, job);
		break;
	case KG_LINES_INT2:
		tiles(KG_LINES_INT2, w, job);
		break;
	case KG_LINES_TERNARY:
		tiles(KG_LINES_TERNARY, w, job);
		break;
	case KG_LINES_PALETTE4:
		tiles(KG_LINES_PALETTE4, w, job);
		break;
	case KG_LINES_PALETTE256:
		kg_kernel__avx512_palette256(w, job, look_up);
		break;
	}
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

/* part[v] += (float)sum * scale of one group of n lines. */
AVX512_INLINE void add_group(__m512 part[VECTORS], int vectors, const uint8_t *line, uint32_t n,
			     __m512 scale, const int8_t *x, size_t stride, const int32_t *start,
			     size_t start_stride)
{
	const __m512i low = _mm512_set1_epi8(15);
	__m512i sum[VECTORS];

	for (int v = 0; v < vectors; v++)
		sum[v] = _mm512_set1_epi32(start[(size_t)v * start_stride]);
	for (uint32_t at = 0; at < n; at++, line += KG_LINE_SIZE, x += 2 * KG_TILE_COLS) {
		__m512i w = _mm512_load_si512(line);
		__m512i low_half = _mm512_and_si512(w, low);
		__m512i high_half = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);

		_mm_prefetch(line + AHEAD, _MM_HINT_T0);
		for (int v = 0; v < vectors; v++)
			dot(&sum[v], low_half, four(x + (size_t)v * stride));
		for (int v = 0; v < vectors; v++)
			dot(&sum[v], high_half, four(x + (size_t)v * stride + KG_TILE_COLS));
	}
	for (int v = 0; v < vectors; v++)
		part[v] = _mm512_add_ps(part[v], _mm512_mul_ps(_mm512_cvtepi32_ps(sum[v]), scale));
}

/* One tile of the vectors; out of the first of them at `out`. */
AVX512_INLINE void group_tile(float *out, size_t out_stride, int vectors, const uint8_t *line,
			      uint32_t lines, const uint16_t *scale, const float *step,
			      const int8_t *x, size_t stride, const int32_t *start,
			      size_t start_stride)
{
	__m512 part[VECTORS];

	for (int v = 0; v < vectors; v++)
		part[v] = _mm512_setzero_ps();
	for (uint32_t at = 0; at < lines; at += KG_GROUP_LINES, scale += KG_TILE_ROWS, start++) {
		__m512 s =
			_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)scale));
		const uint8_t *group = line + (size_t)at * KG_LINE_SIZE;
		const int8_t *xs = x + (size_t)at * 2 * KG_TILE_COLS;

		if (lines - at >= KG_GROUP_LINES)
			add_group(part, vectors, group, KG_GROUP_LINES, s, xs, stride, start,
				  start_stride);
		else
			add_group(part, vectors, group, lines - at, s, xs, stride, start,
				  start_stride);
	}
	for (int v = 0; v < vectors; v++)
		_mm512_storeu_ps(out + (size_t)v * out_stride,
				 _mm512_mul_ps(part[v], _mm512_set1_ps(step[v])));
}

/* As many vectors as `start` has room for. */
static void group_tiles(float *out, size_t out_stride, const kg_kernel_lines *w,
			const uint16_t *scale, const float *step, const kg_kernel_job *job,
			uint32_t at, uint32_t end, const int32_t *start, uint32_t count)
{
	for (uint32_t tile = job->first; tile < job->last; tile++) {
		const uint8_t *line = w->line + (size_t)tile * w->lines * KG_LINE_SIZE;
		const uint16_t *s = scale + (size_t)tile * count * KG_TILE_ROWS;

		for (uint32_t v = at, n; v < end; v += n) {
			const int8_t *x = job->x + v * job->x_stride;
			const int32_t *first = start + (size_t)(v - at) * count;
			float *y = out + v * out_stride + (size_t)tile * KG_TILE_ROWS;

			n = block_of(end - v);
			if (n == VECTORS)
				group_tile(y, out_stride, VECTORS, line, w->lines, s, step + v, x,
					   job->x_stride, first, count);
			else if (n == 2)
				group_tile(y, out_stride, 2, line, w->lines, s, step + v, x,
					   job->x_stride, first, count);
			else
				group_tile(y, out_stride, 1, line, w->lines, s, step + v, x,
					   job->x_stride, first, count);
		}
	}
}

void kg_kernel__avx512_groups(float *out, size_t out_stride, const kg_kernel_lines *w,
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
