/* SPDX-License-Identifier: MIT */
#include "runtime/safetensors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { PREFIX_SIZE = 8 };

struct kg_safetensors {
	json_t *header;         /* owns the names */
	kg_safetensor *tensors; /* by name */
	uint32_t count;
};

static const struct {
	const char *name;
	uint32_t type;
	uint32_t bytes;
} dtypes[] = {
	{"F32", KG_GGML_F32, 4}, {"F16", KG_GGML_F16, 2},    {"BF16", KG_GGML_BF16, 2},
	{"F64", UINT32_MAX, 8},  {"I64", UINT32_MAX, 8},     {"U64", UINT32_MAX, 8},
	{"I32", UINT32_MAX, 4},  {"U32", UINT32_MAX, 4},     {"I16", UINT32_MAX, 2},
	{"U16", UINT32_MAX, 2},  {"I8", UINT32_MAX, 1},      {"U8", UINT32_MAX, 1},
	{"BOOL", UINT32_MAX, 1}, {"F8_E4M3", UINT32_MAX, 1}, {"F8_E5M2", UINT32_MAX, 1},
};

static kg_err check_name(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size > KG_SAFETENSORS_NAME_MAX)
		return kg_fail(KG_ECORRUPT, "safetensors: a name of %zu bytes", size);
	for (size_t i = 0; i < size; i++)
		if (name[i] < 0x21 || name[i] > 0x7e)
			return kg_fail(KG_ECORRUPT, "safetensors: a name is not printable");
	return KG_OK;
}

static kg_err take_dtype(kg_safetensor *t, const json_t *about, uint32_t *bytes)
{
	const char *text;
	kg_err err = kg_json_get_text(&text, about, "dtype", 16);

	if (err != KG_OK)
		return kg_fail_context(err, "safetensors: %s", t->name);
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (strcmp(text, dtypes[i].name) == 0) {
			t->dtype = dtypes[i].name;
			t->type = dtypes[i].type;
			*bytes = dtypes[i].bytes;
			return KG_OK;
		}
	return kg_fail(KG_ECORRUPT, "safetensors: %s has an unknown type", t->name);
}

/* Elements of the shape. A product stays at most 2^31 before each multiplication by at most 2^31:
 * no 64-bit overflow. */
static kg_err take_shape(kg_safetensor *t, const json_t *about, uint64_t *elements)
{
	const uint64_t elements_max = UINT64_C(1) << 31;
	json_t *shape;
	kg_err err = kg_json_get_array(&shape, about, "shape", KG_SAFETENSORS_DIMS_MAX);

	if (err != KG_OK)
		return kg_fail_context(err, "safetensors: %s", t->name);
	*elements = 1;
	t->dims_count = (uint32_t)json_array_size(shape);
	for (uint32_t d = 0; d < KG_SAFETENSORS_DIMS_MAX; d++) {
		const json_t *dim = json_array_get(shape, d);

		t->dims[d] = 1;
		if (d >= t->dims_count)
			continue;
		if (!json_is_integer(dim) || json_integer_value(dim) < 0 ||
		    (uint64_t)json_integer_value(dim) > elements_max)
			return kg_fail(KG_ECORRUPT, "safetensors: dimension %u of %s is absurd", d,
				       t->name);
		t->dims[d] = (uint64_t)json_integer_value(dim);
		*elements *= t->dims[d];
		if (*elements > elements_max)
			return kg_fail(KG_ECORRUPT, "safetensors: the size of %s is absurd",
				       t->name);
	}
	return KG_OK;
}

static kg_err take_tensor(kg_safetensor *t, const char *name, const json_t *about,
			  const uint8_t *data, size_t size)
{
	uint64_t elements = 0;
	uint32_t bytes = 0;
	json_t *offsets = NULL;
	int64_t begin;
	int64_t end;
	kg_err err = check_name(name);

	if (err != KG_OK)
		return err;
	t->name = name;
	if (!json_is_object(about))
		return kg_fail(KG_ECORRUPT, "safetensors: %s is no object", name);
	err = take_dtype(t, about, &bytes);
	if (err == KG_OK)
		err = take_shape(t, about, &elements);
	if (err != KG_OK)
		return err;
	err = kg_json_get_array(&offsets, about, "data_offsets", 2);
	if (err != KG_OK)
		return kg_fail_context(err, "safetensors: %s", name);
	if (json_array_size(offsets) != 2 || !json_is_integer(json_array_get(offsets, 0)) ||
	    !json_is_integer(json_array_get(offsets, 1)))
		return kg_fail(KG_ECORRUPT, "safetensors: %s has no two offsets", name);
	begin = json_integer_value(json_array_get(offsets, 0));
	end = json_integer_value(json_array_get(offsets, 1));
	if (begin < 0 || end < begin || (uint64_t)end > size)
		return kg_fail(KG_ECORRUPT,
			       "safetensors: %s lies at %lld..%lld; %zu bytes are there", name,
			       (long long)begin, (long long)end, size);
	if ((uint64_t)(end - begin) != elements * bytes)
		return kg_fail(KG_ECORRUPT, "safetensors: %s has %lld bytes, its shape says %llu",
			       name, (long long)(end - begin),
			       (unsigned long long)(elements * bytes));
	t->data = data + begin;
	t->size = (size_t)(end - begin);
	return KG_OK;
}

