/* SPDX-License-Identifier: MIT */
/*
 * fairy_lines – planes of two-bit complex weights in the lines that kernels multiply from.
 *
 * In runtime/fairy.h a position of a plane is a byte of four codes; in lines their bits are sorted
 * by what a kernel looks up. Two stages: bits 0..3 are the sign bits (bit 0) of the codes U first
 * stage, U second, W first, W second, bits 4..7 their axis bits (bit 1). One stage, half a byte:
 * sign of U, sign of W, axis of U, axis of W.
 */
#ifndef KG_RUNTIME_FAIRY_LINES_H
#define KG_RUNTIME_FAIRY_LINES_H

#include "runtime/fairy.h"
#include "runtime/lines.h"

/* The lines of plane `plane` of a rows x cols real matrix in T = `stages` stages. */
kg_lines kg_fairy_lines(uint32_t stages, uint32_t plane, uint32_t rows, uint32_t cols);

/* All codes of a plane as kg_fairy_plane has them, in and out; pack changes them. */
void kg_fairy_lines_pack(const kg_lines *lines, uint8_t *to, uint8_t *codes);
void kg_fairy_lines_unpack(const kg_lines *lines, const uint8_t *from, uint8_t *codes);

#endif
