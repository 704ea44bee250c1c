/* SPDX-License-Identifier: MIT */
/* model_impl – what model.c, model_load.c and model_save.c share. */
#ifndef KG_RUNTIME_MODEL_IMPL_H
#define KG_RUNTIME_MODEL_IMPL_H

#include "base/fs.h"
#include "runtime/gguf.h"
#include "runtime/model.h"

enum { KG_MODEL_PROMPT_PARTS = 3, KG_FAIRY_SCALES = 5, KG_PHASE_SCALES = 2 };

struct kg_model {
	kg_model_config config;
	char name[KG_MODEL_NAME_MAX + 1];
	kg_model_prompt prompt;
	char prompt_text[KG_MODEL_PROMPT_PARTS][KG_MODEL_PROMPT_MAX + 1];
	kg_tokenizer *tokenizer;
	const char *template; /* in the file, or owned */
	size_t template_size;
	char *template_owned;
	kg_strategy strategy;
	bool seeded;
	bool has_base;
	bool is_calibrated;
	uint8_t seed[KG_SEED_SIZE];
	uint8_t base_digest[KG_DIGEST_SIZE_MODEL];
	uint8_t calibration[KG_DIGEST_SIZE_MODEL];
	kg_tensor *tensors; /* embedding, those of the layers, output norm, head, factors */
	uint32_t tensors_count;
	uint64_t tensor_bytes;
	const uint8_t *bytes; /* the file, when there is one */
	size_t bytes_size;
	kg_map map;     /* of the file that this model opened itself */
	float *floats;  /* of a model from kg_model_new */
	uint8_t *lines; /* the same: of its phase matrices */
};

/* A model with its tensors named, shaped and given the strategy's formats; no data yet. */
KG_NODISCARD kg_err kg_model__shell(kg_model **out, const kg_model_config *config,
				    kg_strategy strategy);

/* The key of an architecture's number: its name, a dot, `name`. Returns out. */
enum { KG_MODEL_KEY_SIZE = 64 };
const char *kg_model__key(char out[KG_MODEL_KEY_SIZE], const kg_model_config *config,
			  const char *name);

/* Every key of a file but the alignment; the writer tells at its end whether they fitted.
 * KG_ENOMEM.
 */
KG_NODISCARD kg_err kg_model__put_keys(kg_gguf_writer *writer, const kg_model *model,
				       const kg_model_form *form);

/* A text fit for a name: at most `size_max` bytes, no control characters. */
bool kg_model__name_fits(const char *text, size_t size, size_t size_max);

/* Parts in the order prefix, suffix, stop; the key of each in a file. */
extern const char *const kg_model__prompt_keys[KG_MODEL_PROMPT_PARTS];
void kg_model__set_prompt(kg_model *model, int part, const char *text, size_t size);

#endif
