/* SPDX-License-Identifier: MIT */
/*
 * hf_folder – the files of a Hugging Face folder: weights in model.safetensors or, by the index, in
 * several; tokenizer.json or tokenizer.model; the template of conversations.
 *
 * Everything found stays mapped until release. Nothing outside the folder is opened.
 */
#ifndef KG_RUNTIME_HF_FOLDER_H
#define KG_RUNTIME_HF_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"
#include "runtime/model.h"
#include "runtime/safetensors.h"
#include "runtime/tokenizer_json.h"

enum { KG_HF_SHARDS_MAX = 256 };

typedef struct {
	kg_map map;
	kg_safetensors *file;
} kg_hf_shard;

typedef struct {
	const char *path; /* borrowed */
	kg_hf_shard *shards;
	uint32_t shards_count;
	uint64_t bytes; /* of all shards */
} kg_hf_folder;

/* Path set by the caller, all else zero, and release whatever came back. A file of the folder. */
KG_NODISCARD kg_err kg_hf_folder_map(kg_map *out, const kg_hf_folder *folder, const char *name);
bool kg_hf_folder_has(const kg_hf_folder *folder, const char *name);

/* Opens all weights. KG_ENOTFOUND, KG_ECORRUPT, KG_EFULL, KG_ENOMEM, KG_EIO. */
KG_NODISCARD kg_err kg_hf_folder_open(kg_hf_folder *folder);
void kg_hf_folder_release(kg_hf_folder *folder);

/* The tensor of that name in whichever shard, or NULL; KG_ECORRUPT when two have it. */
KG_NODISCARD kg_err kg_hf_folder_find(const kg_hf_folder *folder, const char *name,
				      const kg_safetensor **out);

/* The same as floats, rows * cols of them; rows 0 wants a vector. KG_ECORRUPT when it is missing or
 * of another shape, KG_EINVAL for a type that is not F32, F16 or BF16. */
KG_NODISCARD kg_err kg_hf_folder_floats(const kg_hf_folder *folder, const char *name, uint32_t rows,
					uint32_t cols, float *out);

/* Calls for every tensor; stops at the first error. */
typedef kg_err kg_hf_visitor(void *context, const char *name);
KG_NODISCARD kg_err kg_hf_folder_visit(const kg_hf_folder *folder, kg_hf_visitor *visit,
				       void *context);

/* The vocabulary of tokenizer.json, or of tokenizer.model where there is none. */
KG_NODISCARD kg_err kg_hf_folder_tokenizer(kg_tokenizer **out, const kg_hf_folder *folder,
					   const kg_tokenizer_hints *hints);

/* Gives the model the template of conversations, if the folder has one. */
KG_NODISCARD kg_err kg_hf_folder_template(const kg_hf_folder *folder, kg_model *model);

#endif
