/* SPDX-License-Identifier: MIT */
/*
 * offer – what another side says it has: names of refs and where they point. None of it is believed
 * before it has been judged (judge.h).
 *
 * Names that are none of ours (refs/heads/main, tags, HEAD) are counted and otherwise left alone: a
 * repository may hold other things as well. A name among ours that is not formed like one is an
 * offer of kind KG_STORE_STRAY, which speaks against the side that makes it.
 */
#ifndef KG_MEMORY_OFFER_H
#define KG_MEMORY_OFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "memory/store.h"

enum {
	KG_OFFER_NAME_MAX = 1024,             /* bytes of a name, whoever's it is */
	KG_OFFERS_MAX = KG_STORE_REFS_MAX / 4 /* of all kinds together */
};

typedef struct {
	kg_store_ref *refs; /* in the order they were added */
	size_t count;
	uint64_t others; /* names that are none of ours */
} kg_offers;

void kg_offers_release(kg_offers *offers);

/* Takes one in. KG_ECORRUPT for a name that can be no ref's, KG_EFULL beyond KG_OFFERS_MAX. */
KG_NODISCARD kg_err kg_offers_add(kg_offers *offers, const char *name, size_t length,
				  const kg_commit *commit);

/* As text, a line each, and back: for handing them from one process to another. */
void kg_offers_put(kg_buf *out, const kg_offers *offers);
KG_NODISCARD kg_err kg_offers_parse(kg_offers *offers, const void *text, size_t size);

#endif
