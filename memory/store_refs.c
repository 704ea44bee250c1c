/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "memory/store_impl.h"

enum { REF_NAME_SIZE = sizeof(KG_STORE_FORKS) + KG_PUBKEY_TEXT_SIZE + KG_COMMIT_TEXT_SIZE };

static void chain_ref(char name[REF_NAME_SIZE], const kg_pubkey *agent)
{
	memcpy(name, KG_STORE_REFS, sizeof(KG_STORE_REFS));
	kg_pubkey_format(name + sizeof(KG_STORE_REFS) - 1, agent);
}

/* ---- moving ---- */

kg_err kg_store_move_ref(kg_store *store, const kg_store_move *move)
{
	char name[REF_NAME_SIZE];
	git_reference *ref = NULL;
	git_oid commit;
	git_oid old;
	int rc;

	chain_ref(name, &move->agent);
	kg_store__to_oid(&commit, &move->commit);
	kg_store__to_oid(&old, &move->old);
	rc = git_reference_create_matching(&ref, store->repo, name, &commit, move->has_old,
					   move->has_old ? &old : NULL, NULL);
	git_reference_free(ref);
	return rc == 0 ? KG_OK : kg_store__fail_git(rc, name);
}

kg_err kg_store_replace_ref(kg_store *store, const kg_store_move *move)
{
	char name[REF_NAME_SIZE];
	kg_err err;

	if (!move->has_old)
		return kg_fail(KG_EINVAL, "a chain that is not there has no new epoch");
	err = kg_store_move_ref(store, move);
	if (err != KG_OK)
		return err;
	chain_ref(name, &move->agent);
	return git_reflog_delete(store->repo, name) == 0 ? KG_OK : kg_store__fail_git(-1, name);
}

static int count_proof(const char *name, void *payload)
{
	size_t *count = payload;

	(void)name;
	(*count)++;
	return 0;
}

kg_err kg_store_put_proof(kg_store *store, const kg_pubkey *agent, const kg_commit *commit)
{
	char glob[REF_NAME_SIZE + 2] = KG_STORE_FORKS;
	char name[REF_NAME_SIZE] = KG_STORE_FORKS;
	char *at = name + sizeof(KG_STORE_FORKS) - 1;
	git_reference *ref = NULL;
	size_t count = 0;
	git_oid oid;
	int rc;

	kg_pubkey_format(at, agent);
	at += KG_PUBKEY_TEXT_SIZE - 1;
	*at++ = '/';
	memcpy(glob, name, (size_t)(at - name));
	glob[at - name] = '*';
	glob[at - name + 1] = '\0';
	kg_commit_format(at, commit);
	kg_store__to_oid(&oid, commit);
	if (git_reference_name_to_id(&oid, store->repo, name) == 0)
		return KG_OK;
	rc = git_reference_foreach_glob(store->repo, glob, count_proof, &count);
	if (rc == 0 && count >= KG_STORE_PROOFS_MAX)
		return kg_fail(KG_EFULL, "%zu proofs of that fork are kept", count);
	rc = rc != 0 ? rc : git_reference_create(&ref, store->repo, name, &oid, 0, NULL);
	git_reference_free(ref);
	return rc == 0 ? KG_OK : kg_store__fail_git(rc, name);
}

/* ---- one ref ---- */

/* The name of the chain's ref as the remote of the setting "remote.<name>.url" had it. */
static bool remote_ref(char name[KG_PATH_SIZE], const char *setting, const char *hex)
{
	static const char head[] = "remote.";
	static const char end[] = ".url";
	size_t length = strlen(setting);

	return length > strlen(head) + strlen(end) && strncmp(setting, head, strlen(head)) == 0 &&
	       strcmp(setting + length - strlen(end), end) == 0 &&
	       kg_path(name, "refs/remotes/%.*s/agents/%s",
		       (int)(length - strlen(head) - strlen(end)), setting + strlen(head),
		       hex) == KG_OK;
}

/* In a clone: where the first remote, by name, that has the chain had it. The settings are read one
 * by one: git_remote_list loses 20 KiB for each of them that names no remote (libgit2 1.5). */
