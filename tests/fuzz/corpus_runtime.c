/* SPDX-License-Identifier: MIT */
/*
 * corpus_runtime – writes the seeds of fuzz_model, fuzz_llama2c, fuzz_import_gguf,
 * fuzz_safetensors and fuzz_tokenizer: small valid inputs of every form. Run it in
 * tests/fuzz/corpus when a format changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "runtime/export_gguf.h"
#include "tests/runtime/tiny.h"

static void put(const char *path, const void *data, size_t size)
{
	if (kg_fs_write(path, data, size, 0644) != KG_OK) {
		(void)fprintf(stderr, "%s\n", kg_err_text());
		exit(1);
	}
}

static void put_models(void)
{
	static const kg_format formats[] = {KG_FORMAT_F32, KG_FORMAT_INT8, KG_FORMAT_FAIRY1,
					    KG_FORMAT_FAIRY3};
	static const uint8_t seed[KG_SEED_SIZE] = {1};
	kg_model *model = tiny_model(true);

	tiny_fill(model, 1);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		char path[KG_PATH_SIZE];
		size_t size;
		uint8_t *file = tiny_file(model, formats[i], seed, &size);

		if (kg_path(path, "model/%s.fairy", kg_format_name(formats[i])) != KG_OK)
			exit(1);
		put(path, file, size);
		free(file);
	}
	kg_model_free(model);
}

/* dim 2, hidden 2, one layer, one head, three pieces, context 1: tied, then untied. */
static void put_llama2c(bool tied)
{
	static const char *const pieces[] = {"<unk>", "\n<s>\n", "\n</s>\n"};
	const uint32_t header[7] = {2, 2, 1, 1, 1, tied ? 3 : (uint32_t)-3, 1};
	uint32_t floats = 6 + 2 + 4 * 4 + 2 + 3 * 4 + 2 + 2 + (tied ? 0 : 6);
	kg_buf out;

	kg_buf_init(&out, 1 << 16);
	kg_buf_put_u32le(&out, 28 + 4 * floats);
	for (int i = 0; i < 7; i++)
		kg_buf_put_u32le(&out, header[i]);
	for (uint32_t i = 0; i < floats; i++) {
		float value = (float)i / 8;

		kg_buf_put(&out, &value, sizeof(value));
	}
	kg_buf_put_u32le(&out, 6);
	for (int i = 0; i < 3; i++) {
		kg_buf_put_u32le(&out, 0);
		kg_buf_put_u32le(&out, (uint32_t)strlen(pieces[i]));
		kg_buf_puts(&out, pieces[i]);
	}
	put(tied ? "llama2c/tied" : "llama2c/untied", out.data, out.size);
	kg_buf_release(&out);
}

static void put_gguf(bool tied, kg_ggml_type type)
{
	kg_model *model = tiny_model(tied);
	kg_buf out;

	tiny_fill(model, 2);
	kg_buf_init(&out, 1 << 20);
	if (kg_export_gguf(model, type, &out) != KG_OK)
		exit(1);
	put(tied ? "import_gguf/tied" : "import_gguf/untied", out.data, out.size);
	kg_buf_release(&out);
	kg_model_free(model);
}

static void put_safetensors(void)
{
	static const char header[] =
		"{\"__metadata__\":{\"format\":\"pt\"},"
		"\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
		"\"b\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[8,14]}}";
	kg_buf out;

	kg_buf_init(&out, 1 << 16);
	kg_buf_put_u64le(&out, sizeof(header) - 1);
	kg_buf_puts(&out, header);
	kg_buf_puts(&out, "fourteen bytes");
	put("safetensors/two", out.data, out.size);
	kg_buf_release(&out);
}

int main(void)
{
	static const char merges[] = "\x05\x01"
				     "a\x01"
				     "b\x0a"
				     "ab\x13"
				     "aba\x0b"
				     "\xc3\xa9"
				     "aabababab \xc3\xa9\xc3 \x80\xff";

	put_models();
	put_llama2c(true);
	put_llama2c(false);
	put_gguf(true, KG_GGML_F16);
	put_gguf(false, KG_GGML_F32);
	put_safetensors();
	put("tokenizer/merges", merges, sizeof(merges) - 1);
	put("tokenizer/bytes", "\0abc\xff\0z", 7);
	return 0;
}
