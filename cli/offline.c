/* SPDX-License-Identifier: MIT */
#include "cli/offline.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hex.h"
#include "base/progress.h"
#include "identity/keyring.h"
#include "identity/seal.h"
#include "memory/chain.h"
#include "memory/epoch.h"
#include "memory/incoming.h"
#include "memory/memory.h"
#include "memory/vault.h"
#include "orchestrator/runfile.h"

/* For another command that is about to end: as long as who signs waits. */
enum { LOCK_TRIES = 1500, LOCK_WAIT_US = 10000 };

kg_err kg_offline_check(const kg_cli *cli)
{
	kg_runfile *run = calloc(1, sizeof(*run));
	bool running;

	if (run == NULL)
		return kg_fail(KG_ENOMEM, "no memory");
	running = kg_runfile_read(run, cli->state_dir) == KG_OK;
	free(run);
	return running ? kg_fail(KG_ECONFLICT, "the swarm is running: stop it first "
					       "(`kindergarten down`)")
		       : KG_OK;
}

kg_err kg_offline_settle(const kg_cli *cli, const kg_pubkey *swarm)
{
	kg_memory *memory = NULL;
	kg_err err = kg_memory_open(&memory, cli->state_dir, swarm, NULL, NULL);

	for (int i = 0; i < LOCK_TRIES && err == KG_ECONFLICT; i++) {
		(void)usleep(LOCK_WAIT_US);
		err = kg_memory_open(&memory, cli->state_dir, swarm, NULL, NULL);
	}
	if (err == KG_OK)
		err = kg_memory_settle(memory);
	kg_memory_free(memory);
	return err;
}

kg_err kg_offline_lock(int *lock, const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/run/memory.lock", cli->state_dir);

	if (err == KG_OK)
		err = kg_fs_lock(lock, path);
	for (int i = 0; i < LOCK_TRIES && err == KG_ECONFLICT; i++) {
		(void)usleep(LOCK_WAIT_US);
		err = kg_fs_lock(lock, path);
	}
	return err;
}

kg_err kg_offline_open(kg_offline *out, const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	kg_keyring_public public;
	kg_offline o = {.lock = -1};
	kg_err err = kg_offline_check(cli);

	if (err == KG_OK)
		err = kg_keyring_read_public(&public, cli->state_dir);
	if (err == KG_OK)
		err = kg_path(path, "%s/memory.git", cli->state_dir);
	if (err == KG_OK && !kg_fs_exists(path))
		err = kg_fail(KG_ENOTFOUND, "nothing has been remembered in %s", cli->state_dir);
	if (err != KG_OK)
		return err;
	o.swarm = public.swarm;
	err = kg_offline_settle(cli, &o.swarm);
	if (err == KG_OK)
		err = kg_offline_lock(&o.lock, cli);
	if (err == KG_OK)
		err = kg_store_create(&o.store, cli->state_dir, &o.swarm);
	if (err == KG_OK)
		err = kg_admit_init(&o.admit, &o.swarm, 0);
	if (err == KG_OK)
		err = kg_chain_load(&o.admit, o.store);
	if (err != KG_OK) {
		kg_offline_close(&o);
		return err;
	}
	*out = o;
	return KG_OK;
}

void kg_offline_close(kg_offline *o)
{
	kg_admit_release(&o->admit);
	kg_store_free(o->store);
	if (o->lock >= 0)
		(void)close(o->lock);
	*o = (kg_offline){.lock = -1};
}

kg_err kg_offline_finish(kg_offline *o, const kg_cli *cli)
{
	kg_pubkey swarm = o->swarm;
	kg_memory *memory = NULL;
	uint64_t entries;
	kg_err err;

	kg_offline_close(o);
	err = kg_memory_open(&memory, cli->state_dir, &swarm, NULL, NULL);
	if (err == KG_OK)
		err = kg_memory_reindex(memory, &entries);
	if (err == KG_OK)
		err = kg_memory_settle(memory);
	kg_memory_free(memory);
	return err;
}

