/* SPDX-License-Identifier: MIT */
#include "runtime/nursery.h"

#ifdef KG_NURSERY_PATH
/* Aligned to a page, so that processes share its pages and no other data dirties them. */
__asm__(".pushsection .rodata\n"
	".balign 4096\n"
	".global kg_nursery_start\n"
	".global kg_nursery_end\n"
	"kg_nursery_start:\n"
	".incbin \"" KG_NURSERY_PATH "\"\n"
	"kg_nursery_end:\n"
	".balign 64\n"
	".popsection\n");

extern const uint8_t kg_nursery_start[] __attribute__((visibility("hidden")));
extern const uint8_t kg_nursery_end[] __attribute__((visibility("hidden")));

const uint8_t *kg_nursery_bytes(size_t *size)
{
	*size = (size_t)(kg_nursery_end - kg_nursery_start);
	return kg_nursery_start;
}
#else
const uint8_t *kg_nursery_bytes(size_t *size)
{
	*size = 0;
	return NULL;
}
#endif

kg_err kg_nursery_open(kg_model **out)
{
	size_t size;
	const uint8_t *data = kg_nursery_bytes(&size);

	if (data == NULL)
		return kg_fail(KG_ENOTFOUND, "this program was built without an embedded model; "
					     "name a .fairy file with --model");
	return kg_model_open_memory(out, data, size);
}
