/* SPDX-License-Identifier: MIT */
/*
 * train_impl – what the files of the trainer share; private to this folder (and its test).
 *
 * Letters: T tokens of a chunk, D dim, H hidden, Q heads * head size, K kv_heads * head size,
 * N head size, L length of a segment, V vocabulary.
 */
#ifndef KG_RUNTIME_TRAIN_TRAIN_IMPL_H
#define KG_RUNTIME_TRAIN_TRAIN_IMPL_H

#include "base/rng.h"
#include "runtime/fairy.h"
#include "runtime/train/train.h"

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* One build, fast everywhere: the loader picks. Sanitizers cannot run before the resolvers. */
# define KG_CLONES __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#else
# define KG_CLONES
#endif

enum { KG_TRAIN_TENSOR_NAME_MAX = 32, KG_TRAIN_CHUNK = 512 };

typedef struct {
	char name[KG_TRAIN_TENSOR_NAME_MAX];
	uint32_t rows;
	uint32_t cols;
	size_t at; /* first element in latent, weight, grad, m, v */
	bool quantized;
} kg_tensor_place;

/* Offsets of one layer. q, k, v lie one after the other, as do gate and up: one product each. */
typedef struct {
	size_t attn_norm, q, k, v, o;
	size_t ffn_norm, gate, up, down;
} kg_layer_place;

typedef struct {
	uint32_t start; /* first token in the batch */
	uint32_t length;
} kg_segment;

/* token[i] predicts target[i] with loss weight weight[i]. */
typedef struct {
	uint32_t capacity;
	uint32_t tokens;
	uint32_t segments;
	uint16_t *token;
	uint16_t *target;
	float *weight;
	kg_segment *segment; /* capacity entries */
} kg_batch;

typedef struct {
	uint16_t *token; /* BOS doc BOS doc … */
	size_t size;
	uint32_t *document; /* positions of the BOS tokens */
	size_t documents;
} kg_stream;

/* Activations of one chunk kept for the way back; per layer unless said otherwise. */
typedef struct {
	uint32_t capacity; /* tokens */
	float *x;          /* [layers + 1][T][D], input of each layer, then of the last norm */
	float *middle;     /* [layers][T][D], after attention */
	float *inverse;    /* [2 layers + 1][T], 1 / rms */
	float *normed;     /* [2 layers + 1][T][D] */
	float *qkv;        /* [layers][T][Q + 2K], rotated */
	float *share;      /* [layers][heads * sum L * L], attention shares */
	size_t share_size; /* floats per layer */
	float *heard;      /* [layers][T][Q], attention output before its projection */
	float *gate_up;    /* [layers][T][2H] */
	float *hidden;     /* [layers][T][H] */
	float *logits;     /* [T][V] */
	float *cosine;     /* [context][N / 2] */
	float *sine;
	/* Scratch of the way back. */
	float *dx;      /* [T][D] */
	float *dnormed; /* [T][D] */
	float *dheard;  /* [T][Q] */
	float *dqkv;    /* [T][Q + 2K] */
	float *dwide;   /* [T][2H] */
	float *dhidden; /* [T][H] */
	float *dshare;  /* [block][context] */
} kg_activation;

struct kg_train {
	kg_train_config config;
	kg_rng rng;
	uint64_t step;
	uint64_t lesson_tokens; /* drawn so far, to keep lessons_share */
	uint64_t text_tokens;
	size_t parameters;
	uint32_t tensors;
	kg_tensor_place *tensor;
	kg_layer_place layer[KG_TRAIN_LAYERS_MAX];
	size_t embedding;
	size_t output_norm;
	float *latent; /* what is learned */
	float *weight; /* what the model computes with: latents, the matrices quantized */
	float *gradient;
	float *moment1;
	float *moment2;
	kg_stream text[KG_TRAIN_TEXTS_MAX];
	kg_stream held_out;
	double text_weight; /* sum */
	kg_batch batch;
	kg_activation act;
	float *paired; /* scratch of the largest matrix */
	float *residual;
	uint8_t *code;
	void *pairing;
};

/* train_config.c */
uint64_t kg_train__digest(const kg_train_config *config);

/* latents.c */
KG_NODISCARD kg_err kg_train__latents_new(kg_train *train);
void kg_train__latents_free(kg_train *train);

/* quantized.c: weight[] from latent[] under `seed` (NULL: the plain pairing). */
KG_NODISCARD kg_err kg_train__quantize(kg_train *train, const uint8_t *seed);

/* Quantizes the paired matrix r and leaves in it what the code stands for. Equals
 * kg_fairy_quantize and kg_fairy_dequantize bit for bit; `residual` holds 5/4 rows * cols floats,
 * `code` rows * cols bytes. */
KG_NODISCARD kg_err kg_train__round(float *r, uint32_t rows, uint32_t cols, uint32_t stages,
				    float *residual, uint8_t *code);

/* stream.c */
KG_NODISCARD kg_err kg_train__stream_load(kg_stream *stream, const kg_train_text *text);
KG_NODISCARD kg_err kg_train__stream_parse(kg_stream *stream, const kg_train_text *text,
					   const char *bytes, size_t size);
void kg_train__stream_free(kg_stream *stream);
/* Moves the documents from the last twentieth of `stream` on into `held_out`. */
KG_NODISCARD kg_err kg_train__stream_hold_out(kg_stream *held_out, kg_stream *stream);

/* batch.c */
KG_NODISCARD kg_err kg_train__batch_new(kg_batch *batch, uint32_t capacity);
void kg_train__batch_free(kg_batch *batch);
void kg_train__batch_fill(kg_train *train, kg_batch *batch);
/* Appends one segment that predicts ids[1..count-1] with the weights given for them; false when it
 * does not fit. */
bool kg_train__batch_put(kg_batch *batch, const uint16_t *ids, const float *weight, uint32_t count);

/* train_forward.c */
KG_NODISCARD kg_err kg_train__activation_new(kg_train *train, uint32_t capacity);
void kg_train__activation_free(kg_train *train);
/* Logits of segments first..first+count-1, whose tokens lie together. */
void kg_train__forward(kg_train *train, const kg_batch *batch, uint32_t first, uint32_t count);
/* Segments from `first` on that fit one chunk. */
uint32_t kg_train__chunk(const kg_train *train, const kg_batch *batch, uint32_t first);

/* train_backward.c: turns logits into their gradient; returns the weighted loss sum. */
double kg_train__loss(kg_train *train, const kg_batch *batch, uint32_t first, uint32_t count,
		      float scale);
void kg_train__backward(kg_train *train, const kg_batch *batch, uint32_t first, uint32_t count);
/* gradient[] of the weighted mean loss of the batch, at weight[]; returns that loss. */
double kg_train__gradient(kg_train *train, const kg_batch *batch);

/* optimizer.c */
double kg_train__rate(const kg_train_config *config, uint64_t step);
const kg_train_phase *kg_train__phase(const kg_train_config *config, uint64_t step);
/* KG_ECORRUPT, nothing moved, when the gradient is not finite. */
KG_NODISCARD kg_err kg_train__optimize(kg_train *train, double rate);

#endif
