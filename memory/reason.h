/* SPDX-License-Identifier: MIT */
/*
 * reason – why an entry, a chain or a ref is not accepted: one stable word each.
 *
 * The same words are said by the keeper when it refuses and by verify when it finds. Each has the
 * error code that goes with it; the line of the error begins with the word and a colon.
 */
#ifndef KG_MEMORY_REASON_H
#define KG_MEMORY_REASON_H

#include <stddef.h>

#include "base/err.h"

typedef enum {
	KG_REASON_NONE,            /* "": nothing against it */
	KG_REASON_BAD_SIGNATURE,   /* bad_signature: the bytes are not what the author signed */
	KG_REASON_UNSIGNED,        /* unsigned: there is no signature */
	KG_REASON_WEAK_KEY,        /* weak_key: signed by a key that belongs to everyone */
	KG_REASON_MALFORMED,       /* malformed: not the form of an entry */
	KG_REASON_OVERSIZE,        /* oversize: more bytes than an entry may have */
	KG_REASON_NOT_UTF8,        /* not_utf8: its message is not text */
	KG_REASON_BAD_ARMOUR,      /* bad_armour: a good signature, wrapped in another form */
	KG_REASON_UNREADABLE,      /* unreadable: the object is damaged */
	KG_REASON_MISSING,         /* missing: the object is not there */
	KG_REASON_DAMAGED,         /* damaged: the end of its chain cannot be read */
	KG_REASON_UNKNOWN_KEY,     /* unknown_key: no swarm believed has certified the author */
	KG_REASON_WRONG_NAME,      /* wrong_name: the key is certified under another name */
	KG_REASON_WRONG_SWARM,     /* wrong_swarm: made for a swarm that has no say over it */
	KG_REASON_WRONG_CHAIN,     /* wrong_chain: another author's entry */
	KG_REASON_REVOKED,         /* revoked: behind the last accepted entry of its key */
	KG_REASON_BAD_REVOCATION,  /* bad_revocation: it gives back what a revocation took */
	KG_REASON_NO_AUTHORITY,    /* no_authority: a quarantine by neither swarm nor operator */
	KG_REASON_SEQUENCE_GAP,    /* sequence_gap: does not follow the entry before it */
	KG_REASON_WRONG_PARENT,    /* wrong_parent: the next number, on another entry */
	KG_REASON_TIME_ORDER,      /* time_order: its time and its neighbour's are not in order */
	KG_REASON_CLOCK_AHEAD,     /* clock_ahead: its time is too far in the future */
	KG_REASON_CLOSED,          /* closed: its key named a successor and was given up */
	KG_REASON_BAD_SUCCESSION,  /* bad_succession: what it says of the key before is not so */
	KG_REASON_FORKED,          /* forked: its author signed two entries for one place */
	KG_REASON_BAD_PROOF,       /* bad_proof: kept as proof of a fork, and proves none */
	KG_REASON_DUPLICATE,       /* duplicate: the same entry stands elsewhere */
	KG_REASON_BAD_EPOCH,       /* bad_epoch: an epoch that does not stand for the one before */
	KG_REASON_BAD_CLAIM,       /* bad_claim: it names a tip that a chain does not have */
	KG_REASON_SEEN_MISSING,    /* seen_missing: its author saw an entry that is not there */
	KG_REASON_TRUNCATED,       /* truncated: a checkpoint names it, its chain stops before */
	KG_REASON_REPLACED,        /* replaced: a checkpoint names another entry at its place */
	KG_REASON_ROLLED_BACK,     /* rolled_back: a witness outside git saw a later end */
	KG_REASON_OFF_CHAIN,       /* off_chain: an entry asked for by name that is on no chain */
	KG_REASON_STRAY_REF,       /* stray_ref: a ref that is nothing of ours */
	KG_REASON_SEALED_MISMATCH, /* sealed_mismatch: other sealed content than was signed */
	KG_REASON_BAD_ORIGIN,      /* bad_origin: the message it was made of is not its author's */
	KG_REASON_BAD_REMOTE,      /* bad_remote: a remote was put in quarantine */
	KG_REASONS
} kg_reason;

/* The stable word; "" for none. */
const char *kg_reason_name(kg_reason reason);

/* The code that goes with the reason; KG_OK for none. */
kg_err kg_reason_code(kg_reason reason);

/* Sets the thread's message to "<word>: <text>" and *why (which may be NULL), and returns the code
 * of the reason, which is not NONE. */
kg_err kg_reason_fail(kg_reason *why, kg_reason reason, const char *fmt, ...) KG_PRINTF(3, 4)
	__attribute__((cold));

/* Why opening this object failed with `err` (entry.h). The bytes are looked at again, more closely:
 * for the rare case. NONE when it is not the object's fault (no memory). */
kg_reason kg_reason_of_object(kg_err err, const void *object, size_t size);

#endif
