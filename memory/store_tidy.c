/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/store_impl.h"

enum {
	CLASSES = 6,      /* packs of 8^6 objects and more are left as they are */
	REWRITTEN = 4096, /* up to so many objects are packed anew, and find better bases */
	TOGETHER_MAX = 64 /* packs merged at a time */
};

/* The packs to be merged next. */
typedef struct {
	kg_store__pack packs[TOGETHER_MAX];
	size_t count;
	uint64_t objects;
	uint64_t bytes;
} choice;

static unsigned class_of(uint64_t objects)
{
	unsigned class = 0;

	for (; objects >= KG_STORE_FAN && class < CLASSES; class ++)
		objects /= KG_STORE_FAN;
	return class;
}

/* The smallest class that is full, as much of it as one pack can hold. */
static void choose(choice *c, const kg_store__pack *packs, size_t count)
{
	for (unsigned class = 0; class < CLASSES; class ++) {
		*c = (choice){0};
		for (size_t i = 0; i < count && c->count < TOGETHER_MAX; i++) {
			if (packs[i].kept || class_of(packs[i].count) != class ||
			    packs[i].size > KG_PACK_SIZE_MAX - c->bytes)
				continue;
			c->packs[c->count++] = packs[i];
			c->objects += packs[i].count;
			c->bytes += packs[i].size;
		}
		if (c->count >= KG_STORE_FAN)
			return;
	}
	c->count = 0;
}

static kg_err find_work(const kg_store *store, choice *c)
{
	kg_store__pack *packs = NULL;
	size_t count = 0;
	kg_err err = kg_store__packs_read(store, &packs, &count);

	if (err == KG_OK)
		choose(c, packs, count);
	free(packs);
	return err;
}

/* Puts the bodies one behind the other; `*stopped` when it is to end. */
static kg_err join(const kg_store *store, const choice *c, bool *stopped, char *name,
		   kg_store_progress progress, void *payload)
{
	char path[KG_PATH_SIZE];
	kg_pack *pack = NULL;
	kg_err err = kg_path(path, "%s/objects/pack", store->path);

	if (err == KG_OK)
		err = kg_pack_new(&pack, path);
	for (size_t i = 0; err == KG_OK && !*stopped && i < c->count; i++) {
		*stopped = progress != NULL && !progress(payload, kg_pack_count(pack), c->objects);
		if (!*stopped)
			err = kg_pack_append(pack, c->packs[i].name);
	}
	if (err == KG_OK && !*stopped)
		err = kg_pack_finish(pack, name);
	kg_pack_free(pack);
	return err;
}

static kg_err merge(kg_store *store, const choice *c, bool *stopped, kg_store_progress progress,
		    void *payload)
{
	char name[KG_PACK_NAME_SIZE] = "";
	kg_err err = KG_EEXISTS;

	if (c->objects > REWRITTEN)
		err = join(store, c, stopped, name, progress, payload);
	/* What stands in two packs cannot just be joined. */
	if (err == KG_EEXISTS)
		return kg_store__packs_rewrite(store, c->packs, c->count, NULL, 0);
	if (err != KG_OK || *stopped)
		return err;
	kg_store__shortcuts_remove(store);
	for (size_t i = 0; i < c->count; i++)
		kg_store__pack_remove(store, c->packs[i].name);
	return kg_store_refresh(store);
}

kg_err kg_store_tidy(kg_store *store, bool *more, kg_store_progress progress, void *payload)
{
	bool stopped = false;
	choice c = {0};
	kg_err err = find_work(store, &c);

	if (err == KG_OK && c.count > 0 && progress != NULL)
		stopped = !progress(payload, 0, c.objects);
	if (err == KG_OK && c.count > 0 && !stopped) {
		err = merge(store, &c, &stopped, progress, payload);
		if (err == KG_OK && !stopped)
			err = find_work(store, &c);
	}
	if (err == KG_OK && more != NULL)
		*more = c.count > 0;
	return err;
}
