/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/llama2c.h"

enum { VOCABULARY = 6, FIELDS = 7 };

/* dim, hidden, layers, heads, kv heads, vocabulary, context: untied. */
static const int32_t header[FIELDS] = {8, 6, 2, 4, 2, -VOCABULARY, 3};

/* A checkpoint whose weight k is k, so that every tensor tells where it was taken from. */
static kg_buf make_checkpoint(const int32_t fields[FIELDS])
{
	/* embedding 48, norms 2 x 8, q 2 x 64, k and v 2 x 32 each, output 2 x 64, norms 2 x 8,
	 * gate, down and up 2 x 48 each, norm 8, rotations 3 x 2, head 48 */
	enum { FLOATS = 48 + 16 + 128 + 64 + 64 + 128 + 16 + 3 * 96 + 8 + 6 + 48 };

	kg_buf out;

	kg_buf_init(&out, 1 << 20);
	kg_buf_put(&out, fields, FIELDS * sizeof(fields[0]));
	for (int k = 0; k < FLOATS; k++) {
		float value = (float)k;

		kg_buf_put(&out, &value, sizeof(value));
	}
	return out;
}

static void put_token(kg_buf *out, const char *piece, float score)
{
	kg_buf_put(out, &score, sizeof(score));
	kg_buf_put_u32le(out, (uint32_t)strlen(piece));
	kg_buf_puts(out, piece);
}

static kg_buf make_tokenizer(void)
{
	kg_buf out;

	kg_buf_init(&out, 1 << 20);
	kg_buf_put_u32le(&out, 6);
	put_token(&out, "<unk>", 0);
	put_token(&out, "\n<s>\n", 0);
	put_token(&out, "\n</s>\n", 0);
	put_token(&out, "<0x41>", 0);
	put_token(&out, " ", -1);
	put_token(&out, "ab", -2);
	return out;
}

static kg_err import(kg_model **m, const kg_buf *checkpoint, const kg_buf *tokenizer)
{
	return kg_llama2c_import(m, checkpoint->data, checkpoint->size, tokenizer->data,
				 tokenizer->size, "test");
}

static void check_first(const kg_model *m, kg_tensor_role role, uint32_t layer, float first)
{
	const kg_tensor *t = kg_model_tensor(m, role, layer);
	const float *data = t->data;
	size_t n = (size_t)t->rows * t->cols;

	assert_true(data[0] == first);
	assert_true(data[n - 1] == first + (float)(n - 1));
}

static void test_llama2c__tensors_are_taken_in_order(void **state)
{
	kg_buf checkpoint = make_checkpoint(header);
	kg_buf tokenizer = make_tokenizer();
	const kg_model_config *c;
	kg_model *m = NULL;

	(void)state;
	assert_int_equal(import(&m, &checkpoint, &tokenizer), KG_OK);
	c = kg_model_get_config(m);
	assert_int_equal(c->dim, 8);
	assert_int_equal(c->hidden, 6);
	assert_int_equal(c->layers, 2);
	assert_int_equal(c->heads, 4);
	assert_int_equal(c->kv_heads, 2);
	assert_int_equal(c->head_dim, 2);
	assert_int_equal(c->vocabulary, VOCABULARY);
	assert_int_equal(c->context, 3);
	assert_false(c->tied);
	check_first(m, KG_TENSOR_EMBEDDING, 0, 0);
	check_first(m, KG_TENSOR_ATTN_NORM, 0, 48);
	check_first(m, KG_TENSOR_ATTN_NORM, 1, 56);
	check_first(m, KG_TENSOR_ATTN_Q, 0, 64);
	check_first(m, KG_TENSOR_ATTN_Q, 1, 128);
	check_first(m, KG_TENSOR_ATTN_K, 0, 192);
	check_first(m, KG_TENSOR_ATTN_K, 1, 224);
	check_first(m, KG_TENSOR_ATTN_V, 0, 256);
	check_first(m, KG_TENSOR_ATTN_OUTPUT, 0, 320);
	check_first(m, KG_TENSOR_FFN_NORM, 1, 456);
	check_first(m, KG_TENSOR_FFN_GATE, 0, 464);
	check_first(m, KG_TENSOR_FFN_DOWN, 0, 560);
	check_first(m, KG_TENSOR_FFN_UP, 1, 704);
	check_first(m, KG_TENSOR_OUTPUT_NORM, 0, 752);
	check_first(m, KG_TENSOR_HEAD, 0, 766);
	kg_model_free(m);
	kg_buf_release(&checkpoint);
	kg_buf_release(&tokenizer);
}

