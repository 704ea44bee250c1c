/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "runtime/session.h"
#include "tests/runtime/toy.h"

enum { VOCABULARY = KG_TOKENIZER_BYTE_MODEL_COUNT, LENGTH = 40, KEPT = 21 };

static const uint8_t seed[KG_SEED_SIZE] = "a seed of prefixes";
static const uint8_t digest[KG_PREFIX_DIGEST_SIZE] = "what the weights are";

static const kg_format formats[] = {KG_FORMAT_F32, KG_FORMAT_INT8, KG_FORMAT_FAIRY2};

enum { FORMATS = sizeof(formats) / sizeof(*formats) };

static char folder[] = "/tmp/kg-test-prefix.XXXXXX";
static char path[64];

typedef struct {
	kg_model *model;
	kg_weights *weights;
} mind;

static mind mind_of(kg_format format)
{
	kg_model_config config = toy_config();
	kg_strategy strategy = kg_strategy_of(format);
	mind m;

	m.model = toy_random(&config, 60);
	assert_int_equal(kg_weights_new(&m.weights, m.model, &strategy, seed), KG_OK);
	return m;
}

static void release(mind *m)
{
	kg_weights_free(m->weights);
	kg_model_free(m->model);
}

static void tokens_of(uint32_t token[LENGTH])
{
	for (uint32_t t = 0; t < LENGTH; t++)
		token[t] = (t * 91 + 5) % VOCABULARY;
}

/* Writes a file of the first KEPT tokens. */
static void save(const mind *m)
{
	kg_session *session;
	uint32_t token[LENGTH];

	tokens_of(token);
	assert_int_equal(kg_session_new(&session, m->weights, NULL), KG_OK);
	/* What was taken in and given up again is not kept. */
	assert_int_equal(kg_session_feed(session, token, LENGTH, NULL), KG_OK);
	kg_session_rewind(session, KEPT);
	assert_int_equal(kg_session_save(session, path, digest), KG_OK);
	kg_session_free(session);
}

static kg_err open_session(kg_session **out, const mind *m)
{
	const kg_session_options options = {.prefix = path, .digest = digest};

	return kg_session_new(out, m->weights, &options);
}

static void test_save__gives_sessions_that_go_on_with_the_same_bits(void **state)
{
	uint32_t token[LENGTH];

	(void)state;
	tokens_of(token);
	for (size_t f = 0; f < FORMATS; f++) {
		mind m = mind_of(formats[f]);
		float want[VOCABULARY];
		float got[VOCABULARY];
		kg_session *session;
		struct stat status;

		assert_int_equal(kg_session_new(&session, m.weights, NULL), KG_OK);
		assert_int_equal(kg_session_feed(session, token, LENGTH, want), KG_OK);
		kg_session_free(session);
		save(&m);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 0777, 0600);
		/* Twice: what the first writes behind the prefix is its own. */
		for (int turn = 0; turn < 2; turn++) {
			assert_int_equal(open_session(&session, &m), KG_OK);
			assert_int_equal(kg_session_position(session), KEPT);
			assert_int_equal(kg_session_context(session), toy_config().context);
			assert_memory_equal(kg_session_tokens(session), token,
					    KEPT * sizeof(*token));
			assert_int_equal(kg_session_feed(session, token + KEPT, LENGTH - KEPT, got),
					 KG_OK);
			assert_memory_equal(got, want, sizeof(want));
			kg_session_rewind(session, 3);
			assert_int_equal(kg_session_feed(session, token + 3, LENGTH - 3, got),
					 KG_OK);
			assert_memory_equal(got, want, sizeof(want));
			kg_session_free(session);
		}
		release(&m);
	}
}

static void test_save__keeps_nothing_of_what_was_given_up(void **state)
{
	uint32_t token[LENGTH];

	(void)state;
	tokens_of(token);
	for (size_t f = 0; f < FORMATS; f++) {
		mind m = mind_of(formats[f]);
		kg_session *session;
		kg_buf want;
		kg_buf got;

		kg_buf_init(&want, 1 << 24);
		kg_buf_init(&got, 1 << 24);
		save(&m);
		assert_int_equal(kg_fs_read(&got, path), KG_OK);
		assert_int_equal(kg_session_new(&session, m.weights, NULL), KG_OK);
		assert_int_equal(kg_session_feed(session, token, KEPT, NULL), KG_OK);
		assert_int_equal(kg_session_save(session, path, digest), KG_OK);
		assert_int_equal(kg_fs_read(&want, path), KG_OK);
		assert_int_equal(got.size, want.size);
		assert_memory_equal(got.data, want.data, want.size);
		kg_session_free(session);
		kg_buf_release(&want);
		kg_buf_release(&got);
		release(&m);
	}
}

