/* SPDX-License-Identifier: MIT */
/* A message of mmogit: what is read can be checked again, and makes an entry that can be signed. */
#include <stddef.h>
#include <stdint.h>

#include "memory/mmogit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of the envelope of the corpus. */
	static const uint8_t seed[KG_KEY_SEED_SIZE] = {
		0x40, 0x8b, 0x28, 0x5c, 0x12, 0x38, 0x36, 0x00, 0x4f, 0x4b, 0x88,
		0x42, 0xc8, 0x93, 0x24, 0xc1, 0xf0, 0x13, 0x82, 0x45, 0x0c, 0x0d,
		0x43, 0x9a, 0xf3, 0x45, 0xba, 0x7f, 0xc4, 0x9a, 0xcf, 0x70};
	kg_mmogit_message m;
	kg_entry entry;
	kg_reason why;

	if (kg_mmogit_parse(&m, &why, data, size, seed) != KG_OK)
		return 0;
	KG_ASSERT(kg_mmogit_check(&m.author, m.time, m.signature, m.content.data, m.content.size) ==
		  KG_OK);
	KG_ASSERT(kg_mmogit_entry(&entry, &m) == KG_OK);
	KG_ASSERT(entry.has_origin && kg_entry_has_tag(&entry, "mmogit"));
	kg_entry_release(&entry);
	kg_mmogit_release(&m);
	return 0;
}
