/* SPDX-License-Identifier: MIT */
#include "runtime/fairy_lines.h"

enum { PLANE_STAGES = 2 };

kg_lines kg_fairy_lines(uint32_t stages, uint32_t plane, uint32_t rows, uint32_t cols)
{
	uint32_t rest = stages - PLANE_STAGES * plane;

	return kg_lines_of_plane(rest == 1 ? 1 : PLANE_STAGES, rows / 2, cols / 2);
}

/* Bits a, b, c, d of a byte, counted from the lowest, to bits 0, 1, 2, 3. */
static unsigned pick(unsigned byte, unsigned a, unsigned b, unsigned c, unsigned d)
{
	return (byte >> a & 1) | (byte >> b & 1) << 1 | (byte >> c & 1) << 2 | (byte >> d & 1) << 3;
}

/* Four sign bits and four axis bits; of one stage only the first codes of U and of W. */
static unsigned to_line(const kg_lines *lines, unsigned code)
{
	if (lines->bits == 4)
		return pick(code, 0, 4, 1, 5);
	return pick(code, 0, 2, 4, 6) | pick(code, 1, 3, 5, 7) << 4;
}

static unsigned from_line(const kg_lines *lines, unsigned code)
{
	if (lines->bits == 4)
		return (code & 1) | (code >> 2 & 1) << 1 | (code >> 1 & 1) << 4 |
		       (code >> 3 & 1) << 5;
	return pick(code, 0, 4, 1, 5) | pick(code, 2, 6, 3, 7) << 4;
}

void kg_fairy_lines_pack(const kg_lines *lines, uint8_t *to, uint8_t *codes)
{
	uint8_t turned[256];

	for (unsigned c = 0; c < sizeof(turned); c++)
		turned[c] = (uint8_t)to_line(lines, c);
	for (uint32_t i = 0; i < lines->rows; i++, codes += lines->cols) {
		for (uint32_t j = 0; j < lines->cols; j++)
			codes[j] = turned[codes[j]];
		kg_lines_pack(lines, to, i, codes);
	}
}

void kg_fairy_lines_unpack(const kg_lines *lines, const uint8_t *from, uint8_t *codes)
{
	uint8_t turned[256];

	for (unsigned c = 0; c < sizeof(turned); c++)
		turned[c] = (uint8_t)from_line(lines, c);
	for (uint32_t i = 0; i < lines->rows; i++, codes += lines->cols) {
		kg_lines_unpack(lines, from, i, codes);
		for (uint32_t j = 0; j < lines->cols; j++)
			codes[j] = turned[codes[j]];
	}
}
