/* SPDX-License-Identifier: MIT */
#include "runtime/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ggml_blocks.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF is read in place: little-endian");

enum { HEADER_SIZE = 24, ALIGNMENT_DEFAULT = 32 };

typedef struct {
	const char *name;
	size_t name_size;
	kg_gguf_type type;
	kg_gguf_array value; /* scalars: one element; strings: the text without its length */
} entry;

struct kg_gguf {
	entry *entries; /* sorted by name */
	kg_gguf_tensor *tensors;
	kg_gguf_tensor **sorted; /* by name */
	uint32_t entries_count;
	uint32_t tensors_count;
	uint64_t alignment;
};

typedef struct {
	const uint8_t *data;
	size_t size; /* bytes left */
} cursor;

static const uint8_t scalar_sizes[] = {
	[KG_GGUF_U8] = 1,  [KG_GGUF_I8] = 1,  [KG_GGUF_U16] = 2, [KG_GGUF_I16] = 2,
	[KG_GGUF_U32] = 4, [KG_GGUF_I32] = 4, [KG_GGUF_F32] = 4, [KG_GGUF_BOOL] = 1,
	[KG_GGUF_U64] = 8, [KG_GGUF_I64] = 8, [KG_GGUF_F64] = 8,
};

static const uint8_t *take(cursor *c, size_t size)
{
	const uint8_t *at = c->data;

	if (size > c->size)
		return NULL;
	c->data += size;
	c->size -= size;
	return at;
}

static bool take_u32(cursor *c, uint32_t *out)
{
	const uint8_t *at = take(c, sizeof(*out));

	if (at != NULL)
		memcpy(out, at, sizeof(*out));
	return at != NULL;
}

static bool take_u64(cursor *c, uint64_t *out)
{
	const uint8_t *at = take(c, sizeof(*out));

	if (at != NULL)
		memcpy(out, at, sizeof(*out));
	return at != NULL;
}

/* A name goes into messages, so it is printable ASCII. */
static kg_err take_name(cursor *c, const char *what, uint32_t index, const char **name,
			size_t *name_size)
{
	uint64_t size;
	const uint8_t *at;

	if (!take_u64(c, &size))
		return kg_fail(KG_ECORRUPT, "model file: cut off before %s %u", what, index);
	if (size == 0 || size > KG_GGUF_NAME_MAX)
		return kg_fail(KG_ECORRUPT, "model file: the name of %s %u has %llu bytes", what,
			       index, (unsigned long long)size);
	at = take(c, size);
	if (at == NULL)
		return kg_fail(KG_ECORRUPT, "model file: cut off in the name of %s %u", what,
			       index);
	for (size_t i = 0; i < size; i++)
		if (at[i] < 0x21 || at[i] > 0x7e)
			return kg_fail(KG_ECORRUPT,
				       "model file: the name of %s %u is not printable", what,
				       index);
	*name = (const char *)at;
	*name_size = size;
	return KG_OK;
}

static kg_err cut_off(const entry *e)
{
	return kg_fail(KG_ECORRUPT, "model file: cut off in the value of %.*s", (int)e->name_size,
		       e->name);
}

static kg_err take_string(cursor *c, const entry *e, const uint8_t **at, uint64_t *size)
{
	if (!take_u64(c, size))
		return cut_off(e);
	if (*size > KG_GGUF_STRING_MAX)
		return kg_fail(KG_ECORRUPT, "model file: a string of %.*s is longer than %d bytes",
			       (int)e->name_size, e->name, KG_GGUF_STRING_MAX);
	*at = take(c, *size);
	return *at == NULL ? cut_off(e) : KG_OK;
}

static kg_err check_bools(const entry *e)
{
	for (size_t i = 0; i < e->value.size; i++)
		if (e->value.data[i] > 1)
			return kg_fail(KG_ECORRUPT, "model file: %.*s is neither true nor false",
				       (int)e->name_size, e->name);
	return KG_OK;
}

