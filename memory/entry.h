/* SPDX-License-Identifier: MIT */
/*
 * entry – one signed record of the collective memory, and the git commit that it is.
 *
 * The commit has the empty tree, at most one parent (the entry before it on the author's chain),
 * an SSH signature by the author's key exactly as stock git writes it, and a message of
 *
 *   <type>: <first words>        derived from the text, at most 72 characters
 *
 *   <text>
 *
 *   Kindergarten-Format: 1       git trailers in one fixed order, docs/entry-format.md
 *   …
 *
 * There is one encoding of an entry and one entry of an encoding: opening bytes that encode would
 * not have written is KG_ECORRUPT. Nothing in the text can pass for a field, since the fields are
 * the last paragraph. The id is BLAKE2b-256 over the signed bytes (the commit without its
 * signature) without the lines that say where the entry stands on its chain: the parent, Sequence
 * and Carried. It holds whatever becomes of SHA-1, and stays when an entry is placed anew; author,
 * time and counter make it unique.
 */
#ifndef KG_MEMORY_ENTRY_H
#define KG_MEMORY_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "identity/derive.h"
#include "identity/hash.h"
#include "identity/key.h"

enum {
	KG_ENTRY_TEXT_MAX = 64 << 10,  /* bytes of the text, of the prompt, of the answer */
	KG_ENTRY_OBJECT_MAX = 1 << 20, /* bytes of the commit object */
	KG_ENTRY_TAGS_MAX = 16,
	KG_ENTRY_TAG_MAX = 40, /* bytes of one tag */
	KG_ENTRY_REFERENCES_MAX = 32,
	KG_ENTRY_HEADS_MAX = 4096,
	KG_ENTRY_MEMBERS_MAX = 4096,
	KG_ENTRY_STRATEGY_MAX = 120,
	KG_ENTRY_SEEN_MAX = 8,
	KG_ENTRY_PEERS_MAX = 256,
	KG_ENTRY_RECIPIENTS_MAX = 16,
	KG_ENTRY_ORIGIN_TIME_MAX = 40,
	KG_ENTRY_SEALED_MAX = 1 << 20, /* bytes of sealed content, encrypted */
	KG_ENTRY_SUBJECT_MAX = 72,     /* characters */
	KG_COMMIT_SIZE = 20,
	KG_COMMIT_TEXT_SIZE = 41
};

/* The whole text of a sealed entry. */
#define KG_ENTRY_SEALED_TEXT "The content of this entry is sealed."

typedef enum {
	KG_ENTRY_BIRTH,
	KG_ENTRY_INSIGHT,
	KG_ENTRY_OBSERVATION,
	KG_ENTRY_LEARNING,
	KG_ENTRY_REFLECTION,
	KG_ENTRY_QUESTION,
	KG_ENTRY_TRACE,
	KG_ENTRY_HEARTBEAT,
	KG_ENTRY_LINEAGE,
	KG_ENTRY_CHECKPOINT,
	KG_ENTRY_REVOCATION,
	KG_ENTRY_TYPES
} kg_entry_type;

typedef struct {
	uint8_t bytes[KG_HASH_SIZE];
} kg_entry_id;

typedef struct {
	uint8_t bytes[KG_COMMIT_SIZE];
} kg_commit;

/* Bytes that live with their entry; data is NULL when there are none. */
typedef struct {
	uint8_t *data; /* followed by '\0' */
	size_t size;
} kg_entry_bytes;

/* What makes an agent's weights. */
typedef struct {
	uint8_t base_digest[KG_HASH_SIZE];
	uint8_t weights_digest[KG_HASH_SIZE];
	uint8_t seed[KG_HASH_SIZE];
	char strategy[KG_ENTRY_STRATEGY_MAX + 1]; /* printable ASCII without spaces */
} kg_entry_genome;

