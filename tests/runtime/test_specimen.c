/* SPDX-License-Identifier: MIT */
#include "runtime/specimen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "runtime/generate.h"

enum { PATH_ROOM = 256, LONG_TEXT = 48 };

static char dir[PATH_ROOM];
static char path[PATH_ROOM + 32];

static int make_dir(void **state)
{
	const char *temp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/kg-specimen-XXXXXX", temp != NULL ? temp : "/tmp");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s.fairy", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static const kg_specimen_shape *shape_of(const char *name)
{
	const kg_specimen_shape *shape = NULL;

	assert_int_equal(kg_specimen_find(&shape, name), KG_OK);
	return shape;
}

static void save(const char *shape, const char *format, uint64_t seed)
{
	kg_strategy strategy;

	assert_int_equal(kg_strategy_parse(&strategy, format), KG_OK);
	if (kg_specimen_save(path, shape_of(shape), &strategy, seed) != KG_OK)
		fail_msg("%s %s: %s", shape, format, kg_err_text());
}

static void test_specimen__shapes_are_models_and_found_by_name(void **state)
{
	const kg_specimen_shape *found = NULL;

	(void)state;
	for (uint32_t i = 0; i < kg_specimen_count(); i++) {
		const kg_specimen_shape *shape = kg_specimen_at(i);
		kg_strategy strategy;

		assert_int_equal(kg_model_config_check(&shape->config), KG_OK);
		assert_int_equal(kg_strategy_parse(&strategy, shape->strategy), KG_OK);
		assert_ptr_equal(shape_of(shape->name), shape);
	}
	assert_ptr_equal(shape_of("sage-q"), shape_of("SAGE-Q"));
	assert_int_equal(kg_specimen_find(&found, "S257"), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "S256"));
	assert_int_equal(kg_specimen_find(&found, ""), KG_EINVAL);
	assert_null(found);
}

/* Sizes of the published descriptions: iFairy-700M has 679 million complex weights in its layers
 * (24 x (4 x 1536^2 + 3 x 1536 x 4096)). */
static void test_specimen__shapes_have_the_weights_of_their_descriptions(void **state)
{
	const kg_model_config *c = &shape_of("iFairy-700M")->config;
	uint64_t layers =
		c->layers * (4 * (uint64_t)c->dim * c->dim + 3 * (uint64_t)c->dim * c->hidden);

	(void)state;
	assert_int_equal(layers, 679477248);
	assert_int_equal(c->head_dim * c->heads, c->dim);
	/* S256: 6 x (4 x 256^2 + 3 x 256 x 768), a table of 4096 x 256, 13 norms of 256. */
	assert_int_equal(kg_model_config_weights(&shape_of("S256")->config),
			 6 * (4 * 65536 + 3 * 196608) + 1048576 + 13 * 256);
}

/* A few words and one byte that no word has. */
static void test_specimen__vocabularies_merge_words_and_give_every_byte_back(void **state)
{
	kg_tokenizer *t = NULL;
	char text[LONG_TEXT + 256] = "";
	const char *piece;
	size_t size;
	uint32_t *ids = NULL;
	size_t count = 0;
	kg_buf back;

	(void)state;
	assert_int_equal(kg_specimen_tokenizer(&t, 4096, 7), KG_OK);
	assert_int_equal(kg_tokenizer_count(t), 4096);
	for (uint32_t id = 1000; id < 1008; id++) {
		piece = kg_tokenizer_piece(t, id, &size);
		strncat(text, piece, size);
	}
	strcat(text, "\xff");
	assert_int_equal(kg_tokenizer_encode(t, text, strlen(text), true, &ids, &count), KG_OK);
	assert_true(count < strlen(text) * 3 / 4);
	kg_buf_init(&back, 4096);
	assert_int_equal(kg_tokenizer_decode(t, ids, count, &back), KG_OK);
	assert_string_equal(kg_buf_text(&back), text);
	kg_buf_release(&back);
	free(ids);
	kg_tokenizer_free(t);
	t = NULL;
	assert_int_equal(kg_specimen_tokenizer(&t, 511, 7), KG_EINVAL);
	assert_null(t);
	assert_int_equal(kg_specimen_tokenizer(&t, 512, 7), KG_OK);
	kg_tokenizer_free(t);
}

/* Every word is the join of two earlier pieces, so that merging can reach it: encoded alone, each
 * piece that begins with a space (which the tokenizer puts there) is its own token. */
static void test_specimen__every_word_can_be_reached(void **state)
{
	kg_tokenizer *t = NULL;
	uint32_t whole = 0;
	uint32_t words = 0;

	(void)state;
	assert_int_equal(kg_specimen_tokenizer(&t, 4096, 7), KG_OK);
	for (uint32_t id = 259; id < 4096; id++) {
		uint32_t *ids = NULL;
		size_t count = 0;
		size_t size;
		const char *piece = kg_tokenizer_piece(t, id, &size);

		if (piece[0] != ' ' || size < 2)
			continue;
		assert_int_equal(kg_tokenizer_encode(t, piece + 1, size - 1, false, &ids, &count),
				 KG_OK);
		whole += count == 1 && ids[0] == id;
		words++;
		free(ids);
	}
	/* Another pair may be merged first and leave a word in two; most are found. */
	assert_true(words > 100);
	assert_true(whole * 2 > words);
	kg_tokenizer_free(t);
}

