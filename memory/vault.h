/* SPDX-License-Identifier: MIT */
/*
 * vault – sealed content, outside the chains so that it can be dropped: refs/vault/<entry>, a blob.
 *
 * An entry commits to its content by a digest of the ciphertext (entry.h); the chain is whole and
 * verified with or without it. Content is kept before its entry is submitted, so that no entry is
 * ever acknowledged whose content could be lost; one whose entry never came is swept away.
 *
 * What was erased is noted in <state>/erased, one entry id on a line: it is not taken in again when
 * someone who still has it offers it.
 */
#ifndef KG_MEMORY_VAULT_H
#define KG_MEMORY_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "memory/entry.h"
#include "memory/store.h"

enum { KG_VAULT_ERASED_MAX = 64 << 20 /* bytes of <state>/erased */ };

/* Keeps the content of an entry that is about to be submitted; on the disk when it returns KG_OK.
 * The same content again is fine. KG_ECORRUPT when it is no sealed content, KG_EEXISTS when there
 * is other content of that entry, KG_EDENIED when it was erased. */
KG_NODISCARD kg_err kg_vault_put(kg_store *store, const kg_entry_id *entry, const void *sealed,
				 size_t size);

/* Appends the content. KG_ENOTFOUND when there is none, KG_ECORRUPT when what is there is none. */
KG_NODISCARD kg_err kg_vault_read(kg_store *store, kg_buf *sealed, const kg_entry_id *entry);

/* Whether these bytes are what the entry commits to: KG_ECORRUPT otherwise. */
KG_NODISCARD kg_err kg_vault_check(const kg_entry *entry, const void *sealed, size_t size);

/* Notes that the content is erased, and drops its ref; the bytes are gone after kg_store_repack.
 * Content that is not there (any more) is fine. */
KG_NODISCARD kg_err kg_vault_erase(kg_store *store, const kg_entry_id *entry);

/* Drops the ref alone, without a note. */
KG_NODISCARD kg_err kg_vault_drop(kg_store *store, const kg_entry_id *entry);

KG_NODISCARD kg_err kg_vault_is_erased(bool *erased, kg_store *store, const kg_entry_id *entry);

/* Whether an entry is in the memory. */
typedef kg_err (*kg_vault_known)(void *payload, bool *known, const kg_entry_id *entry);

/* Drops content whose entry is not in the memory. */
KG_NODISCARD kg_err kg_vault_sweep(kg_store *store, size_t *dropped, kg_vault_known known,
				   void *payload);

#endif
