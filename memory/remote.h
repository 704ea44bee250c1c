/* SPDX-License-Identifier: MIT */
/*
 * remote – what is known of another repository that memory is exchanged with, by its name:
 * <state>/remotes/<name>.json.
 *
 * It holds how far every chain went there when it was last seen, so that a remote which takes
 * something back shows; and whether it was put in quarantine, with the reason: then nothing is
 * exchanged with it until that is taken back by hand.
 */
#ifndef KG_MEMORY_REMOTE_H
#define KG_MEMORY_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/entry.h"
#include "memory/incoming.h"

enum {
	KG_REMOTE_NAME_SIZE = 41, /* with the terminator */
	KG_REMOTE_URL_MAX = 2048,
	KG_REMOTE_REASON_SIZE = 32,
	KG_REMOTE_DETAIL_SIZE = 256,
	KG_REMOTES_MAX = 1000
};

typedef struct {
	char name[KG_REMOTE_NAME_SIZE];
	char url[KG_REMOTE_URL_MAX + 1];
	bool bad;                           /* in quarantine */
	char reason[KG_REMOTE_REASON_SIZE]; /* a word of reason.h; "" while it is good */
	char chain[KG_PUBKEY_TEXT_SIZE];    /* the chain that it was about, "" for none */
	char commit[KG_COMMIT_TEXT_SIZE];   /* and the object */
	char detail[KG_REMOTE_DETAIL_SIZE];
	int64_t time_ms;      /* when it was last seen */
	kg_entry_head *heads; /* how far its chains went, by agent, ascending */
	size_t head_count;
} kg_remote;

void kg_remote_release(kg_remote *remote);

/* KG_ENOTFOUND when nothing is known of that name, KG_ECORRUPT. */
KG_NODISCARD kg_err kg_remote_read(kg_remote *remote, const char *state_dir, const char *name);
KG_NODISCARD kg_err kg_remote_write(const kg_remote *remote, const char *state_dir);

/* The names there are, ascending; free each and the array. */
KG_NODISCARD kg_err kg_remote_names(char ***names, size_t *count, const char *state_dir);

/* The name under which this url is known, or one made from it that is free. */
KG_NODISCARD kg_err kg_remote_name_of(char name[KG_REMOTE_NAME_SIZE], const char *state_dir,
				      const char *url);

/* The url without the password that may be in it, for messages. */
void kg_remote_show_url(char out[KG_REMOTE_URL_MAX + 1], const char *url);

#endif
