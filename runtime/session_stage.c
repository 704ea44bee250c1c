/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "runtime/session_impl.h"

/* Chunks for each thread, so that one that comes late still finds some. */
enum { CHUNKS_PER_THREAD = 4 };

/* A number of a float matrix costs as much as so many of a narrow one. */
#define FLOAT_WORK 8.0

typedef struct {
	const kg_session_batch *batch;
	const kg_session_linear *linear;
	kg_activation in;
	int8_t *room[KG_SESSION_PRODUCTS];
	uint32_t tiles; /* of all products */
	uint32_t chunk; /* tiles of a chunk, or vectors */
} stage;

void kg_session__norm(const kg_session *s, float *out, const float *x, const float *gain,
		      uint32_t n)
{
	s->kernel->norm(out, x, gain, n, (float)(n / s->planes), s->config->norm_eps);
}

static bool is_shared(const kg_session *s, double work)
{
	return s->team != NULL && work >= s->work_min;
}

void kg_session__run(const kg_session *s, kg_team_work *work_on, void *context, uint32_t chunks,
		     double work)
{
	if (is_shared(s, work)) {
		kg_team_run(s->team, work_on, context, chunks);
		return;
	}
	for (uint32_t i = 0; i < chunks; i++)
		work_on(context, i, 0);
}

/* Whether the products take a complex vector: its halves lie apart and have steps of their own. */
static bool is_complex(const kg_session_linear *linear)
{
	return linear->product[0].matrix->format == KG_FORMAT_PHASE;
}

static size_t half_of(uint32_t n)
{
	return (size_t)kg_phase_lines(n / 2) * KG_PHASE_COLS;
}

static void quantize_halves(const kg_session *s, int8_t *q, size_t q_stride, float step[2],
			    const float *x, uint32_t n)
{
	size_t half = half_of(n);

	step[0] = s->kernel->quantize(q, x, n / 2);
	memset(q + n / 2, 0, half - n / 2);
	step[1] = s->kernel->quantize(q + half, x + n / 2, n / 2);
	memset(q + half + n / 2, 0, q_stride - half - n / 2);
}

/* Row v: made, quantized, gathered for every product. */
static void make_row(void *context, uint32_t v, uint32_t worker)
{
	const stage *st = context;
	const kg_session_linear *linear = st->linear;
	kg_session *s = st->batch->session;
	kg_activation one = st->in;
	int8_t *q = s->steps + v * one.q_stride;

	(void)worker;
	if (linear->row != NULL)
		linear->row(st->batch, v);
	if (one.q == NULL)
		return;
	one.x += v * one.x_stride;
	if (is_complex(linear)) {
		quantize_halves(s, q, one.q_stride, s->step + (size_t)2 * v, one.x, linear->n);
		return;
	}
	one.count = 1;
	one.q = q;
	one.step = s->step + v;
	s->step[v] = s->kernel->quantize(q, one.x, linear->n);
	memset(q + linear->n, 0, one.q_stride - linear->n);
	for (uint32_t p = 0; p < linear->products; p++) {
		const kg_matrix *matrix = linear->product[p].matrix;

		kg_matrix_prepare(matrix, s->kernel, &one,
				  st->room[p] + v * kg_matrix_room(matrix->cols));
	}
}

/* A run of tiles of all products behind each other. */
static void multiply(void *context, uint32_t chunk, uint32_t worker)
{
	const stage *st = context;
	const kg_session *s = st->batch->session;
	int32_t *sums = s->sums + worker * s->sums_count;
	uint32_t begin = chunk * st->chunk;
	uint32_t end = st->tiles - begin < st->chunk ? st->tiles : begin + st->chunk;
	uint32_t base = 0;

	for (uint32_t p = 0; p < st->linear->products; p++) {
		const kg_session_product *product = &st->linear->product[p];
		uint32_t tiles = kg_matrix_tiles(product->matrix);
		uint32_t first = begin > base ? begin - base : 0;
		uint32_t last = end < base + tiles ? end - base : tiles;

		if (end > base && first < tiles)
			kg_matrix_multiply(product->y, product->y_stride, product->matrix,
					   s->kernel, &st->in, st->room[p], sums, first, last);
		base += tiles;
	}
}

