/* SPDX-License-Identifier: MIT */
/*
 * model – a Llama-family or complex model as a .fairy file (docs/model-format.md) or in memory.
 *
 * An opened file stays mapped read-only and shared; tensors point into it, so that agents of one
 * machine share the pages. Everything in the file is checked at open: sizes against the config,
 * scales, packing; afterwards every tensor can be used without a check. A kg_model does not change
 * once built; threads may share it.
 *
 * Matrices are rows x cols = outputs x inputs, row-major. RoPE turns the pairs (2i, 2i+1) of a
 * head; models that turn other pairs have their rows reordered when they are imported.
 *
 * In a complex model (iFairy) dim, hidden and head_dim count complex numbers. Its matrices are of
 * complex numbers, in the format phase only. Everything else is of real numbers: a gain of a norm
 * and a row of the embedding or head are the real parts of all, then the imaginary parts of all.
 */
#ifndef KG_RUNTIME_MODEL_H
#define KG_RUNTIME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"
#include "runtime/coded.h"
#include "runtime/fairy.h"
#include "runtime/format.h"
#include "runtime/phase.h"
#include "runtime/tokenizer.h"

enum {
	KG_MODEL_DIM_MAX = 16384,
	KG_MODEL_HIDDEN_MAX = 65536,
	KG_MODEL_LAYERS_MAX = 512,
	KG_MODEL_HEADS_MAX = 1024,
	KG_MODEL_CONTEXT_MAX = 1 << 20,
	KG_MODEL_VOCABULARY_MAX = KG_TOKENIZER_COUNT_MAX,
	KG_MODEL_NAME_MAX = 128,          /* bytes of a model name */
	KG_MODEL_PROMPT_MAX = 256,        /* bytes of each prompt part */
	KG_MODEL_TEMPLATE_MAX = 64 << 10, /* bytes of a chat template */
	KG_DIGEST_SIZE_MODEL = 32,        /* bytes of a base digest */
};

typedef enum {
	KG_ARCHITECTURE_LLAMA,
	KG_ARCHITECTURE_IFAIRY, /* native complex: arXiv 2508.05571 */
	KG_ARCHITECTURE_COUNT,
} kg_architecture;

/* "llama", "ifairy": as in general.architecture. */
const char *kg_architecture_name(kg_architecture architecture);

typedef struct {
	uint32_t dim;    /* of the residual stream; heads * head_dim may differ */
	uint32_t hidden; /* of the feed-forward part */
	uint32_t layers;
	uint32_t heads;
	uint32_t kv_heads; /* divides heads */
	uint32_t head_dim; /* even; of a complex model any */
	uint32_t vocabulary;
	uint32_t context; /* positions the model was trained for */
	float rope_theta;
	float norm_eps;
	bool tied;         /* the head is the embedding */
	bool qkv_bias;     /* queries, keys and values have a bias each */
	bool qk_norm;      /* queries and keys are normed, head by head, before they are turned */
	bool rope_factors; /* every frequency of the rotation is divided by a factor of its own */
	kg_architecture architecture;
	/* What scores of attention are multiplied by; 0: 1 / sqrt of the real numbers of a head, as
	 * llama always has it. */
	float attention_scale;
} kg_model_config;

/* Real numbers of a head: head_dim, or 2 head_dim. */
uint32_t kg_model_config_head_width(const kg_model_config *config);

/* KG_EINVAL naming the field that is outside its bounds or does not fit the others. */
KG_NODISCARD kg_err kg_model_config_check(const kg_model_config *config);

/* KG_EINVAL unless the strategy is one of the config's architecture: phase for ifairy alone. */
KG_NODISCARD kg_err kg_model_config_check_strategy(const kg_model_config *config,
						   const kg_strategy *strategy);

/* How a question is put to the model; NULL where the file has none. */
typedef struct {
	const char *prefix; /* before the question: "Q: " */
	const char *suffix; /* after it: " A:" */
	const char *stop;   /* text that ends the answer: "\n" */
} kg_model_prompt;

/* The tensors of a model. Those before the embedding exist once per layer, the others once (layer
 * 0). Biases, query and key norms and the factors are there only where the config says so. Shapes
 * are llama's; a complex model has twice the columns in everything that is not a matrix of a layer,
 * two norms more, and none of biases, query and key norms and factors. */
