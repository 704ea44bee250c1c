/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "runtime/matrix_impl.h"

enum { SUMS_OF_A_ROW = 4 };

kg_err kg_matrix__take_phase(kg_matrix *matrix, const kg_tensor *tensor)
{
	const kg_phase *phase = &tensor->phase;

	if (matrix->format != tensor->format)
		return kg_fail(KG_EINVAL, "%s is %s and cannot become %s", tensor->name,
			       kg_format_name(tensor->format), kg_format_name(matrix->format));
	matrix->phases = (kg_kernel_phases){.tiles = kg_phase_tiles(phase->rows),
					    .lines = kg_phase_lines(phase->cols),
					    .line = phase->line};
	matrix->axis[0] = phase->re;
	matrix->axis[1] = phase->im;
	return KG_OK;
}

/* Real and imaginary parts of `count` rows of one vector, from their sums, which lie `stride`
 * apart. `restrict` lets the compiler take several rows at once. */
static void put_rows(float *restrict re, float *restrict im, const int32_t *restrict sum,
		     size_t stride, const float axis[2], const float step[2], size_t count)
{
	const float re_re = axis[0] * step[0];
	const float re_im = axis[0] * step[1];
	const float im_re = axis[1] * step[0];
	const float im_im = axis[1] * step[1];

	for (size_t r = 0; r < count; r++) {
		float a_r = (float)sum[r];
		float a_i = (float)sum[stride + r];
		float b_r = (float)sum[2 * stride + r];
		float b_i = (float)sum[3 * stride + r];

		re[r] = a_r * re_re + b_i * im_im;
		im[r] = b_r * im_re - a_i * re_im;
	}
}

void kg_matrix__multiply_phase(float *y, size_t y_stride, const kg_matrix *matrix,
			       const kg_kernel *kernel, const kg_activation *activation,
			       int32_t *sums, uint32_t first, uint32_t last)
{
	const uint32_t tiles_max =
		KG_MATRIX_SUMS / (SUMS_OF_A_ROW * KG_TILE_ROWS) / activation->count;
	size_t tile_bytes = (size_t)matrix->phases.lines * KG_LINE_SIZE;

	while (first < last) {
		uint32_t tiles = last - first < tiles_max ? last - first : tiles_max;
		size_t stride = (size_t)tiles * KG_TILE_ROWS;
		uint32_t row = first * KG_TILE_ROWS;
		uint32_t rows = matrix->rows - row < stride ? matrix->rows - row : (uint32_t)stride;
		kg_kernel_phases part = {.tiles = tiles,
					 .lines = matrix->phases.lines,
					 .line = matrix->phases.line + first * tile_bytes};
		kg_kernel_job job = {.x = activation->q,
				     .x_stride = activation->q_stride,
				     .y = sums,
				     .y_stride = SUMS_OF_A_ROW * stride,
				     .count = activation->count,
				     .last = tiles};

		kernel->phases(&part, &job);
		for (uint32_t v = 0; v < activation->count; v++)
			put_rows(y + v * y_stride + row, y + v * y_stride + matrix->rows + row,
				 sums + v * job.y_stride, stride, matrix->axis,
				 activation->step + (size_t)2 * v, rows);
		first += tiles;
	}
}

void kg_matrix__visit_phase(const kg_matrix *matrix, kg_visitor *visit, void *context)
{
	visit(context, matrix->axis, sizeof(matrix->axis));
	visit(context, matrix->phases.line, kg_phase_size(matrix->rows, matrix->cols));
}
