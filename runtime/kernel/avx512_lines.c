/* SPDX-License-Identifier: MIT */
/* Lines of every kind. A line becomes one to four operands of 16 rows by 4 columns, unsigned, some
 * times a power of two because their codes stay where they are; an offset makes up for the sign. */
#include "runtime/kernel/avx512.h"
#include "runtime/kernel/kinds.h"

enum {
	PARTS_MAX = 4,
	CHAINS_MAX = 8,
};

/* Tiles of one kind, and their tables. */
typedef struct {
	const uint8_t *line;
	size_t tile_size; /* bytes */
	size_t ahead;     /* of a line, what is asked for meanwhile */
	uint32_t lines;   /* of a tile */
	__m512i table[TILES];
} source;

/* Operands of a line: each meets four columns of x. */
AVX512_INLINE int parts_of(kg_lines_kind kind)
{
	return (int)kg_lines_columns(kind) / KG_TILE_COLS;
}

/* Vectors that share a decoded line. Where decoding is one operation a part, two are faster. */
AVX512_INLINE uint32_t vectors_of(kg_lines_kind kind, uint32_t left)
{
	if (kind == KG_LINES_INT4 || kind == KG_LINES_INT2 || kind == KG_LINES_TERNARY)
		return left >= 2 ? 2 : 1;
	return block_of(left);
}

/* Independent sums of a tile and vector. Eight in all hide the latency of the dot product; sixteen
 * fit the registers beside the operands. */
AVX512_INLINE int chains_of(kg_lines_kind kind, int tiles, int vectors)
{
	if (vectors == VECTORS)
		return parts_of(kind) > 1 ? 1 : 2;
	return tiles == 1 ? CHAINS_MAX : 4;
}

/* Operand `part` is 2^shift times what it means: codes that are not looked up stay where they are,
 * every place with a chain of its own. */
AVX512_INLINE int shift_of(kg_lines_kind kind, int part)
{
	if (kind == KG_LINES_INT4)
		return 4 * part;
	return kind == KG_LINES_INT2 || kind == KG_LINES_TERNARY ? 2 * part : 0;
}

/* A sum of products is factor * (sum of the operands' products) - offset * sum(x). */
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

AVX512_INLINE int32_t factor_of(kg_lines_kind kind)
{
	return kind == KG_LINES_INT2 ? 2 : 1;
}

/* What is looked up, or turned, made unsigned. */
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

/* The pairs of bits at 2 * part, looked up in the row's four entries of the table. */
AVX512_INLINE __m512i look_up_pair(__m512i w, int part, __m512i table)
{
	const __m512i pair = _mm512_set1_epi8(3);
	/* Of the four rows in 128 bits, each has four entries. */
	const __m512i row = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);

	w = part == 0   ? w
	    : part == 1 ? _mm512_srli_epi16(w, 2)
	    : part == 2 ? _mm512_srli_epi16(w, 4)
			: _mm512_srli_epi16(w, 6);
	/* 0xEA: a & b | c */
	return _mm512_shuffle_epi8(table, _mm512_ternarylogic_epi32(w, pair, row, 0xEA));
}

AVX512_INLINE void decode(__m512i part[PARTS_MAX], kg_lines_kind kind, const uint8_t *line,
			  size_t ahead, __m512i table)
{
	const __m512i low = _mm512_set1_epi8(15);
	__m512i w = load_line_before(line, ahead);

	if (kind == KG_LINES_INT8) {
		part[0] = _mm512_xor_si512(w, table);
	} else if (kind == KG_LINES_PALETTE256) { /* looked up before */
		part[0] = w;
	} else if (kind == KG_LINES_INT4) {
		part[0] = _mm512_and_si512(w, low);
		part[1] = _mm512_andnot_si512(low, w);
	} else if (kind == KG_LINES_PALETTE16) {
		__m512i high = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);

		part[0] = _mm512_shuffle_epi8(table, _mm512_and_si512(w, low));
		part[1] = _mm512_shuffle_epi8(table, high);
	} else {
		for (int k = 0; k < PARTS_MAX; k++)
			part[k] =
				kind == KG_LINES_PALETTE4
					? look_up_pair(w, k, table)
					: _mm512_and_si512(w, _mm512_set1_epi8((char)(3 << 2 * k)));
	}
}