static int remote_tip(git_oid *oid, git_repository *repo, const kg_pubkey *agent)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	char first[KG_PATH_SIZE] = "";
	git_config *config = NULL;
	git_config_iterator *settings = NULL;
	git_config_entry *setting;
	int rc = git_repository_config_snapshot(&config, repo);

	if (rc == 0)
		rc = git_config_iterator_new(&settings, config);
	kg_pubkey_format(hex, agent);
	while (rc == 0 && (rc = git_config_next(&setting, settings)) == 0) {
		char name[KG_PATH_SIZE];
		git_oid tip;

		if (remote_ref(name, setting->name, hex) &&
		    (first[0] == '\0' || strcmp(name, first) < 0) &&
		    git_reference_name_to_id(&tip, repo, name) == 0) {
			memcpy(first, name, sizeof(first));
			*oid = tip;
		}
	}
	git_config_iterator_free(settings);
	git_config_free(config);
	if (rc != GIT_ITEROVER)
		return rc;
	return first[0] != '\0' ? 0 : GIT_ENOTFOUND;
}

kg_err kg_store_tip(kg_store *store, kg_commit *commit, const kg_pubkey *agent)
{
	char name[REF_NAME_SIZE];
	git_oid oid;
	int rc = store->bare ? GIT_ENOTFOUND : remote_tip(&oid, store->repo, agent);

	chain_ref(name, agent);
	if (rc != 0)
		rc = git_reference_name_to_id(&oid, store->repo, name);
	if (rc != 0)
		return kg_store__fail_git(rc, name);
	memcpy(commit->bytes, oid.id, sizeof(commit->bytes));
	return KG_OK;
}

kg_err kg_store_swarm(kg_store *store, kg_pubkey *swarm)
{
	git_reference *head = NULL;
	const char *target = NULL;
	kg_err err = KG_OK;
	int rc = git_reference_lookup(&head, store->repo, "HEAD");

	if (rc != 0)
		return kg_store__fail_git(rc, "HEAD");
	if (git_reference_type(head) == GIT_REFERENCE_SYMBOLIC)
		target = git_reference_symbolic_target(head);
	if (target == NULL || strncmp(target, KG_STORE_REFS, sizeof(KG_STORE_REFS) - 1) != 0 ||
	    kg_hex_decode(swarm->bytes, sizeof(swarm->bytes), target + sizeof(KG_STORE_REFS) - 1) !=
		    KG_OK)
		err = kg_fail(KG_ENOTFOUND, "HEAD names no chain");
	git_reference_free(head);
	return err;
}

/* ---- all refs ---- */

void kg_store_refs_release(kg_store_refs *refs)
{
	for (size_t i = 0; i < refs->count; i++)
		free(refs->refs[i].name);
	free(refs->refs);
	*refs = (kg_store_refs){0};
}

/* What follows the namespace in a ref's name: `own` in any repository, "refs/remotes/<r>/<copied>"
 * in a clone. NULL: it is not in there. */
static const char *in_namespace(const kg_store *store, const char *name, const char *own,
				const char *copied)
{
	const char *at;

	if (strncmp(name, own, strlen(own)) == 0)
		return name + strlen(own);
	if (store->bare || strncmp(name, "refs/remotes/", 13) != 0)
		return NULL;
	at = strstr(name + 13, copied);
	return at != NULL && at > name + 13 ? at + strlen(copied) : NULL;
}

bool kg_store_epoch_parse(kg_pubkey *agent, uint64_t *number, const char *rest)
{
	enum { DIGITS_MAX = 18 };
	const char *digits = rest + KG_PUBKEY_TEXT_SIZE;
	char hex[KG_PUBKEY_TEXT_SIZE] = {0};
	size_t length;

	if (strlen(rest) <= KG_PUBKEY_TEXT_SIZE || rest[KG_PUBKEY_TEXT_SIZE - 1] != '/')
		return false;
	length = strspn(digits, "0123456789");
	if (length == 0 || length > DIGITS_MAX || digits[length] != '\0' || digits[0] == '0')
		return false;
	memcpy(hex, rest, KG_PUBKEY_TEXT_SIZE - 1);
	*number = strtoull(digits, NULL, 10);
	return kg_hex_is(hex, KG_PUBKEY_TEXT_SIZE - 1) &&
	       kg_hex_decode(agent->bytes, sizeof(agent->bytes), hex) == KG_OK;
}

