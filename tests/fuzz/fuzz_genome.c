/* SPDX-License-Identifier: MIT */
/* Any bytes as a genome: what is accepted is written back the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/genome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kg_genome genome;
	uint8_t back[KG_GENOME_SIZE_MAX];
	if (kg_genome_decode(&genome, data, size) != KG_OK) {
		return 0;
	}
	if (kg_genome_encode(&genome, back) != size || memcmp(back, data, size) != 0) {
		__builtin_trap();
	}
	return 0;
}
