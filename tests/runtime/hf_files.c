/* SPDX-License-Identifier: MIT */
#include "tests/runtime/hf_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/half.h"
#include "runtime/import_hf.h"

const char hf_tokenizer[] =
	"{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
	"{\"id\":3,\"content\":\"<s>\",\"special\":true,\"single_word\":false,\"lstrip\":false,"
	"\"rstrip\":false,\"normalized\":false}],\"normalizer\":null,\"pre_tokenizer\":"
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"
	"\"use_regex\":true},\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\","
	"\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},\"model\":{"
	"\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
	"\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
	"\"byte_fallback\":false,\"ignore_merges\":false,"
	"\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

void hf_init(hf_folder *f)
{
	memset(f, 0, sizeof(*f));
	kg_rng_init_u64(&f->rng, 4);
	memcpy(f->path, "/tmp/kg-hf-XXXXXX", sizeof("/tmp/kg-hf-XXXXXX"));
	assert_non_null(mkdtemp(f->path));
}

void hf_add(hf_folder *f, const char *name, uint32_t rows, uint32_t cols)
{
	hf_part *p = &f->parts[f->count++];
	size_t n = (size_t)(rows == 0 ? 1 : rows) * cols;

	assert_true(f->count <= HF_TENSORS_MAX);
	assert_true(snprintf(p->name, sizeof(p->name), "%s", name) < (int)sizeof(p->name));
	p->rows = rows;
	p->cols = cols;
	p->data = malloc(n * sizeof(*p->data));
	assert_non_null(p->data);
	/* Halves and brain floats hold these exactly. */
	for (size_t i = 0; i < n; i++)
		p->data[i] = (float)(int)(kg_rng_u64(&f->rng) % 255) / 64.0f - 2.0f;
}

hf_part *hf_find(hf_folder *f, const char *name)
{
	for (uint32_t i = 0; i < f->count; i++)
		if (strcmp(f->parts[i].name, name) == 0)
			return &f->parts[i];
	fail_msg("no tensor %s", name);
	return NULL;
}

void hf_put(const hf_folder *f, const char *name, const void *data, size_t size)
{
	char path[KG_PATH_SIZE];
	FILE *file;

	assert_int_equal(kg_path(path, "%s/%s", f->path, name), KG_OK);
	/* Without a sync: there are a thousand of these. */
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

void hf_put_text(const hf_folder *f, const char *name, const char *text)
{
	hf_put(f, name, text, strlen(text));
}

void hf_remove(const hf_folder *f, const char *name)
{
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/%s", f->path, name), KG_OK);
	(void)unlink(path);
}

static void put_half(kg_buf *data, uint32_t half)
{
	kg_buf_put_u8(data, (uint8_t)half);
	kg_buf_put_u8(data, (uint8_t)(half >> 8));
}

static void put_number(kg_buf *data, float value, const char *dtype)
{
	uint32_t bits;
	_Static_assert(sizeof(bits) == sizeof(value), "floats have 32 bits");

	memcpy(&bits, &value, sizeof(bits));
	if (strcmp(dtype, "F32") == 0) {
		kg_buf_put_u32le(data, bits);
	} else if (strcmp(dtype, "F16") == 0) {
		put_half(data, kg_half_from_float(value));
	} else {
		assert_int_equal(bits & 0xffff, 0);
		put_half(data, bits >> 16);
	}
}

/* Every `step`th tensor from `first` on, in one file. */
kg_buf hf_shard(const hf_folder *f, uint32_t first, uint32_t step, const char *dtype)
{
	kg_buf header;
	kg_buf data;
	kg_buf file;

	kg_buf_init(&header, HF_FILE_MAX);
	kg_buf_init(&data, HF_FILE_MAX);
	kg_buf_init(&file, HF_FILE_MAX);
	kg_buf_puts(&header, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (uint32_t i = first; i < f->count; i += step) {
		const hf_part *p = &f->parts[i];
		size_t n = (size_t)(p->rows == 0 ? 1 : p->rows) * p->cols;
		size_t from = data.size;

		for (size_t k = 0; k < n; k++)
			put_number(&data, p->data[k], dtype);
		kg_buf_printf(&header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", p->name, dtype);
		if (p->rows != 0)
			kg_buf_printf(&header, "%u,", p->rows);
		kg_buf_printf(&header, "%u],\"data_offsets\":[%zu,%zu]}", p->cols, from, data.size);
	}
	kg_buf_puts(&header, "}");
	kg_buf_put_u64le(&file, header.size);
	kg_buf_put(&file, header.data, header.size);
	kg_buf_put(&file, data.data, data.size);
	assert_int_equal(kg_buf_ok(&file), KG_OK);
	kg_buf_release(&header);
	kg_buf_release(&data);
	return file;
}

void hf_put_shard(const hf_folder *f, const char *name, uint32_t first, uint32_t step,
		  const char *dtype)
{
	kg_buf file = hf_shard(f, first, step, dtype);

	hf_put(f, name, file.data, file.size);
	kg_buf_release(&file);
}

kg_buf hf_index(const hf_folder *f, const char *first, const char *second)
{
	kg_buf text;

	kg_buf_init(&text, HF_FILE_MAX);
	kg_buf_puts(&text, "{\"metadata\":{},\"weight_map\":{");
	for (uint32_t i = 0; i < f->count; i++)
		kg_buf_printf(&text, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", f->parts[i].name,
			      i % 2 == 0 ? first : second);
	kg_buf_puts(&text, "}}");
	assert_int_equal(kg_buf_ok(&text), KG_OK);
	return text;
}

void hf_put_index(const hf_folder *f, const char *first, const char *second)
{
	kg_buf text = hf_index(f, first, second);

	hf_put(f, "model.safetensors.index.json", text.data, text.size);
	kg_buf_release(&text);
}

void hf_release(hf_folder *f)
{
	static const char *const names[] = {"config.json",           "tokenizer.json",
					    "model.safetensors",     "model.safetensors.index.json",
					    "one.safetensors",       "two.safetensors",
					    "tokenizer_config.json", "chat_template.jinja",
					    "tokenizer.model"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		hf_remove(f, names[i]);
	assert_int_equal(rmdir(f->path), 0);
	for (uint32_t i = 0; i < f->count; i++)
		free(f->parts[i].data);
}

void hf_assert_refused(const hf_folder *f, kg_err code, const char *because)
{
	kg_model *m = NULL;

	assert_int_equal(kg_import_hf(&m, f->path, "name"), code);
	assert_null(m);
	if (strstr(kg_err_text(), because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", kg_err_text(), because);
}