/* Numbers or strings, `count` of them. */
static kg_err take_elements(cursor *c, entry *e, uint32_t type, uint64_t count)
{
	const uint8_t *start = c->data;
	kg_err err = KG_OK;

	if (type > KG_GGUF_F64 || type == KG_GGUF_ARRAY)
		return kg_fail(KG_ECORRUPT, "model file: %.*s has the unknown type %u",
			       (int)e->name_size, e->name, type);
	if (type == KG_GGUF_STRING) {
		for (uint64_t i = 0; i < count && err == KG_OK; i++) {
			const uint8_t *text;
			uint64_t size;

			err = take_string(c, e, &text, &size);
		}
		if (err != KG_OK)
			return err;
	} else if (take(c, count * scalar_sizes[type]) == NULL) {
		return cut_off(e);
	}
	e->value.type = (kg_gguf_type)type;
	e->value.count = count;
	e->value.data = start;
	e->value.size = (size_t)(c->data - start);
	return type == KG_GGUF_BOOL ? check_bools(e) : KG_OK;
}

static kg_err take_entry(cursor *c, uint32_t index, entry *e)
{
	uint32_t type;
	uint64_t count = 1;
	kg_err err = take_name(c, "key", index, &e->name, &e->name_size);

	if (err != KG_OK)
		return err;
	if (!take_u32(c, &type))
		return cut_off(e);
	if (type > KG_GGUF_F64)
		return kg_fail(KG_ECORRUPT, "model file: %.*s has the unknown type %u",
			       (int)e->name_size, e->name, type);
	e->type = (kg_gguf_type)type;
	if (type == KG_GGUF_ARRAY) {
		if (!take_u32(c, &type) || !take_u64(c, &count))
			return cut_off(e);
		if (count > KG_GGUF_ARRAY_MAX)
			return kg_fail(KG_ECORRUPT,
				       "model file: array %.*s has more than %d elements",
				       (int)e->name_size, e->name, KG_GGUF_ARRAY_MAX);
	}
	return take_elements(c, e, type, count);
}

static int names_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

	if (order != 0)
		return order;
	return (a_size > b_size) - (a_size < b_size);
}

static int entries_compare(const void *a, const void *b)
{
	const entry *x = a;
	const entry *y = b;

	return names_compare(x->name, x->name_size, y->name, y->name_size);
}

static int tensors_compare(const void *a, const void *b)
{
	const kg_gguf_tensor *x = *(kg_gguf_tensor *const *)a;
	const kg_gguf_tensor *y = *(kg_gguf_tensor *const *)b;

	return names_compare(x->name, x->name_size, y->name, y->name_size);
}

static kg_err take_entries(cursor *c, kg_gguf *g)
{
	g->entries = calloc(g->entries_count + 1, sizeof(*g->entries));
	if (g->entries == NULL)
		return kg_fail(KG_ENOMEM, "model file: no memory for %u keys", g->entries_count);
	for (uint32_t i = 0; i < g->entries_count; i++) {
		kg_err err = take_entry(c, i, &g->entries[i]);

		if (err != KG_OK)
			return err;
	}
	qsort(g->entries, g->entries_count, sizeof(*g->entries), entries_compare);
	for (uint32_t i = 1; i < g->entries_count; i++)
		if (entries_compare(&g->entries[i - 1], &g->entries[i]) == 0)
			return kg_fail(KG_ECORRUPT, "model file: key %.*s is there twice",
				       (int)g->entries[i].name_size, g->entries[i].name);
	return KG_OK;
}

static uint64_t padded(uint64_t size, uint64_t alignment)
{
	return (size + alignment - 1) & ~(alignment - 1);
}

