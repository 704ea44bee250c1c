/* SPDX-License-Identifier: MIT */
/*
 * train – teaches a small Llama-shaped byte model its lessons and stories, two bits in the loop.
 *
 * The model: token embedding tied with the output head, RMSNorm (eps 1e-5), attention with rotary
 * positions on interleaved pairs (theta 10,000), SwiGLU, residuals, no biases; matrices are
 * row-major [out][in]. Each step the seven linear matrices of every layer are replaced by what
 * their fairy code stands for (runtime/fairy.h), the gradient passes straight through to the float
 * latents, and AdamW moves those. What a run leaves behind is the float latents: every seed's
 * member is quantized from them.
 *
 * A run is a list of phases, each with its own rate schedule and pairing: `fixed` quantizes with
 * the plain pairing, `random` with a fresh seed every step, which makes the model good under any.
 *
 * Batches are packed: every segment (a lesson or two or three, or a window of story) is its own
 * causal attention span with positions from 0.
 *
 * One training state belongs to one thread and uses one BLAS thread. Same machine, same build,
 * same config and texts: same latents, bit for bit, also across a save and a load. Across machines
 * only the quality is the same, since BLAS kernels differ.
 */
#ifndef KG_RUNTIME_TRAIN_TRAIN_H
#define KG_RUNTIME_TRAIN_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	/* Ids: 0 <unk>, 1 <s>, 2 </s>, then the 256 bytes. */
	KG_TRAIN_VOCABULARY = 259,
	KG_TRAIN_BOS = 1,
	KG_TRAIN_BYTE_0 = 3,
	KG_TRAIN_LAYERS_MAX = 32,
	KG_TRAIN_PHASES_MAX = 16,
	KG_TRAIN_TEXTS_MAX = 16,
	KG_TRAIN_PREFIXES_MAX = 4,
	KG_TRAIN_NAME_MAX = 32,
	KG_TRAIN_PATH_MAX = 256,
	KG_TRAIN_TASKS_MAX = 32,
};

typedef struct {
	uint32_t dim;
	uint32_t hidden;
	uint32_t layers;
	uint32_t heads;
	uint32_t kv_heads;
	uint32_t context; /* longest segment */
} kg_train_shape;

typedef enum { KG_TRAIN_FIXED, KG_TRAIN_RANDOM } kg_train_pairing;

typedef struct {
	char name[KG_TRAIN_NAME_MAX];
	uint64_t steps;
	uint64_t warmup; /* steps of linear rise to `rate` */
	double rate;     /* peak learning rate */
	double final;    /* share of `rate` left at the last step of the cosine */
	kg_train_pairing pairing;
} kg_train_phase;

/* One text. Documents are split at lines "<|endoftext|>" and before lines that begin with a
 * prefix; without either the whole file is one document. */
typedef struct {
	char name[KG_TRAIN_NAME_MAX];
	char path[KG_TRAIN_PATH_MAX];
	double weight;
	char prefix[KG_TRAIN_PREFIXES_MAX][KG_TRAIN_NAME_MAX];
	uint32_t prefix_count;
} kg_train_text;

typedef struct {
	kg_train_shape shape;
	uint32_t stages; /* of the fairy code: 1..3; 0 trains plain floats */
	uint32_t tokens_per_step;
	uint32_t evaluate_every;   /* steps; 0 = only at the end of a phase */
	uint32_t save_every;       /* steps; 0 = only at the end and at a stop */
	uint32_t progress_every;   /* steps */
	uint32_t lessons_per_task; /* graded at each evaluation */
	uint64_t seed;
	double lessons_share;        /* of all tokens; the rest is text */
	double several_share;        /* of lesson segments: two or three lines instead of one */
	double repeat_share;         /* of those: the last question was asked before */
	double document_start_share; /* of text windows: begins at a document's start */
	double answer_weight;
	double question_weight;
	double beta1;
	double beta2;
	double decay; /* on the linear matrices only */
	double clip;  /* global gradient norm */
	kg_train_phase phase[KG_TRAIN_PHASES_MAX];
	uint32_t phase_count;
	kg_train_text text[KG_TRAIN_TEXTS_MAX];
	uint32_t text_count;
} kg_train_config;

/* Every value at its default; no phases, no texts. */
void kg_train_config_init(kg_train_config *config);

