/* SPDX-License-Identifier: MIT */
/*
 * gguf – the container of model files: keys with values, then named tensors.
 *
 * GGUF version 3 (and 2, whose bytes mean the same), little-endian. The reader works in place:
 * keys, strings and tensor data are pointers into the bytes it was given. Every count, length and
 * offset is bounded before it is used. Nothing is read twice: what open accepted stays valid while
 * the bytes do.
 */
#ifndef KG_RUNTIME_GGUF_H
#define KG_RUNTIME_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	KG_GGUF_KEYS_MAX = 4096,
	KG_GGUF_TENSORS_MAX = 32768,
	KG_GGUF_NAME_MAX = 256,       /* bytes of a key or tensor name */
	KG_GGUF_STRING_MAX = 1 << 20, /* bytes of a string value */
	KG_GGUF_ARRAY_MAX = 4 << 20,  /* elements of an array value; arrays do not nest */
	KG_GGUF_DIMS_MAX = 4,
	KG_GGUF_ALIGNMENT_MAX = 65536,
	KG_GGUF_ALIGNMENT = 64,       /* of .fairy files */
	KG_GGUF_ALIGNMENT_PLAIN = 32, /* of other programs' files, which count on it */
};

typedef enum {
	KG_GGUF_U8 = 0,
	KG_GGUF_I8 = 1,
	KG_GGUF_U16 = 2,
	KG_GGUF_I16 = 3,
	KG_GGUF_U32 = 4,
	KG_GGUF_I32 = 5,
	KG_GGUF_F32 = 6,
	KG_GGUF_BOOL = 7,
	KG_GGUF_STRING = 8,
	KG_GGUF_ARRAY = 9,
	KG_GGUF_U64 = 10,
	KG_GGUF_I64 = 11,
	KG_GGUF_F64 = 12,
} kg_gguf_type;

/* Tensor types, with ggml's numbers: plain ones and blocks of weights (runtime/ggml_blocks.h). */
typedef enum {
	KG_GGML_F32 = 0,
	KG_GGML_F16 = 1,
	KG_GGML_Q4_0 = 2,
	KG_GGML_Q4_1 = 3,
	KG_GGML_Q5_0 = 6,
	KG_GGML_Q5_1 = 7,
	KG_GGML_Q8_0 = 8,
	KG_GGML_Q2_K = 10,
	KG_GGML_Q3_K = 11,
	KG_GGML_Q4_K = 12,
	KG_GGML_Q5_K = 13,
	KG_GGML_Q6_K = 14,
	KG_GGML_IQ4_NL = 20,
	KG_GGML_I8 = 24,
	KG_GGML_I16 = 25,
	KG_GGML_I32 = 26,
	KG_GGML_I64 = 27,
	KG_GGML_F64 = 28,
	KG_GGML_BF16 = 30,
	KG_GGML_TQ1_0 = 34,
	KG_GGML_TQ2_0 = 35,
} kg_ggml_type;

typedef struct {
	const char *name; /* name_size bytes, not terminated */
	size_t name_size;
	kg_ggml_type type;
	uint32_t dims_count;             /* 1..4 */
	uint64_t dims[KG_GGUF_DIMS_MAX]; /* first is the innermost, whole blocks; unused ones are 1
					  */
	const uint8_t *data;
	size_t size;
} kg_gguf_tensor;

/* A string value or an array of numbers or strings. */
typedef struct {
	kg_gguf_type type; /* of the elements */
	uint64_t count;
	const uint8_t *data; /* not aligned */
	size_t size;
} kg_gguf_array;

typedef struct kg_gguf kg_gguf;

/* Checks the whole structure. `data` outlives the kg_gguf. KG_ECORRUPT naming what is wrong. */
KG_NODISCARD kg_err kg_gguf_open(kg_gguf **out, const uint8_t *data, size_t size);
void kg_gguf_free(kg_gguf *gguf);

/* Values by key: KG_ENOTFOUND when there is none, KG_ECORRUPT when the type does not fit. Any
 * integer type is read as u32 when the value fits; f32 and f64 as float. */
KG_NODISCARD kg_err kg_gguf_get_u32(const kg_gguf *gguf, const char *key, uint32_t *out);
KG_NODISCARD kg_err kg_gguf_get_float(const kg_gguf *gguf, const char *key, float *out);
KG_NODISCARD kg_err kg_gguf_get_bool(const kg_gguf *gguf, const char *key, bool *out);
KG_NODISCARD kg_err kg_gguf_get_string(const kg_gguf *gguf, const char *key, const char **text,
				       size_t *size);
KG_NODISCARD kg_err kg_gguf_get_array(const kg_gguf *gguf, const char *key, kg_gguf_type type,
				      kg_gguf_array *out);
bool kg_gguf_has(const kg_gguf *gguf, const char *key);

/* All keys, sorted; index < count. Borrowed, not terminated. */
uint32_t kg_gguf_key_count(const kg_gguf *gguf);
const char *kg_gguf_key_at(const kg_gguf *gguf, uint32_t index, size_t *size);

/* Takes the first string off an array of strings. The array was checked at open. */
void kg_gguf_array_next(kg_gguf_array *array, const char **text, size_t *size);

uint32_t kg_gguf_tensor_count(const kg_gguf *gguf);
const kg_gguf_tensor *kg_gguf_tensor_at(const kg_gguf *gguf, uint32_t index);

/* NULL when there is none of that name. */
const kg_gguf_tensor *kg_gguf_tensor_get(const kg_gguf *gguf, const char *name);

/*
 * Writing: keys first, then tensors, then finish, which appends the file to `out`, or save. A
 * failure is kept and told by finish. general.alignment, one of the two above, is written by init.
 * Tensor data are borrowed until finish.
 */
typedef struct {
	kg_buf keys;
	kg_buf infos;
	uint64_t keys_count;
	uint64_t tensors_count;
	uint64_t data_size;
	uint32_t alignment;
	const void **data; /* tensors_count entries */
	size_t *sizes;
	kg_err failed;
} kg_gguf_writer;

void kg_gguf_writer_init(kg_gguf_writer *writer, uint32_t alignment);
void kg_gguf_writer_release(kg_gguf_writer *writer);
void kg_gguf_put_u32(kg_gguf_writer *writer, const char *key, uint32_t value);
void kg_gguf_put_float(kg_gguf_writer *writer, const char *key, float value);
void kg_gguf_put_bool(kg_gguf_writer *writer, const char *key, bool value);
void kg_gguf_put_string(kg_gguf_writer *writer, const char *key, const char *text, size_t size);
/* `data` is the array's bytes as GGUF stores them (strings with their lengths). */
void kg_gguf_put_array(kg_gguf_writer *writer, const char *key, kg_gguf_type type, uint64_t count,
		       const void *data, size_t size);
/* A tensor of F32, F16, I8 or Q8_0. */
void kg_gguf_put_tensor(kg_gguf_writer *writer, const char *name, kg_ggml_type type,
			const uint64_t *dims, uint32_t dims_count, const void *data);
KG_NODISCARD kg_err kg_gguf_writer_finish(kg_gguf_writer *writer, kg_buf *out);

/* The same into a file, whole or not at all (kg_fs_write); tensors are not copied. */
KG_NODISCARD kg_err kg_gguf_writer_save(kg_gguf_writer *writer, const char *path);

#endif
