/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/train/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kg_train *smallest(void)
{
	kg_train_config config;
	kg_train *train = NULL;

	kg_train_config_init(&config);
	config.shape = (kg_train_shape){
		.dim = 8, .hidden = 8, .layers = 1, .heads = 1, .kv_heads = 1, .context = 256};
	config.tokens_per_step = 256;
	config.lessons_share = 1.0;
	config.phase_count = 1;
	config.phase[0] = (kg_train_phase){.name = "a", .steps = 1};
	KG_ASSERT(kg_train_new(&train, &config) == KG_OK);
	return train;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static kg_train *train;
	char path[64];
	int fd = memfd_create("checkpoint", MFD_CLOEXEC);

	if (train == NULL)
		train = smallest();
	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		close(fd);
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (kg_train_load(train, path) == KG_OK) {
		kg_train_grade grade;
		kg_err err = kg_train_evaluate(train, false, &grade);

		/* Finite numbers may still overflow. */
		KG_ASSERT(err == KG_OK || err == KG_ECORRUPT);
	}
	close(fd);
	return 0;
}