typedef enum {
	KG_TENSOR_ATTN_NORM,     /* 1 x dim */
	KG_TENSOR_ATTN_Q,        /* heads * head_dim x dim */
	KG_TENSOR_ATTN_K,        /* kv_heads * head_dim x dim */
	KG_TENSOR_ATTN_V,        /* kv_heads * head_dim x dim */
	KG_TENSOR_ATTN_OUTPUT,   /* dim x heads * head_dim */
	KG_TENSOR_FFN_NORM,      /* 1 x dim */
	KG_TENSOR_FFN_GATE,      /* hidden x dim */
	KG_TENSOR_FFN_UP,        /* hidden x dim */
	KG_TENSOR_FFN_DOWN,      /* dim x hidden */
	KG_TENSOR_ATTN_Q_BIAS,   /* 1 x heads * head_dim */
	KG_TENSOR_ATTN_K_BIAS,   /* 1 x kv_heads * head_dim */
	KG_TENSOR_ATTN_V_BIAS,   /* 1 x kv_heads * head_dim */
	KG_TENSOR_ATTN_Q_NORM,   /* 1 x head_dim, the same for every head */
	KG_TENSOR_ATTN_K_NORM,   /* 1 x head_dim */
	KG_TENSOR_ATTN_SUB_NORM, /* 1 x 2 heads * head_dim: of what attention gives; complex only */
	KG_TENSOR_FFN_SUB_NORM,  /* 1 x 2 hidden: of what goes down; complex only */
	KG_TENSOR_EMBEDDING,     /* vocabulary x dim */
	KG_TENSOR_OUTPUT_NORM,   /* 1 x dim */
	KG_TENSOR_HEAD,          /* vocabulary x dim; the embedding's tensor when tied */
	KG_TENSOR_ROPE_FACTORS,  /* 1 x head_dim / 2, each 0.001..1,000,000 */
	KG_TENSOR_ROLE_COUNT,
	KG_TENSOR_LAYER_ROLES = KG_TENSOR_EMBEDDING, /* how many there are per layer at most */
} kg_tensor_role;

enum { KG_TENSOR_NAME_MAX = 64 };

typedef struct {
	char name[KG_TENSOR_NAME_MAX]; /* as in GGUF: "blk.0.attn_q.weight"; names the pairing too
					*/
	kg_tensor_role role;
	uint32_t layer;
	kg_format format;
	uint32_t rows;
	uint32_t cols;
	uint64_t bytes; /* in the file, scales and padding included; 0 in a model from kg_model_new
			 */
	const void *data; /* f32: float, f16: uint16_t; NULL for the others */
	/* Codes in lines (runtime/lines.h): int8 in the first; fairy: of each plane. */
	const uint8_t *line[KG_FAIRY_PLANES_MAX];
	const float *scales; /* int8: one per row, finite, >= 0 */
	kg_fairy fairy;      /* fairy formats: the matrix as paired; no codes, they are in lines */
	kg_coded coded;      /* coded formats; what it points to is read-only */
	kg_phase phase;      /* phase: the lines are read-only but in a model from kg_model_new */
} kg_tensor;

/* A role is quantized as a linear matrix, or as a table (embedding, head), or is a vector that
 * stays float: the gains of a norm, a bias, the factors of the rotation. */
bool kg_tensor_role_is_linear(kg_tensor_role role);
bool kg_tensor_role_is_vector(kg_tensor_role role);
bool kg_tensor_role_is_norm(kg_tensor_role role);

/* Whether a model of this config has it; a tied model has no tensor of the head. */
bool kg_tensor_role_exists(kg_tensor_role role, const kg_model_config *config);

/* The format that `strategy` gives a role. */
kg_format kg_tensor_role_format(kg_tensor_role role, kg_strategy strategy);

/* Rows and columns of a role under a checked config. */
void kg_tensor_role_shape(kg_tensor_role role, const kg_model_config *config, uint32_t *rows,
			  uint32_t *cols);

/* Weights of all tensors under a checked config; a complex one of a matrix counts once. */
uint64_t kg_model_config_weights(const kg_model_config *config);

/* KG_ECORRUPT unless every factor of a KG_TENSOR_ROPE_FACTORS in f32 is in its bounds. */
KG_NODISCARD kg_err kg_tensor_check_factors(const kg_tensor *tensor);

/* GGUF name of a tensor. */
void kg_tensor_role_name(kg_tensor_role role, uint32_t layer, char out[KG_TENSOR_NAME_MAX]);

typedef struct kg_model kg_model;

/* Maps a .fairy file and checks all of it. KG_ENOTFOUND, KG_EIO, KG_ECORRUPT naming the thing. */
KG_NODISCARD kg_err kg_model_open(kg_model **out, const char *path);

/* The same over bytes that outlive the model; `data` is aligned to 64. */
KG_NODISCARD kg_err kg_model_open_memory(kg_model **out, const uint8_t *data, size_t size);

/* A model of f32 tensors, all zero, to be filled through kg_model_floats before it is shared; the
 * matrices of a complex model are phase, to be filled through kg_model_phase.
 * Consumes *tokenizer. `prompt` may be NULL; names and parts are copied. */
KG_NODISCARD kg_err kg_model_new(kg_model **out, const kg_model_config *config, const char *name,
				 kg_tokenizer **tokenizer, const kg_model_prompt *prompt);