/* All products of a few vectors. */
static void multiply_vectors(void *context, uint32_t chunk, uint32_t worker)
{
	const stage *st = context;
	const kg_session *s = st->batch->session;
	uint32_t v = chunk * st->chunk;
	kg_activation in = st->in;

	in.count = in.count - v < st->chunk ? in.count - v : st->chunk;
	in.x += v * in.x_stride;
	in.q += v * in.q_stride;
	in.step += v;
	for (uint32_t p = 0; p < st->linear->products; p++) {
		const kg_session_product *product = &st->linear->product[p];
		const kg_matrix *matrix = product->matrix;

		kg_matrix_multiply(product->y + v * product->y_stride, product->y_stride, matrix,
				   s->kernel, &in, st->room[p] + v * kg_matrix_room(matrix->cols),
				   s->sums + worker * s->sums_count, 0, kg_matrix_tiles(matrix));
	}
}

/* Whether vectors are what threads share: where matrices take whole fours of them, and there are
 * enough for all. */
static bool is_cut_by_vectors(const kg_session *s, const kg_session_linear *linear, uint32_t count)
{
	bool fours = count >= s->threads * CHUNKS_PER_THREAD * KG_KERNEL_FOUR / 2;

	for (uint32_t p = 0; p < linear->products; p++)
		fours = fours && kg_matrix_takes_fours(linear->product[p].matrix);
	return fours;
}

static double work_of(const kg_session_linear *linear, uint32_t count)
{
	double work = 0.0;

	for (uint32_t p = 0; p < linear->products; p++) {
		const kg_matrix *m = linear->product[p].matrix;
		bool floats = m->format == KG_FORMAT_F32 || m->format == KG_FORMAT_F16;

		work += (double)m->rows * (double)m->cols * (floats ? FLOAT_WORK : 1.0);
	}
	return work * (double)count;
}

void kg_session__linear(const kg_session_batch *batch, const kg_session_linear *linear)
{
	kg_session *s = batch->session;
	double work = work_of(linear, batch->count);
	stage st = {.batch = batch,
		    .linear = linear,
		    .in = {.x = linear->x, .x_stride = linear->stride, .count = batch->count}};
	int8_t *room = s->room;

	if (kg_weights_quantized(s->weights)) {
		st.in.q = s->steps;
		st.in.q_stride = is_complex(linear) ? 2 * half_of(linear->n) : linear->n;
		st.in.q_stride = (st.in.q_stride + KG_LINE_SIZE - 1) / KG_LINE_SIZE * KG_LINE_SIZE;
		st.in.step = s->step;
	}
	for (uint32_t p = 0; p < linear->products; p++) {
		st.room[p] = room;
		room += batch->count * kg_matrix_room(linear->product[p].matrix->cols);
		st.tiles += kg_matrix_tiles(linear->product[p].matrix);
	}
	/* A row costs a few passes over its numbers, which take longer than products do. */
	kg_session__run(s, make_row, &st, batch->count,
			FLOAT_WORK * (double)linear->n * (double)batch->count);
	for (uint32_t v = 0; v < batch->count && s->observer != NULL && batch->layer != NULL; v++)
		s->observer(s->observer_context, batch->l, linear->role,
			    linear->x + v * linear->stride, linear->n);
	st.chunk = st.tiles;
	if (is_shared(s, work) && is_cut_by_vectors(s, linear, batch->count)) {
		st.chunk = KG_KERNEL_FOUR;
		kg_session__run(s, multiply_vectors, &st,
				(batch->count + KG_KERNEL_FOUR - 1) / KG_KERNEL_FOUR, work);
		return;
	}
	if (is_shared(s, work))
		st.chunk = st.tiles / (s->threads * CHUNKS_PER_THREAD) + 1;
	kg_session__run(s, multiply, &st, (st.tiles + st.chunk - 1) / st.chunk, work);
}