/* Sizes and type of one tensor; its offset has to be `expected`, where the one before ended. */
static kg_err take_tensor(cursor *c, uint32_t index, kg_gguf_tensor *t, uint64_t expected)
{
	/* A product of elements stays under this before each multiplication by a dimension that
	 * is under it too: no 64-bit overflow. */
	const uint64_t elements_max = UINT64_C(1) << 31;
	uint64_t elements = 1;
	uint64_t offset;
	uint32_t type;
	uint32_t weights;
	uint32_t bytes;
	kg_err err = take_name(c, "tensor", index, &t->name, &t->name_size);

	if (err != KG_OK)
		return err;
	if (!take_u32(c, &t->dims_count))
		return kg_fail(KG_ECORRUPT, "model file: cut off in tensor %.*s", (int)t->name_size,
			       t->name);
	if (t->dims_count < 1 || t->dims_count > KG_GGUF_DIMS_MAX)
		return kg_fail(KG_ECORRUPT, "model file: tensor %.*s has %u dimensions",
			       (int)t->name_size, t->name, t->dims_count);
	for (uint32_t d = 0; d < KG_GGUF_DIMS_MAX; d++) {
		t->dims[d] = 1;
		if (d < t->dims_count && !take_u64(c, &t->dims[d]))
			return kg_fail(KG_ECORRUPT, "model file: cut off in tensor %.*s",
				       (int)t->name_size, t->name);
		if (t->dims[d] == 0 || t->dims[d] > elements_max ||
		    elements * t->dims[d] > elements_max)
			return kg_fail(KG_ECORRUPT, "model file: the size of tensor %.*s is absurd",
				       (int)t->name_size, t->name);
		elements *= t->dims[d];
	}
	if (!take_u32(c, &type) || !take_u64(c, &offset))
		return kg_fail(KG_ECORRUPT, "model file: cut off in tensor %.*s", (int)t->name_size,
			       t->name);
	if (!kg_ggml_block(type, &weights, &bytes))
		return kg_fail(KG_ECORRUPT, "model file: tensor %.*s has type %u, not read here",
			       (int)t->name_size, t->name, type);
	if (t->dims[0] % weights != 0)
		return kg_fail(KG_ECORRUPT,
			       "model file: rows of %llu in tensor %.*s are no whole blocks of %s",
			       (unsigned long long)t->dims[0], (int)t->name_size, t->name,
			       kg_ggml_type_name(type));
	if (offset != expected)
		return kg_fail(KG_ECORRUPT,
			       "model file: tensor %.*s is misaligned, overlaps or leaves a gap: "
			       "offset %llu, expected %llu",
			       (int)t->name_size, t->name, (unsigned long long)offset,
			       (unsigned long long)expected);
	t->type = (kg_ggml_type)type;
	t->size = elements / weights * bytes;
	return KG_OK;
}

static kg_err take_tensors(cursor *c, kg_gguf *g, const uint8_t *start)
{
	uint64_t end = 0;
	uint64_t head;
	uint64_t room;

	g->tensors = calloc(g->tensors_count + 1, sizeof(*g->tensors));
	g->sorted = calloc(g->tensors_count + 1, sizeof(void *));
	if (g->tensors == NULL || g->sorted == NULL)
		return kg_fail(KG_ENOMEM, "model file: no memory for %u tensors", g->tensors_count);
	for (uint32_t i = 0; i < g->tensors_count; i++) {
		kg_err err = take_tensor(c, i, &g->tensors[i], end);

		if (err != KG_OK)
			return err;
		/* 32,768 tensors of at most 2^34 bytes: no overflow. */
		end += padded(g->tensors[i].size, g->alignment);
		g->sorted[i] = &g->tensors[i];
	}
	qsort(g->sorted, g->tensors_count, sizeof(void *), tensors_compare);
	for (uint32_t i = 1; i < g->tensors_count; i++)
		if (tensors_compare(&g->sorted[i - 1], &g->sorted[i]) == 0)
			return kg_fail(KG_ECORRUPT, "model file: tensor %.*s is there twice",
				       (int)g->sorted[i]->name_size, g->sorted[i]->name);
	head = (uint64_t)(c->data - start);
	head = padded(head, g->alignment) - head;
	room = c->size < head ? 0 : c->size - head;
	if (room < end || (end > 0 && c->size < head))
		return kg_fail(KG_ECORRUPT,
			       "model file: cut off: tensors need %llu bytes, %llu "
			       "are there",
			       (unsigned long long)end, (unsigned long long)room);
	if (room > end)
		return kg_fail(KG_ECORRUPT, "model file: %llu bytes follow the last tensor",
			       (unsigned long long)(room - end));
	for (uint32_t i = 0; i < g->tensors_count; i++) {
		g->tensors[i].data = c->data + head;
		head += padded(g->tensors[i].size, g->alignment);
	}
	return KG_OK;
}

