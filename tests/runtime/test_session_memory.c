/* SPDX-License-Identifier: MIT */
/* A session takes its memory when it is made, and touches it as it is used. The linker leads every
 * call of the allocators from our own code through here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/sampler.h"
#include "runtime/session_impl.h"
#include "tests/runtime/toy.h"

enum { VOCABULARY = KG_TOKENIZER_BYTE_MODEL_COUNT, CONTEXT = 256 };

static uint64_t calls;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t size)
{
	calls++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	calls++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	calls++;
	return __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	calls++;
	return __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	calls++;
	return __real_mmap(at, size, protection, flags, fd, offset);
}

typedef struct {
	kg_model *model;
	kg_weights *weights;
	kg_session *session;
} mind;

static mind mind_of(const kg_model_config *config, kg_format format,
		    const kg_session_options *options)
{
	kg_strategy strategy = kg_strategy_of(format);
	uint64_t before = calls;
	mind m;

	m.model = toy_random(config, 70);
	assert_int_equal(kg_weights_new(&m.weights, m.model, &strategy, NULL), KG_OK);
	assert_int_equal(kg_session_new(&m.session, m.weights, options), KG_OK);
	assert_true(calls > before + 3);
	return m;
}

static void release(mind *m)
{
	kg_session_free(m->session);
	kg_weights_free(m->weights);
	kg_model_free(m->model);
}

static kg_err ignore(void *context, size_t index, const float *logits)
{
	(void)context;
	(void)index;
	(void)logits;
	return KG_OK;
}

static void test_feed__allocates_nothing(void **state)
{
	static const kg_format formats[] = {KG_FORMAT_F32,    KG_FORMAT_F16,  KG_FORMAT_INT8,
					    KG_FORMAT_FAIRY1, KG_FORMAT_INT4, KG_FORMAT_PALETTE256};
	const kg_sampler_settings settings = {.temperature = 1.0f, .top_p = 0.9f};
	uint32_t tokens[40] = {1, 2, 3};

	(void)state;
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++)
		for (uint32_t threads = 1; threads <= 2; threads++) {
			const kg_session_options options = {.batch = 8, .threads = threads};
			const kg_model_config config = toy_config();
			mind m = mind_of(&config, formats[f], &options);
			float logits[VOCABULARY];
			kg_sampler *sampler;
			uint64_t before;

			assert_int_equal(kg_sampler_new(&sampler, &settings, VOCABULARY), KG_OK);
			m.session->work_min = 0.0;
			before = calls;
			assert_int_equal(kg_session_feed(m.session, tokens, 40, logits), KG_OK);
			for (int i = 0; i < 8; i++)
				assert_int_equal(kg_session_step(m.session,
								 kg_sampler_next(sampler, logits),
								 logits),
						 KG_OK);
			kg_session_rewind(m.session, 0);
			assert_int_equal(kg_session_read(m.session, tokens, 40, 0, ignore, NULL),
					 KG_OK);
			assert_int_equal(calls, before);
			kg_sampler_free(sampler);
			release(&m);
		}
}

static size_t touched(void *memory, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t pages = (size + page - 1) / page;
	unsigned char *in = calloc(pages, 1);
	size_t count = 0;

	assert_int_equal(mincore(memory, size, in), 0);
	for (size_t i = 0; i < pages; i++)
		count += in[i] & 1;
	free(in);
	return count * page;
}

static size_t memory_of(const mind *m)
{
	return sizeof(*m->session) + touched(m->session->buffers, m->session->buffers_bytes) +
	       touched(m->session->cache.mapping, m->session->cache.mapping_size);
}

static void test_session__of_a_small_model_stays_small(void **state)
{
	const kg_session_options options = {.context = CONTEXT};
	kg_model_config config = toy_config();
	uint32_t tokens[CONTEXT] = {0};
	mind m;

	(void)state;
	config.dim = config.heads * 64;
	config.hidden = 768;
	config.layers = 6;
	config.kv_heads = config.heads;
	config.head_dim = 64;
	config.context = 4 * CONTEXT;
	m = mind_of(&config, KG_FORMAT_FAIRY1, &options);
	assert_true(memory_of(&m) < 128 << 10);
	assert_int_equal(kg_session_step(m.session, 1, NULL), KG_OK);
	assert_true(memory_of(&m) < 512 << 10);
	assert_int_equal(kg_session_feed(m.session, tokens, CONTEXT - 1, NULL), KG_OK);
	assert_true(memory_of(&m) < 1400 << 10);
	assert_true(memory_of(&m) <= kg_session_bytes(m.session) + (64 << 10));
	release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed__allocates_nothing),
		cmocka_unit_test(test_session__of_a_small_model_stays_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