static void test_new__refuses_what_belongs_to_something_else(void **state)
{
	const uint8_t other[KG_PREFIX_DIGEST_SIZE] = "other weights";
	mind m = mind_of(KG_FORMAT_FAIRY2);
	mind floats = mind_of(KG_FORMAT_F32);
	kg_session_options options = {.prefix = path, .digest = other};
	kg_session *session = NULL;

	(void)state;
	save(&m);
	assert_int_equal(kg_session_new(&session, m.weights, &options), KG_ECONFLICT);
	assert_int_equal(open_session(&session, &floats), KG_ECONFLICT);
	options = (kg_session_options){.context = KEPT + 1, .prefix = path, .digest = digest};
	assert_int_equal(kg_session_new(&session, m.weights, &options), KG_ECONFLICT);
	options.context = toy_config().context;
	options.prefix = folder;
	assert_int_equal(kg_session_new(&session, m.weights, &options), KG_EINVAL);
	options.prefix = "/tmp/kg-no-such-folder/prompt";
	assert_int_equal(kg_session_new(&session, m.weights, &options), KG_ENOTFOUND);
	assert_null(session);
	options.prefix = path;
	assert_int_equal(kg_session_new(&session, m.weights, &options), KG_OK);
	kg_session_rewind(session, 0);
	assert_int_equal(kg_session_save(session, path, digest), KG_EINVAL);
	kg_session_free(session);
	release(&floats);
	release(&m);
}

static void test_new__refuses_a_file_cut_anywhere(void **state)
{
	mind m = mind_of(KG_FORMAT_INT8);
	kg_session *session = NULL;
	struct stat status;

	(void)state;
	save(&m);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(truncate(path, status.st_size + 1), 0);
	assert_int_equal(open_session(&session, &m), KG_ECORRUPT);
	for (off_t size = status.st_size - 1; size >= 0; size--) {
		/* In the hole behind the tokens one place is like another. */
		if (size > 4096 && size < KG_PREFIX_ALIGNMENT && size % 512 != 0)
			continue;
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(open_session(&session, &m), KG_ECORRUPT);
	}
	assert_null(session);
	release(&m);
}

static void poke(off_t at, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, size, at), (ssize_t)size);
	assert_int_equal(close(fd), 0);
}

/* Every number of the head, tokens, scales and integers that no session writes. */
static void test_new__refuses_numbers_that_cannot_be(void **state)
{
	const uint32_t lies[] = {0, 1, 0x7fffffff, 0xffffffff, VOCABULARY, KEPT + 1};
	const float not_finite[] = {-1.0f, __builtin_inff(), __builtin_nanf("")};
	mind m = mind_of(KG_FORMAT_INT8);
	kg_session *session = NULL;
	kg_cache cache;
	kg_cache_part part[KG_CACHE_PARTS];
	uint32_t parts;

	(void)state;
	for (off_t at = 8; at < 48; at += 4)
		for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
			uint32_t was;
			int fd;

			save(&m);
			fd = open(path, O_RDONLY);
			assert_int_equal(pread(fd, &was, sizeof(was), at), sizeof(was));
			assert_int_equal(close(fd), 0);
			if (was == lies[i])
				continue;
			poke(at, &lies[i], sizeof(lies[i]));
			assert_int_not_equal(open_session(&session, &m), KG_OK);
		}
	save(&m);
	poke(80 + (KEPT - 1) * 4, &lies[4], 4);
	assert_int_equal(open_session(&session, &m), KG_ECORRUPT);
	cache = (kg_cache){.layers = 2,
			   .kv_heads = 2,
			   .head_dim = 6,
			   .context = toy_config().context,
			   .quantized = true};
	kg_cache_lay_out(&cache);
	parts = kg_cache_parts(part, &cache, 1, 1, KEPT);
	assert_int_equal(parts, KG_CACHE_PARTS);
	for (size_t p = 0; p < parts; p++) {
		off_t end = KG_PREFIX_ALIGNMENT + (off_t)(part[p].at + part[p].size);

		for (size_t i = 0; i < (part[p].floats ? 3 : 1); i++) {
			save(&m);
			if (part[p].floats)
				poke(end - 4, &not_finite[i], 4);
			else
				poke(end - 1, "\x80", 1);
			assert_int_equal(open_session(&session, &m), KG_ECORRUPT);
		}
	}
	assert_null(session);
	release(&m);
}

/* What could not be read again is not written. */
static void test_save__refuses_numbers_that_overflow(void **state)
{
	mind m = mind_of(KG_FORMAT_F32);
	const kg_tensor *t = kg_model_tensor(m.model, KG_TENSOR_ATTN_NORM, 1);
	float *gain = kg_model_floats(m.model, KG_TENSOR_ATTN_NORM, 1);
	kg_session *session;

	(void)state;
	for (uint32_t i = 0; i < t->cols; i++)
		gain[i] = 3e38f;
	(void)unlink(path);
	assert_int_equal(kg_session_new(&session, m.weights, NULL), KG_OK);
	assert_int_equal(kg_session_step(session, 5, NULL), KG_OK);
	assert_int_equal(kg_session_save(session, path, digest), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "overflow"));
	assert_false(kg_fs_exists(path));
	kg_session_free(session);
	release(&m);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/prompt", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_save__gives_sessions_that_go_on_with_the_same_bits),
		cmocka_unit_test(test_save__keeps_nothing_of_what_was_given_up),
		cmocka_unit_test(test_new__refuses_what_belongs_to_something_else),
		cmocka_unit_test(test_new__refuses_a_file_cut_anywhere),
		cmocka_unit_test(test_new__refuses_numbers_that_cannot_be),
		cmocka_unit_test(test_save__refuses_numbers_that_overflow),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
