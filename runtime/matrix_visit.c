/* SPDX-License-Identifier: MIT */
/* The canonical bytes of a matrix, as they were before any layout. */
#include <stdlib.h>
#include <string.h>

#include "runtime/fairy_lines.h"
#include "runtime/matrix_impl.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are visited as they lie");

typedef struct {
	const kg_matrix *matrix;
	kg_visitor *visit;
	void *context;
} visit_job;

static void put(const visit_job *job, const void *data, size_t size)
{
	job->visit(job->context, data, size);
}

static void put_u32(const visit_job *job, uint32_t v)
{
	put(job, &v, sizeof(v));
}

static void put_indices(const visit_job *job, const uint16_t *index, uint32_t n)
{
	uint32_t wide[256];

	for (uint32_t at = 0; at < n;) {
		uint32_t count = 0;

		while (count < sizeof(wide) / sizeof(*wide) && at < n)
			wide[count++] = index[at++];
		put(job, wide, count * sizeof(*wide));
	}
}

static kg_err put_fairy(const visit_job *job)
{
	const kg_matrix *matrix = job->matrix;
	size_t size = kg_fairy_plane_size(matrix->rows, matrix->cols);
	uint8_t *codes = malloc(size);

	if (codes == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for a plane", matrix->name);
	for (uint32_t p = 0; p < matrix->plane_count; p++) {
		const kg_fairy_plane *weight = &matrix->weight[p];
		const uint8_t integers[4] = {weight->u0, weight->u1, weight->w0, weight->w1};
		kg_lines lines = kg_matrix__plane(matrix, p);

		put(job, integers, sizeof(integers));
		put(job, &weight->unit, sizeof(weight->unit));
		kg_fairy_lines_unpack(&lines, matrix->plane[p].line, codes);
		put(job, codes, size);
	}
	free(codes);
	put_indices(job, matrix->row, matrix->rows);
	put_indices(job, matrix->col, matrix->cols);
	put(job, matrix->row_sign, matrix->rows);
	put(job, matrix->col_sign, matrix->cols);
	return KG_OK;
}

/* Integers of all rows: of palette256 the low parts or the high ones. */
static void put_integers(const visit_job *job, int8_t *row, bool high)
{
	const kg_matrix *matrix = job->matrix;
	kg_lines lines = kg_matrix__lines(matrix);
	int8_t *other = matrix->format == KG_FORMAT_PALETTE256 ? row + matrix->cols : NULL;

	for (uint32_t i = 0; i < matrix->rows; i++) {
		if (matrix->format == KG_FORMAT_INT8)
			kg_lines_unpack(&lines, matrix->lines.line, i, (uint8_t *)row);
		else
			kg_coded_integers(&matrix->coded, i, row, other);
		put(job, high ? other : row, matrix->cols);
	}
}

static kg_err put_narrow(const visit_job *job)
{
	const kg_matrix *matrix = job->matrix;
	int8_t *row = malloc(2 * (size_t)matrix->cols);
	uint32_t group = matrix->format == KG_FORMAT_INT4 ? KG_CODED_GROUP : matrix->cols;

	if (row == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for a row", matrix->name);
	put_integers(job, row, false);
	if (matrix->format == KG_FORMAT_PALETTE256)
		put_integers(job, row, true);
	free(row);
	if (matrix->format == KG_FORMAT_INT8) {
		put(job, matrix->scale, matrix->rows * sizeof(float));
		return KG_OK;
	}
	for (uint32_t j = 0; j < matrix->cols; j += group)
		for (uint32_t i = 0; i < matrix->rows; i++) {
			float unit = kg_coded_unit(&matrix->coded, i, j);

			put(job, &unit, sizeof(unit));
		}
	return KG_OK;
}

kg_err kg_matrix_visit(const kg_matrix *matrix, kg_visitor *visit, void *context)
{
	const visit_job job = {matrix, visit, context};
	const char *format = kg_format_name(matrix->format);
	size_t count = (size_t)matrix->rows * matrix->cols;

	put(&job, matrix->name, strlen(matrix->name) + 1);
	put(&job, format, strlen(format) + 1);
	put_u32(&job, matrix->rows);
	put_u32(&job, matrix->cols);
	if (matrix->plane_count != 0)
		return put_fairy(&job);
	if (matrix->format == KG_FORMAT_F32)
		put(&job, matrix->f32, count * sizeof(float));
	else if (matrix->format == KG_FORMAT_PHASE)
		kg_matrix__visit_phase(matrix, visit, context);
	else if (matrix->format == KG_FORMAT_F16)
		put(&job, matrix->f16, count * sizeof(uint16_t));
	else
		return put_narrow(&job);
	return KG_OK;
}
