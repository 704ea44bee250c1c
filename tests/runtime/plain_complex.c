/* SPDX-License-Identifier: MIT */
#include "tests/runtime/plain_complex.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

/* CMPLX is not everywhere. */
static double complex number(double re, double im)
{
	return re + im * I;
}

static double between(kg_rng *rng, double low, double high)
{
	/* A float, so that the model holds the same number. */
	return (double)(float)(low + (high - low) * (double)kg_rng_float(rng));
}

static void random_matrix(plain_matrix *m, kg_rng *rng, uint32_t rows, uint32_t cols)
{
	KG_ASSERT(rows <= PLAIN_WIDE && cols <= PLAIN_WIDE);
	m->rows = rows;
	m->cols = cols;
	m->re = (float)between(rng, 0.1, 0.3);
	m->im = (float)between(rng, 0.1, 0.3);
	for (uint32_t i = 0; i < rows; i++)
		for (uint32_t j = 0; j < cols; j++)
			m->code[i][j] = (uint8_t)(kg_rng_u64(rng) % 4);
}

static void random_vector(double complex *x, kg_rng *rng, uint32_t n, double middle)
{
	for (uint32_t i = 0; i < n; i++) {
		double re = between(rng, middle - 0.4, middle + 0.4);

		x[i] = number(re, between(rng, middle - 0.4, middle + 0.4));
	}
}

plain_model *plain_random(const kg_model_config *c, uint64_t seed)
{
	plain_model *p = calloc(1, sizeof(*p));
	uint32_t heads = c->heads * c->head_dim;
	uint32_t keys = c->kv_heads * c->head_dim;
	kg_rng rng;

	KG_ASSERT(p != NULL && c->layers <= PLAIN_LAYERS);
	p->c = *c;
	p->embedding = calloc(c->vocabulary, sizeof(*p->embedding));
	p->head = calloc(c->vocabulary, sizeof(*p->head));
	KG_ASSERT(p->embedding != NULL && p->head != NULL);
	kg_rng_init_u64(&rng, seed);
	for (uint32_t l = 0; l < c->layers; l++) {
		plain_layer *layer = &p->layer[l];

		random_matrix(&layer->q, &rng, heads, c->dim);
		random_matrix(&layer->k, &rng, keys, c->dim);
		random_matrix(&layer->v, &rng, keys, c->dim);
		random_matrix(&layer->o, &rng, c->dim, heads);
		random_matrix(&layer->gate, &rng, c->hidden, c->dim);
		random_matrix(&layer->up, &rng, c->hidden, c->dim);
		random_matrix(&layer->down, &rng, c->dim, c->hidden);
		random_vector(layer->attn_norm, &rng, c->dim, 1.0);
		random_vector(layer->attn_sub_norm, &rng, heads, 1.0);
		random_vector(layer->ffn_norm, &rng, c->dim, 1.0);
		random_vector(layer->ffn_sub_norm, &rng, c->hidden, 1.0);
	}
	random_vector(p->final_norm, &rng, c->dim, 1.0);
	for (uint32_t t = 0; t < c->vocabulary; t++) {
		random_vector(p->embedding[t], &rng, c->dim, 0.0);
		for (uint32_t j = 0; j < 2 * c->dim; j++)
			p->head[t][j] = (float)between(&rng, -0.3, 0.3);
	}
	return p;
}

void plain_free(plain_model *p)
{
	free(p->embedding);
	free(p->head);
	free(p);
}

static void put_matrix(kg_model *model, kg_tensor_role role, uint32_t l, const plain_matrix *m)
{
	kg_phase *phase = kg_model_phase(model, role, l);

	KG_ASSERT(phase->rows == m->rows && phase->cols == m->cols);
	phase->re = m->re;
	phase->im = m->im;
	for (uint32_t i = 0; i < m->rows; i++)
		for (uint32_t j = 0; j < m->cols; j++)
			kg_phase_put(phase, i, j, m->code[i][j]);
}

static void put_planes(float *out, const double complex *x, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		out[i] = (float)creal(x[i]);
		out[n + i] = (float)cimag(x[i]);
	}
}

static void put_vector(kg_model *model, kg_tensor_role role, uint32_t l, const double complex *x,
		       uint32_t n)
{
	put_planes(kg_model_floats(model, role, l), x, n);
}