static void test_llama2c__ids_have_their_kinds(void **state)
{
	static const kg_token_kind kinds[VOCABULARY] = {KG_TOKEN_UNKNOWN, KG_TOKEN_CONTROL,
							KG_TOKEN_CONTROL, KG_TOKEN_BYTE,
							KG_TOKEN_NORMAL,  KG_TOKEN_NORMAL};
	kg_buf file = make_tokenizer();
	kg_tokenizer *t = NULL;
	size_t size;

	(void)state;
	assert_int_equal(kg_llama2c_tokenizer(&t, file.data, file.size, VOCABULARY), KG_OK);
	for (uint32_t id = 0; id < VOCABULARY; id++)
		assert_int_equal(kg_tokenizer_kind(t, id), kinds[id]);
	assert_string_equal(kg_tokenizer_piece(t, 1, &size), "<s>");
	assert_true(kg_tokenizer_get_rules(t)->add_bos);
	assert_true(kg_tokenizer_get_rules(t)->add_space_prefix);
	kg_tokenizer_free(t);
	kg_buf_release(&file);
}

/* A piece of a SentencePiece model; texts are short, so that lengths are bytes. */
static void put_model_piece(kg_buf *out, const char *piece, float score, uint8_t kind)
{
	uint8_t length = (uint8_t)strlen(piece);

	kg_buf_put_u8(out, 1 << 3 | 2);
	kg_buf_put_u8(out, (uint8_t)(length + 9));
	kg_buf_put_u8(out, 1 << 3 | 2);
	kg_buf_put_u8(out, length);
	kg_buf_puts(out, piece);
	kg_buf_put_u8(out, 2 << 3 | 5);
	kg_buf_put(out, &score, sizeof(score));
	kg_buf_put_u8(out, 3 << 3);
	kg_buf_put_u8(out, kind);
}

static kg_buf make_sentencepiece(void)
{
	/* Field 2, the trainer's: its field 3, the type, is 2, pairs. */
	static const uint8_t trainer[] = {2 << 3 | 2, 2, 3 << 3, 2};
	kg_buf out;

	kg_buf_init(&out, 1 << 20);
	put_model_piece(&out, "<unk>", 0, KG_TOKEN_UNKNOWN);
	put_model_piece(&out, "<s>", 0, KG_TOKEN_CONTROL);
	put_model_piece(&out, "</s>", 0, KG_TOKEN_CONTROL);
	put_model_piece(&out, "\u2581", -1, KG_TOKEN_NORMAL);
	put_model_piece(&out, "a", -2, KG_TOKEN_NORMAL);
	put_model_piece(&out, "\u2581a", -3, KG_TOKEN_NORMAL);
	kg_buf_put(&out, trainer, sizeof(trainer));
	return out;
}

static void test_llama2c__a_sentencepiece_model_is_a_tokenizer(void **state)
{
	static const uint32_t expected[] = {1, 5, 4};
	kg_buf file = make_sentencepiece();
	kg_tokenizer *t = NULL;
	uint32_t *ids = NULL;
	size_t count = 0;

	(void)state;
	assert_int_equal(kg_llama2c_tokenizer(&t, file.data, file.size, VOCABULARY), KG_OK);
	assert_int_equal(kg_tokenizer_encode(t, "aa", 2, true, &ids, &count), KG_OK);
	assert_int_equal(count, 3);
	assert_memory_equal(ids, expected, sizeof(expected));
	free(ids);
	kg_tokenizer_free(t);
	for (uint32_t other = VOCABULARY - 1; other <= VOCABULARY + 1; other += 2) {
		t = NULL;
		assert_int_equal(kg_llama2c_tokenizer(&t, file.data, file.size, other),
				 KG_ECORRUPT);
		assert_non_null(strstr(kg_err_text(), "6 pieces; the model has"));
		assert_null(t);
	}
	/* Cut in any piece it is refused, whatever form it is taken for. */
	for (size_t cut = 0; cut + 4 < file.size; cut++) {
		uint8_t *part = malloc(cut + 1);

		assert_non_null(part);
		memcpy(part, file.data, cut);
		assert_int_not_equal(kg_llama2c_tokenizer(&t, part, cut, VOCABULARY), KG_OK);
		free(part);
	}
	kg_buf_release(&file);
}

