/* SPDX-License-Identifier: MIT */
/* The new chains of a plan: objects first, then the note of where every ref is to be, then refs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/chain.h"
#include "memory/epoch.h"
#include "memory/store_impl.h"
#include "memory/witness.h"

enum {
	BATCH = 1000, /* entries of one pack */
	BATCH_BYTES = 16 << 20,
	MARKER_MAX = (KG_ENTRY_HEADS_MAX + 1) * 192 + 64
};

static const char marker_head[] = "kindergarten-epochs 1\n";

static void tell(const kg_epoch_hands *hands, const char *what)
{
	if (hands->step != NULL)
		hands->step(hands->payload, what);
}

/* ---- objects ---- */

/* Signed objects on their way into a pack. */
typedef struct {
	kg_store *store;
	kg_store_object objects[BATCH];
	size_t count;
	size_t bytes;
} pack;

static kg_err pack_write(pack *p)
{
	kg_err err = p->count > 0 ? kg_store_write(p->store, p->objects, p->count) : KG_OK;

	for (size_t i = 0; i < p->count; i++)
		free((void *)(uintptr_t)p->objects[i].object);
	p->count = 0;
	p->bytes = 0;
	return err;
}

/* Takes the bytes of `object` over and leaves it empty. */
static kg_err pack_put(pack *p, kg_buf *object, const kg_commit *commit)
{
	size_t size;
	const uint8_t *bytes = kg_buf_take(object, &size);

	p->objects[p->count++] = (kg_store_object){bytes, size, *commit};
	p->bytes += size;
	return p->count == BATCH || p->bytes > BATCH_BYTES ? pack_write(p) : KG_OK;
}

/* Signs an entry at its place and packs it; the place becomes the next one's parent. */
static kg_err place(pack *p, kg_entry_proof *proof, const kg_entry *entry, const kg_key *key,
		    const kg_commit *parent)
{
	kg_buf object;
	kg_err err;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	err = kg_entry_sign(&object, proof, entry, key, parent);
	if (err == KG_OK)
		err = pack_put(p, &object, &proof->commit);
	kg_buf_release(&object);
	return err;
}

/* The same entry at its new place behind `head`. */
static kg_err carry(pack *p, kg_chain_head *head, const kg_epoch_item *item, const kg_key *key)
{
	kg_entry_proof proof;
	kg_entry entry;
	bool verified = false;
	kg_err err = kg_chain_read(p->store, &entry, &proof, &verified, &item->commit);

	if (err != KG_OK)
		return err;
	err = verified ? kg_entry_carry(&entry, head->sequence + 1)
		       : kg_fail(KG_ECORRUPT, "an entry to be kept is not its author's");
	if (err == KG_OK)
		err = place(p, &proof, &entry, key, &head->commit);
	kg_entry_release(&entry);
	if (err == KG_OK && memcmp(proof.id.bytes, item->id.bytes, KG_HASH_SIZE) != 0)
		err = kg_fail(KG_ECORRUPT, "an entry to be kept came out as another");
	if (err == KG_OK) {
		head->sequence++;
		head->commit = proof.commit;
	}
	return err;
}

