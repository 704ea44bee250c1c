/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/train/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is accepted must also pass the check of its parts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_train_config config;
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		close(fd);
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	kg_train_config_init(&config);
	if (kg_train_config_load(&config, path) == KG_OK)
		KG_ASSERT(kg_train_config_check(&config) == KG_OK);
	close(fd);
	return 0;
}
