/* SPDX-License-Identifier: MIT */
#include "cli/reading.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hex.h"
#include "cli/printable.h"
#include "identity/keyring.h"
#include "memory/chain.h"
#include "memory/epoch.h"
#include "memory/journal.h"
#include "memory/memory.h"

enum { SHORT_TEXT = 200 /* bytes */ };

void kg_reading_recover(const kg_cli *cli, const kg_pubkey *swarm)
{
	char path[KG_PATH_SIZE];
	kg_memory *memory = NULL;

	if (kg_path(path, "%s/journal", cli->state_dir) != KG_OK ||
	    !(kg_journal_is_there(path) || kg_epoch_is_halfway(cli->state_dir)))
		return;
	if (kg_memory_open(&memory, cli->state_dir, swarm, NULL, NULL) != KG_OK)
		return;
	if (kg_memory_settle(memory) != KG_OK)
		(void)fprintf(stderr, "kindergarten: journal: ignoring: %s\n", kg_err_text());
	kg_memory_free(memory);
}

/* Git is all that is needed to make one. */
static kg_err make_index(kg_reading *r)
{
	kg_err err;

	kg_index_free(r->index);
	r->index = NULL;
	err = kg_index_open(&r->index, NULL, true);
	return err == KG_OK ? kg_chain_fill_index(&r->admit, r->store, r->index, true) : err;
}

static kg_err open_index(kg_reading *r, const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/index.sqlite", cli->state_dir);

	if (err == KG_OK)
		err = kg_index_open(&r->index, path, false);
	if (err == KG_OK)
		return KG_OK;
	r->index = NULL;
	return make_index(r);
}

kg_err kg_reading_open(kg_reading *out, const kg_cli *cli)
{
	kg_keyring_public public;
	kg_reading r = {0};
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err != KG_OK)
		return err;
	r.swarm = public.swarm;
	kg_reading_recover(cli, &r.swarm);
	err = kg_store_open(&r.store, cli->state_dir);
	if (err == KG_ENOTFOUND)
		return kg_fail(KG_ENOTFOUND, "nothing has been remembered in %s", cli->state_dir);
	if (err == KG_OK)
		err = kg_admit_init(&r.admit, &r.swarm, 0);
	if (err == KG_OK) {
		err = kg_chain_load(&r.admit, r.store);
		r.believed = err == KG_OK;
		if (err == KG_ECORRUPT)
			err = KG_OK;
	}
	if (err == KG_OK)
		err = open_index(&r, cli);
	if (err != KG_OK) {
		kg_reading_close(&r);
		return err;
	}
	*out = r;
	return KG_OK;
}

void kg_reading_close(kg_reading *reading)
{
	kg_index_free(reading->index);
	kg_admit_release(&reading->admit);
	kg_store_free(reading->store);
	memset(reading, 0, sizeof(*reading));
}

/* By its name in the own swarm, or behind an @ in a peer's. */
static bool find_name(const kg_reading *r, kg_pubkey *agent, const char *text)
{
	const char *at = strrchr(text, '@');
	size_t length = at != NULL ? (size_t)(at - text) : strlen(text);
	const kg_pubkey *swarm = at == NULL ? &r->swarm : NULL;

	for (size_t i = 0; at != NULL && i < r->admit.peer_count; i++)
		if (strcmp(r->admit.peers[i].name, at + 1) == 0)
			swarm = &r->admit.peers[i].agent;
	for (size_t i = 0; swarm != NULL && i < r->admit.count; i++) {
		const kg_admit_chain *c = &r->admit.chains[i];

		if (strlen(c->name) != length || memcmp(c->name, text, length) != 0 ||
		    !kg_pubkey_equal(&c->swarm, swarm) || c->closed)
			continue;
		*agent = c->agent;
		return true;
	}
	return false;
}

/* By its name anywhere: a key that was rotated away, or of a swarm without a name. */
static bool find_any_name(const kg_reading *r, kg_pubkey *agent, const char *text)
{
	for (size_t i = 0; i < r->admit.count; i++)
		if (strcmp(r->admit.chains[i].name, text) == 0) {
			*agent = r->admit.chains[i].agent;
			return true;
		}
	return false;
}