/* The root, placed behind the old end of its chain. */
static kg_err make_root(kg_entry *out, const kg_pubkey *swarm, const kg_key *key,
			const kg_epoch_chain *chain, int64_t now_ms)
{
	const kg_author author = {swarm, key, chain->name, &chain->head, now_ms};
	kg_entry_id *ids = calloc(chain->count, sizeof(*ids));
	kg_err err;

	if (ids == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu entries", chain->count);
	for (size_t i = 0; i < chain->count; i++)
		ids[i] = chain->items[i].id;
	err = kg_epoch_make(out, &author, chain->number + 1, ids, chain->count,
			    chain->count - chain->expired);
	free(ids);
	return err;
}

/* All objects of one chain's new epoch; `head` becomes where it ends. */
static kg_err make_chain(pack *p, kg_chain_head *head, const kg_epoch_chain *chain,
			 const kg_pubkey *swarm, const kg_epoch_hands *hands)
{
	kg_entry_proof proof;
	kg_key *key = NULL;
	kg_entry root;
	kg_err err = hands->key(hands->payload, &key, chain);

	if (err == KG_OK && !kg_pubkey_equal(kg_key_public(key), &chain->agent))
		err = kg_fail(KG_EDENIED, "the key of %s is not at hand", chain->name);
	if (err != KG_OK) {
		kg_key_free(key);
		return err;
	}
	err = make_root(&root, swarm, key, chain, hands->now_ms);
	if (err == KG_OK) {
		err = place(p, &proof, &root, key, NULL);
		head->sequence = root.sequence;
		head->commit = proof.commit;
		kg_entry_release(&root);
	}
	for (size_t i = 0; err == KG_OK && i < chain->count; i++)
		if (chain->items[i].keep)
			err = carry(p, head, &chain->items[i], key);
	kg_key_free(key);
	return err;
}

/* The swarm's word that these are the chains. */
static kg_err make_witness(pack *p, kg_commit *commit, const kg_admit *admit,
			   const kg_epoch_hands *hands, const kg_entry_head *heads, size_t count)
{
	const kg_admit_chain *swarm = kg_admit_find(admit, &admit->swarm);
	kg_entry_proof proof;
	kg_entry entry;
	kg_err err = kg_checkpoint_make(&entry, hands->swarm_key, &swarm->head, heads, count,
					hands->now_ms);

	if (err != KG_OK)
		return err;
	err = place(p, &proof, &entry, hands->swarm_key, &swarm->head.commit);
	kg_entry_release(&entry);
	*commit = proof.commit;
	return err;
}

/* ---- the note ---- */

static void put_move(kg_buf *out, const kg_store_move *move)
{
	char agent[KG_PUBKEY_TEXT_SIZE];
	char old[KG_COMMIT_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];

	kg_pubkey_format(agent, &move->agent);
	kg_commit_format(old, &move->old);
	kg_commit_format(commit, &move->commit);
	kg_buf_printf(out, "%s %s %s\n", agent, old, commit);
}

/* One line; false when it is none. */
static bool take_move(kg_store_move *move, const char *line, size_t length)
{
	enum { KEY = KG_PUBKEY_TEXT_SIZE - 1, COMMIT = KG_COMMIT_TEXT_SIZE - 1 };
	char text[KEY + 2 * COMMIT + 3];

	if (length != KEY + 2 * COMMIT + 2 || line[KEY] != ' ' || line[KEY + 1 + COMMIT] != ' ')
		return false;
	memcpy(text, line, length);
	text[length] = '\0';
	text[KEY] = '\0';
	text[KEY + 1 + COMMIT] = '\0';
	*move = (kg_store_move){.has_old = true};
	return kg_pubkey_parse(&move->agent, text) == KG_OK &&
	       kg_commit_parse(&move->old, text + KEY + 1) == KG_OK &&
	       kg_commit_parse(&move->commit, text + KEY + COMMIT + 2) == KG_OK;
}

static kg_err marker_path(char path[KG_PATH_SIZE], const char *state_dir)
{
	return kg_path(path, "%s/epochs", state_dir);
}

bool kg_epoch_is_halfway(const char *state_dir)
{
	char path[KG_PATH_SIZE];

	return marker_path(path, state_dir) == KG_OK && kg_fs_exists(path);
}

static kg_err write_marker(const kg_store *store, const kg_store_move *moves, size_t count)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = marker_path(path, store->state_dir);

	kg_buf_init(&text, MARKER_MAX);
	kg_buf_puts(&text, marker_head);
	for (size_t i = 0; i < count; i++)
		put_move(&text, &moves[i]);
	if (err == KG_OK)
		err = kg_buf_ok(&text);
	if (err == KG_OK)
		err = kg_fs_write(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	return err;
}

static bool same_commit(const kg_commit *a, const kg_commit *b)
{
	return memcmp(a->bytes, b->bytes, KG_COMMIT_SIZE) == 0;
}

/* Brings one ref to where the note says. One that is at neither place was moved by hand since (a
 * backup that was put back): the note is not about that one any more. */
static kg_err move_one(kg_store *store, const kg_store_move *move)
{
	kg_commit tip;
	kg_err err = kg_store_tip(store, &tip, &move->agent);

	if (err == KG_ENOTFOUND)
		return KG_OK;
	if (err != KG_OK || !same_commit(&tip, &move->old))
		return err;
	return kg_store_replace_ref(store, move);
}

static kg_err move_all(kg_store *store, const char *text, size_t size, const kg_epoch_hands *hands)
{
	size_t at = strlen(marker_head);
	kg_err err = KG_OK;

	if (size < at || memcmp(text, marker_head, at) != 0)
		return kg_fail(KG_ECORRUPT, "%s/epochs: unknown first line", store->state_dir);
	while (err == KG_OK && at < size) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t length = end != NULL ? (size_t)(end - text) - at : 0;
		kg_store_move move;

		if (end == NULL || !take_move(&move, text + at, length))
			return kg_fail(KG_ECORRUPT, "%s/epochs: no line of keys and commits",
				       store->state_dir);
		if (hands != NULL)
			tell(hands, "moving a chain to its new epoch");
		err = move_one(store, &move);
		at += length + 1;
	}
	return err;
}