static void test_llama2c__every_size_but_the_right_one_is_refused(void **state)
{
	kg_buf checkpoint = make_checkpoint(header);
	kg_buf tokenizer = make_tokenizer();
	kg_model *m = NULL;

	(void)state;
	for (size_t cut = 0; cut < checkpoint.size; cut++) {
		uint8_t *part = malloc(cut + 1);

		assert_non_null(part);
		memcpy(part, checkpoint.data, cut);
		assert_int_equal(
			kg_llama2c_import(&m, part, cut, tokenizer.data, tokenizer.size, "test"),
			KG_ECORRUPT);
		assert_non_null(strstr(kg_err_text(), "llama2.c file"));
		free(part);
	}
	for (size_t cut = 0; cut < tokenizer.size; cut++) {
		uint8_t *part = malloc(cut + 1);

		assert_non_null(part);
		memcpy(part, tokenizer.data, cut);
		assert_int_equal(
			kg_llama2c_import(&m, checkpoint.data, checkpoint.size, part, cut, "test"),
			KG_ECORRUPT);
		assert_non_null(strstr(kg_err_text(), "tokenizer file"));
		free(part);
	}
	kg_buf_put(&checkpoint, "", 1);
	assert_int_equal(import(&m, &checkpoint, &tokenizer), KG_ECORRUPT);
	checkpoint.size--;
	kg_buf_put(&tokenizer, "", 1);
	assert_int_equal(import(&m, &checkpoint, &tokenizer), KG_ECORRUPT);
	kg_buf_release(&checkpoint);
	kg_buf_release(&tokenizer);
}

static void test_llama2c__hostile_headers_are_refused(void **state)
{
	static const int32_t values[] = {0,    -1,      1,       3,         7,
					 4096, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN};
	kg_buf tokenizer = make_tokenizer();
	kg_model *m = NULL;

	(void)state;
	for (size_t field = 0; field < FIELDS; field++) {
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			int32_t fields[FIELDS];
			kg_buf checkpoint;

			memcpy(fields, header, sizeof(fields));
			if (fields[field] == values[v])
				continue;
			fields[field] = values[v];
			checkpoint = make_checkpoint(fields);
			assert_int_equal(import(&m, &checkpoint, &tokenizer), KG_ECORRUPT);
			assert_non_null(strstr(kg_err_text(), "llama2.c file"));
			kg_buf_release(&checkpoint);
		}
	}
	kg_buf_release(&tokenizer);
}

static void test_llama2c__a_weight_that_is_no_number_is_refused(void **state)
{
	static const float nan = NAN;
	kg_buf checkpoint = make_checkpoint(header);
	kg_buf tokenizer = make_tokenizer();
	kg_model *m = NULL;

	(void)state;
	memcpy(checkpoint.data + 28 + 4 * 200, &nan, sizeof(nan));
	assert_int_equal(import(&m, &checkpoint, &tokenizer), KG_ECORRUPT);
	assert_non_null(strstr(kg_err_text(), "blk.0.attn_k.weight"));
	kg_buf_release(&checkpoint);
	kg_buf_release(&tokenizer);
}

static void test_llama2c__hostile_tokenizers_are_refused(void **state)
{
	static const int32_t lengths[] = {0, -1, INT32_MIN, INT32_MAX, KG_TOKENIZER_PIECE_MAX + 1};
	static const float nan = NAN;
	kg_tokenizer *t = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		kg_buf file = make_tokenizer();

		memcpy(file.data, &lengths[i], sizeof(lengths[i]));
		assert_int_equal(kg_llama2c_tokenizer(&t, file.data, file.size, VOCABULARY),
				 KG_ECORRUPT);
		kg_buf_release(&file);
		file = make_tokenizer();
		memcpy(file.data + 8, &lengths[i], sizeof(lengths[i]));
		assert_int_equal(kg_llama2c_tokenizer(&t, file.data, file.size, VOCABULARY),
				 KG_ECORRUPT);
		memcpy(file.data + 8, (int32_t[]){5}, 4);
		assert_int_equal(kg_llama2c_tokenizer(&t, file.data, file.size, VOCABULARY), KG_OK);
		kg_tokenizer_free(t);
		memcpy(file.data + 4, &nan, sizeof(nan));
		assert_int_equal(kg_llama2c_tokenizer(&t, file.data, file.size, VOCABULARY),
				 KG_ECORRUPT);
		kg_buf_release(&file);
	}
}