/* How the tokens of a generated text were drawn. */
typedef struct {
	double temperature; /* 0..100, in steps of 1e-6 */
	double top_p;       /* 0..1, in steps of 1e-6 */
	uint32_t top_k;     /* 0: all */
	uint32_t max_tokens;
	uint32_t tokens; /* tokens generated */
	uint64_t seed;
} kg_entry_sampler;

/* The four measured parts of the coefficient, each 0..1. */
typedef struct {
	double quantization_awareness;
	double complex_understanding;
	double compression_readiness;
	double pedagogical_capacity;
} kg_entry_parts;

/* A chain's tip, as a checkpoint or a revocation states it. */
typedef struct {
	kg_pubkey agent;
	uint64_t sequence;
	kg_commit commit;
} kg_entry_head;

/* A key that the swarm certifies; as a peer: the key of another swarm, which is believed about its
 * own members. */
typedef struct {
	kg_pubkey agent;
	char name[KG_NAME_SIZE];
} kg_entry_member;

/* The root of a chain's new epoch: what it stands in for. */
typedef struct {
	uint64_t number;   /* from 1; the first epoch of a chain is 0 and has no root like this */
	kg_entry_head old; /* of this chain: where the old epoch ended */
	uint64_t kept;     /* entries that follow, carried over */
	uint64_t dropped;
	uint8_t digest[KG_HASH_SIZE]; /* "kindergarten epoch v1" over the ids of the old epoch */
} kg_entry_epoch;

/* Content that lies outside the chain, encrypted, and may be dropped. */
typedef struct {
	uint8_t digest[KG_HASH_SIZE]; /* "kindergarten sealed v1" over the ciphertext */
	uint64_t size;                /* bytes of the ciphertext */
	kg_pubkey recipients[KG_ENTRY_RECIPIENTS_MAX]; /* ascending */
	size_t recipient_count;
} kg_entry_sealed;

/* A message of another protocol, so that its signature can be checked again. */
typedef struct {
	kg_pubkey author;
	char time[KG_ENTRY_ORIGIN_TIME_MAX + 1]; /* as it was signed */
	uint8_t signature[KG_SIGNATURE_SIZE];
	kg_entry_bytes content; /* as it was signed */
} kg_entry_origin;

/* A plain value; numbers in 0..1 count in steps of 1e-6. The has_ fields say which groups exist. */
typedef struct {
	kg_entry_type type;
	bool has_confidence;
	bool has_level;
	bool has_parts; /* then has_level too, and level is their mean */
	bool has_genome;
	bool has_sampler; /* the text was generated: then genome, prompt and answer too */
	bool has_origin;
	bool has_sealed;
	bool has_successor;
	bool has_predecessor;
	bool has_epoch;
	uint16_t time_counter;
	kg_pubkey swarm;
	kg_pubkey agent; /* the author */
	char agent_name[KG_NAME_SIZE];
	uint64_t sequence; /* from 1, without gaps */
	int64_t time_ms;   /* hybrid logical time: wall milliseconds, */
			   /* and time_counter among equal ones */
	uint64_t carried;  /* its sequence in the epoch before; 0: not carried over */
	char tags[KG_ENTRY_TAGS_MAX][KG_ENTRY_TAG_MAX + 1]; /* [a-z0-9._-]{1,40}, no two equal */
	size_t tag_count;
	double confidence;
	double level; /* "consciousness" */
	kg_entry_parts parts;
	kg_entry_id references[KG_ENTRY_REFERENCES_MAX];
	size_t reference_count;
	kg_entry_genome genome;
	kg_entry_sampler sampler;
	kg_entry_bytes prompt; /* exact bytes that the model was given */
	kg_entry_bytes answer; /* exact bytes that it generated; see kg_entry_set_generated */
	kg_entry_head *heads;  /* checkpoint, revocation: by agent, ascending */
	size_t head_count;
	kg_entry_member *members; /* lineage by the swarm key: by agent, ascending */
	size_t member_count;
	kg_entry_member *peers; /* lineage by the swarm key: other swarms, by key, ascending */
	size_t peer_count;
	kg_entry_head seen[KG_ENTRY_SEEN_MAX]; /* other chains as the author knew them, by key */
	size_t seen_count;
	int64_t seen_ms; /* the latest time among what was seen: for kg_entry_place, and no part */
	uint16_t seen_counter; /* of the entry */
	kg_entry_origin origin;
	kg_entry_sealed sealed;
	kg_pubkey successor;       /* lineage: the key that goes on */
	kg_entry_head predecessor; /* lineage, first of a chain: the last entry of the old key */
	kg_entry_epoch epoch;      /* lineage, no parent */
	kg_entry_bytes text;       /* UTF-8 without control characters but \t \n \r */
} kg_entry;

