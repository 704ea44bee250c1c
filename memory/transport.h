/* SPDX-License-Identifier: MIT */
/*
 * transport – objects and refs from and to another repository by the protocols of git: a path or
 * file://, ssh://user@host/path and user@host:path, https://, http:// and git://.
 *
 * Nothing is believed and no ref of anyone is moved by a fetch. ssh: the agent, then id_ed25519,
 * id_ecdsa and id_rsa of ~/.ssh without a passphrase; the host must be in ~/.ssh/known_hosts.
 * https: the certificate must be good by the system's authorities, or those of `ca_file`.
 *
 * These calls wait for the other side as long as it pleases: run them where they can be ended
 * (cli/apart.h).
 */
#ifndef KG_MEMORY_TRANSPORT_H
#define KG_MEMORY_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "memory/incoming.h"
#include "memory/offer.h"
#include "memory/store.h"

typedef struct {
	const char *url;
	const char *ca_file; /* "" for the system's */
	kg_incoming_limits limits;
	kg_store_progress progress; /* or NULL */
	void *payload;
} kg_transport;

/* What the other side has, and the objects of it that are not here. KG_EDENIED when it does not let
 * us in, or is not who it should be; KG_EFULL beyond the limits. */
KG_NODISCARD kg_err kg_transport_fetch(kg_incoming *into, kg_offers *offers,
				       const kg_transport *transport);

/* What became of one ref. `why` NULL: it is there now. */
typedef void (*kg_transport_pushed)(void *payload, const char *name, const char *why);

/* A ref to be pushed: a chain or a proof; borrowed. */
typedef struct {
	const kg_store_ref *ref;
	uint64_t epoch; /* under the name of this epoch of the chain; 0: under its own */
	bool done;      /* for the caller */
} kg_transport_ref;

/* The name that it has there. */
void kg_transport_name(char name[KG_STORE_NAME_SIZE], const kg_transport_ref *ref);

/* Brings refs to the other side, never by force. KG_ECONFLICT when others have moved one of them
 * since it was looked at: nothing was moved then. KG_OK also when that refuses some of them;
 * `pushed` is told of each, by the name that it has there. */
KG_NODISCARD kg_err kg_transport_push(kg_store *from, const kg_transport_ref *refs, size_t count,
				      const kg_transport *transport, kg_transport_pushed pushed,
				      void *payload);

/* Brings sealed content to the other side, which libgit2 cannot: it pushes commits alone. Stock git
 * does it. KG_ENOTFOUND when there is no git, KG_EIO when it fails. */
KG_NODISCARD kg_err kg_transport_push_sealed(kg_store *from, const kg_transport *transport);

/* Whether `tip` goes on from `commit`, which need not be here. */
bool kg_transport_is_ahead(kg_store *store, const kg_commit *tip, const kg_commit *commit);

/* Whether the url is a repository on this machine that is some swarm's own memory: only that swarm
 * writes there. */
bool kg_transport_is_memory(const char *url);

/* The url of a remote that the repository's configuration has under this name. KG_ENOTFOUND. */
KG_NODISCARD kg_err kg_transport_configured(char *url, size_t size, kg_store *store,
					    const char *name);

#endif