kg_err kg_reading_agent(const kg_reading *reading, kg_pubkey *agent, const char *text)
{
	const kg_admit_chain *found = NULL;
	size_t length = strlen(text);
	bool is_prefix =
		length >= 6 && length <= KG_PUBKEY_TEXT_SIZE - 1 && kg_hex_is(text, length);

	if (find_name(reading, agent, text) || find_any_name(reading, agent, text))
		return KG_OK;
	for (size_t i = 0; is_prefix && i < reading->admit.count; i++) {
		char hex[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(hex, &reading->admit.chains[i].agent);
		if (strncmp(hex, text, length) != 0)
			continue;
		if (found != NULL)
			return kg_fail(KG_ECONFLICT, "several keys begin with %s", text);
		found = &reading->admit.chains[i];
	}
	if (found == NULL)
		return kg_fail(KG_ENOTFOUND, "no agent \"%.80s\"", text);
	*agent = found->agent;
	return KG_OK;
}

kg_err kg_reading_commit(kg_reading *reading, kg_commit *commit, const char *text)
{
	kg_entry_proof proof;
	kg_pubkey agent;
	uint64_t sequence;
	size_t length = strlen(text);
	kg_err err;

	if (length < 6 || length > KG_HASH_TEXT_SIZE - 1 || !kg_hex_is(text, length))
		return kg_fail(KG_ENOTFOUND, "\"%.80s\" is not 6 to 64 hex digits of an entry",
			       text);
	err = kg_index_find(reading->index, &proof, &agent, &sequence, text);
	if (err == KG_ECORRUPT) {
		err = make_index(reading);
		if (err == KG_OK)
			err = kg_index_find(reading->index, &proof, &agent, &sequence, text);
	}
	if (err == KG_OK) {
		*commit = proof.commit;
		return KG_OK;
	}
	/* Git knows commits that the index does not. */
	if (err == KG_ENOTFOUND && length <= KG_COMMIT_TEXT_SIZE - 1 &&
	    kg_store_find(reading->store, commit, text) == KG_OK)
		return KG_OK;
	return err == KG_ENOTFOUND ? kg_fail(KG_ENOTFOUND, "no entry %s", text) : err;
}

static kg_err recall(kg_reading *reading, kg_index_rows *rows, const kg_index_filter *filter)
{
	kg_index_rows found = {0};
	kg_err err = kg_index_recall(reading->index, &found, filter);

	if (err == KG_OK)
		err = kg_chain_confirm(&reading->admit, reading->store, reading->index, &found);
	if (err == KG_OK)
		*rows = found;
	else
		kg_index_rows_release(&found);
	return err;
}

kg_err kg_reading_recall(kg_reading *reading, kg_index_rows *rows, const kg_index_filter *filter)
{
	kg_err err = recall(reading, rows, filter);

	if (err != KG_ECORRUPT)
		return err;
	err = make_index(reading);
	return err == KG_OK ? recall(reading, rows, filter) : err;
}

static void print_text(const kg_entry *e, bool whole)
{
	const char *text = e->text.size > 0 ? (const char *)e->text.data : "";
	size_t left = e->text.size;
	bool cut = false;

	if (!whole && left > SHORT_TEXT) {
		left = SHORT_TEXT;
		while (left > 0 && ((uint8_t)text[left] & 0xc0) == 0x80)
			left--;
		cut = true;
	}
	while (left > 0) {
		const char *end = memchr(text, '\n', left);
		size_t line = end != NULL ? (size_t)(end - text) : left;

		(void)fputs("    ", stdout);
		kg_printable(stdout, text, line);
		printf("%s\n", cut && line == left ? "…" : "");
		line += end != NULL ? 1 : 0;
		text += line;
		left -= line;
	}
}

void kg_reading_author(const kg_reading *r, char out[KG_READING_AUTHOR_SIZE], const kg_entry *e)
{
	char digits[KG_PUBKEY_TEXT_SIZE];
	const char *peer = digits;

	if (kg_pubkey_equal(&e->swarm, &r->swarm)) {
		(void)snprintf(out, KG_READING_AUTHOR_SIZE, "%s", e->agent_name);
		return;
	}
	kg_pubkey_format(digits, &e->swarm);
	digits[8] = '\0';
	for (size_t i = 0; i < r->admit.peer_count; i++)
		if (kg_pubkey_equal(&r->admit.peers[i].agent, &e->swarm))
			peer = r->admit.peers[i].name;
	(void)snprintf(out, KG_READING_AUTHOR_SIZE, "%.63s@%.63s", e->agent_name, peer);
}

const char *kg_reading_kind(const kg_entry *e)
{
	if (e->has_sealed)
		return "sealed";
	if (e->has_epoch)
		return "epoch";
	if (e->has_successor || e->has_predecessor)
		return "rotation";
	if (e->peer_count > 0)
		return "peers";
	if (e->type == KG_ENTRY_REVOCATION && e->head_count == 0 && e->reference_count > 0)
		return "quarantine";
	return e->has_origin ? "imported" : "";
}

static void print_mark(const kg_reading *r, const kg_entry_proof *proof)
{
	char id[KG_HASH_TEXT_SIZE];
	kg_entry_id origin;
	bool marked = false;

	if (kg_index_mark_of(r->index, &marked, &origin, &proof->id) != KG_OK || !marked)
		return;
	if (memcmp(origin.bytes, proof->id.bytes, sizeof(origin.bytes)) == 0) {
		printf("  QUARANTINED");
		return;
	}
	kg_entry_id_format(id, &origin);
	printf("  RESTS ON QUARANTINED %.12s", id);
}

void kg_reading_print(const kg_cli *cli, const kg_reading *reading, const kg_entry *e,
		      const kg_entry_proof *proof, bool verified, bool whole)
{
	const char *bold = cli->colour ? "\033[1m" : "";
	const char *red = cli->colour ? "\033[31m" : "";
	const char *plain = cli->colour ? "\033[0m" : "";
	const char *kind = kg_reading_kind(e);
	char author[KG_READING_AUTHOR_SIZE];
	char time[KG_TIME_TEXT_SIZE];
	char id[KG_HASH_TEXT_SIZE];

	kg_clock_format(time, e->time_ms);
	kg_entry_id_format(id, &proof->id);
	kg_reading_author(reading, author, e);
	printf("%.12s  %s  %s%s%s #%llu  %s%s%s%s%s", id, time, bold, author, plain,
	       (unsigned long long)e->sequence, kg_entry_type_name(e->type),
	       kind[0] != '\0' ? ", " : "", kind, red, verified ? "" : "  NOT VERIFIED");
	print_mark(reading, proof);
	printf("%s", plain);
	for (size_t i = 0; i < e->tag_count; i++)
		printf("%s%s", i == 0 ? "  [" : " ", e->tags[i]);
	printf("%s", e->tag_count > 0 ? "]" : "");
	if (e->has_confidence)
		printf("  confidence %.2f", e->confidence);
	if (e->has_level)
		printf("  consciousness %.2f", e->level);
	printf("\n");
	print_text(e, whole);
}