/* What opening a commit object tells beside the entry. */
typedef struct {
	kg_entry_id id;
	kg_commit commit;
	bool has_parent;
	kg_commit parent;
} kg_entry_proof;

/* An empty entry of `type`; release frees what the setters copied. */
void kg_entry_init(kg_entry *entry, kg_entry_type type);
void kg_entry_release(kg_entry *entry);

/* Names of types, "birth" …; NULL or KG_EINVAL for others. */
const char *kg_entry_type_name(kg_entry_type type);
KG_NODISCARD kg_err kg_entry_type_parse(kg_entry_type *out, const char *name);

/* The end of a chain, with its time; all zero before its first entry. */
typedef struct {
	uint64_t sequence;
	int64_t time_ms;
	uint16_t time_counter;
	kg_commit commit;
} kg_chain_head;

/* Setters copy; KG_EINVAL for what the format does not allow, KG_EFULL beyond a maximum, KG_EDENIED
 * for a key of low order. Keys may be added in any order. */
KG_NODISCARD kg_err kg_entry_set_text(kg_entry *entry, const char *text, size_t size);
KG_NODISCARD kg_err kg_entry_add_tag(kg_entry *entry, const char *tag);
KG_NODISCARD kg_err kg_entry_add_tags(kg_entry *entry, const char *list); /* "a,b,c" */
KG_NODISCARD kg_err kg_entry_add_reference(kg_entry *entry, const kg_entry_id *id);
KG_NODISCARD kg_err kg_entry_add_head(kg_entry *entry, const kg_entry_head *head);
KG_NODISCARD kg_err kg_entry_add_member(kg_entry *entry, const kg_pubkey *agent, const char *name);
KG_NODISCARD kg_err kg_entry_add_peer(kg_entry *entry, const kg_pubkey *swarm, const char *name);

/* What the author knows of another chain: `head` of `agent`. Before kg_entry_place, which puts the
 * entry's time behind it. */
KG_NODISCARD kg_err kg_entry_add_seen(kg_entry *entry, const kg_pubkey *agent,
				      const kg_chain_head *head);
KG_NODISCARD kg_err kg_entry_set_successor(kg_entry *entry, const kg_pubkey *key);

/* `last` is the last entry of the old key. Before kg_entry_place, as for what was seen. */
KG_NODISCARD kg_err kg_entry_set_predecessor(kg_entry *entry, const kg_pubkey *old,
					     const kg_chain_head *last);
KG_NODISCARD kg_err kg_entry_set_epoch(kg_entry *entry, const kg_entry_epoch *epoch);

/* Makes the entry one whose content is `size` bytes of ciphertext elsewhere, for these recipients
 * (none: its author alone), and its text the fixed one. */
KG_NODISCARD kg_err kg_entry_set_sealed(kg_entry *entry, const uint8_t digest[KG_HASH_SIZE],
					uint64_t size, const kg_pubkey *recipients, size_t count);

/* The message that the entry was made of; `time` is RFC 3339 as it was signed. The text is set
 * apart. Whether the signature holds is not looked at. */
