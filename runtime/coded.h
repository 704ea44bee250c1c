/* SPDX-License-Identifier: MIT */
/*
 * coded – a real matrix as packed codes of a few bits, with scales and palettes.
 *
 * Every weight is an integer times the float unit of its place, so that a product with int8
 * activations is an exact integer sum per unit. What a code c stands for, and where a scale s (a
 * half) is kept:
 *
 *     int4        c - 8, 0..15         unit s per 32 columns of a row; s may be negative
 *     int2        2 c - 3, 0..3        unit s per row
 *     ternary     c - 1, 0..2          unit s per row
 *     palette4    entry c of the row   unit s / 127 per row
 *     palette16   entry c              unit s / 127 per matrix
 *     palette256  entry c              unit s / 16319 per matrix
 *
 * Palette entries are -127..127, ascending; those of palette256 are 128 h + l, stored as 256 h
 * (-127..127) and then 256 l (-64..63).
 *
 * Codes lie in lines (runtime/lines.h) of the kind that belongs to the format, 2 bits each for
 * ternary too, so that kernels multiply from them where they are. Scales of int4 are in the order
 * kernels want: 16 (one a row) for each group of 32 columns, group after group, tile after tile.
 * Palettes of palette4 follow each other, four entries a row. Codes, scales and palettes of rows
 * and columns that only fill a tile or a line are 0.
 */
#ifndef KG_RUNTIME_CODED_H
#define KG_RUNTIME_CODED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/format.h"
#include "runtime/lines.h"

enum {
	KG_CODED_GROUP = 32,       /* columns that share a scale of int4 */
	KG_CODED_HIGH = 128,       /* weight of the high part of an entry of palette256 */
	KG_CODED_WIDE_MAX = 16319, /* greatest entry of palette256 */
};

typedef struct {
	kg_format format;
	uint32_t rows;
	uint32_t cols;
	uint8_t *line;   /* kg_coded_lines; 64-byte aligned where a kernel reads it */
	uint16_t *scale; /* halves: kg_coded_scales of them */
	int8_t *palette; /* kg_coded_palette bytes; NULL where that is 0 */
} kg_coded;

/* The kind of lines of a coded format, and the lines of a matrix. */
kg_lines_kind kg_coded_kind(kg_format format);
kg_lines kg_coded_lines(kg_format format, uint32_t rows, uint32_t cols);

/* Scales of a matrix; bytes of its palettes. */
size_t kg_coded_scales(kg_format format, uint32_t rows, uint32_t cols);
size_t kg_coded_palette(kg_format format, uint32_t rows);

/* Bytes of storage for a matrix, a multiple of 64, and the matrix laid out in it: all zero. Storage
 * is 2-byte aligned; 64-byte for a kernel to read. */
size_t kg_coded_size(kg_format format, uint32_t rows, uint32_t cols);
void kg_coded_init(kg_coded *coded, void *storage, kg_format format, uint32_t rows, uint32_t cols);

/* The scale of element (row, col). */
uint16_t *kg_coded_scale(const kg_coded *coded, uint32_t row, uint32_t col);

/*
 * Scales and palettes from the floats of the matrix, codes untouched. int4: the value of greatest
 * magnitude in a group over -8. int2, ternary: the scale of least squared error of the row.
 * Palettes: Lloyd's k-means over sorted values, ended when nothing moves or after 300 rounds; it
 * begins where the sum of (gap to the value before)^(5/8) reaches (2 i + 1) / 2 k of all of it.
 * KG_EINVAL when a value is not finite or a scale beyond half floats.
 */
KG_NODISCARD kg_err kg_coded_fit(kg_coded *coded, const float *r);

/* The code whose value at (row, col) is nearest to `value`, and that value. */
uint8_t kg_coded_nearest(const kg_coded *coded, uint32_t row, uint32_t col, float value);
float kg_coded_value(const kg_coded *coded, uint32_t row, uint32_t col, uint8_t code);

/* One row of `cols` codes to and from the lines. */
void kg_coded_pack(kg_coded *coded, uint32_t row, const uint8_t *codes);
void kg_coded_unpack(const kg_coded *coded, uint32_t row, uint8_t *codes);

/* Fit, then the nearest code of every weight. KG_EINVAL, KG_ENOMEM. */
KG_NODISCARD kg_err kg_coded_quantize(kg_coded *coded, const float *r);

/* KG_ECORRUPT unless codes, padding, scales and palettes are as written above. */
KG_NODISCARD kg_err kg_coded_check(const kg_coded *coded);

/* The float of one integer at (row, col). */
float kg_coded_unit(const kg_coded *coded, uint32_t row, uint32_t col);

/* The integers of a row; `high` takes the high parts of palette256 and is NULL for the others. */
void kg_coded_integers(const kg_coded *coded, uint32_t row, int8_t *low, int8_t *high);

/* rows * cols floats. */
void kg_coded_dequantize(float *r, const kg_coded *coded);

#endif