void kg_store_epoch_format(char name[KG_STORE_NAME_SIZE], const kg_pubkey *agent, uint64_t number)
{
	char hex[KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(hex, agent);
	(void)snprintf(name, KG_STORE_NAME_SIZE, "%s%s/%llu", KG_STORE_EPOCHS, hex,
		       (unsigned long long)number);
}

static bool is_proof(kg_store_ref *r, const char *rest)
{
	char hex[KG_PUBKEY_TEXT_SIZE];
	kg_commit commit;

	if (strlen(rest) != KG_PUBKEY_TEXT_SIZE + KG_COMMIT_TEXT_SIZE - 1 ||
	    rest[KG_PUBKEY_TEXT_SIZE - 1] != '/')
		return false;
	memcpy(hex, rest, KG_PUBKEY_TEXT_SIZE - 1);
	hex[KG_PUBKEY_TEXT_SIZE - 1] = '\0';
	return kg_hex_decode(r->agent.bytes, sizeof(r->agent.bytes), hex) == KG_OK &&
	       kg_commit_parse(&commit, rest + KG_PUBKEY_TEXT_SIZE) == KG_OK &&
	       memcmp(commit.bytes, r->commit.bytes, sizeof(commit.bytes)) == 0;
}

static void classify(const kg_store *store, kg_store_ref *r)
{
	const char *chain = in_namespace(store, r->name, KG_STORE_REFS, "/agents/");
	const char *proof = in_namespace(store, r->name, KG_STORE_FORKS, "/forks/");
	const char *epoch = in_namespace(store, r->name, KG_STORE_EPOCHS, "/epochs/");

	r->kind = KG_STORE_STRAY;
	if (!r->has_commit)
		return;
	if (chain != NULL && kg_hex_decode(r->agent.bytes, sizeof(r->agent.bytes), chain) == KG_OK)
		r->kind = KG_STORE_CHAIN;
	/* A memory has each chain once. */
	else if (epoch != NULL && store->state_dir[0] == '\0' &&
		 kg_store_epoch_parse(&r->agent, &r->epoch, epoch))
		r->kind = KG_STORE_CHAIN;
	else if (proof != NULL && is_proof(r, proof))
		r->kind = KG_STORE_PROOF;
	else if (strncmp(r->name, KG_STORE_VAULT, sizeof(KG_STORE_VAULT) - 1) == 0 &&
		 kg_entry_id_parse(&r->entry, r->name + sizeof(KG_STORE_VAULT) - 1) == KG_OK)
		r->kind = KG_STORE_SEALED;
}

static kg_err add_ref(const kg_store *store, kg_store_refs *refs, const git_reference *ref)
{
	kg_store_ref r = {0};

	if (refs->count == KG_STORE_REFS_MAX)
		return kg_fail(KG_EFULL, "more than %d refs", KG_STORE_REFS_MAX);
	if ((refs->count & (refs->count - 1)) == 0) {
		size_t room = refs->count == 0 ? 1 : 2 * refs->count;
		kg_store_ref *grown = realloc(refs->refs, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for refs");
		refs->refs = grown;
	}
	r.name = strdup(git_reference_name(ref));
	if (r.name == NULL)
		return kg_fail(KG_ENOMEM, "no memory for refs");
	r.has_commit = git_reference_type(ref) == GIT_REFERENCE_DIRECT;
	if (r.has_commit)
		memcpy(r.commit.bytes, git_reference_target(ref)->id, sizeof(r.commit.bytes));
	classify(store, &r);
	refs->refs[refs->count++] = r;
	return KG_OK;
}

static int by_name(const void *a, const void *b)
{
	const kg_store_ref *x = a;
	const kg_store_ref *y = b;

	return strcmp(x->name, y->name);
}

/* ---- refs that say the same ---- */

static bool is_remote(const kg_store_ref *r)
{
	return strncmp(r->name, "refs/remotes/", 13) == 0;
}

/* Chains first, each in one run, the remotes' refs before own branches. */
static int by_chain(const void *a, const void *b)
{
	const kg_store_ref *x = a;
	const kg_store_ref *y = b;
	int order = (y->kind == KG_STORE_CHAIN) - (x->kind == KG_STORE_CHAIN);

	if (order == 0 && x->kind == KG_STORE_CHAIN)
		order = memcmp(x->agent.bytes, y->agent.bytes, sizeof(x->agent.bytes));
	if (order == 0)
		order = (is_remote(y) ? 1 : 0) - (is_remote(x) ? 1 : 0);
	return order != 0 ? order : strcmp(x->name, y->name);
}

/* Whether `other` goes on from where `r` ends, or repeats it and comes first, or is a later epoch.
 */
static bool says_more(const kg_store *store, const kg_store_ref *other, const kg_store_ref *r)
{
	git_oid tip;
	git_oid old;

	if (other == r || other->kind != KG_STORE_CHAIN ||
	    !kg_pubkey_equal(&other->agent, &r->agent))
		return false;
	if (other->epoch != r->epoch)
		return other->epoch > r->epoch;
	kg_store__to_oid(&tip, &other->commit);
	kg_store__to_oid(&old, &r->commit);
	return git_oid_equal(&tip, &old) ? other < r
					 : git_graph_descendant_of(store->repo, &tip, &old) == 1;
}

/* A chain's run of refs is short: one of each remote and a branch, and its epochs. */
static bool is_repeated_chain(const kg_store *store, const kg_store_refs *refs, size_t i)
{
	const kg_store_ref *r = &refs->refs[i];

	for (size_t k = i; k-- > 0 && kg_pubkey_equal(&refs->refs[k].agent, &r->agent);)
		if (says_more(store, &refs->refs[k], r))
			return true;
	for (size_t k = i + 1; k < refs->count && refs->refs[k].kind == KG_STORE_CHAIN &&
			       kg_pubkey_equal(&refs->refs[k].agent, &r->agent);
	     k++)
		if (says_more(store, &refs->refs[k], r))
			return true;
	return false;
}

static bool is_repeated(const kg_store *store, const kg_store_refs *refs, size_t i)
{
	const kg_store_ref *r = &refs->refs[i];
	size_t length = strlen(r->name);

	if (r->kind == KG_STORE_CHAIN)
		return is_repeated_chain(store, refs, i);
	if (is_remote(r))
		return !r->has_commit && length > 5 && strcmp(r->name + length - 5, "/HEAD") == 0;
	if (!r->has_commit || strncmp(r->name, "refs/heads/", 11) != 0)
		return false;
	for (size_t k = 0; k < refs->count; k++)
		if (is_remote(&refs->refs[k]) && refs->refs[k].kind != KG_STORE_STRAY &&
		    memcmp(refs->refs[k].commit.bytes, r->commit.bytes, KG_COMMIT_SIZE) == 0)
			return true;
	return false;
}

static kg_err leave_out_repeated(const kg_store *store, kg_store_refs *refs)
{
	bool *repeated = calloc(refs->count + 1, sizeof(*repeated));
	size_t kept = 0;

	if (repeated == NULL)
		return kg_fail(KG_ENOMEM, "no memory for refs");
	qsort(refs->refs, refs->count, sizeof(refs->refs[0]), by_chain);
	for (size_t i = 0; i < refs->count; i++)
		repeated[i] = is_repeated(store, refs, i);
	for (size_t i = 0; i < refs->count; i++) {
		if (repeated[i])
			free(refs->refs[i].name);
		else
			refs->refs[kept++] = refs->refs[i];
	}
	refs->count = kept;
	free(repeated);
	return KG_OK;
}

kg_err kg_store_refs_read(kg_store *store, kg_store_refs *refs)
{
	git_reference_iterator *iterator = NULL;
	kg_store_refs found = {0};
	git_reference *ref = NULL;
	bool repeats = !store->bare;
	kg_err err = KG_OK;
	int rc = git_reference_iterator_new(&iterator, store->repo);

	while (rc == 0 && err == KG_OK && (rc = git_reference_next(&ref, iterator)) == 0) {
		err = add_ref(store, &found, ref);
		git_reference_free(ref);
		repeats = repeats || (found.count > 0 && found.refs[found.count - 1].epoch > 0);
	}
	git_reference_iterator_free(iterator);
	if (err == KG_OK && rc != 0 && rc != GIT_ITEROVER)
		err = kg_store__fail_git(rc, "refs");
	if (err == KG_OK && found.count > 0 && repeats)
		err = leave_out_repeated(store, &found);
	if (err != KG_OK) {
		kg_store_refs_release(&found);
		return err;
	}
	if (found.count > 1)
		qsort(found.refs, found.count, sizeof(found.refs[0]), by_name);
	*refs = found;
	return KG_OK;
}