static void test_llama2c__the_text_form_is_read(void **state)
{
	static const char good[] = "<unk>\t0\n<s>\t0\n</s>\t0\n\xe2\x96\x81\t-0\ne\t-1\n"
				   "\xe2\x96\x81"
				   "e\t-2.5\n";
	static const char *const bad[] = {
		"<unk>\t0\n<s>\t0\n</s>\t0\na\t-0\ne\t-1\n",
		"<unk>\t0\n<s>\t0\n</s>\t0\na\t-0\ne\t-1\nf\t-2\ng\t-3\n",
		"<unk>\t0\n<s>\t0\n</s>\t0\na\t-0\ne\t-1\nf\n",
		"<unk>\t0\n<s>\t0\n</s>\t0\na\t-0\ne\t-1\nf\t\n",
		"<unk>\t0\n<s>\t0\n</s>\t0\na\t-0\ne\t-1\nf\t2x\n",
		"<unk>\t0\n<s>\t0\n</s>\t0\na\t-0\ne\t-1\nf\tnan\n",
		"<unk>\t0\n<s>\t0\n</s>\t0\na\t-0\ne\t-1\nf\t11111111111111111111111111111111\n",
	};
	kg_tokenizer *t = NULL;
	size_t size;

	(void)state;
	assert_int_equal(kg_llama2c_tokenizer(&t, (const uint8_t *)good, strlen(good), VOCABULARY),
			 KG_OK);
	assert_string_equal(kg_tokenizer_piece(t, 3, &size), " ");
	assert_string_equal(kg_tokenizer_piece(t, 5, &size), " e");
	assert_true(kg_tokenizer_score(t, 5) == -2.5f);
	kg_tokenizer_free(t);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kg_llama2c_tokenizer(&t, (const uint8_t *)bad[i], strlen(bad[i]),
						      VOCABULARY),
				 KG_ECORRUPT);
}

static void real_file(char path[KG_PATH_SIZE], const char *name)
{
	const char *root = getenv("KG_SOURCE_DIR");

	assert_non_null(root);
	assert_int_equal(kg_path(path, "%s/../shared/data/models/%s", root, name), KG_OK);
	if (!kg_fs_exists(path)) {
		print_message("skipped: %s is not there\n", path);
		skip();
	}
}

/* The published sample; ids as llama2.c's own run prints them for this prompt. */
static void test_llama2c__the_published_model_is_read(void **state)
{
	static const uint32_t expected[] = {1, 403, 407, 261, 378};
	char path[KG_PATH_SIZE];
	kg_map checkpoint;
	kg_map pieces;
	kg_model *m = NULL;
	uint32_t *ids = NULL;
	size_t count = 0;

	(void)state;
	real_file(path, "stories260K.bin");
	assert_int_equal(kg_map_open(&checkpoint, path), KG_OK);
	real_file(path, "tok512.bin");
	assert_int_equal(kg_map_open(&pieces, path), KG_OK);
	assert_int_equal(kg_llama2c_import(&m, checkpoint.data, checkpoint.size, pieces.data,
					   pieces.size, "stories260K"),
			 KG_OK);
	assert_int_equal(kg_model_get_config(m)->dim, 64);
	assert_int_equal(kg_model_get_config(m)->vocabulary, 512);
	assert_true(kg_model_get_config(m)->tied);
	assert_memory_equal(kg_model_tensor(m, KG_TENSOR_EMBEDDING, 0)->data, checkpoint.data + 28,
			    512 * 64 * sizeof(float));
	assert_int_equal(kg_tokenizer_encode(kg_model_tokenizer(m), "Once upon a time", 16, true,
					     &ids, &count),
			 KG_OK);
	assert_int_equal(count, 5);
	assert_memory_equal(ids, expected, sizeof(expected));
	free(ids);
	kg_model_free(m);
	kg_map_close(&checkpoint);
	kg_map_close(&pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_llama2c__tensors_are_taken_in_order),
		cmocka_unit_test(test_llama2c__ids_have_their_kinds),
		cmocka_unit_test(test_llama2c__a_sentencepiece_model_is_a_tokenizer),
		cmocka_unit_test(test_llama2c__every_size_but_the_right_one_is_refused),
		cmocka_unit_test(test_llama2c__hostile_headers_are_refused),
		cmocka_unit_test(test_llama2c__a_weight_that_is_no_number_is_refused),
		cmocka_unit_test(test_llama2c__hostile_tokenizers_are_refused),
		cmocka_unit_test(test_llama2c__the_text_form_is_read),
		cmocka_unit_test(test_llama2c__the_published_model_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