/* The writable floats of a tensor of a model from kg_model_new; rows * cols of them. */
float *kg_model_floats(kg_model *model, kg_tensor_role role, uint32_t layer);

/* The writable matrix of a complex model from kg_model_new; all codes 0, scales 1. */
kg_phase *kg_model_phase(kg_model *model, kg_tensor_role role, uint32_t layer);

/* Gives a model from kg_model_new the template of its conversations (runtime/chat.h), copied. One
 * that is empty, too long or has a NUL is left out: a model computes the same without. KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_model_set_template(kg_model *model, const char *text, size_t size);

void kg_model_free(kg_model *model);

const kg_model_config *kg_model_get_config(const kg_model *model);
const char *kg_model_name(const kg_model *model);
const kg_tokenizer *kg_model_tokenizer(const kg_model *model);
const kg_model_prompt *kg_model_get_prompt(const kg_model *model);

/* The template of conversations, not terminated; NULL and 0 when the model has none. */
const char *kg_model_template(const kg_model *model, size_t *size);

kg_strategy kg_model_strategy(const kg_model *model);

/* KG_SEED_SIZE bytes, or NULL: the plain pairing. Fairy tensors of this file are paired by it. */
const uint8_t *kg_model_seed(const kg_model *model);

/* KG_DIGEST_SIZE_MODEL bytes, or NULL: not quantized from a base. */
const uint8_t *kg_model_base_digest(const kg_model *model);

/* KG_DIGEST_SIZE_MODEL bytes that name what the rounding was calibrated on, or NULL. */
const uint8_t *kg_model_calibration(const kg_model *model);

/* role < KG_TENSOR_ROLE_COUNT; layer < layers for layer roles, else 0. NULL for a bias, a norm or
 * factors that the model has not. */
const kg_tensor *kg_model_tensor(const kg_model *model, kg_tensor_role role, uint32_t layer);

/* The file's tensors in file order, each once (no head when tied). */
uint32_t kg_model_tensor_count(const kg_model *model);
const kg_tensor *kg_model_tensor_at(const kg_model *model, uint32_t index);

/* Number of weights, embedding and head included; a complex one of a matrix counts once. */
uint64_t kg_model_parameters(const kg_model *model);

/* Bytes of the tensors as stored, scales included. */
uint64_t kg_model_tensor_bytes(const kg_model *model);

/* The file as it is, to be digested; NULL and 0 for a model from kg_model_new. */
const uint8_t *kg_model_bytes(const kg_model *model, size_t *size);

/* rows * cols floats of any tensor; a fairy tensor comes back unpaired under the model's seed.
 * KG_EINVAL for phase, which has no real numbers; KG_ENOMEM. */
KG_NODISCARD kg_err kg_model_tensor_floats(const kg_model *model, const kg_tensor *tensor,
					   float *out);

/* A matrix of a layer that is to be written narrow, and where its codes go: int8 to grid and scale,
 * others to coded or fairy; what is not meant is NULL. */
typedef struct {
	const kg_tensor *tensor;
	const float *floats; /* rows x cols; for fairy as paired */
	int8_t *grid;        /* rows x cols */
	float *scale;        /* one per row */
	kg_coded *coded;     /* laid out */
	kg_fairy *fairy;     /* its planes have room for codes */
	uint32_t stages;
	const kg_pairing *pairing;
} kg_rounding;

/* Finds all that kg_grid_quantize, kg_coded_quantize or kg_fairy_quantize would. */
typedef kg_err kg_rounder(void *context, const kg_rounding *rounding);

/* Called after each tensor; return false to stop (KG_ETIMEOUT). */
typedef bool kg_model_progress(void *context, const kg_tensor *tensor, uint32_t done,
			       uint32_t total);

/* What a model is to be written as. */
typedef struct {
	kg_strategy strategy;
	const uint8_t *seed;        /* KG_SEED_SIZE, or NULL: the plain pairing; fairy only */
	const uint8_t *base_digest; /* KG_DIGEST_SIZE_MODEL, or NULL */
	const uint8_t *calibration; /* KG_DIGEST_SIZE_MODEL: what `round` goes by; or NULL */
	kg_rounder *round;          /* or NULL: to the nearest (kg_grid_quantize and so on) */
	void *round_context;
	kg_model_progress *progress; /* or NULL */
	void *progress_context;
} kg_model_form;

/* Writes a .fairy file atomically (temporary file, fsync, rename). KG_EINVAL for a model that is
 * already quantized (its base can be), for fairy formats of a matrix with an odd side, for values
 * that are not finite or, with their scales, too great for a half, and for a strategy of another
 * architecture. Of a complex model only the tables can be made narrower. */
KG_NODISCARD kg_err kg_model_save(const kg_model *model, const char *path,
				  const kg_model_form *form);

/* The same bytes into a buf. */
KG_NODISCARD kg_err kg_model_encode(const kg_model *model, kg_buf *out, const kg_model_form *form);

#endif
