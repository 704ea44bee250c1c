/* SPDX-License-Identifier: MIT */
/*
 * bundle – a memory, or the news of one, as a file that stock git reads and writes.
 *
 *   # v2 git bundle              or v3, then lines of capabilities: @object-format=sha1
 *   -<commit> <text>             what the receiver must have already
 *   <commit> <ref>               what is brought
 *                                an empty line; behind it a pack
 *
 * Nothing that a bundle says is believed: its objects go into a quarantine repository (incoming.h),
 * where its refs are judged like those of any remote (judge.h).
 */
#ifndef KG_MEMORY_BUNDLE_H
#define KG_MEMORY_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/incoming.h"
#include "memory/offer.h"
#include "memory/store.h"

enum {
	KG_BUNDLE_HEADER_MAX = 64 << 20, /* bytes */
	KG_BUNDLE_LINE_MAX = KG_OFFER_NAME_MAX + 64
};

typedef struct {
	unsigned version; /* 2 or 3 */
	kg_offers offers;
	kg_commit *needs; /* commits that the receiver must have */
	size_t need_count;
	size_t pack_at; /* where the pack begins */
} kg_bundle;

/* Reads the header, of which `data` must hold all. KG_ECORRUPT, KG_EFULL. */
KG_NODISCARD kg_err kg_bundle_parse(kg_bundle *bundle, const void *data, size_t size);
void kg_bundle_release(kg_bundle *bundle);

/* Brings the objects of the pack into the quarantine. KG_ENOTFOUND when something that the bundle
 * needs is neither there nor in the memory, KG_ECORRUPT for what is no pack, KG_EFULL beyond the
 * limits, KG_ETIMEOUT when `progress`, which may be NULL, stopped it. */
KG_NODISCARD kg_err kg_bundle_unpack(kg_incoming *into, const kg_bundle *bundle, const void *data,
				     size_t size, const kg_incoming_limits *limits,
				     kg_store_progress progress, void *payload);

/* What of every chain goes into a bundle. */
typedef struct {
	kg_pubkey agent;
	kg_commit tip;
	bool has_base; /* the receiver has this commit and what is before it */
	kg_commit base;
} kg_bundle_chain;

typedef struct {
	const kg_bundle_chain *chains; /* those without news (tip and base equal) are left out */
	size_t chain_count;
	const kg_store_ref *others; /* proofs and sealed content, brought whole */
	size_t other_count;
	const kg_pubkey *head; /* whose chain a clone checks out; NULL: nobody's */
} kg_bundle_content;

/* Writes a bundle to `path`, whole or not at all. `*objects` is how many objects it brings;
 * KG_ENOTFOUND when there would be none, KG_ETIMEOUT when `progress` stopped it. */
KG_NODISCARD kg_err kg_bundle_write(kg_store *store, const char *path,
				    const kg_bundle_content *content, uint64_t *objects,
				    kg_store_progress progress, void *payload);

#endif