KG_NODISCARD kg_err kg_entry_set_origin(kg_entry *entry, const kg_pubkey *author, const char *time,
					const uint8_t signature[KG_SIGNATURE_SIZE],
					const void *content, size_t size);

/* Places an entry of the epoch before anew at `sequence`: the same entry with the same id. To be
 * signed with the parent that it then has. */
KG_NODISCARD kg_err kg_entry_carry(kg_entry *entry, uint64_t sequence);

void kg_entry_set_confidence(kg_entry *entry, double confidence);
void kg_entry_set_level(kg_entry *entry, double level);

/* Sets parts and the level that is their mean. */
void kg_entry_set_parts(kg_entry *entry, const kg_entry_parts *parts);

/* Makes the entry a generated one: prompt and answer are kept byte for byte, the text becomes the
 * readable form of the prompt's last line, which is the question, and the answer behind it. Genome
 * set first. */
KG_NODISCARD kg_err kg_entry_set_generated(kg_entry *entry, const kg_entry_sampler *sampler,
					   const void *prompt, size_t prompt_size,
					   const void *answer, size_t answer_size);

/* The text that stands for arbitrary bytes: what is not UTF-8 becomes U+FFFD, control characters
 * but \t \n \r too; cut to KG_ENTRY_TEXT_MAX between characters. Appends to `out`. */
void kg_entry_readable(kg_buf *out, const void *data, size_t size);

/* Author, place on the chain and time in one go: sequence = previous + 1, time = the greatest of
 * now_ms, the previous time and the times of what was seen, with its counter moved on. `previous`
 * is the head of the author's chain. */
KG_NODISCARD kg_err kg_entry_place(kg_entry *entry, const kg_pubkey *swarm, const kg_key *author,
				   const char *name, const kg_chain_head *previous, int64_t now_ms);

/* Everything the format demands of the value, apart from the encoding; KG_EINVAL says what. */
KG_NODISCARD kg_err kg_entry_check(const kg_entry *entry);

/* The signed bytes: the commit object without a signature. `parent` is NULL for sequence 1 and for
 * the root of an epoch, and for these only. */
KG_NODISCARD kg_err kg_entry_encode(kg_buf *out, const kg_entry *entry, const kg_commit *parent);

/* Parses what encode writes, strictly. KG_ECORRUPT. No signature is looked at. */
KG_NODISCARD kg_err kg_entry_decode(kg_entry *entry, kg_entry_proof *proof, const void *payload,
				    size_t size);

/* Appends the complete commit object; `key` must be entry->agent's. `parent` as for encode. `proof`
 * may be NULL. */
KG_NODISCARD kg_err kg_entry_sign(kg_buf *object, kg_entry_proof *proof, const kg_entry *entry,
				  const kg_key *key, const kg_commit *parent);

/* The inverse: strict form, signature over these very bytes, signed by the key the entry names.
 * KG_ECORRUPT, KG_EBADSIG, KG_EDENIED (low-order key). `entry` is initialised on success only. */
KG_NODISCARD kg_err kg_entry_open(kg_entry *entry, kg_entry_proof *proof, const void *object,
				  size_t size);

/* The same without believing it: form only, no signature. For telling what a bad entry claims. */
KG_NODISCARD kg_err kg_entry_open_unverified(kg_entry *entry, kg_entry_proof *proof,
					     const void *object, size_t size);

/* The git object id (SHA-1 over "commit <size>\0" and the bytes). */
void kg_commit_id(kg_commit *commit, const void *object, size_t size);

void kg_entry_id_format(char text[KG_HASH_TEXT_SIZE], const kg_entry_id *id);
KG_NODISCARD kg_err kg_entry_id_parse(kg_entry_id *id, const char *text);
void kg_commit_format(char text[KG_COMMIT_TEXT_SIZE], const kg_commit *commit);
KG_NODISCARD kg_err kg_commit_parse(kg_commit *commit, const char *text);

bool kg_entry_has_tag(const kg_entry *entry, const char *tag);

#endif
