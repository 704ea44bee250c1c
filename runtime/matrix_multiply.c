/* SPDX-License-Identifier: MIT */
/* Products. Sums are made tile by tile for all vectors in a room that stays in the cache, and
 * scaled from there. */
#include <string.h>

#include "runtime/half.h"
#include "runtime/matrix_impl.h"

enum {
	PLANE_COLS = 16, /* what columns of planes are padded to */
	/* Of fours of vectors: few tiles are not worth a call, sums of many leave the nearest
	 * cache; weights up to this size stay in the second-level one. */
	FOURS_TILES_MIN = 8,
	FOURS_TILES_MAX = 32,
	FOURS_SIZE_MAX = 1 << 20,
};

/* A part of a product that the room for sums is large enough for. */
typedef struct {
	const kg_matrix *matrix;
	const kg_kernel *kernel;
	const kg_activation *activation;
	float *y; /* the first row of the part; fairy: of all */
	size_t y_stride;
	int32_t *sums;
	uint32_t first; /* tile */
	uint32_t tiles;
	uint32_t rows; /* of the part, without padding */
} part;

uint32_t kg_matrix_tiles(const kg_matrix *matrix)
{
	if (matrix->plane_count != 0)
		return matrix->plane[0].tiles;
	return (matrix->rows + KG_TILE_ROWS - 1) / KG_TILE_ROWS;
}

/* Gathered numbers of a half, padded. */
static size_t half_of(uint32_t cols)
{
	return ((size_t)cols / 2 + PLANE_COLS - 1) / PLANE_COLS * PLANE_COLS;
}