/* Every quarantine repository; each is made anew when it is needed again. */
static kg_err clear_incoming(const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	struct dirent *e;
	kg_err err = kg_path(path, "%s/incoming", cli->state_dir);
	DIR *dir = err == KG_OK ? opendir(path) : NULL;

	while (err == KG_OK && dir != NULL && (e = readdir(dir)) != NULL) {
		char name[256];
		size_t length = strlen(e->d_name);

		if (length <= 4 || strcmp(e->d_name + length - 4, ".git") != 0)
			continue;
		memcpy(name, e->d_name, length - 4);
		name[length - 4] = '\0';
		err = kg_incoming_remove(cli->state_dir, name);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return err;
}

/* ---- content of no entry ---- */

typedef struct {
	kg_store *store;
	kg_index *index;
	kg_buf outboxes; /* all of them, one behind the other */
} sweeping;

/* Signed entries lie in an outbox as they are; a sealed one names the digest of its content. */
static kg_err is_waiting(const sweeping *s, bool *waiting, const kg_entry_id *entry)
{
	uint8_t digest[KG_HASH_SIZE];
	char hex[KG_HASH_TEXT_SIZE];
	kg_buf sealed;
	kg_err err;

	kg_buf_init(&sealed, KG_SEAL_SIZE_MAX);
	err = kg_vault_read(s->store, &sealed, entry);
	if (err == KG_OK) {
		kg_seal_digest(digest, sealed.data, sealed.size);
		kg_hex_encode(hex, digest, sizeof(digest));
		*waiting = s->outboxes.size > 0 &&
			   memmem(s->outboxes.data, s->outboxes.size, hex, sizeof(hex) - 1) != NULL;
	}
	kg_buf_release(&sealed);
	return err == KG_ECORRUPT ? KG_OK : err;
}

static kg_err is_known(void *payload, bool *known, const kg_entry_id *entry)
{
	const sweeping *s = payload;
	char hex[KG_HASH_TEXT_SIZE];
	kg_entry_proof proof;
	kg_pubkey agent;
	uint64_t sequence;
	kg_err err;

	*known = false;
	kg_entry_id_format(hex, entry);
	err = kg_index_find(s->index, &proof, &agent, &sequence, hex);
	if (err == KG_OK)
		*known = true;
	return err == KG_ENOTFOUND ? is_waiting(s, known, entry) : err;
}

static kg_err read_outboxes(kg_buf *out, const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	struct dirent *e;
	kg_err err = kg_path(path, "%s/outbox", cli->state_dir);
	DIR *dir = err == KG_OK ? opendir(path) : NULL;

	while (err == KG_OK && dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		err = kg_path(path, "%s/outbox/%s", cli->state_dir, e->d_name);
		if (err == KG_OK)
			err = kg_fs_read(out, path);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return err;
}

kg_err kg_offline_sweep(kg_offline *o, const kg_cli *cli, size_t *dropped)
{
	sweeping s = {.store = o->store};
	char path[KG_PATH_SIZE];
	size_t swept = 0;
	kg_err err = kg_path(path, "%s/index.sqlite", cli->state_dir);

	kg_buf_init(&s.outboxes, (size_t)1 << 30);
	if (err == KG_OK)
		err = kg_index_open(&s.index, path, false);
	if (err == KG_OK)
		err = read_outboxes(&s.outboxes, cli);
	if (err == KG_OK)
		err = kg_vault_sweep(o->store, &swept, is_known, &s);
	*dropped += swept;
	kg_buf_release(&s.outboxes);
	kg_index_free(s.index);
	return err;
}

static bool show_progress(void *payload, uint64_t done, uint64_t total)
{
	kg_progress *bar = payload;

	if (bar->total == 0 && total > 0)
		bar->total = total;
	kg_progress_step(bar, done, NULL);
	return true;
}

kg_err kg_offline_unreached(kg_offline *o, uint64_t *count)
{
	kg_progress bar;
	kg_err err;

	kg_progress_start(&bar, "looking", 0);
	err = kg_store_unreached(o->store, count, show_progress, &bar);
	kg_progress_end(&bar);
	return err;
}

kg_err kg_offline_repack(kg_offline *o, const kg_cli *cli)
{
	kg_progress bar;
	kg_err err = clear_incoming(cli);

	if (err != KG_OK)
		return err;
	kg_progress_start(&bar, "repacking", 0);
	err = kg_store_repack(o->store, show_progress, &bar);
	kg_progress_end(&bar);
	return err;
}
