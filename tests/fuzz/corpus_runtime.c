/* SPDX-License-Identifier: MIT */
/*
 * corpus_runtime – writes the seeds of fuzz_model, fuzz_llama2c, fuzz_import_gguf, fuzz_import_hf,
 * fuzz_prefix, fuzz_safetensors and fuzz_tokenizer: small valid inputs of every form. Run it in
 * tests/fuzz/corpus when a format changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "runtime/export_gguf.h"
#include "runtime/session.h"
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
	static const kg_format formats[] = {
		KG_FORMAT_INT8,    KG_FORMAT_FAIRY1,   KG_FORMAT_FAIRY3,     KG_FORMAT_INT4,
		KG_FORMAT_TERNARY, KG_FORMAT_PALETTE4, KG_FORMAT_PALETTE256, KG_FORMAT_F32};
	static const char version[] = "kindergarten.format_version";
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
		if (formats[i] == KG_FORMAT_F32) {
			uint8_t *at = memmem(file, size, version, strlen(version));

			at[strlen(version) + sizeof(uint32_t)] = 1; /* behind the type */
			put("model/version-1.fairy", file, size);
		}
		free(file);
	}
	kg_model_free(model);
}

static void put_complex(void)
{
	kg_model *model = tiny_complex();
	uint8_t *file;
	size_t size;

	tiny_fill(model, 1);
	file = tiny_file(model, KG_FORMAT_PHASE, NULL, &size);
	put("model/phase.fairy", file, size);
	free(file);
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

/* A tensor of a Hugging Face folder; rows 0 is a vector. */
typedef struct {
	const char *name;
	uint32_t rows;
	uint32_t cols;
} hf_tensor;

static const hf_tensor hf_real[] = {
	{"model.embed_tokens.weight", 4, 4},
	{"model.norm.weight", 0, 4},
	{"model.layers.0.input_layernorm.weight", 0, 4},
	{"model.layers.0.post_attention_layernorm.weight", 0, 4},
	{"model.layers.0.self_attn.q_proj.weight", 4, 4},
	{"model.layers.0.self_attn.k_proj.weight", 2, 4},
	{"model.layers.0.self_attn.v_proj.weight", 2, 4},
	{"model.layers.0.self_attn.o_proj.weight", 4, 4},
	{"model.layers.0.mlp.gate_proj.weight", 4, 4},
	{"model.layers.0.mlp.up_proj.weight", 4, 4},
	{"model.layers.0.mlp.down_proj.weight", 4, 4},
};

/* Each but the head once with _real and once with _imag. */
static const hf_tensor hf_complex[] = {
	{"token_embeddings_%s.weight", 4, 2},
	{"final_norm.weight_%s", 0, 2},
	{"layer.0.pre_layernorm.weight_%s", 0, 2},
	{"layer.0.post_layernorm.weight_%s", 0, 2},
	{"layer.0.self_attn.attn_layernorm.weight_%s", 0, 2},
	{"layer.0.mlp.ffn_layernorm.weight_%s", 0, 2},
	{"layer.0.self_attn.q_proj.weight_%s", 2, 2},
	{"layer.0.self_attn.k_proj.weight_%s", 2, 2},
	{"layer.0.self_attn.v_proj.weight_%s", 2, 2},
	{"layer.0.self_attn.o_proj.weight_%s", 2, 2},
	{"layer.0.mlp.gate_proj.weight_%s", 2, 2},
	{"layer.0.mlp.up_proj.weight_%s", 2, 2},
	{"layer.0.mlp.down_proj.weight_%s", 2, 2},
};

/* A file as fuzz_import_hf reads it. */
static void put_part(kg_buf *out, uint8_t which, const void *data, size_t size)
{
	kg_buf_put_u8(out, which);
	kg_buf_put_u8(out, (uint8_t)size);
	kg_buf_put_u8(out, (uint8_t)(size >> 8));
	kg_buf_put(out, data, size);
}

/* Half precision, every number another. */
static void add_tensor(kg_buf *header, kg_buf *data, const char *name, const hf_tensor *t)
{
	size_t from = data->size;

	for (uint32_t i = 0; i < (t->rows == 0 ? 1 : t->rows) * t->cols; i++) {
		kg_buf_put_u8(data, (uint8_t)(17 * i));
		kg_buf_put_u8(data, (uint8_t)(0x30 + i % 12));
	}
	kg_buf_printf(header, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[",
		      header->size == 1 ? "" : ",", name);
	if (t->rows != 0)
		kg_buf_printf(header, "%u,", t->rows);
	kg_buf_printf(header, "%u],\"data_offsets\":[%zu,%zu]}", t->cols, from, data->size);
}

static void put_weights(kg_buf *out, uint8_t which, const hf_tensor *tensors, size_t count,
			bool complex)
{
	kg_buf header;
	kg_buf data;
	kg_buf file;
	char name[80];

	kg_buf_init(&header, 1 << 16);
	kg_buf_init(&data, 1 << 16);
	kg_buf_init(&file, 1 << 16);
	kg_buf_puts(&header, "{");
	for (size_t i = 0; i < (complex ? 2 : 1) * count; i++) {
		const char *half = i < count ? "real" : "imag";
		const char *at = strchr(tensors[i % count].name, '%');

		if (at == NULL)
			(void)snprintf(name, sizeof(name), "%s", tensors[i].name);
		else
			(void)snprintf(name, sizeof(name), "%.*s%s%s",
				       (int)(at - tensors[i % count].name), tensors[i % count].name,
				       half, at + 2);
		add_tensor(&header, &data, name, &tensors[i % count]);
	}
	if (complex)
		add_tensor(&header, &data, "lm_head.weight", &(hf_tensor){"", 4, 4});
	kg_buf_puts(&header, "}");
	kg_buf_put_u64le(&file, header.size);
	kg_buf_put(&file, header.data, header.size);
	kg_buf_put(&file, data.data, data.size);
	put_part(out, which, file.data, file.size);
	kg_buf_release(&header);
	kg_buf_release(&data);
	kg_buf_release(&file);
}

static void put_text_part(kg_buf *out, uint8_t which, const char *text)
{
	put_part(out, which, text, strlen(text));
}

static void put_import_hf(void)
{
	static const char tokenizer[] =
		"{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
		"\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";
	static const char real[] =
		"{\"model_type\":\"llama\",\"hidden_size\":4,\"intermediate_size\":4,"
		"\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":1,"
		"\"vocab_size\":4,\"max_position_embeddings\":8,\"tie_word_embeddings\":true,"
		"\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0},\"bos_token_id\":3}";
	static const char complex[] =
		"{\"model_type\":\"complexnet\",\"hidden_size\":2,\"intermediate_size\":2,"
		"\"num_hidden_layers\":1,\"num_attention_heads\":1,\"vocab_size\":4,"
		"\"max_position_embeddings\":8}";
	kg_buf out;

	kg_buf_init(&out, 1 << 16);
	put_text_part(&out, 0, real);
	put_text_part(&out, 1, tokenizer);
	put_weights(&out, 2, hf_real, sizeof(hf_real) / sizeof(*hf_real), false);
	put_text_part(&out, 5, "{\"chat_template\":\"{{ messages }}\"}");
	put("import_hf/real", out.data, out.size);
	kg_buf_clear(&out);
	put_text_part(&out, 0, real);
	put_text_part(&out, 1, tokenizer);
	put_text_part(&out, 3,
		      "{\"weight_map\":{\"model.embed_tokens.weight\":\"model.safetensors\","
		      "\"model.norm.weight\":\"second.safetensors\"}}");
	put_weights(&out, 2, hf_real, 1, false);
	put_weights(&out, 4, hf_real + 1, sizeof(hf_real) / sizeof(*hf_real) - 1, false);
	put("import_hf/shards", out.data, out.size);
	kg_buf_clear(&out);
	put_text_part(&out, 0, complex);
	put_text_part(&out, 1, tokenizer);
	put_weights(&out, 2, hf_complex, sizeof(hf_complex) / sizeof(*hf_complex), true);
	put("import_hf/complex", out.data, out.size);
	kg_buf_release(&out);
}

/* A file of four tokens without the hole between them and the cache, as fuzz_prefix puts it back.
 */
static void put_prefix(const char *name, kg_format format)
{
	static const uint8_t digest[KG_PREFIX_DIGEST_SIZE] = "tiny";
	static const uint32_t tokens[] = {1, 4, 5, 7};
	const size_t before = 80 + sizeof(tokens);
	const kg_strategy strategy = kg_strategy_of(format);
	kg_model *model = tiny_model(true);
	kg_weights *weights;
	kg_session *session;
	char path[KG_PATH_SIZE];
	kg_buf file;
	kg_buf out;

	tiny_fill(model, 1);
	kg_buf_init(&file, 1 << 20);
	kg_buf_init(&out, 1 << 20);
	if (kg_path(path, "prefix/%s", name) != KG_OK ||
	    kg_weights_new(&weights, model, &strategy, NULL) != KG_OK ||
	    kg_session_new(&session, weights, NULL) != KG_OK ||
	    kg_session_feed(session, tokens, 4, NULL) != KG_OK ||
	    kg_session_save(session, path, digest) != KG_OK || kg_fs_read(&file, path) != KG_OK)
		exit(1);
	kg_buf_put_u8(&out, format == KG_FORMAT_F32);
	kg_buf_put_u8(&out, (uint8_t)before);
	kg_buf_put_u8(&out, (uint8_t)(before >> 8));
	kg_buf_put(&out, file.data, before);
	kg_buf_put(&out, file.data + KG_PREFIX_ALIGNMENT, file.size - KG_PREFIX_ALIGNMENT);
	put(path, out.data, out.size);
	kg_buf_release(&out);
	kg_buf_release(&file);
	kg_session_free(session);
	kg_weights_free(weights);
	kg_model_free(model);
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
	put_complex();
	put_llama2c(true);
	put_llama2c(false);
	put_gguf(true, KG_GGML_F16);
	put_gguf(false, KG_GGML_F32);
	put_import_hf();
	put_safetensors();
	put_prefix("int8", KG_FORMAT_INT8);
	put_prefix("f32", KG_FORMAT_F32);
	put("tokenizer/merges", merges, sizeof(merges) - 1);
	put("tokenizer/bytes", "\0abc\xff\0z", 7);
	return 0;
}