static void read_file(kg_buf *out)
{
	kg_buf_init(out, 64 << 20);
	assert_int_equal(kg_fs_read(out, path), KG_OK);
}

static void test_specimen__a_seed_is_a_file(void **state)
{
	kg_buf first;
	kg_buf again;
	kg_buf other;

	(void)state;
	save("S256", "fairy2", 1);
	read_file(&first);
	save("S256", "fairy2", 1);
	read_file(&again);
	save("S256", "fairy2", 2);
	read_file(&other);
	assert_int_equal(first.size, again.size);
	assert_memory_equal(first.data, again.data, first.size);
	assert_int_not_equal(memcmp(first.data, other.data, 4096 + first.size / 2), 0);
	kg_buf_release(&first);
	kg_buf_release(&again);
	kg_buf_release(&other);
}

/* 48 tokens, which do not end the text; log probabilities are numbers that say more than certain
 * failure. How often a token is another than the one before. */
static uint32_t generate(kg_session *session, float temperature, const char *format)
{
	const kg_sampler_settings settings = {.temperature = temperature, .top_p = 1.0f, .seed = 5};
	const uint32_t start[] = {1, 300, 400};
	kg_generate_request request = {
		.prompt = start, .prompt_count = 3, .tokens_max = LONG_TEXT, .judged = true};
	kg_sampler *sampler = NULL;
	kg_generation made;
	uint32_t changes = 0;

	kg_session_rewind(session, 0);
	assert_int_equal(kg_sampler_new(&sampler, &settings, kg_session_vocabulary(session)),
			 KG_OK);
	assert_int_equal(kg_generate(&made, session, sampler, &request), KG_OK);
	if (made.end != KG_END_LENGTH)
		fail_msg("%s: the text ends after %u tokens", format, made.count);
	for (uint32_t i = 0; i < made.count; i++) {
		changes += i > 0 && made.tokens[i] != made.tokens[i - 1];
		if (!(made.logprobs[i] > -20.0f && made.logprobs[i] <= 0.0f))
			fail_msg("%s: log probability %g", format, (double)made.logprobs[i]);
	}
	kg_generation_release(&made);
	kg_sampler_free(sampler);
	return changes;
}

/* What is likeliest may repeat itself; what is drawn by its chance does not, unless a few tokens
 * have all of it. */
static void check_text(const kg_model *model, const char *format)
{
	kg_weights *weights = NULL;
	kg_session *session = NULL;
	const kg_session_options options = {.context = 2 * LONG_TEXT};

	assert_int_equal(kg_weights_new(&weights, model, NULL, NULL), KG_OK);
	assert_int_equal(kg_session_new(&session, weights, &options), KG_OK);
	(void)generate(session, 0.0f, format);
	if (generate(session, 1.0f, format) < LONG_TEXT / 2)
		fail_msg("%s: the same tokens again and again", format);
	kg_session_free(session);
	kg_weights_free(weights);
}

static void test_specimen__every_format_is_a_model_that_generates(void **state)
{
	static const char *const formats[] = {
		"f32",
		"f16",
		"int8",
		"fairy1",
		"fairy2",
		"fairy3",
		"int4",
		"int2",
		"ternary",
		"palette4",
		"palette16",
		"palette256",
		"mix:attn_v=int4,table=f16,*=ternary",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		kg_model *model = NULL;
		kg_strategy strategy;

		save("S256", formats[i], 3);
		if (kg_model_open(&model, path) != KG_OK)
			fail_msg("%s: %s", formats[i], kg_err_text());
		strategy = kg_model_strategy(model);
		assert_string_equal(kg_strategy_name(&strategy), formats[i]);
		assert_int_equal(kg_model_parameters(model),
				 kg_model_config_weights(&shape_of("S256")->config));
		check_text(model, formats[i]);
		kg_model_free(model);
	}
}

static void test_specimen__what_does_not_fit_leaves_no_file(void **state)
{
	kg_strategy phase;
	kg_strategy fairy = kg_strategy_of(KG_FORMAT_FAIRY2);

	(void)state;
	(void)unlink(path);
	assert_int_equal(kg_strategy_parse(&phase, "phase"), KG_OK);
	assert_int_equal(kg_specimen_save(path, shape_of("S256"), &phase, 1), KG_EINVAL);
	assert_int_equal(kg_specimen_save(path, shape_of("iFairy-700M"), &fairy, 1), KG_EINVAL);
	assert_int_equal(kg_specimen_save("/nonexistent/s.fairy", shape_of("S256"), &fairy, 1),
			 KG_ENOTFOUND);
	assert_false(kg_fs_exists(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_specimen__shapes_are_models_and_found_by_name),
		cmocka_unit_test(test_specimen__shapes_have_the_weights_of_their_descriptions),
		cmocka_unit_test(test_specimen__vocabularies_merge_words_and_give_every_byte_back),
		cmocka_unit_test(test_specimen__every_word_can_be_reached),
		cmocka_unit_test(test_specimen__a_seed_is_a_file),
		cmocka_unit_test(test_specimen__every_format_is_a_model_that_generates),
		cmocka_unit_test(test_specimen__what_does_not_fit_leaves_no_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