void plain_to_model(const plain_model *p, kg_model *model)
{
	const kg_model_config *c = &p->c;
	float *embedding = kg_model_floats(model, KG_TENSOR_EMBEDDING, 0);
	float *head = kg_model_floats(model, KG_TENSOR_HEAD, 0);

	for (uint32_t l = 0; l < c->layers; l++) {
		const plain_layer *layer = &p->layer[l];

		put_matrix(model, KG_TENSOR_ATTN_Q, l, &layer->q);
		put_matrix(model, KG_TENSOR_ATTN_K, l, &layer->k);
		put_matrix(model, KG_TENSOR_ATTN_V, l, &layer->v);
		put_matrix(model, KG_TENSOR_ATTN_OUTPUT, l, &layer->o);
		put_matrix(model, KG_TENSOR_FFN_GATE, l, &layer->gate);
		put_matrix(model, KG_TENSOR_FFN_UP, l, &layer->up);
		put_matrix(model, KG_TENSOR_FFN_DOWN, l, &layer->down);
		put_vector(model, KG_TENSOR_ATTN_NORM, l, layer->attn_norm, c->dim);
		put_vector(model, KG_TENSOR_ATTN_SUB_NORM, l, layer->attn_sub_norm,
			   c->heads * c->head_dim);
		put_vector(model, KG_TENSOR_FFN_NORM, l, layer->ffn_norm, c->dim);
		put_vector(model, KG_TENSOR_FFN_SUB_NORM, l, layer->ffn_sub_norm, c->hidden);
	}
	put_vector(model, KG_TENSOR_OUTPUT_NORM, 0, p->final_norm, c->dim);
	for (size_t t = 0; t < c->vocabulary; t++) {
		put_planes(embedding + t * 2 * c->dim, p->embedding[t], c->dim);
		for (uint32_t j = 0; j < 2 * c->dim; j++)
			head[t * 2 * c->dim + j] = p->head[t][j];
	}
}

/* Numbers `stride` apart, each taken to the nearest of 255 steps of the greatest. */
static void steps(double *x, uint32_t n, uint32_t stride)
{
	double greatest = 1e-5;
	double g;

	for (uint32_t i = 0; i < n; i++)
		greatest = fmax(greatest, fabs(x[i * stride]));
	g = 127.0 / greatest;
	for (uint32_t i = 0; i < n; i++)
		x[i * stride] = rint(x[i * stride] * g) / g;
}

/* Real and imaginary parts by themselves. C lays complex numbers out as pairs. */
static void quantize(const plain_model *p, double complex *x, uint32_t n)
{
	if (!p->quantized)
		return;
	steps((double *)x, n, 2);
	steps((double *)x + 1, n, 2);
}

/* All parts together: queries, keys, values, and what the head takes in. */
static void quantize_whole(const plain_model *p, double complex *x, uint32_t n)
{
	if (p->quantized)
		steps((double *)x, 2 * n, 1);
}

/* y = W conj(x) */
static void product(double complex *y, const plain_matrix *w, const double complex *x)
{
	for (uint32_t i = 0; i < w->rows; i++) {
		y[i] = 0.0;
		for (uint32_t j = 0; j < w->cols; j++) {
			const double complex element[4] = {(double)w->re, -(double)w->re,
							   number(0.0, (double)w->im),
							   number(0.0, -(double)w->im)};

			y[i] += element[w->code[i][j]] * conj(x[j]);
		}
	}
}

static void normed(const plain_model *p, double complex *out, const double complex *x,
		   const double complex *gain, uint32_t n)
{
	double mean = 0.0;

	for (uint32_t i = 0; i < n; i++)
		mean += creal(x[i] * conj(x[i])) / (double)n;
	for (uint32_t i = 0; i < n; i++) {
		double complex z = x[i] / sqrt(mean + (double)p->c.norm_eps);

		out[i] = number(creal(gain[i]) * creal(z), cimag(gain[i]) * cimag(z));
	}
}

static void turn(const plain_model *p, double complex *x, uint32_t heads, uint32_t position)
{
	uint32_t d = p->c.head_dim;

	for (uint32_t i = 0; i < heads * d; i++) {
		double lane = (double)(i % d) / (double)d;

		x[i] *= cexp(number(0.0, (double)position * pow((double)p->c.rope_theta, -lane)));
	}
}

typedef struct {
	double complex x[PLAIN_LENGTH][PLAIN_WIDE];
	double complex key[PLAIN_LENGTH][PLAIN_WIDE];
	double complex value[PLAIN_LENGTH][PLAIN_WIDE];
} stream;

static void attend(double complex *out, const plain_model *p, const stream *s,
		   const double complex *query, uint32_t position)
{
	uint32_t d = p->c.head_dim;
	double scale = p->c.attention_scale == 0.0f ? 1.0 / sqrt(2.0 * (double)d)
						    : (double)p->c.attention_scale;

	for (uint32_t h = 0; h < p->c.heads; h++) {
		uint32_t shared = h / (p->c.heads / p->c.kv_heads) * d;
		double share[PLAIN_LENGTH];
		double sum = 0.0;

		for (uint32_t t = 0; t <= position; t++) {
			double complex score = 0.0;

			for (uint32_t j = 0; j < d; j++)
				score += query[h * d + j] * conj(s->key[t][shared + j]);
			share[t] = exp(scale * creal(score));
			sum += share[t];
		}
		for (uint32_t j = 0; j < d; j++) {
			out[h * d + j] = 0.0;
			for (uint32_t t = 0; t <= position; t++)
				out[h * d + j] += share[t] / sum * s->value[t][shared + j];
		}
	}
}