/* One line of all tiles with all vectors; `u` is its place among those that have own chains. */
AVX512_INLINE void add_line(__m512i chain[TILES][VECTORS][CHAINS_MAX], kg_lines_kind kind,
			    int tiles, int vectors, int u, const source *w, const uint8_t *line,
			    const int8_t *x, size_t stride)
{
	const int parts = parts_of(kind);
	const int chains = chains_of(kind, tiles, vectors);
	__m512i part[TILES][PARTS_MAX];

	for (int t = 0; t < tiles; t++)
		decode(part[t], kind, line + (size_t)t * w->tile_size, w->ahead, w->table[t]);
	for (int k = 0; k < parts; k++)
		for (int v = 0; v < vectors; v++) {
			__m512i four_x = four(x + (size_t)v * stride + (size_t)k * KG_TILE_COLS);

			for (int t = 0; t < tiles; t++)
				dot(&chain[t][v][(u * parts + k) % chains], part[t][k], four_x);
		}
}

/* sum[t][v] are the operands' products, without factor and offset. */
AVX512_INLINE void multiply(__m512i sum[TILES][VECTORS], kg_lines_kind kind, int tiles, int vectors,
			    const source *w, const int8_t *x, size_t stride)
{
	const int chains = chains_of(kind, tiles, vectors);
	const size_t columns = kg_lines_columns(kind);
	const uint32_t unroll = chains > parts_of(kind) ? (uint32_t)(chains / parts_of(kind)) : 1;
	__m512i chain[TILES][VECTORS][CHAINS_MAX];
	const uint8_t *line = w->line;
	uint32_t left = w->lines;

	for (int t = 0; t < tiles; t++)
		for (int v = 0; v < vectors; v++)
			for (int c = 0; c < chains; c++)
				chain[t][v][c] = _mm512_setzero_si512();
	for (; left >= unroll; left -= unroll)
#ifndef __clang__ /* which unrolls it, but only halfway when told so */
# pragma GCC unroll 8
#endif
		for (uint32_t u = 0; u < unroll; u++, line += KG_LINE_SIZE, x += columns)
			add_line(chain, kind, tiles, vectors, (int)u, w, line, x, stride);
	for (; left > 0; left--, line += KG_LINE_SIZE, x += columns)
		add_line(chain, kind, tiles, vectors, 0, w, line, x, stride);
	for (int t = 0; t < tiles; t++)
		for (int v = 0; v < vectors; v++) {
			sum[t][v] = chain[t][v][0];
			for (int c = 1; c < chains; c++) {
				int shift = shift_of(kind, c % parts_of(kind));

				sum[t][v] = _mm512_add_epi32(
					sum[t][v],
					_mm512_srai_epi32(chain[t][v][c], (unsigned)shift));
			}
		}
}

AVX512_INLINE void block(kg_lines_kind kind, int tiles, int vectors, const source *w, uint32_t tile,
			 const kg_kernel_job *job, uint32_t at, const int32_t *start)
{
	__m512i sum[TILES][VECTORS];

	multiply(sum, kind, tiles, vectors, w, job->x + at * job->x_stride, job->x_stride);
	for (int v = 0; v < vectors; v++) {
		int32_t *y =
			job->y + (at + (uint32_t)v) * job->y_stride + (size_t)tile * KG_TILE_ROWS;
		__m512i begin = _mm512_set1_epi32(start[v]);

		for (int t = 0; t < tiles; t++) {
			if (factor_of(kind) == 2)
				sum[t][v] = _mm512_add_epi32(sum[t][v], sum[t][v]);
			_mm512_storeu_si512(y + t * KG_TILE_ROWS,
					    _mm512_add_epi32(sum[t][v], begin));
		}
	}
}

