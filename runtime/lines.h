/* SPDX-License-Identifier: MIT */
/*
 * lines – where the codes of a matrix lie in the 64-byte lines that kernels multiply from.
 *
 * A tile is 16 rows. Bytes 4 r .. 4 r + 3 of a line belong to row r of the tile; a byte holds 1, 2
 * or 4 codes of 8, 4 or 2 bits, the lowest bits first: those of columns c, 4 + c, 8 + c, 12 + c of
 * the line for byte c. Rows are padded to whole tiles and columns to whole lines; codes of padding
 * are 0. Files hold the lines as they are (docs/model-format.md).
 */
#ifndef KG_RUNTIME_LINES_H
#define KG_RUNTIME_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/kernel.h"

typedef struct {
	uint32_t bits; /* of a code: 8, 4 or 2 */
	uint32_t rows;
	uint32_t cols;
	uint32_t tiles;
	uint32_t lines; /* of a tile */
} kg_lines;

/* A matrix of such lines. */
kg_lines kg_lines_of(kg_lines_kind kind, uint32_t rows, uint32_t cols);

/* A plane of rows x cols complex positions (runtime/fairy.h) in one or two stages: a position is a
 * code of 4 or 8 bits. Columns are padded to 16, for planes of one matrix to share activations. */
kg_lines kg_lines_of_plane(uint32_t stages, uint32_t rows, uint32_t cols);

/* Bytes of a tile; of all lines. */
size_t kg_lines_tile_size(const kg_lines *lines);
size_t kg_lines_size(const kg_lines *lines);

/* The codes of one row, `cols` of them, in and out. pack writes the padding of the row too. */
void kg_lines_pack(const kg_lines *lines, uint8_t *to, uint32_t row, const uint8_t *codes);
void kg_lines_unpack(const kg_lines *lines, const uint8_t *from, uint32_t row, uint8_t *codes);

/* Whether all codes of padding are 0. */
bool kg_lines_padded(const kg_lines *lines, const uint8_t *from);

#endif
