/* SPDX-License-Identifier: MIT */
/*
 * phase – native two-bit complex weights: every element of a matrix is +s_re, -s_re, +i s_im or
 * -i s_im, with one s_re and one s_im per matrix.
 *
 * What iFairy (arXiv 2508.05571) computes with: PhaseQuant takes a matrix of latent complex numbers
 * to codes (the nearest axis by angle, kg_fairy_phase) and to the means of what the codes keep. A
 * product is y = W conj(x).
 *
 * A matrix is cut in tiles of 16 rows and lines of 16 columns, 64 bytes each, in which byte
 * 4 r + c belongs to row r and the columns c, 4 + c, 8 + c, 12 + c: bit k (0..3) is the sign bit
 * (bit 0) of the code of column 4 k + c, bit 4 + k its axis bit (bit 1). Rows and columns that only
 * fill a tile or line have code 0. Kernels multiply from these bytes, files hold them as they are.
 */
#ifndef KG_RUNTIME_PHASE_H
#define KG_RUNTIME_PHASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/fairy.h"

enum { KG_PHASE_ROWS = 16, KG_PHASE_COLS = 16, KG_PHASE_LINE_SIZE = 64 };

typedef struct {
	uint32_t rows; /* complex, as the columns */
	uint32_t cols;
	float re; /* s_re and s_im: finite, > 0 */
	float im;
	uint8_t *line; /* kg_phase_size bytes, aligned to 64 for kernels; caller's storage */
} kg_phase;

/* Tiles of a matrix, lines of a tile, bytes of all. */
uint32_t kg_phase_tiles(uint32_t rows);
uint32_t kg_phase_lines(uint32_t cols);
size_t kg_phase_size(uint32_t rows, uint32_t cols);

/* The code (runtime/fairy.h) of one element; put replaces it. */
uint8_t kg_phase_get(const kg_phase *phase, uint32_t row, uint32_t col);
void kg_phase_put(kg_phase *phase, uint32_t row, uint32_t col, uint8_t code);

/*
 * PhaseQuant of re + i im, rows * cols floats each, row by row: sets the lines, re and im. s_re is
 * the mean of |re| over the elements with a code on the real axis, s_im that of |im| over the
 * others, summed in double, row by row; each is at least 1e-5, which is also what it is where no
 * element has such a code. KG_EINVAL for values that are not finite or whose mean is not.
 */
KG_NODISCARD kg_err kg_phase_quantize(kg_phase *phase, const float *re, const float *im);

/* KG_ECORRUPT unless scales are positive numbers and padding is zero: what a file may hold. */
KG_NODISCARD kg_err kg_phase_check(const kg_phase *phase);

#endif