static kg_err find_alignment(kg_gguf *g)
{
	uint32_t alignment = ALIGNMENT_DEFAULT;

	if (kg_gguf_has(g, "general.alignment")) {
		kg_err err = kg_gguf_get_u32(g, "general.alignment", &alignment);

		if (err != KG_OK)
			return err;
	}
	if (alignment < 8 || alignment > KG_GGUF_ALIGNMENT_MAX ||
	    (alignment & (alignment - 1)) != 0)
		return kg_fail(KG_ECORRUPT, "model file: general.alignment is %u", alignment);
	g->alignment = alignment;
	return KG_OK;
}

static kg_err take_header(cursor *c, kg_gguf *g)
{
	const uint8_t *magic = take(c, 4);
	uint32_t version;
	uint64_t tensors;
	uint64_t entries;

	if (magic == NULL || memcmp(magic, "GGUF", 4) != 0)
		return kg_fail(KG_ECORRUPT, "model file: does not start with GGUF");
	if (!take_u32(c, &version) || !take_u64(c, &tensors) || !take_u64(c, &entries))
		return kg_fail(KG_ECORRUPT, "model file: cut off in the first %d bytes",
			       HEADER_SIZE);
	if (version != 2 && version != 3)
		return kg_fail(KG_ECORRUPT, "model file: GGUF version %u; 2 and 3 are read here",
			       version);
	if (tensors > KG_GGUF_TENSORS_MAX)
		return kg_fail(KG_ECORRUPT, "model file: %llu tensors; the limit is %d",
			       (unsigned long long)tensors, KG_GGUF_TENSORS_MAX);
	if (entries > KG_GGUF_KEYS_MAX)
		return kg_fail(KG_ECORRUPT, "model file: %llu keys; the limit is %d",
			       (unsigned long long)entries, KG_GGUF_KEYS_MAX);
	g->tensors_count = (uint32_t)tensors;
	g->entries_count = (uint32_t)entries;
	return KG_OK;
}

kg_err kg_gguf_open(kg_gguf **out, const uint8_t *data, size_t size)
{
	kg_gguf *g = calloc(1, sizeof(*g));
	cursor c = {data, size};
	kg_err err;

	if (g == NULL)
		return kg_fail(KG_ENOMEM, "model file: no memory");
	err = take_header(&c, g);
	if (err == KG_OK)
		err = take_entries(&c, g);
	if (err == KG_OK)
		err = find_alignment(g);
	if (err == KG_OK)
		err = take_tensors(&c, g, data);
	if (err != KG_OK) {
		kg_gguf_free(g);
		return err;
	}
	*out = g;
	return KG_OK;
}

void kg_gguf_free(kg_gguf *gguf)
{
	if (gguf == NULL)
		return;
	free(gguf->entries);
	free(gguf->tensors);
	free(gguf->sorted);
	free(gguf);
}

static const entry *find(const kg_gguf *gguf, const char *key)
{
	entry wanted = {.name = key, .name_size = strlen(key)};

	return bsearch(&wanted, gguf->entries, gguf->entries_count, sizeof(wanted),
		       entries_compare);
}

static kg_err missing(const char *key)
{
	return kg_fail(KG_ENOTFOUND, "model file: key %s is missing", key);
}

static kg_err mistyped(const char *key, const char *wanted)
{
	return kg_fail(KG_ECORRUPT, "model file: key %s is not %s", key, wanted);
}

bool kg_gguf_has(const kg_gguf *gguf, const char *key)
{
	return find(gguf, key) != NULL;
}

uint32_t kg_gguf_key_count(const kg_gguf *gguf)
{
	return gguf->entries_count;
}

const char *kg_gguf_key_at(const kg_gguf *gguf, uint32_t index, size_t *size)
{
	KG_ASSERT(index < gguf->entries_count);
	*size = gguf->entries[index].name_size;
	return gguf->entries[index].name;
}

