/* SPDX-License-Identifier: MIT */
#include "runtime/merges.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 256, PROBES_MAX = 4096 };

static const uint32_t slot_free = UINT32_MAX;

void kg_merges_release(kg_merges *merges)
{
	free(merges->list);
	free(merges->slots);
	memset(merges, 0, sizeof(*merges));
}

/* splitmix64's finalizer: every bit of the pair reaches the low ones. */
static uint32_t slot_of(uint32_t left, uint32_t right, uint32_t slots_count)
{
	uint64_t h = (uint64_t)left << 32 | right;

	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
	return (uint32_t)(h ^ h >> 31) & (slots_count - 1);
}

/* The slot of a pair, or the free one where it would go; slots_count if there were too many. */
static uint32_t probe(const kg_merges *m, const uint32_t *slots, uint32_t slots_count,
		      uint32_t left, uint32_t right)
{
	uint32_t i = slot_of(left, right, slots_count);

	for (int probes = 0; probes < PROBES_MAX; probes++) {
		if (slots[i] == slot_free ||
		    (m->list[slots[i]].left == left && m->list[slots[i]].right == right))
			return i;
		i = (i + 1) & (slots_count - 1);
	}
	return slots_count;
}

static kg_err grow(kg_merges *m)
{
	uint32_t slots_count = m->slots_count == 0 ? SLOTS_FIRST : 2 * m->slots_count;
	uint32_t *slots = malloc(slots_count * sizeof(*slots));
	kg_merge *list = reallocarray(m->list, slots_count / 2, sizeof(*list));

	if (list != NULL)
		m->list = list;
	if (slots == NULL || list == NULL) {
		free(slots);
		return kg_fail(KG_ENOMEM, "merges: no memory for %u", slots_count / 2);
	}
	memset(slots, 0xff, slots_count * sizeof(*slots));
	for (uint32_t rank = 0; rank < m->count; rank++) {
		uint32_t at = probe(m, slots, slots_count, list[rank].left, list[rank].right);

		if (at == slots_count) {
			free(slots);
			return kg_fail(KG_EINVAL, "merges: too many that collide");
		}
		slots[at] = rank;
	}
	free(m->slots);
	m->slots = slots;
	m->slots_count = slots_count;
	return KG_OK;
}

kg_err kg_merges_put(kg_merges *merges, uint32_t left, uint32_t right, uint32_t joined)
{
	uint32_t at;

	if (merges->count == KG_MERGES_MAX)
		return kg_fail(KG_EFULL, "merges: more than %d", KG_MERGES_MAX);
	if (2 * merges->count == merges->slots_count) {
		kg_err err = grow(merges);

		if (err != KG_OK)
			return err;
	}
	at = probe(merges, merges->slots, merges->slots_count, left, right);
	if (at == merges->slots_count)
		return kg_fail(KG_EINVAL, "merges: too many that collide");
	if (merges->slots[at] != slot_free)
		return KG_OK;
	merges->slots[at] = merges->count;
	merges->list[merges->count++] = (kg_merge){left, right, joined};
	return KG_OK;
}

const kg_merge *kg_merges_find(const kg_merges *merges, uint32_t left, uint32_t right)
{
	uint32_t at;

	if (merges->count == 0)
		return NULL;
	at = probe(merges, merges->slots, merges->slots_count, left, right);
	if (at == merges->slots_count || merges->slots[at] == slot_free)
		return NULL;
	return &merges->list[merges->slots[at]];
}