AVX512_INLINE void product(kg_lines_kind kind, const kg_kernel_lines *w, const kg_kernel_job *job)
{
	uint32_t columns = w->lines * kg_lines_columns(kind);
	int32_t start[KG_KERNEL_BATCH];
	uint32_t tile = job->first;
	source s = {.tile_size = (size_t)w->lines * KG_LINE_SIZE, .lines = w->lines};

	/* What lies AHEAD of a short tile is the other one's, which is being read: then it is the
	 * next two that are asked for. */
	s.ahead = s.tile_size <= AHEAD ? TILES * s.tile_size : AHEAD;
	for (uint32_t v = 0; v < job->count; v++)
		start[v] = -offset_of(kind) * sum_i8(job->x + v * job->x_stride, columns);
	/* One vector reads plain bytes faster in one stream. */
	while (tile + TILES <= job->last && !(kind == KG_LINES_INT8 && job->count == 1)) {
		s.line = w->line + tile * s.tile_size;
		for (uint32_t t = 0; t < TILES; t++)
			s.table[t] = table_of(w, kind, tile + t);
		for (uint32_t v = 0, n; v < job->count; v += n) {
			n = vectors_of(kind, job->count - v);
			if (n == VECTORS)
				block(kind, TILES, VECTORS, &s, tile, job, v, start + v);
			else if (n == 2)
				block(kind, TILES, 2, &s, tile, job, v, start + v);
			else
				block(kind, TILES, 1, &s, tile, job, v, start + v);
		}
		tile += TILES;
	}
	for (; tile < job->last; tile++) {
		s.line = w->line + tile * s.tile_size;
		s.table[0] = table_of(w, kind, tile);
		for (uint32_t v = 0; v < job->count; v++)
			block(kind, 1, 1, &s, tile, job, v, start + v);
	}
}

/* Adds a run of decoded lines of two tiles to the sums of `tiles` of them. */
static void add_run(const source *run, uint32_t tiles, const kg_kernel_job *job, uint32_t tile,
		    uint32_t from)
{
	for (uint32_t at = 0, n; at < job->count; at += n) {
		const int8_t *x = job->x + at * job->x_stride + (size_t)from * KG_TILE_COLS;
		__m512i sum[TILES][VECTORS];

		n = block_of(job->count - at);
		if (n == VECTORS)
			multiply(sum, KG_LINES_PALETTE256, TILES, VECTORS, run, x, job->x_stride);
		else if (n == 2)
			multiply(sum, KG_LINES_PALETTE256, TILES, 2, run, x, job->x_stride);
		else
			multiply(sum, KG_LINES_PALETTE256, TILES, 1, run, x, job->x_stride);
		for (uint32_t v = 0; v < n; v++)
			for (uint32_t t = 0; t < tiles; t++) {
				int32_t *y = job->y + (at + v) * job->y_stride +
					     (size_t)(tile + t) * KG_TILE_ROWS;

				_mm512_storeu_si512(
					y, _mm512_add_epi32(_mm512_loadu_si512(y), sum[t][v]));
			}
	}
}

void kg_kernel__avx512_palette256(const kg_kernel_lines *w, const kg_kernel_job *job,
				  kg_kernel__look_up *look_up)
{
	enum { RUN = 64 };
	uint8_t run[TILES][RUN * KG_LINE_SIZE] __attribute__((aligned(KG_LINE_SIZE))) = {{0}};

	for (uint32_t v = 0; v < job->count; v++) {
		int32_t *y = job->y + v * job->y_stride;
		int32_t start = -offset_of(KG_LINES_PALETTE256) *
				sum_i8(job->x + v * job->x_stride, w->lines * KG_TILE_COLS);

		for (uint32_t tile = job->first; tile < job->last; tile++)
			_mm512_storeu_si512(y + (size_t)tile * KG_TILE_ROWS,
					    _mm512_set1_epi32(start));
	}
	for (uint32_t tile = job->first; tile < job->last; tile += TILES)
		for (uint32_t from = 0; from < w->lines; from += RUN) {
			uint32_t tiles = job->last - tile < TILES ? job->last - tile : TILES;
			source s = {.line = run[0], .tile_size = sizeof(run[0])};

			s.lines = w->lines - from < RUN ? w->lines - from : RUN;
			for (uint32_t t = 0; t < tiles; t++)
				look_up(run[t],
					w->line + ((size_t)(tile + t) * w->lines + from) *
							  KG_LINE_SIZE,
					s.lines, w->palette);
			add_run(&s, tiles, job, tile, from);
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
		__m512i w = load_line(line);
		__m512i entry = _mm512_and_si512(w, low);
		__m512i which = _mm512_andnot_si512(low, w);
		__m512i v = _mm512_shuffle_epi8(table[0], entry);

		for (int i = 1; i < 16; i++)
			v = _mm512_mask_shuffle_epi8(
				v, _mm512_cmpeq_epi8_mask(which, _mm512_set1_epi8((char)(16 * i))),
				table[i], entry);
		_mm512_store_si512(out, v);
	}
}

static void palette256(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	kg_kernel__avx512_palette256(w, job, look_up);
}

KINDS(product, palette256)

void kg_kernel__avx512_lines(const kg_kernel_lines *w, const kg_kernel_job *job)
{
	lines_of_kind(w, job);
}