static void attention(const plain_model *p, const plain_layer *layer, stream *s, uint32_t t)
{
	double complex in[PLAIN_WIDE];
	double complex query[PLAIN_WIDE];
	double complex mixed[PLAIN_WIDE];
	double complex delta[PLAIN_WIDE];
	uint32_t d = p->c.head_dim;

	normed(p, in, s->x[t], layer->attn_norm, p->c.dim);
	quantize(p, in, p->c.dim);
	product(query, &layer->q, in);
	product(s->key[t], &layer->k, in);
	product(s->value[t], &layer->v, in);
	turn(p, query, p->c.heads, t);
	turn(p, s->key[t], p->c.kv_heads, t);
	for (uint32_t h = 0; h < p->c.heads; h++)
		quantize_whole(p, query + (size_t)h * d, d);
	for (uint32_t h = 0; h < p->c.kv_heads; h++) {
		quantize_whole(p, s->key[t] + (size_t)h * d, d);
		quantize_whole(p, s->value[t] + (size_t)h * d, d);
	}
	attend(mixed, p, s, query, t);
	normed(p, in, mixed, layer->attn_sub_norm, p->c.heads * d);
	quantize(p, in, p->c.heads * d);
	product(delta, &layer->o, in);
	for (uint32_t i = 0; i < p->c.dim; i++)
		s->x[t][i] += delta[i];
}

static void feed_forward(const plain_model *p, const plain_layer *layer, double complex *x)
{
	double complex in[PLAIN_WIDE];
	double complex gate[PLAIN_WIDE];
	double complex up[PLAIN_WIDE];
	double complex delta[PLAIN_WIDE];

	normed(p, in, x, layer->ffn_norm, p->c.dim);
	quantize(p, in, p->c.dim);
	product(gate, &layer->gate, in);
	product(up, &layer->up, in);
	for (uint32_t i = 0; i < p->c.hidden; i++) {
		double re = creal(gate[i]);
		double im = cimag(gate[i]);

		gate[i] = re < 0.0 && im < 0.0 ? 0.0 : number(re * re, im * im);
		up[i] *= conj(gate[i]);
	}
	normed(p, in, up, layer->ffn_sub_norm, p->c.hidden);
	quantize(p, in, p->c.hidden);
	product(delta, &layer->down, in);
	for (uint32_t i = 0; i < p->c.dim; i++)
		x[i] += delta[i];
}

/* A row of a table as its int8 form has it. */
static void table_row(const plain_model *p, double *row, uint32_t n)
{
	double greatest = 0.0;

	if (!p->int8_head)
		return;
	for (uint32_t j = 0; j < n; j++)
		greatest = fmax(greatest, fabs(row[j]));
	for (uint32_t j = 0; j < n; j++)
		row[j] = rint(row[j] / (greatest / 127.0)) * (greatest / 127.0);
}

static void embed(double complex *x, const plain_model *p, uint32_t token)
{
	uint32_t n = p->c.dim;
	double row[2 * PLAIN_WIDE];

	for (uint32_t i = 0; i < n; i++) {
		row[i] = creal(p->embedding[token][i]);
		row[n + i] = cimag(p->embedding[token][i]);
	}
	table_row(p, row, 2 * n);
	for (uint32_t i = 0; i < n; i++)
		x[i] = number(row[i], row[n + i]);
}

void plain_logits(double *logits, const plain_model *p, const uint32_t *token, uint32_t length)
{
	stream *s = calloc(1, sizeof(*s));
	double complex last[PLAIN_WIDE];
	uint32_t n = p->c.dim;

	KG_ASSERT(s != NULL && length <= PLAIN_LENGTH);
	for (uint32_t t = 0; t < length; t++)
		embed(s->x[t], p, token[t]);
	for (uint32_t l = 0; l < p->c.layers; l++)
		for (uint32_t t = 0; t < length; t++) {
			attention(p, &p->layer[l], s, t);
			feed_forward(p, &p->layer[l], s->x[t]);
		}
	normed(p, last, s->x[length - 1], p->final_norm, n);
	quantize_whole(p, last, p->int8_head ? n : 0);
	for (uint32_t i = 0; i < p->c.vocabulary; i++) {
		double row[2 * PLAIN_WIDE];

		for (uint32_t j = 0; j < 2 * n; j++)
			row[j] = (double)p->head[i][j];
		table_row(p, row, 2 * n);
		logits[i] = 0.0;
		for (uint32_t j = 0; j < n; j++)
			logits[i] += row[j] * creal(last[j]) + row[n + j] * cimag(last[j]);
	}
	free(s);
}
