/* SPDX-License-Identifier: MIT */
#include "runtime/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/half.h"
#include "runtime/matrix_impl.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are visited as they lie");

static bool is_float(kg_format format)
{
	return format == KG_FORMAT_F32 || format == KG_FORMAT_F16;
}

void *kg_matrix__own(kg_matrix *matrix, unsigned slot, size_t size)
{
	size_t whole = (size + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
	void *memory = aligned_alloc(KG_LINE_SIZE, whole == 0 ? KG_LINE_SIZE : whole);

	KG_ASSERT(matrix->owned[slot] == NULL);
	if (memory == NULL) {
		(void)kg_fail(KG_ENOMEM, "%s: no memory for %zu bytes", matrix->name, size);
		return NULL;
	}
	memset(memory, 0, whole);
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

/* The four sign bits to the low nibble, the four axis bits to the high one. */
static uint8_t tile_code(uint8_t code)
{
	uint8_t out = 0;

	for (unsigned k = 0; k < 4; k++) {
		out |= (uint8_t)((code >> (2 * k) & 1) << k);
		out |= (uint8_t)((code >> (2 * k + 1) & 1) << (4 + k));
	}
	return out;
}

static uint8_t file_code(uint8_t tile)
{
	uint8_t out = 0;

	for (unsigned k = 0; k < 4; k++) {
		out |= (uint8_t)((tile >> k & 1) << (2 * k));
		out |= (uint8_t)((tile >> (4 + k) & 1) << (2 * k + 1));
	}
	return out;
}

static kg_err take_fairy(kg_matrix *matrix, const kg_fairy *fairy, const uint8_t *seed)
{
	uint32_t n = fairy->rows / 2;
	uint32_t m = fairy->cols / 2;
	uint32_t quads = even_quads_of(m);
	size_t plane_bytes = (size_t)tiles_of(n) * quads * KG_LINE_SIZE;
	uint8_t to_tile[256];
	void *pairing;
	uint8_t *line;

	matrix->plane_count = kg_fairy_plane_count(fairy->stages);
	line = kg_matrix__own(matrix, 0, matrix->plane_count * plane_bytes);
	pairing = kg_matrix__own(matrix, 1, kg_pairing_size(matrix->rows, matrix->cols));
	if (line == NULL || pairing == NULL)
		return KG_ENOMEM;
	kg_pairing_init(&matrix->pairing, pairing, matrix->rows, matrix->cols, seed, matrix->name);
	for (unsigned c = 0; c < 256; c++)
		to_tile[c] = tile_code((uint8_t)c);
	for (uint32_t p = 0; p < matrix->plane_count; p++, line += plane_bytes) {
		const kg_fairy_plane *from = &fairy->plane[p];
		kg_kernel_plane *to = &matrix->plane[p];

		for (uint32_t i = 0; i < n; i++)
			for (uint32_t j = 0; j < m; j++)
				line[place(i, j, quads)] = to_tile[from->code[(size_t)i * m + j]];
		matrix->weight[p] = *from;
		matrix->weight[p].code = NULL;
		to->line = line;
		to->tiles = tiles_of(n);
		to->lines = quads;
		to->stages = 2;
		kg_kernel_plane_tables(to, from->u0, from->u1, from->w0, from->w1);
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
	void *storage = malloc(kg_pairing_size(matrix->rows, matrix->cols));
	kg_pairing pairing;
	kg_fairy fairy = {0};
	kg_err err;

	if (paired == NULL || code == NULL || storage == NULL) {
		err = kg_fail(KG_ENOMEM, "%s: no memory to quantize", matrix->name);
		goto done;
	}
	kg_pairing_init(&pairing, storage, matrix->rows, matrix->cols, seed, matrix->name);
	kg_pairing_apply(&pairing, paired, r);
	for (uint32_t p = 0; p < kg_fairy_plane_count(stages); p++)
		fairy.plane[p].code = code + p * plane_size;
	err = kg_fairy_quantize(&fairy, paired, matrix->rows, matrix->cols, stages, paired + count);
	if (err == KG_OK)
		err = take_fairy(matrix, &fairy, seed);
done:
	free(paired);
	free(code);
	free(storage);
	return err;
}

/* Room for tiles and scales of a grid. */
static kg_err own_grid(kg_matrix *matrix)
{
	size_t lines = (size_t)tiles_of(matrix->rows) * quads_of(matrix->cols);

	matrix->line = kg_matrix__own(matrix, 0, lines * KG_LINE_SIZE);
	matrix->scale = kg_matrix__own(
		matrix, 1, (size_t)tiles_of(matrix->rows) * KG_TILE_ROWS * sizeof(float));
	return matrix->line == NULL || matrix->scale == NULL ? KG_ENOMEM : KG_OK;
}

static void put_grid_row(kg_matrix *matrix, uint32_t row, const int8_t *from)
{
	for (uint32_t j = 0; j < matrix->cols; j++)
		matrix->line[place(row, j, quads_of(matrix->cols))] = from[j];
}

static kg_err quantize_grid(kg_matrix *matrix, const float *r)
{
	int8_t *row = malloc(matrix->cols);
	kg_err err;

	if (row == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory to quantize", matrix->name);
	err = own_grid(matrix);
	for (uint32_t i = 0; i < matrix->rows && err == KG_OK; i++) {
		err = kg_grid_quantize(row, &matrix->scale[i], r + (size_t)i * matrix->cols,
				       matrix->cols, KG_INT8_MAX);
		if (err == KG_OK)
			put_grid_row(matrix, i, row);
	}
	free(row);
	return err;
}

/* A tensor that is already narrow is taken as it is. */
static kg_err take_narrow(kg_matrix *matrix, const kg_tensor *tensor, const uint8_t *seed)
{
	kg_err err;

	if (matrix->format != tensor->format)
		return kg_fail(KG_EINVAL, "%s is %s in the file and cannot become %s", tensor->name,
			       kg_format_name(tensor->format), kg_format_name(matrix->format));
	if (kg_format_stages(tensor->format) != 0)
		return take_fairy(matrix, &tensor->fairy, seed);
	if (tensor->format == KG_FORMAT_PHASE)
		return kg_matrix__take_phase(matrix, tensor);
	if (kg_format_is_coded(tensor->format))
		return kg_matrix__take_coded(matrix, &tensor->coded);
	err = own_grid(matrix);
	if (err != KG_OK)
		return err;
	for (uint32_t i = 0; i < matrix->rows; i++)
		put_grid_row(matrix, i, (const int8_t *)tensor->data + (size_t)i * matrix->cols);
	memcpy(matrix->scale, tensor->scales, matrix->rows * sizeof(float));
	return KG_OK;
}

/* Floats, or halves, of a tensor that is the other. */
static kg_err convert(kg_matrix *matrix, const kg_tensor *tensor)
{
	size_t count = (size_t)matrix->rows * matrix->cols;

	if (matrix->format == KG_FORMAT_F32) {
		float *f32 = kg_matrix__own(matrix, 0, count * sizeof(float));

		if (f32 == NULL)
			return KG_ENOMEM;
		kg_half_to_floats(f32, tensor->data, count);
		matrix->f32 = f32;
	} else {
		uint16_t *f16 = kg_matrix__own(matrix, 0, count * sizeof(uint16_t));

		if (f16 == NULL)
			return KG_ENOMEM;
		kg_half_from_floats(f16, tensor->data, count);
		matrix->f16 = f16;
	}
	return KG_OK;
}

static kg_err init(kg_matrix *matrix, const kg_model *model, const kg_tensor *tensor,
		   const uint8_t *seed)
{
	size_t count = (size_t)tensor->rows * tensor->cols;
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
	floats = malloc(count * sizeof(*floats));
	if (floats == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for its floats", tensor->name);
	err = kg_model_tensor_floats(model, tensor, floats);
	if (err == KG_OK && kg_format_stages(matrix->format) != 0)
		err = quantize_fairy(matrix, floats, seed);
	else if (err == KG_OK && kg_format_is_coded(matrix->format))
		err = kg_matrix__quantize_coded(matrix, floats);
	else if (err == KG_OK)
		err = quantize_grid(matrix, floats);
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

uint32_t kg_matrix_tiles(const kg_matrix *matrix)
{
	return matrix->plane_count != 0 ? matrix->plane[0].tiles : tiles_of(matrix->rows);
}

size_t kg_matrix_room(uint32_t cols)
{
	size_t half = (size_t)even_quads_of((cols + 1) / 2) * KG_TILE_COLS;

	return (2 * half + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
}

/* `restrict` because bytes may alias anything: without it the compiler loads every pointer again
 * for every byte it stores. */
static void gather(int8_t *restrict out, const int8_t *restrict q, const uint32_t *restrict from,
		   const int8_t *restrict sign, uint32_t n)
{
	for (uint32_t j = 0; j < n; j++)
		out[j] = (int8_t)(sign[j] * q[from[j]]);
}

void kg_matrix_prepare(const kg_matrix *matrix, const kg_kernel *kernel,
		       const kg_activation *activation, int8_t *room)
{
	const kg_pairing *pairing = &matrix->pairing;
	uint32_t m = matrix->cols / 2;

	(void)kernel;
	KG_ASSERT(activation->count >= 1 && activation->count <= KG_MATRIX_BATCH);
	if (matrix->plane_count == 0)
		return;
	for (uint32_t v = 0; v < activation->count; v++) {
		const int8_t *q = activation->q + v * activation->q_stride;
		uint32_t padded = matrix->plane[0].lines * KG_TILE_COLS;
		int8_t *x_r = room + v * kg_matrix_room(matrix->cols);
		int8_t *x_i = x_r + padded;

		gather(x_r, q, pairing->col, pairing->col_sign, m);
		gather(x_i, q, pairing->col + m, pairing->col_sign + m, m);
		memset(x_r + m, 0, padded - m);
		memset(x_i + m, 0, padded - m);
	}
}

static void scatter(float *restrict y, const float *restrict part, const uint32_t *restrict to,
		    const int8_t *restrict sign, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		y[to[i]] = (float)sign[i] * part[i];
}

static void multiply_fairy(float *y, const kg_matrix__part *at, const int8_t *x_r, float scale)
{
	const kg_matrix *matrix = at->matrix;
	const kg_pairing *pairing = &matrix->pairing;
	uint32_t half = matrix->rows / 2;
	uint32_t quads = matrix->plane[0].lines;
	kg_kernel_job job = {.x = x_r, .y = at->sum, .count = 1, .last = 1};

	for (uint32_t tile = at->first; tile < at->last; tile++) {
		uint32_t i = tile * KG_TILE_ROWS;
		uint32_t n = half - i < KG_TILE_ROWS ? half - i : KG_TILE_ROWS;
		float part[2][KG_TILE_ROWS] = {{0}};

		for (uint32_t p = 0; p < matrix->plane_count; p++) {
			float step = matrix->weight[p].unit * scale;
			kg_kernel_plane plane = matrix->plane[p];
			int32_t *y_r = at->sum;
			int32_t *y_i = at->sum + KG_TILE_ROWS;

			plane.line += (size_t)tile * quads * KG_LINE_SIZE;
			plane.tiles = 1;
			at->kernel->plane(&plane, &job);
			for (uint32_t r = 0; r < n; r++) {
				float re = (float)y_r[r] * step;
				float im = (float)y_i[r] * step;

				part[0][r] = p == 0 ? re : part[0][r] + re;
				part[1][r] = p == 0 ? im : part[1][r] + im;
			}
		}
		scatter(y, part[0], pairing->row + i, pairing->row_sign + i, n);
		scatter(y, part[1], pairing->row + half + i, pairing->row_sign + half + i, n);
	}
}

static void multiply_grid(float *y, const kg_matrix__part *part, const int8_t *q, float step)
{
	const kg_matrix *matrix = part->matrix;
	uint32_t tiles = part->last - part->first;
	uint32_t quads = quads_of(matrix->cols);
	uint32_t begin = part->first * KG_TILE_ROWS;
	uint32_t rows = matrix->rows - begin;

	if (rows > tiles * KG_TILE_ROWS)
		rows = tiles * KG_TILE_ROWS;
	part->kernel->tile_i8(part->sum, matrix->line + (size_t)part->first * quads * KG_LINE_SIZE,
			      q, tiles, quads);
	for (uint32_t i = 0; i < rows; i++)
		y[begin + i] = (float)part->sum[i] * (matrix->scale[begin + i] * step);
}

static void multiply_float(float *y, const kg_matrix__part *part, const float *x)
{
	const kg_matrix *matrix = part->matrix;
	size_t cols = matrix->cols;
	uint32_t end = part->last * KG_TILE_ROWS;

	if (end > matrix->rows)
		end = matrix->rows;
	for (uint32_t i = part->first * KG_TILE_ROWS; i < end; i++)
		y[i] = matrix->format == KG_FORMAT_F32
			       ? part->kernel->dot_f32(matrix->f32 + i * cols, x, cols)
			       : part->kernel->dot_f16(matrix->f16 + i * cols, x, cols);
}

void kg_matrix_multiply(float *y, size_t y_stride, const kg_matrix *matrix, const kg_kernel *kernel,
			const kg_activation *activation, const int8_t *room, int32_t *sums,
			uint32_t first, uint32_t last)
{
	/* Two sums of a row are the most that a product takes. */
	const uint32_t tiles_max = KG_MATRIX_SUMS / (2 * KG_TILE_ROWS);

	KG_ASSERT(activation->count >= 1 && activation->count <= KG_MATRIX_BATCH);
	KG_ASSERT(first <= last && last <= kg_matrix_tiles(matrix));
	if (matrix->format == KG_FORMAT_PHASE) {
		kg_matrix__multiply_phase(y, y_stride, matrix, kernel, activation, sums, first,
					  last);
		return;
	}
	for (; first < last; first += tiles_max) {
		kg_matrix__part part = {matrix, kernel, first,
					last - first < tiles_max ? last : first + tiles_max, sums};

		for (uint32_t v = 0; v < activation->count; v++) {
			const int8_t *q = activation->q;
			float *to = y + v * y_stride;

			if (q != NULL)
				q += v * activation->q_stride;
			if (is_float(matrix->format))
				multiply_float(to, &part, activation->x + v * activation->x_stride);
			else if (matrix->plane_count != 0)
				multiply_fairy(to, &part, room + v * kg_matrix_room(matrix->cols),
					       activation->step[v]);
			else if (matrix->format == KG_FORMAT_INT4 ||
				 matrix->format == KG_FORMAT_PALETTE256)
				kg_matrix__multiply_coded(to, &part, q, activation->step[v]);
			else
				multiply_grid(to, &part, q, activation->step[v]);
		}
		if (last - first < tiles_max)
			break;
	}
}

void kg_matrix_row(float *out, const kg_matrix *matrix, uint32_t row)
{
	size_t at = (size_t)row * matrix->cols;

	KG_ASSERT(row < matrix->rows && matrix->format <= KG_FORMAT_INT8);
	if (matrix->format == KG_FORMAT_F32)
		memcpy(out, matrix->f32 + at, matrix->cols * sizeof(*out));
	else if (matrix->format == KG_FORMAT_F16)
		kg_half_to_floats(out, matrix->f16 + at, matrix->cols);
	else
		for (uint32_t j = 0; j < matrix->cols; j++)
			out[j] = (float)matrix->line[place(row, j, quads_of(matrix->cols))] *
				 matrix->scale[row];
}

static void visit_u32(kg_visitor *visit, void *context, uint32_t v)
{
	visit(context, &v, sizeof(v));
}

static void visit_fairy(const kg_matrix *matrix, uint8_t *row, kg_visitor *visit, void *context)
{
	for (uint32_t p = 0; p < matrix->plane_count; p++) {
		const kg_fairy_plane *weight = &matrix->weight[p];
		const uint8_t integers[4] = {weight->u0, weight->u1, weight->w0, weight->w1};

		visit(context, integers, sizeof(integers));
		visit(context, &weight->unit, sizeof(weight->unit));
		for (uint32_t i = 0; i < matrix->rows / 2; i++) {
			for (uint32_t j = 0; j < matrix->cols / 2; j++) {
				size_t at = place(i, j, matrix->plane[p].lines);

				row[j] = file_code(matrix->plane[p].line[at]);
			}
			visit(context, row, matrix->cols / 2);
		}
	}
	visit(context, matrix->pairing.row, matrix->rows * sizeof(uint32_t));
	visit(context, matrix->pairing.col, matrix->cols * sizeof(uint32_t));
	visit(context, matrix->pairing.row_sign, matrix->rows);
	visit(context, matrix->pairing.col_sign, matrix->cols);
}

kg_err kg_matrix_visit(const kg_matrix *matrix, kg_visitor *visit, void *context)
{
	const char *format = kg_format_name(matrix->format);
	size_t count = (size_t)matrix->rows * matrix->cols;
	uint8_t *row = malloc(matrix->cols);

	if (row == NULL)
		return kg_fail(KG_ENOMEM, "%s: no memory for a row", matrix->name);
	visit(context, matrix->name, strlen(matrix->name) + 1);
	visit(context, format, strlen(format) + 1);
	visit_u32(visit, context, matrix->rows);
	visit_u32(visit, context, matrix->cols);
	if (matrix->format == KG_FORMAT_F32) {
		visit(context, matrix->f32, count * sizeof(float));
	} else if (matrix->format == KG_FORMAT_F16) {
		visit(context, matrix->f16, count * sizeof(uint16_t));
	} else if (matrix->format == KG_FORMAT_PHASE) {
		kg_matrix__visit_phase(matrix, visit, context);
	} else if (matrix->plane_count != 0) {
		visit_fairy(matrix, row, visit, context);
	} else {
		kg_matrix__visit_integers(matrix, row, visit, context);
	}
	free(row);
	return KG_OK;
}
