/* SPDX-License-Identifier: MIT */
/*
 * fuzz_prefix – a file to begin a session from, of any bytes: refused with nothing left behind, or
 * a session that goes on, counts its tokens right and gives the same logits twice.
 *
 * Input: one byte (odd: a model in floats), the length of head and tokens (two bytes), these, then
 * what lies at the place of the cache.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/session.h"
#include "tests/runtime/tiny.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t digest[KG_PREFIX_DIGEST_SIZE] = "tiny";

static kg_weights *weights_of(bool floats)
{
	static kg_weights *made[2];
	const kg_strategy strategy = kg_strategy_of(floats ? KG_FORMAT_F32 : KG_FORMAT_INT8);

	if (made[floats] == NULL) {
		kg_model *model = tiny_model(true);

		tiny_fill(model, 1);
		if (kg_weights_new(&made[floats], model, &strategy, NULL) != KG_OK)
			abort();
	}
	return made[floats];
}

static void go_on(kg_session *session)
{
	float logits[2][TINY_VOCABULARY];
	uint32_t position = kg_session_position(session);

	if (position == 0 || position > kg_session_context(session))
		abort();
	for (uint32_t i = 0; i < position; i++)
		if (kg_session_tokens(session)[i] >= TINY_VOCABULARY)
			abort();
	for (int turn = 0; turn < 2; turn++) {
		kg_session_rewind(session, position - 1);
		if (kg_session_step(session, 3, logits[turn]) != KG_OK)
			abort();
	}
	if (memcmp(logits[0], logits[1], sizeof(logits[0])) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	kg_session_options options = {.prefix = path, .digest = digest};
	kg_session *session = NULL;
	size_t before;
	int fd;

	if (size < 3)
		return 0;
	before = (size_t)data[1] | (size_t)data[2] << 8;
	before = before < size - 3 ? before : size - 3;
	fd = memfd_create("prefix", MFD_CLOEXEC);
	if (fd < 0 || pwrite(fd, data + 3, before, 0) != (ssize_t)before)
		abort();
	if (before < size - 3 && pwrite(fd, data + 3 + before, size - 3 - before,
					KG_PREFIX_ALIGNMENT) != (ssize_t)(size - 3 - before))
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (kg_session_new(&session, weights_of(data[0] & 1), &options) == KG_OK) {
		go_on(session);
		kg_session_free(session);
	} else if (session != NULL) {
		abort();
	}
	(void)close(fd);
	return 0;
}
