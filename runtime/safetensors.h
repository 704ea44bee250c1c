/* SPDX-License-Identifier: MIT */
/*
 * safetensors – the container of Hugging Face's weights: a JSON header, then tensors.
 *
 * Read in place: tensor data are pointers into the bytes given, of any alignment. At open the
 * header is parsed (at most KG_JSON_SIZE_MAX bytes of it) and every type, shape and offset is
 * checked; tensors have to follow each other from the first byte to the last, as the format wants.
 */
#ifndef KG_RUNTIME_SAFETENSORS_H
#define KG_RUNTIME_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/gguf.h"

enum {
	KG_SAFETENSORS_COUNT_MAX = 32768,
	KG_SAFETENSORS_NAME_MAX = 256,
	KG_SAFETENSORS_DIMS_MAX = 8,
};

typedef struct {
	const char *name;  /* printable ASCII, terminated */
	const char *dtype; /* "F32" */
	uint32_t type;     /* kg_ggml_type of F32, F16 and BF16; UINT32_MAX for the others */
	uint32_t dims_count;
	uint64_t dims[KG_SAFETENSORS_DIMS_MAX]; /* outermost first; unused ones are 1 */
	const uint8_t *data;
	size_t size;
} kg_safetensor;

typedef struct kg_safetensors kg_safetensors;

/* `data` outlives it. KG_ECORRUPT naming what is wrong, KG_EFULL beyond a limit, KG_ENOMEM. */
KG_NODISCARD kg_err kg_safetensors_open(kg_safetensors **out, const uint8_t *data, size_t size);
void kg_safetensors_free(kg_safetensors *file);

uint32_t kg_safetensors_count(const kg_safetensors *file);
const kg_safetensor *kg_safetensors_at(const kg_safetensors *file, uint32_t index);

/* NULL when there is none of that name. */
const kg_safetensor *kg_safetensors_get(const kg_safetensors *file, const char *name);

#endif