/* The value as a 64-bit integer; false when it is none or is negative. */
static bool unsigned_of(const entry *e, uint64_t *out)
{
	uint64_t bits = 0;
	unsigned width = 8u * scalar_sizes[e->type];

	switch (e->type) {
	case KG_GGUF_I8:
	case KG_GGUF_I16:
	case KG_GGUF_I32:
	case KG_GGUF_I64:
		memcpy(&bits, e->value.data, e->value.size);
		*out = bits;
		return (bits >> (width - 1)) == 0;
	case KG_GGUF_U8:
	case KG_GGUF_U16:
	case KG_GGUF_U32:
	case KG_GGUF_U64:
		memcpy(&bits, e->value.data, e->value.size);
		*out = bits;
		return true;
	default:
		return false;
	}
}

kg_err kg_gguf_get_u32(const kg_gguf *gguf, const char *key, uint32_t *out)
{
	const entry *e = find(gguf, key);
	uint64_t value;

	if (e == NULL)
		return missing(key);
	if (e->type == KG_GGUF_ARRAY || e->type == KG_GGUF_STRING || !unsigned_of(e, &value) ||
	    value > UINT32_MAX)
		return mistyped(key, "a whole number of 32 bits");
	*out = (uint32_t)value;
	return KG_OK;
}

kg_err kg_gguf_get_float(const kg_gguf *gguf, const char *key, float *out)
{
	const entry *e = find(gguf, key);
	double wide;
	float value;

	if (e == NULL)
		return missing(key);
	if (e->type == KG_GGUF_F32) {
		memcpy(&value, e->value.data, sizeof(value));
	} else if (e->type == KG_GGUF_F64) {
		memcpy(&wide, e->value.data, sizeof(wide));
		/* Out of float's range the conversion is undefined. */
		if (!(fabs(wide) <= 3.4e38))
			return mistyped(key, "a finite number");
		value = (float)wide;
	} else {
		return mistyped(key, "a floating-point number");
	}
	if (!isfinite(value))
		return mistyped(key, "a finite number");
	*out = value;
	return KG_OK;
}

kg_err kg_gguf_get_bool(const kg_gguf *gguf, const char *key, bool *out)
{
	const entry *e = find(gguf, key);

	if (e == NULL)
		return missing(key);
	if (e->type != KG_GGUF_BOOL)
		return mistyped(key, "true or false");
	*out = e->value.data[0] != 0;
	return KG_OK;
}

kg_err kg_gguf_get_string(const kg_gguf *gguf, const char *key, const char **text, size_t *size)
{
	const entry *e = find(gguf, key);

	if (e == NULL)
		return missing(key);
	if (e->type != KG_GGUF_STRING)
		return mistyped(key, "a string");
	*text = (const char *)e->value.data + sizeof(uint64_t);
	*size = e->value.size - sizeof(uint64_t);
	return KG_OK;
}

kg_err kg_gguf_get_array(const kg_gguf *gguf, const char *key, kg_gguf_type type,
			 kg_gguf_array *out)
{
	const entry *e = find(gguf, key);

	if (e == NULL)
		return missing(key);
	if (e->type != KG_GGUF_ARRAY || e->value.type != type)
		return mistyped(key, "an array of the right type");
	*out = e->value;
	return KG_OK;
}

void kg_gguf_array_next(kg_gguf_array *array, const char **text, size_t *size)
{
	uint64_t length;

	KG_ASSERT(array->type == KG_GGUF_STRING && array->count > 0);
	memcpy(&length, array->data, sizeof(length));
	*text = (const char *)array->data + sizeof(length);
	*size = length;
	array->data += sizeof(length) + length;
	array->size -= sizeof(length) + length;
	array->count--;
}

uint32_t kg_gguf_tensor_count(const kg_gguf *gguf)
{
	return gguf->tensors_count;
}

const kg_gguf_tensor *kg_gguf_tensor_at(const kg_gguf *gguf, uint32_t index)
{
	KG_ASSERT(index < gguf->tensors_count);
	return &gguf->tensors[index];
}

const kg_gguf_tensor *kg_gguf_tensor_get(const kg_gguf *gguf, const char *name)
{
	kg_gguf_tensor wanted = {.name = name, .name_size = strlen(name)};
	kg_gguf_tensor *key = &wanted;
	kg_gguf_tensor **found =
		bsearch(&key, gguf->sorted, gguf->tensors_count, sizeof(void *), tensors_compare);

	return found == NULL ? NULL : *found;
}
