/* SPDX-License-Identifier: MIT */
#include "cli/offline.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/progress.h"
#include "identity/keyring.h"
#include "memory/chain.h"
#include "memory/epoch.h"
#include "memory/incoming.h"
#include "memory/memory.h"
#include "orchestrator/runfile.h"

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

/* The journal into git, by the one who knows how; what is left of an epoch is moved on the way. */
static kg_err settle(const kg_cli *cli, const kg_pubkey *swarm)
{
	kg_memory *memory = NULL;
	kg_err err = kg_memory_open(&memory, cli->state_dir, swarm, NULL, NULL);

	if (err == KG_OK)
		err = kg_memory_settle(memory);
	kg_memory_free(memory);
	return err;
}

static kg_err take_lock(kg_offline *o, const kg_cli *cli)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/run/memory.lock", cli->state_dir);

	return err == KG_OK ? kg_fs_lock(&o->lock, path) : err;
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
	err = settle(cli, &o.swarm);
	if (err == KG_OK)
		err = take_lock(&o, cli);
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

static bool show_progress(void *payload, uint64_t done, uint64_t total)
{
	kg_progress *bar = payload;

	if (bar->total == 0 && total > 0)
		bar->total = total;
	kg_progress_step(bar, done, NULL);
	return true;
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