static int compare_places(const void *a, const void *b)
{
	const kg_safetensor *x = a;
	const kg_safetensor *y = b;

	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

static int compare_names(const void *a, const void *b)
{
	const kg_safetensor *x = a;
	const kg_safetensor *y = b;

	return strcmp(x->name, y->name);
}

/* Every byte of the data belongs to one tensor. */
static kg_err check_places(kg_safetensors *file, const uint8_t *data, size_t size)
{
	const uint8_t *at = data;

	qsort(file->tensors, file->count, sizeof(*file->tensors), compare_places);
	for (uint32_t i = 0; i < file->count; i++) {
		if (file->tensors[i].data != at)
			return kg_fail(KG_ECORRUPT, "safetensors: %s overlaps or leaves a gap",
				       file->tensors[i].name);
		at += file->tensors[i].size;
	}
	if (at != data + size)
		return kg_fail(KG_ECORRUPT, "safetensors: %zu bytes belong to no tensor",
			       (size_t)(data + size - at));
	return KG_OK;
}

static kg_err take_tensors(kg_safetensors *file, const uint8_t *data, size_t size)
{
	const char *name;
	json_t *about;

	if (!json_is_object(file->header))
		return kg_fail(KG_ECORRUPT, "safetensors: the header is no object");
	if (json_object_size(file->header) > KG_SAFETENSORS_COUNT_MAX)
		return kg_fail(KG_EFULL, "safetensors: more than %d tensors",
			       KG_SAFETENSORS_COUNT_MAX);
	file->tensors = calloc(json_object_size(file->header) + 1, sizeof(*file->tensors));
	if (file->tensors == NULL)
		return kg_fail(KG_ENOMEM, "safetensors: no memory");
	json_object_foreach(file->header, name, about)
	{
		kg_err err;

		if (strcmp(name, "__metadata__") == 0)
			continue;
		err = take_tensor(&file->tensors[file->count], name, about, data, size);
		if (err != KG_OK)
			return err;
		file->count++;
	}
	return check_places(file, data, size);
}

kg_err kg_safetensors_open(kg_safetensors **out, const uint8_t *data, size_t size)
{
	kg_safetensors *file;
	uint64_t header;
	kg_err err;

	if (size < PREFIX_SIZE)
		return kg_fail(KG_ECORRUPT, "safetensors: cut off in the first %d bytes",
			       PREFIX_SIZE);
	memcpy(&header, data, sizeof(header));
	if (header > KG_JSON_SIZE_MAX)
		return kg_fail(KG_EFULL, "safetensors: a header of %llu bytes; the limit is %d",
			       (unsigned long long)header, KG_JSON_SIZE_MAX);
	if (header > size - PREFIX_SIZE)
		return kg_fail(KG_ECORRUPT, "safetensors: cut off in the header");
	file = calloc(1, sizeof(*file));
	if (file == NULL)
		return kg_fail(KG_ENOMEM, "safetensors: no memory");
	err = kg_json_parse(&file->header, data + PREFIX_SIZE, header);
	if (err == KG_OK)
		err = take_tensors(file, data + PREFIX_SIZE + header, size - PREFIX_SIZE - header);
	else
		err = kg_fail_context(err, "safetensors");
	if (err != KG_OK) {
		kg_safetensors_free(file);
		return err;
	}
	qsort(file->tensors, file->count, sizeof(*file->tensors), compare_names);
	*out = file;
	return KG_OK;
}

void kg_safetensors_free(kg_safetensors *file)
{
	if (file == NULL)
		return;
	json_decref(file->header);
	free(file->tensors);
	free(file);
}

uint32_t kg_safetensors_count(const kg_safetensors *file)
{
	return file->count;
}

const kg_safetensor *kg_safetensors_at(const kg_safetensors *file, uint32_t index)
{
	KG_ASSERT(index < file->count);
	return &file->tensors[index];
}

const kg_safetensor *kg_safetensors_get(const kg_safetensors *file, const char *name)
{
	kg_safetensor wanted = {.name = name};

	return bsearch(&wanted, file->tensors, file->count, sizeof(wanted), compare_names);
}
