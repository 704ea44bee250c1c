/* SPDX-License-Identifier: MIT */
/*
 * session_impl – what the parts of a session share: its buffers, and the stages that a forward pass
 * is made of.
 *
 * A pass takes a batch of tokens through all layers, stage by stage: rows (every token by itself:
 * add what the last block gave, norm, quantize, gather), products (matrices by tiles), heads
 * (attention, by key head). A stage is cut into chunks that the team shares when it is worth it;
 * each number is made by one thread in one order, so that neither batch nor threads change a bit.
 */
#ifndef KG_RUNTIME_SESSION_IMPL_H
#define KG_RUNTIME_SESSION_IMPL_H

#include "runtime/cache.h"
#include "runtime/session.h"
#include "runtime/team.h"

enum {
	KG_SESSION_PRODUCTS = 3, /* matrices that share an input: q, k and v */
	KG_SESSION_READ = 4,     /* rows of logits made at once for a reader */
};

struct kg_session {
	const kg_weights *weights;
	const kg_model_config *config;
	const kg_kernel *kernel;
	kg_team *team; /* NULL: the caller alone */
	uint32_t threads;
	double work_min; /* of a stage worth waking helpers for */
	uint32_t context;
	uint32_t batch;
	uint32_t position;
	kg_session_observer *observer; /* or NULL */
	void *observer_context;
	kg_cache cache;
	uint32_t planes;      /* real numbers of one of the model's: 1, or 2 where it is complex */
	uint32_t stream;      /* floats of the residual stream of a token: dim * planes */
	uint32_t heads_width; /* of all heads: heads * head_dim * planes */
	uint32_t keys_width;  /* of all key heads */
	uint32_t hidden;      /* of the feed-forward part: hidden * planes */
	size_t turn_width;    /* of a row of `turn`: cosines, then sines */
	size_t h_stride;      /* the widest of stream and heads */
	size_t part_stride;   /* q, k and v, or gate and up, of a token beside each other */
	size_t steps_stride;
	size_t room_size; /* of the widest stage */
	size_t sums_count;
	uint32_t *token;   /* context: those taken in */
	double *frequency; /* radians per position */
	float *turn;       /* context rows; all zeros where nobody has needed it yet */
	/* A row for each token of a batch: */
	float *x;        /* the residual stream */
	float *h;        /* what a product takes in, or a block adds */
	float *part;     /* q, k, v; gate, up; what attention's output adds */
	int8_t *steps;   /* h or part, quantized */
	float *step;     /* of a complex vector two, of real and imaginary parts */
	int8_t *room;    /* what kg_matrix_prepare makes for every matrix of a stage */
	float *logits;   /* KG_SESSION_READ rows */
	int32_t *sums;   /* sums_count for each thread */
	int8_t *queries; /* kg_cache_room for each thread */
	void *buffers;   /* the one mapping behind all of the above */
	size_t buffers_bytes;
};

/* A batch on its way: `count` tokens from the session's position on. */
typedef struct {
	kg_session *session;
	const kg_layer *layer; /* NULL: the head */
	uint32_t l;
	uint32_t count;
} kg_session_batch;

/* Row v of x, h and part. */
static inline float *x_of(const kg_session_batch *b, uint32_t v)
{
	return b->session->x + (size_t)v * b->session->stream;
}

static inline float *h_of(const kg_session_batch *b, uint32_t v)
{
	return b->session->h + v * b->session->h_stride;
}

static inline float *part_of(const kg_session_batch *b, uint32_t v)
{
	return b->session->part + v * b->session->part_stride;
}

/* What the rows stage does to row v before it is quantized. */
typedef void kg_session_row(const kg_session_batch *batch, uint32_t v);

typedef struct {
	const kg_matrix *matrix;
	float *y;
	size_t y_stride;
} kg_session_product;

/* A rows stage and the products of what it makes. */
typedef struct {
	kg_session_row *row;
	kg_tensor_role role; /* for the observer */
	const float *x;      /* what the products take in: n floats of row v at x + v * stride */
	size_t stride;
	uint32_t n;
	kg_session_product product[KG_SESSION_PRODUCTS];
	uint32_t products;
} kg_session_linear;

void kg_session__linear(const kg_session_batch *batch, const kg_session_linear *linear);

/* Does chunks of a stage, by the team where `work`, about the bytes that are read or multiplied, is
 * enough to wake somebody for. */
void kg_session__run(const kg_session *session, kg_team_work *stage, void *context, uint32_t chunks,
		     double work);

/* out = gain * (x * r), r = 1 / sqrt(mean of |x|^2 + eps), the mean over the model's numbers: half
 * of the n floats where they are complex. */
void kg_session__norm(const kg_session *session, float *out, const float *x, const float *gain,
		      uint32_t n);

/* Looks up the queries of key head `head`, which lie at x as those of kg_session.part do, for all
 * tokens; what they get goes to h. */
void kg_session__look_up(const kg_session_batch *batch, uint32_t head, uint32_t worker,
			 const float *x);

/* What the architectures do differently in a layer. */
typedef struct {
	kg_team_work *attend;      /* of a batch and a key head: from q, k and v in part to h */
	kg_session_row *mixed_row; /* on h before the output matrix, or NULL */
	kg_session_row *gate_row;  /* from gate and up, both in part, to what goes down, in part */
} kg_session_block;

extern const kg_session_block kg_session__llama;
extern const kg_session_block kg_session__complex;

/* All layers: rows of x from embeddings to the stream after the last layer. */
void kg_session__layers(kg_session *session, const kg_session_block *block, uint32_t count);

#endif
