/* SPDX-License-Identifier: MIT */
#include "runtime/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/fairy_lines.h"
#include "runtime/half.h"
#include "runtime/matrix_impl.h"

enum { WEIGHTS, PAIRING }; /* slots of what a matrix owns */

_Static_assert(KG_MODEL_HIDDEN_MAX <= UINT16_MAX + 1, "the indices of a pairing are short");

static bool is_float(kg_format format)
{
	return format == KG_FORMAT_F32 || format == KG_FORMAT_F16;
}

/* Memory that belongs to the matrix from here on, aligned for lines. */
static void *own(kg_matrix *matrix, unsigned slot, size_t size)
{
	size_t whole = (size + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
	void *memory = aligned_alloc(KG_LINE_SIZE, whole);

	KG_ASSERT(matrix->owned[slot] == NULL);
	if (memory == NULL) {
		(void)kg_fail(KG_ENOMEM, "%s: no memory for %zu bytes", matrix->name, size);
		return NULL;
	}
	matrix->owned[slot] = memory;
	matrix->owned_bytes += whole;
	return memory;
}

void kg_matrix_release(kg_matrix *matrix)
{
	for (size_t i = 0; i < sizeof(matrix->owned) / sizeof(*matrix->owned); i++)
		free(matrix->owned[i]);
	memset(matrix, 0, sizeof(*matrix));
}

kg_lines kg_matrix__lines(const kg_matrix *matrix)
{
	return kg_lines_of(matrix->lines.kind, matrix->rows, matrix->cols);
}

kg_lines kg_matrix__plane(const kg_matrix *matrix, uint32_t plane)
{
	return kg_fairy_lines(kg_format_stages(matrix->format), plane, matrix->rows, matrix->cols);
}

/* The lines at `line` become the matrix's. */
static void set_lines(kg_matrix *matrix, kg_lines_kind kind, const uint8_t *line,
		      const int8_t *palette)
{
	kg_lines lines = kg_lines_of(kind, matrix->rows, matrix->cols);

	matrix->lines = (kg_kernel_lines){.kind = kind,
					  .tiles = lines.tiles,
					  .lines = lines.lines,
					  .line = line,
					  .palette = palette};
}

static void set_coded(kg_matrix *matrix, const kg_coded *coded)
{
	matrix->coded = *coded;
	set_lines(matrix, kg_coded_kind(coded->format), coded->line, coded->palette);
}

/* Plane p of `fairy`, whose codes are the lines at `line`. */
static void set_plane(kg_matrix *matrix, const kg_fairy *fairy, uint32_t p, const uint8_t *line)
{
	kg_lines lines = kg_matrix__plane(matrix, p);
	const kg_fairy_plane *from = &fairy->plane[p];
	kg_kernel_plane *to = &matrix->plane[p];

	matrix->plane_count = p + 1;
	matrix->weight[p] = *from;
	matrix->weight[p].code = NULL;
	*to = (kg_kernel_plane){.stages = lines.bits == 4 ? 1 : 2,
				.tiles = lines.tiles,
				.lines = lines.lines,
				.line = line};
	kg_kernel_plane_tables(to, from->u0, from->u1, from->w0, from->w1);
}

/* The pairing of the matrix: in long indices, to be freed, and as the matrix keeps it. */
static kg_err pair(kg_matrix *matrix, kg_pairing *pairing, void **storage, const uint8_t *seed)
{
	size_t count = (size_t)matrix->rows + matrix->cols;
	/* Both are read a tile at a time. */
	uint16_t *index =
		own(matrix, PAIRING, count * (sizeof(*index) + sizeof(int8_t)) + KG_TILE_ROWS);

	if (index == NULL)
		return KG_ENOMEM;
	*storage = malloc(kg_pairing_size(matrix->rows, matrix->cols));
	if (*storage == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for a pairing", matrix->name);
	kg_pairing_init(pairing, *storage, matrix->rows, matrix->cols, seed, matrix->name);
	matrix->row = index;
	matrix->col = index + matrix->rows;
	matrix->row_sign = (int8_t *)(index + count);
	matrix->col_sign = matrix->row_sign + matrix->rows;
	for (uint32_t i = 0; i < matrix->rows; i++)
		matrix->row[i] = (uint16_t)pairing->row[i];
	for (uint32_t j = 0; j < matrix->cols; j++)
		matrix->col[j] = (uint16_t)pairing->col[j];
	memcpy(matrix->row_sign, pairing->row_sign, matrix->rows);
	memcpy(matrix->col_sign, pairing->col_sign, matrix->cols);
	return KG_OK;
}

/* The codes of a quantized matrix become lines. */
static kg_err keep_fairy(kg_matrix *matrix, const kg_fairy *fairy)
{
	uint32_t planes = kg_fairy_plane_count(fairy->stages);
	size_t size[KG_FAIRY_PLANES_MAX] = {0};
	uint8_t *line;

	for (uint32_t p = 0; p < planes; p++) {
		kg_lines lines = kg_matrix__plane(matrix, p);

		size[p] = kg_lines_size(&lines);
	}
	line = own(matrix, WEIGHTS, size[0] + size[1]);
	if (line == NULL)
		return KG_ENOMEM;
	memset(line, 0, size[0] + size[1]);
	for (uint32_t p = 0; p < planes; line += size[p++]) {
		kg_lines lines = kg_matrix__plane(matrix, p);

		kg_fairy_lines_pack(&lines, line, fairy->plane[p].code);
		set_plane(matrix, fairy, p, line);
	}
	return KG_OK;
}

static kg_err quantize_fairy(kg_matrix *matrix, const float *r, const uint8_t *seed)
{
	uint32_t stages = kg_format_stages(matrix->format);
	size_t count = (size_t)matrix->rows * matrix->cols;
	size_t plane_size = kg_fairy_plane_size(matrix->rows, matrix->cols);
	float *paired = malloc(2 * count * sizeof(*paired));
	uint8_t *code = malloc(kg_fairy_plane_count(stages) * plane_size);
	void *storage = NULL;
	kg_pairing pairing;
	kg_fairy fairy = {0};
	kg_err err;

	if (paired == NULL || code == NULL) {
		err = kg_fail(KG_ENOMEM, "%s: no memory to quantize", matrix->name);
		goto done;
	}
	err = pair(matrix, &pairing, &storage, seed);
	if (err != KG_OK)
		goto done;
	kg_pairing_apply(&pairing, paired, r);
	for (uint32_t p = 0; p < kg_fairy_plane_count(stages); p++)
		fairy.plane[p].code = code + p * plane_size;
	err = kg_fairy_quantize(&fairy, paired, matrix->rows, matrix->cols, stages, paired + count);
	if (err == KG_OK)
		err = keep_fairy(matrix, &fairy);
done:
	free(paired);
	free(code);
	free(storage);
	return err;
}

static kg_err quantize_int8(kg_matrix *matrix, const float *r)
{
	kg_lines lines = kg_lines_of(KG_LINES_INT8, matrix->rows, matrix->cols);
	size_t size = kg_lines_size(&lines);
	uint8_t *line = own(matrix, WEIGHTS, size + matrix->rows * sizeof(float));
	int8_t *row = malloc(matrix->cols);
	float *scale = (float *)(void *)(line + size);
	kg_err err = KG_OK;

	if (line == NULL || row == NULL) {
		free(row);
		return kg_fail(KG_ENOMEM, "%s: no memory to quantize", matrix->name);
	}
	memset(line, 0, size);
	for (uint32_t i = 0; i < matrix->rows && err == KG_OK; i++) {
		err = kg_grid_quantize(row, &scale[i], r + (size_t)i * matrix->cols, matrix->cols,
				       KG_INT8_MAX);
		if (err == KG_OK)
			kg_lines_pack(&lines, line, i, (const uint8_t *)row);
	}
	free(row);
	matrix->scale = scale;
	set_lines(matrix, KG_LINES_INT8, line, NULL);
	return err;
}

static kg_err quantize_coded(kg_matrix *matrix, const float *r)
{
	size_t size = kg_coded_size(matrix->format, matrix->rows, matrix->cols);
	void *storage = own(matrix, WEIGHTS, size);
	kg_coded coded;
	kg_err err;

	if (storage == NULL)
		return KG_ENOMEM;
	kg_coded_init(&coded, storage, matrix->format, matrix->rows, matrix->cols);
	err = kg_coded_quantize(&coded, r);
	if (err != KG_OK)
		return kg_fail_context(err, "%s", matrix->name);
	set_coded(matrix, &coded);
	return KG_OK;
}

/* A tensor that is already narrow is used as it is. */
static kg_err take_narrow(kg_matrix *matrix, const kg_tensor *tensor, const uint8_t *seed)
{
	void *storage = NULL;
	kg_pairing pairing;
	kg_err err;

	if (matrix->format != tensor->format)
		return kg_fail(KG_EINVAL, "%s is %s in the file and cannot become %s", tensor->name,
			       kg_format_name(tensor->format), kg_format_name(matrix->format));
	if (tensor->format == KG_FORMAT_PHASE)
		return kg_matrix__take_phase(matrix, tensor);
	if (kg_format_is_coded(tensor->format)) {
		set_coded(matrix, &tensor->coded);
		return KG_OK;
	}
	if (tensor->format == KG_FORMAT_INT8) {
		set_lines(matrix, KG_LINES_INT8, tensor->line[0], NULL);
		matrix->scale = tensor->scales;
		return KG_OK;
	}
	err = pair(matrix, &pairing, &storage, seed);
	free(storage);
	for (uint32_t p = 0; p < kg_fairy_plane_count(kg_format_stages(tensor->format)); p++)
		set_plane(matrix, &tensor->fairy, p, tensor->line[p]);
	return err;
}

/* Floats, or halves, of a tensor that is the other. */
static kg_err convert(kg_matrix *matrix, const kg_tensor *tensor)
{
	size_t count = (size_t)matrix->rows * matrix->cols;

	if (matrix->format == KG_FORMAT_F32) {
		float *f32 = own(matrix, WEIGHTS, count * sizeof(float));

		if (f32 == NULL)
			return KG_ENOMEM;
		kg_half_to_floats(f32, tensor->data, count);
		matrix->f32 = f32;
	} else {
		uint16_t *f16 = own(matrix, WEIGHTS, count * sizeof(uint16_t));

		if (f16 == NULL)
			return KG_ENOMEM;
		kg_half_from_floats(f16, tensor->data, count);
		matrix->f16 = f16;
	}
	return KG_OK;
}

static kg_err quantize(kg_matrix *matrix, const float *r, const uint8_t *seed)
{
	if (kg_format_stages(matrix->format) != 0)
		return quantize_fairy(matrix, r, seed);
	if (kg_format_is_coded(matrix->format))
		return quantize_coded(matrix, r);
	return quantize_int8(matrix, r);
}

static kg_err init(kg_matrix *matrix, const kg_model *model, const kg_tensor *tensor,
		   const uint8_t *seed)
{
	float *floats;
	kg_err err;

	if (!is_float(tensor->format))
		return take_narrow(matrix, tensor, seed);
	if (matrix->format == KG_FORMAT_PHASE)
		return kg_matrix__take_phase(matrix, tensor);
	if (is_float(matrix->format)) {
		if (matrix->format != tensor->format)
			return convert(matrix, tensor);
		if (matrix->format == KG_FORMAT_F32)
			matrix->f32 = tensor->data;
		else
			matrix->f16 = tensor->data;
		return KG_OK;
	}
	if (tensor->format == KG_FORMAT_F32)
		return quantize(matrix, tensor->data, seed);
	floats = malloc((size_t)tensor->rows * tensor->cols * sizeof(*floats));
	if (floats == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for its floats", tensor->name);
	err = kg_model_tensor_floats(model, tensor, floats);
	if (err == KG_OK)
		err = quantize(matrix, floats, seed);
	free(floats);
	return err;
}

kg_err kg_matrix_init(kg_matrix *matrix, const kg_model *model, const kg_tensor *tensor,
		      kg_format format, const uint8_t *seed)
{
	kg_err err;

	memset(matrix, 0, sizeof(*matrix));
	matrix->name = tensor->name;
	matrix->rows = tensor->rows;
	matrix->cols = tensor->cols;
	matrix->format = format;
	if (kg_format_stages(format) != 0 && (tensor->rows % 2 != 0 || tensor->cols % 2 != 0))
		matrix->format = KG_FORMAT_INT8;
	err = init(matrix, model, tensor, seed);
	if (err != KG_OK)
		kg_matrix_release(matrix);
	return err;
}