/* Reads an INI file over the defaults. KG_EINVAL with file and line for an unknown section or key
 * or a value outside its limits. */
KG_NODISCARD kg_err kg_train_config_load(kg_train_config *config, const char *path);

/* What the parts of a config require of each other; KG_EINVAL says which. */
KG_NODISCARD kg_err kg_train_config_check(const kg_train_config *config);

typedef struct kg_train kg_train;

/* A fresh training state: latents drawn from config->seed, texts read into memory. */
KG_NODISCARD kg_err kg_train_new(kg_train **train, const kg_train_config *config);
void kg_train_free(kg_train *train);

/* One optimizer step; *loss is the weighted mean cross-entropy before it, in nats. KG_ECORRUPT when
 * the numbers have left the finite ones: the last checkpoint is then the place to go back to. */
KG_NODISCARD kg_err kg_train_step(kg_train *train, double *loss);

uint64_t kg_train_steps_done(const kg_train *train);
uint64_t kg_train_steps_total(const kg_train *train);

/* Everything that decides the rest of the run, written beside `path` and renamed over it after
 * fsync. */
KG_NODISCARD kg_err kg_train_save(const kg_train *train, const char *path);

/* Continues a saved run in a state made with the same shape and strategy; phases, texts and rates
 * may differ, so that a schedule can be extended. KG_ECORRUPT for a file that is cut, changed or no
 * checkpoint, KG_ECONFLICT for one of another shape; the state is then as it was. */
KG_NODISCARD kg_err kg_train_load(kg_train *train, const char *path);

typedef struct {
	uint64_t step;
	const char *phase;   /* name */
	const char *pairing; /* "plain" or "seeded": how the graded weights were quantized */
	double text_nats;    /* per byte of the held-out end of the first text; NAN without text */
	uint32_t task_count;
	double accuracy[KG_TRAIN_TASKS_MAX]; /* exact greedy answers, test split, trained wording */
	double accuracy_mean;
} kg_train_grade;

/* Grades the current latents quantized with the plain pairing (`seeded` false) or with one seed
 * that training never draws. Does not disturb the run. */
KG_NODISCARD kg_err kg_train_evaluate(kg_train *train, bool seeded, kg_train_grade *grade);

typedef struct {
	uint64_t step;
	uint64_t steps; /* of the whole run */
	const char *phase;
	double loss; /* mean since the last report */
	double rate;
	double tokens_per_s;
	double eta_s;
} kg_train_progress;

/* What a run needs from its surroundings; `data` comes back in every call. */
typedef struct {
	void *data;
	int64_t (*now_ms)(void *data); /* monotonic */
	bool (*stop)(void *data);      /* true: save and return; asked after every step */
	void (*progress)(void *data, const kg_train_progress *progress);
	void (*graded)(void *data, const kg_train_grade *grade); /* may be NULL */
} kg_train_port;

/*
 * Runs from the current step to the end of the last phase, or until stop(). Writes
 * directory/checkpoint.kgt (and phase-NAME.kgt when a phase ends) and appends one JSON object per
 * progress report and grade to directory/metrics.jsonl. KG_OK also when stopped;
 * kg_train_steps_done() tells.
 */
KG_NODISCARD kg_err kg_train_run(kg_train *train, const kg_train_port *port, const char *directory);

/* A trained tensor, named as in GGUF ("blk.0.attn_q.weight"); its name is also the pairing's. */
typedef struct {
	const char *name;
	uint32_t rows; /* 1 for a gain */
	uint32_t cols;
	bool quantized;    /* goes through the fairy code at inference */
	const float *data; /* the latent; borrowed, changes with the next step */
} kg_train_tensor;

uint32_t kg_train_tensor_count(const kg_train *train);
kg_train_tensor kg_train_tensor_at(const kg_train *train, uint32_t index);
const kg_train_config *kg_train_config_of(const kg_train *train);

/*
 * The value OPENBLAS_CORETYPE should have had when this process started, or NULL when all is well.
 * OpenBLAS 0.3.21 falls back to AVX2 kernels on processors it does not know, at half the speed; it
 * reads the variable before main(), so the caller sets it and executes itself again.
 */
const char *kg_train_blas_coretype(void);

#endif
