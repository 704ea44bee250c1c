/* SPDX-License-Identifier: MIT */
/*
 * mmogit – messages of the protocol that this memory follows, read strictly (docs/mmogit.md).
 *
 * A message is a JSON object of content, author (64 hex), timestamp and signature (128 hex). The
 * signature is Ed25519 over content, author and timestamp, one behind the other with nothing
 * between them: where one ends and the next begins is not signed. So an author is taken only as a
 * whole key, and a timestamp only in its one form; then there is one way to cut the bytes.
 *
 * A private message is an envelope: JSON of version 1, nonce and ciphertext as lists of bytes, and
 * within it a message.
 */
#ifndef KG_MEMORY_MMOGIT_H
#define KG_MEMORY_MMOGIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"
#include "memory/reason.h"

enum {
	KG_MMOGIT_FILE_MAX = 2 << 20, /* bytes of one file */
	KG_MMOGIT_TAG_SIZE = 7 + 32 + 1
};

/* One message, its signature good. */
typedef struct {
	kg_pubkey author;
	char time[KG_ENTRY_ORIGIN_TIME_MAX + 1]; /* as it was signed */
	int64_t time_ns;                         /* the same since 1970, for order */
	uint8_t signature[KG_SIGNATURE_SIZE];
	bool was_private;       /* it came in an envelope */
	kg_entry_bytes content; /* 1..KG_ENTRY_TEXT_MAX bytes of UTF-8 */
} kg_mmogit_message;

void kg_mmogit_release(kg_mmogit_message *message);

/* Whether `author` signed this content at this time: KG_OK; KG_EBADSIG, KG_EDENIED for a key that
 * belongs to everyone, KG_EINVAL for a time that is not RFC 3339 in UTC with 0, 3, 6 or 9 digits
 * behind the second. */
KG_NODISCARD kg_err kg_mmogit_check(const kg_pubkey *author, const char *time,
				    const uint8_t signature[KG_SIGNATURE_SIZE], const void *content,
				    size_t size);

/* Reads one file. `seed` opens envelopes; NULL: KG_ENOTFOUND for one. On another failure *why tells
 * the reason: malformed, oversize, not_utf8, weak_key, bad_signature. */
KG_NODISCARD kg_err kg_mmogit_parse(kg_mmogit_message *out, kg_reason *why, const void *data,
				    size_t size, const uint8_t *seed);

/* The entry that tells it, with the message as its origin and a tag made from its signature by
 * which it is found again: an observation with the content as its text, or, when the content is a
 * structured memory, what that says. The caller releases it. */
KG_NODISCARD kg_err kg_mmogit_entry(kg_entry *out, const kg_mmogit_message *message);

/* "mmogit-" and 32 hex digits. */
void kg_mmogit_tag(char tag[KG_MMOGIT_TAG_SIZE], const kg_mmogit_message *message);

/* Called for every file of a source: `name` says where it is. `data` NULL: it is larger than
 * KG_MMOGIT_FILE_MAX, or cannot be read. An error ends the reading and is passed on. */
typedef kg_err (*kg_mmogit_visit)(void *payload, const char *name, const uint8_t *data,
				  size_t size);

/* All *.json files of a messages repository: every branch users/…, also of remotes, in every commit
 * (a tip alone need not have all that was ever on it), the same bytes once. `dir` may be the
 * repository, a configuration directory that has it as messages/, or a plain directory of such
 * files. KG_ENOTFOUND when it is none of them, KG_EFULL beyond two million files and commits. */
KG_NODISCARD kg_err kg_mmogit_read(const char *dir, kg_mmogit_visit visit, void *payload);

#endif
