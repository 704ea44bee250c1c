/* SPDX-License-Identifier: MIT */
#include "runtime/lines.h"

#include <string.h>

enum { PLANE_COLS = 16 };

static uint32_t columns_of(const kg_lines *lines)
{
	return KG_TILE_COLS * 8 / lines->bits;
}

static kg_lines of_bits(uint32_t bits, uint32_t rows, uint32_t cols)
{
	kg_lines lines = {.bits = bits, .rows = rows, .cols = cols};
	uint32_t columns = columns_of(&lines);

	lines.tiles = (rows + KG_TILE_ROWS - 1) / KG_TILE_ROWS;
	lines.lines = (cols + columns - 1) / columns;
	return lines;
}

kg_lines kg_lines_of(kg_lines_kind kind, uint32_t rows, uint32_t cols)
{
	return of_bits(8 * KG_TILE_COLS / kg_lines_columns(kind), rows, cols);
}

kg_lines kg_lines_of_plane(uint32_t stages, uint32_t rows, uint32_t cols)
{
	kg_lines lines = of_bits(stages == 1 ? 4 : 8, rows, cols);

	lines.lines = (cols + PLANE_COLS - 1) / PLANE_COLS * (PLANE_COLS / columns_of(&lines));
	return lines;
}

size_t kg_lines_tile_size(const kg_lines *lines)
{
	return (size_t)lines->lines * KG_LINE_SIZE;
}

size_t kg_lines_size(const kg_lines *lines)
{
	return lines->tiles * kg_lines_tile_size(lines);
}

/* Where the bytes of a row begin in the first line of its tile. */
static size_t row_at(const kg_lines *lines, uint32_t row)
{
	return row / KG_TILE_ROWS * kg_lines_tile_size(lines) +
	       (size_t)row % KG_TILE_ROWS * KG_TILE_COLS;
}

void kg_lines_pack(const kg_lines *lines, uint8_t *to, uint32_t row, const uint8_t *codes)
{
	uint32_t columns = columns_of(lines);

	to += row_at(lines, row);
	for (uint32_t line = 0; line < lines->lines; line++, to += KG_LINE_SIZE) {
		memset(to, 0, KG_TILE_COLS);
		for (uint32_t k = 0; k < columns; k++) {
			size_t col = (size_t)line * columns + k;

			if (col < lines->cols)
				to[k % KG_TILE_COLS] |=
					(uint8_t)(codes[col] << k / KG_TILE_COLS * lines->bits);
		}
	}
}

void kg_lines_unpack(const kg_lines *lines, const uint8_t *from, uint32_t row, uint8_t *codes)
{
	uint32_t columns = columns_of(lines);
	uint32_t mask = (1U << lines->bits) - 1;
	uint32_t col = 0;

	from += row_at(lines, row);
	/* Embeddings are read so for every token: whole bytes are taken as they lie. */
	for (; lines->bits == 8 && col + KG_TILE_COLS <= lines->cols; from += KG_LINE_SIZE) {
		memcpy(codes + col, from, KG_TILE_COLS);
		col += KG_TILE_COLS;
	}
	for (; col < lines->cols; from += KG_LINE_SIZE)
		for (uint32_t k = 0; k < columns && col < lines->cols; k++, col++)
			codes[col] = (uint8_t)((uint32_t)from[k % KG_TILE_COLS] >>
						       k / KG_TILE_COLS * lines->bits &
					       mask);
}

/* No bit set in `n` bytes. */
static bool is_zero(const uint8_t *bytes, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= bytes[i];
	return any == 0;
}

/* The padding of line `line` of a tile, if it has any: `mask` of the bits that it may have. */
static bool line_padded(const kg_lines *lines, const uint8_t *tile, uint32_t line)
{
	uint32_t columns = columns_of(lines);
	uint32_t used = lines->cols - line * columns;
	uint8_t mask[KG_TILE_COLS] = {0};
	uint8_t bad = 0;

	if (line * columns >= lines->cols)
		return is_zero(tile + (size_t)line * KG_LINE_SIZE, KG_LINE_SIZE);
	for (uint32_t k = used; k < columns; k++)
		mask[k % KG_TILE_COLS] |=
			(uint8_t)(((1U << lines->bits) - 1) << k / KG_TILE_COLS * lines->bits);
	for (uint32_t i = 0; i < KG_LINE_SIZE; i++)
		bad |= tile[(size_t)line * KG_LINE_SIZE + i] & mask[i % KG_TILE_COLS];
	return bad == 0;
}

bool kg_lines_padded(const kg_lines *lines, const uint8_t *from)
{
	uint32_t whole = lines->cols / columns_of(lines); /* lines without padding columns */
	size_t rest = lines->rows % KG_TILE_ROWS * (size_t)KG_TILE_COLS;
	const uint8_t *last = from + (lines->tiles - 1) * kg_lines_tile_size(lines);

	for (uint32_t tile = 0; tile < lines->tiles; tile++)
		for (uint32_t line = whole; line < lines->lines; line++)
			if (!line_padded(lines, from + tile * kg_lines_tile_size(lines), line))
				return false;
	for (uint32_t line = 0; line < lines->lines && rest != 0; line++)
		if (!is_zero(last + (size_t)line * KG_LINE_SIZE + rest, KG_LINE_SIZE - rest))
			return false;
	return true;
}
