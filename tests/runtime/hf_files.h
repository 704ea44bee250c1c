/* SPDX-License-Identifier: MIT */
/* hf_files – a Hugging Face folder of random tensors, written from the definition of its files. */
#ifndef KG_TESTS_RUNTIME_HF_FILES_H
#define KG_TESTS_RUNTIME_HF_FILES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/rng.h"

enum { HF_TENSORS_MAX = 64, HF_FILE_MAX = 1 << 20 };

typedef struct {
	char name[80];
	uint32_t rows; /* 0: a vector */
	uint32_t cols;
	float *data; /* exact in halves and brain floats */
} hf_part;

typedef struct {
	char path[64];
	hf_part parts[HF_TENSORS_MAX];
	uint32_t count;
	kg_rng rng;
} hf_folder;

/* An empty folder under /tmp; release removes the files that tests put there, and it. */
void hf_init(hf_folder *f);
void hf_release(hf_folder *f);

/* One tensor more, not yet in a file. */
void hf_add(hf_folder *f, const char *name, uint32_t rows, uint32_t cols);

/* The tensor of that name; the test fails when there is none. */
hf_part *hf_find(hf_folder *f, const char *name);

void hf_put(const hf_folder *f, const char *name, const void *data, size_t size);
void hf_put_text(const hf_folder *f, const char *name, const char *text);
void hf_remove(const hf_folder *f, const char *name);

/* Every `step`th tensor from `first` on, in one safetensors file; dtype F32, F16 or BF16. */
kg_buf hf_shard(const hf_folder *f, uint32_t first, uint32_t step, const char *dtype);
void hf_put_shard(const hf_folder *f, const char *name, uint32_t first, uint32_t step,
		  const char *dtype);

/* An index with the tensors in turn in a first and a second file. */
kg_buf hf_index(const hf_folder *f, const char *first, const char *second);
void hf_put_index(const hf_folder *f, const char *first, const char *second);

/* The import of it fails with this code and a message that has `because`. */
void hf_assert_refused(const hf_folder *f, kg_err code, const char *because);

/* tokenizer.json of five tokens: a, b, ab, <s> and one that nothing is. */
extern const char hf_tokenizer[];

#endif