size_t kg_matrix_room(uint32_t cols)
{
	return (2 * half_of(cols + 1) + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
}

void kg_matrix_prepare(const kg_matrix *matrix, const kg_kernel *kernel,
		       const kg_activation *activation, int8_t *room)
{
	size_t half = half_of(matrix->cols);
	uint32_t m = matrix->cols / 2;

	KG_ASSERT(activation->count >= 1 && activation->count <= KG_MATRIX_BATCH);
	if (matrix->plane_count == 0)
		return;
	for (uint32_t v = 0; v < activation->count; v++) {
		const int8_t *x = activation->q + v * activation->q_stride;
		int8_t *out = room + v * kg_matrix_room(matrix->cols);

		if (half == m) {
			kernel->gather(out, x, 2 * m, matrix->col, matrix->col_sign, 2 * m);
			continue;
		}
		kernel->gather(out, x, 2 * m, matrix->col, matrix->col_sign, m);
		memset(out + m, 0, half - m);
		kernel->gather(out + half, x, 2 * m, matrix->col + m, matrix->col_sign + m, m);
		memset(out + half + m, 0, half - m);
	}
}

static kg_kernel_job job_of(const part *p, uint32_t sums_of_a_row)
{
	return (kg_kernel_job){.x = p->activation->q,
			       .x_stride = p->activation->q_stride,
			       .y = p->sums,
			       .y_stride = (size_t)sums_of_a_row * p->tiles * KG_TILE_ROWS,
			       .count = p->activation->count,
			       .last = p->tiles};
}

/* The lines of a part. */
static kg_kernel_lines lines_of(const part *p)
{
	kg_kernel_lines lines = p->matrix->lines;

	lines.line += (size_t)p->first * lines.lines * KG_LINE_SIZE;
	lines.tiles = p->tiles;
	if (lines.kind == KG_LINES_PALETTE4)
		lines.palette += (size_t)p->first * 4 * KG_TILE_ROWS;
	return lines;
}

static void scale_rows(float *y, const part *p, const int32_t *sum, float step)
{
	const kg_matrix *matrix = p->matrix;
	size_t begin = (size_t)p->first * KG_TILE_ROWS;
	float unit;

	switch (matrix->format) {
	case KG_FORMAT_INT8:
		p->kernel->scale_f32(y, sum, matrix->scale + begin, step, p->rows);
		break;
	case KG_FORMAT_INT2:
	case KG_FORMAT_TERNARY:
		p->kernel->scale_f16(y, sum, matrix->coded.scale + begin, 1.0f, step, p->rows);
		break;
	case KG_FORMAT_PALETTE4:
		p->kernel->scale_f16(y, sum, matrix->coded.scale + begin, 127.0f, step, p->rows);
		break;
	default:
		unit = kg_coded_unit(&matrix->coded, 0, 0) * step;
		for (uint32_t i = 0; i < p->rows; i++)
			y[i] = (float)sum[i] * unit;
	}
}

static void multiply_lines(const part *p)
{
	kg_kernel_lines lines = lines_of(p);
	kg_kernel_job job = job_of(p, 1);

	p->kernel->lines(&lines, &job);
	for (uint32_t v = 0; v < job.count; v++)
		scale_rows(p->y + v * p->y_stride, p, p->sums + v * job.y_stride,
			   p->activation->step[v]);
}

/* Two products, with the high parts of the palette and with the low ones. */
static void multiply_wide(const part *p)
{
	float unit = kg_coded_unit(&p->matrix->coded, 0, 0);
	kg_kernel_lines lines = lines_of(p);
	kg_kernel_job job = job_of(p, 2);

	p->kernel->lines(&lines, &job);
	lines.palette += 256;
	job.y += (size_t)p->tiles * KG_TILE_ROWS;
	p->kernel->lines(&lines, &job);
	for (uint32_t v = 0; v < job.count; v++) {
		const int32_t *high = p->sums + v * job.y_stride;
		const int32_t *low = job.y + v * job.y_stride;
		float step = unit * p->activation->step[v];

		for (uint32_t i = 0; i < p->rows; i++)
			p->y[v * p->y_stride + i] =
				(float)(KG_CODED_HIGH * (int64_t)high[i] + low[i]) * step;
	}
}

/* Products of int4 come scaled, whole tiles of them: the last one may have rows that y has not. */
static void multiply_groups(const part *p)
{
	const kg_matrix *matrix = p->matrix;
	size_t groups = (matrix->cols + KG_CODED_GROUP - 1) / KG_CODED_GROUP;
	const uint16_t *scale = matrix->coded.scale + p->first * groups * KG_TILE_ROWS;
	uint32_t whole = p->rows / KG_TILE_ROWS;
	uint32_t rest = p->rows % KG_TILE_ROWS;
	kg_kernel_lines lines = lines_of(p);
	kg_kernel_job job = job_of(p, 1);
	float last[KG_MATRIX_BATCH][KG_TILE_ROWS];

	job.last = whole;
	if (whole != 0)
		p->kernel->groups(p->y, p->y_stride, &lines, scale, p->activation->step, &job);
	if (rest == 0)
		return;
	lines.line += (size_t)whole * lines.lines * KG_LINE_SIZE;
	lines.tiles = job.last = 1;
	p->kernel->groups(last[0], KG_TILE_ROWS, &lines, scale + whole * groups * KG_TILE_ROWS,
			  p->activation->step, &job);
	for (uint32_t v = 0; v < job.count; v++)
		memcpy(p->y + v * p->y_stride + (size_t)whole * KG_TILE_ROWS, last[v],
		       rest * sizeof(float));
}

/* Exact sums of a part of all planes: of a vector real ones, then imaginary ones, plane by plane.
 */
static kg_kernel_job sum_planes(const part *p, const int8_t *room)
{
	const kg_matrix *matrix = p->matrix;
	kg_kernel_job job = job_of(p, 2 * matrix->plane_count);

	job.x = room;
	job.x_stride = kg_matrix_room(matrix->cols);
	for (uint32_t k = 0; k < matrix->plane_count; k++) {
		kg_kernel_plane plane = matrix->plane[k];

		plane.line += (size_t)p->first * plane.lines * KG_LINE_SIZE;
		plane.tiles = p->tiles;
		p->kernel->plane(&plane, &job);
		job.y += (size_t)2 * p->tiles * KG_TILE_ROWS;
	}
	job.y = p->sums;
	return job;
}

/* From the sums of vectors v .. v+count-1 to their real (0) or imaginary (1) rows. In place: a copy
 * would wait for what has just been stored. */
static inline void set_scatter(kg_kernel_scatter *from, const part *p, const kg_kernel_job *job,
			       uint32_t half, uint32_t v, uint32_t count)
{
	const kg_matrix *matrix = p->matrix;
	size_t padded = (size_t)p->tiles * KG_TILE_ROWS;
	size_t row = (size_t)half * (matrix->rows / 2) + (size_t)p->first * KG_TILE_ROWS;

	from->sum = job->y + v * job->y_stride + half * padded;
	from->second = matrix->plane_count > 1 ? from->sum + 2 * padded : NULL;
	from->stride = job->y_stride;
	from->index = matrix->row + row;
	from->sign = matrix->row_sign + row;
	from->n = p->rows;
	for (uint32_t i = 0; i < count; i++) {
		from->step[i] = matrix->weight[0].unit * p->activation->step[v + i];
		from->second_step[i] = matrix->weight[1].unit * p->activation->step[v + i];
	}
}

static void multiply_planes(const part *p, const int8_t *room)
{
	kg_kernel_job job = sum_planes(p, room);

	for (uint32_t v = 0; v < job.count; v++)
		for (uint32_t half = 0; half < 2; half++) {
			kg_kernel_scatter from;

			set_scatter(&from, p, &job, half, v, 1);
			p->kernel->scatter(p->y + v * p->y_stride, &from);
		}
}

static void multiply_floats(const part *p)
{
	const kg_matrix *matrix = p->matrix;
	const kg_activation *in = p->activation;
	size_t at = (size_t)p->first * KG_TILE_ROWS * matrix->cols;

	if (matrix->format == KG_FORMAT_F32)
		p->kernel->rows_f32(p->y, p->y_stride, matrix->f32 + at, in->x, in->x_stride,
				    p->rows, matrix->cols, in->count);
	else
		p->kernel->rows_f16(p->y, p->y_stride, matrix->f16 + at, in->x, in->x_stride,
				    p->rows, matrix->cols, in->count);
}

/* Sums of a row that a product keeps at a time. */
static uint32_t sums_of(const kg_matrix *matrix)
{
	if (matrix->plane_count != 0)
		return 2 * matrix->plane_count;
	return matrix->format == KG_FORMAT_PALETTE256 ? 2 : 1;
}

static void multiply_part(const part *p, const int8_t *room)
{
	switch (p->matrix->format) {
	case KG_FORMAT_F32:
	case KG_FORMAT_F16:
		multiply_floats(p);
		break;
	case KG_FORMAT_FAIRY1:
	case KG_FORMAT_FAIRY2:
	case KG_FORMAT_FAIRY3:
		multiply_planes(p, room);
		break;
	case KG_FORMAT_INT4:
		multiply_groups(p);
		break;
	case KG_FORMAT_PALETTE256:
		multiply_wide(p);
		break;
	default:
		multiply_lines(p);
	}
}

/* A part from tile `first` on that has at most `most` tiles. */
static part part_of(const part *all, uint32_t first, uint32_t most)
{
	bool fairy = all->matrix->plane_count != 0;
	uint32_t left = (fairy ? all->matrix->rows / 2 : all->matrix->rows) - first * KG_TILE_ROWS;
	part p = *all;

	p.first = first;
	p.tiles = all->tiles - first < most ? all->tiles - first : most;
	p.rows = left < p.tiles * KG_TILE_ROWS ? left : p.tiles * KG_TILE_ROWS;
	if (!fairy)
		p.y += (size_t)first * KG_TILE_ROWS;
	return p;
}

/* Floats of the room that four vectors of results lie in side by side. */
static uint32_t side_by_side(const kg_matrix *matrix)
{
	return (KG_KERNEL_FOUR * matrix->rows + KG_TILE_ROWS - 1) / KG_TILE_ROWS * KG_TILE_ROWS;
}

/* Tiles of a part of four vectors; 0 where vectors go one by one: the room is too small, or weights
 * that are read for every four vectors again would not come from a near cache. */
static uint32_t tiles_of_fours(const kg_matrix *matrix)
{
	uint32_t room = side_by_side(matrix);
	uint32_t sums = KG_KERNEL_FOUR * sums_of(matrix) * KG_TILE_ROWS;
	size_t size = (size_t)kg_matrix_tiles(matrix) * matrix->plane[0].lines * KG_LINE_SIZE;
	uint32_t tiles = room < KG_MATRIX_SUMS ? (KG_MATRIX_SUMS - room) / sums : 0;

	if (tiles < FOURS_TILES_MIN || matrix->plane_count * size > FOURS_SIZE_MAX)
		return 0;
	return tiles < FOURS_TILES_MAX ? tiles : FOURS_TILES_MAX;
}

bool kg_matrix_takes_fours(const kg_matrix *matrix)
{
	return matrix->plane_count != 0 && tiles_of_fours(matrix) != 0;
}

/* All rows of a fairy matrix, as many vectors as there are whole fours of; returns their count. */
static uint32_t multiply_fours(const part *all, const int8_t *room)
{
	const kg_matrix *matrix = all->matrix;
	uint32_t tiles = tiles_of_fours(matrix);
	uint32_t count = all->activation->count / KG_KERNEL_FOUR * KG_KERNEL_FOUR;
	float *side = (float *)(void *)all->sums;

	if (tiles == 0)
		return 0;
	for (uint32_t v = 0; v < count; v += KG_KERNEL_FOUR) {
		const kg_activation four = {.step = all->activation->step + v,
					    .count = KG_KERNEL_FOUR};

		for (uint32_t first = 0; first < all->tiles; first += tiles) {
			part p = part_of(all, first, tiles);
			kg_kernel_job job;

			p.activation = &four;
			p.sums += side_by_side(matrix);
			job = sum_planes(&p, room + v * kg_matrix_room(matrix->cols));
			for (uint32_t half = 0; half < 2; half++) {
				kg_kernel_scatter from;

				set_scatter(&from, &p, &job, half, 0, KG_KERNEL_FOUR);
				p.kernel->scatter_four(side, &from);
			}
		}
		all->kernel->spread_four(all->y + v * all->y_stride, all->y_stride, side,
					 matrix->rows);
	}
	return count;
}

void kg_matrix_multiply(float *y, size_t y_stride, const kg_matrix *matrix, const kg_kernel *kernel,
			const kg_activation *activation, const int8_t *room, int32_t *sums,
			uint32_t first, uint32_t last)
{
	kg_activation rest = *activation;
	part all = {.matrix = matrix,
		    .kernel = kernel,
		    .activation = &rest,
		    .y = y,
		    .y_stride = y_stride,
		    .sums = sums,
		    .tiles = last};
	uint32_t most;

	KG_ASSERT(activation->count >= 1 && activation->count <= KG_MATRIX_BATCH);
	KG_ASSERT(first <= last && last <= kg_matrix_tiles(matrix));
	if (matrix->format == KG_FORMAT_PHASE) {
		kg_matrix__multiply_phase(y, y_stride, matrix, kernel, activation, sums, first,
					  last);
		return;
	}
	if (matrix->plane_count != 0 && first == 0 && last == matrix->plane[0].tiles) {
		uint32_t done = multiply_fours(&all, room);

		rest.step += done;
		rest.count -= done;
		room += done * kg_matrix_room(matrix->cols);
		all.y += done * y_stride;
		if (rest.count == 0)
			return;
	}
	most = KG_MATRIX_SUMS / (rest.count * sums_of(matrix) * KG_TILE_ROWS);
	for (; first < last; first += most < last - first ? most : last - first) {
		part p = part_of(&all, first, most);

		multiply_part(&p, room);
	}
}

void kg_matrix_row(float *out, const kg_matrix *matrix, uint32_t row)
{
	size_t at = (size_t)row * matrix->cols;
	/* A row of floats has room for its codes; they are read from the end. */
	uint8_t *codes = (uint8_t *)out;
	kg_lines lines;

	KG_ASSERT(row < matrix->rows);
	if (matrix->format == KG_FORMAT_F32) {
		memcpy(out, matrix->f32 + at, matrix->cols * sizeof(*out));
		return;
	}
	if (matrix->format == KG_FORMAT_F16) {
		kg_half_to_floats(out, matrix->f16 + at, matrix->cols);
		return;
	}
	KG_ASSERT(matrix->format == KG_FORMAT_INT8 || kg_format_is_coded(matrix->format));
	lines = kg_matrix__lines(matrix);
	kg_lines_unpack(&lines, matrix->lines.line, row, codes);
	for (uint32_t j = matrix->cols; j-- > 0;)
		out[j] = matrix->format == KG_FORMAT_INT8
				 ? (float)(int8_t)codes[j] * matrix->scale[row]
				 : kg_coded_value(&matrix->coded, row, j, codes[j]);
}