static kg_err recover(kg_store *store, const kg_epoch_hands *hands)
{
	char path[KG_PATH_SIZE];
	kg_buf text;
	kg_err err = marker_path(path, store->state_dir);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, MARKER_MAX);
	err = kg_fs_read(&text, path);
	if (err == KG_ENOTFOUND) {
		kg_buf_release(&text);
		return KG_OK;
	}
	if (err == KG_OK)
		err = move_all(store, kg_buf_text(&text), text.size, hands);
	if (err == KG_OK)
		err = kg_store_sync(store);
	if (err == KG_OK && hands != NULL)
		tell(hands, "striking the note");
	if (err == KG_OK && unlink(path) != 0)
		err = kg_fail_errno(errno, "%s", path);
	kg_buf_release(&text);
	return err;
}

kg_err kg_epoch_recover(kg_store *store)
{
	return recover(store, NULL);
}

/* ---- all of it ---- */

/* Writes every object that the moves need. */
static kg_err make_all(kg_store_move *moves, const kg_epoch_plan *plan, kg_store *store,
		       const kg_admit *admit, const kg_epoch_hands *hands)
{
	const kg_admit_chain *swarm = kg_admit_find(admit, &admit->swarm);
	kg_entry_head *heads = calloc(plan->worth, sizeof(*heads));
	pack *p = calloc(1, sizeof(*p));
	size_t n = 0;
	kg_err err = KG_OK;
	kg_err written;

	if (heads == NULL || p == NULL) {
		free(heads);
		free(p);
		return kg_fail(KG_ENOMEM, "no memory for the new epochs");
	}
	p->store = store;
	for (size_t i = 0; err == KG_OK && i < plan->count; i++) {
		const kg_epoch_chain *chain = &plan->chains[i];
		kg_chain_head head = {0};

		if (!chain->worth)
			continue;
		tell(hands, "writing the entries that are kept");
		err = make_chain(p, &head, chain, &admit->swarm, hands);
		heads[n] = (kg_entry_head){chain->agent, head.sequence, head.commit};
		moves[n++] = (kg_store_move){chain->agent, true, chain->head.commit, head.commit};
	}
	moves[n] = (kg_store_move){.agent = admit->swarm, .has_old = true};
	moves[n].old = swarm->head.commit;
	if (err == KG_OK)
		err = make_witness(p, &moves[n].commit, admit, hands, heads, n);
	written = pack_write(p);
	free(heads);
	free(p);
	return err == KG_OK ? written : err;
}

kg_err kg_epoch_carry_out(const kg_epoch_plan *plan, kg_store *store, const kg_admit *admit,
			  const kg_epoch_hands *hands)
{
	const kg_admit_chain *swarm = kg_admit_find(admit, &admit->swarm);
	kg_store_move *moves;
	kg_err err;

	if (plan->worth == 0)
		return KG_OK;
	if (swarm == NULL || swarm->damaged || swarm->head.sequence == 0)
		return kg_fail(KG_ECORRUPT, "the swarm's own chain is damaged, see verify");
	moves = calloc(plan->worth + 1, sizeof(*moves));
	if (moves == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the new epochs");
	err = make_all(moves, plan, store, admit, hands);
	if (err == KG_OK)
		err = kg_store_sync(store);
	if (err == KG_OK) {
		tell(hands, "noting where every chain is to be");
		err = write_marker(store, moves, plan->worth + 1);
	}
	free(moves);
	return err == KG_OK ? recover(store, hands) : err;
}
