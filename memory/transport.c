/* SPDX-License-Identifier: MIT */
#include "memory/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "memory/incoming_impl.h"
#include "memory/store_impl.h"
#include "memory/transport_impl.h"

/* What credentials were tried already: the other side asks again after each. */
typedef struct {
	const kg_transport *transport;
	kg_incoming_watch watch;
	unsigned tried;
	kg_transport_pushed pushed;
	void *pushed_payload;
} session;

/* ---- who we are ---- */

static int credential_of_file(git_credential **out, session *s, const char *user)
{
	static const char *const files[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
	const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

	while (home != NULL && s->tried <= sizeof(files) / sizeof(files[0])) {
		char path[KG_PATH_SIZE];

		if (kg_path(path, "%s/.ssh/%s", home, files[s->tried++ - 1]) == KG_OK &&
		    kg_fs_exists(path))
			return git_credential_ssh_key_new(out, user, NULL, path, "");
	}
	git_error_set_str(GIT_ERROR_SSH,
			  "no key of the ssh agent or of ~/.ssh (id_ed25519, id_ecdsa, id_rsa "
			  "without a passphrase) is accepted");
	return GIT_EAUTH;
}

static int on_credentials(git_credential **out, const char *url, const char *user_in_url,
			  unsigned allowed, void *payload)
{
	const char *login = getenv("USER"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
	session *s = payload;
	const char *user = user_in_url != NULL ? user_in_url : login != NULL ? login : "git";

	(void)url;
	if ((allowed & GIT_CREDENTIAL_USERNAME) != 0)
		return git_credential_username_new(out, user);
	if ((allowed & GIT_CREDENTIAL_SSH_KEY) == 0) {
		git_error_set_str(GIT_ERROR_NET,
				  "it asks for a user and a password: put them into the url, "
				  "https://user:password@host/…");
		return GIT_EAUTH;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it */
	if (s->tried++ == 0 && getenv("SSH_AUTH_SOCK") != NULL)
		return git_credential_ssh_key_from_agent(out, user);
	if (s->tried == 0)
		s->tried = 1;
	return credential_of_file(out, s, user);
}

/* libgit2's last error in our terms, with what to do. */
static kg_err fail_transport(int code, const session *s)
{
	const git_error *last = git_error_last();
	const char *why = last != NULL && last->message != NULL ? last->message : "unknown";

	if (s->watch.failed != KG_OK)
		return s->watch.failed;
	if (code == GIT_ECERTIFICATE && strncmp(s->transport->url, "http", 4) == 0)
		return kg_fail(KG_EDENIED,
			       "%s: its certificate is not good (sync.ca_file names other "
			       "authorities)",
			       why);
	if (code == GIT_ECERTIFICATE)
		return kg_fail(KG_EDENIED,
			       "%s: its host key is not the one in ~/.ssh/known_hosts, or not "
			       "there (connect once with ssh, and compare)",
			       why);
	if (code == GIT_EAUTH)
		return kg_fail(KG_EDENIED, "%s", why);
	if (code == GIT_ENONFASTFORWARD)
		return kg_fail(KG_ECONFLICT, "others have written there meanwhile: try again");
	return kg_store__fail_git(code, "the remote");
}

/* ---- both ways ---- */

static int on_push_step(unsigned current, unsigned total, size_t bytes, void *payload)
{
	session *s = payload;

	(void)bytes;
	if (s->transport->progress == NULL ||
	    s->transport->progress(s->transport->payload, current, total))
		return 0;
	s->watch.failed = kg_fail(KG_ETIMEOUT, "stopped");
	return GIT_EUSER;
}

static int on_pack_step(int stage, uint32_t current, uint32_t total, void *payload)
{
	(void)stage;
	return on_push_step(current, total, 0, payload);
}

static int on_pushed(const char *name, const char *why, void *payload)
{
	const session *s = payload;

	s->pushed(s->pushed_payload, name, why);
	return 0;
}

static int on_fetch_step(const git_indexer_progress *stats, void *payload)
{
	session *s = payload;

	return kg_incoming__watch(stats, &s->watch);
}

static void begin(session *s, git_remote_callbacks *callbacks, const kg_transport *t)
{
	*s = (session){
		.transport = t,
		.watch = {.limits = &t->limits, .progress = t->progress, .payload = t->payload},
	};
	*callbacks = (git_remote_callbacks){
		.version = GIT_REMOTE_CALLBACKS_VERSION,
		.credentials = on_credentials,
		.transfer_progress = on_fetch_step,
		.pack_progress = on_pack_step,
		.push_transfer_progress = on_push_step,
		.push_update_reference = on_pushed,
		.payload = s,
	};
}

/* libgit2 has one list of authorities for the whole process. */
static kg_err trust_authorities(const kg_transport *t)
{
	int rc = 0;

	if (t->ca_file[0] != '\0')
		rc = git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, t->ca_file, NULL);
	return rc == 0 ? KG_OK : kg_store__fail_git(rc, t->ca_file);
}

/* ---- from there ---- */

static kg_err list(kg_offers *offers, git_remote *remote, const kg_transport *t, const session *s)
{
	const git_remote_head **heads = NULL;
	size_t count = 0;
	kg_err err = KG_OK;
	int rc = git_remote_ls(&heads, &count, remote);

	if (rc != 0)
		return fail_transport(rc, s);
	if (count > t->limits.refs_max)
		return kg_fail(KG_EFULL, "it has %zu refs; at most %llu are looked at", count,
			       (unsigned long long)t->limits.refs_max);
	for (size_t i = 0; err == KG_OK && i < count; i++) {
		kg_commit commit;

		memcpy(commit.bytes, heads[i]->oid.id, sizeof(commit.bytes));
		err = kg_offers_add(offers, heads[i]->name, strlen(heads[i]->name), &commit);
	}
	return err;
}

static kg_err download(git_remote *remote, const git_remote_callbacks *callbacks, session *s)
{
	static char chains[] = KG_STORE_REFS "*:" KG_STORE_REFS "*";
	static char epochs[] = KG_STORE_EPOCHS "*:" KG_STORE_EPOCHS "*";
	static char forks[] = KG_STORE_FORKS "*:" KG_STORE_FORKS "*";
	static char vault[] = KG_STORE_VAULT "*:" KG_STORE_VAULT "*";
	char *specs[] = {chains, epochs, forks, vault};
	const git_strarray refspecs = {specs, sizeof(specs) / sizeof(specs[0])};
	git_fetch_options options = {
		.version = GIT_FETCH_OPTIONS_VERSION,
		.callbacks = *callbacks,
		.prune = GIT_FETCH_NO_PRUNE,
		.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE,
		.proxy_opts = {.version = GIT_PROXY_OPTIONS_VERSION},
	};
	int rc = git_remote_download(remote, &refspecs, &options);

	return rc == 0 ? KG_OK : fail_transport(rc, s);
}

kg_err kg_transport_fetch(kg_incoming *into, kg_offers *offers, const kg_transport *t)
{
	git_remote_callbacks callbacks;
	git_remote *remote = NULL;
	kg_offers found = {0};
	session s;
	kg_err err = trust_authorities(t);
	int rc;

	if (err != KG_OK)
		return err;
	begin(&s, &callbacks, t);
	rc = git_remote_create_anonymous(&remote, into->store->repo, t->url);
	rc = rc != 0 ? rc : git_remote_connect(remote, GIT_DIRECTION_FETCH, &callbacks, NULL, NULL);
	err = rc == 0 ? list(&found, remote, t, &s) : fail_transport(rc, &s);
	if (err == KG_OK && found.count > 0)
		err = download(remote, &callbacks, &s);
	if (remote != NULL && git_remote_connected(remote) == 1)
		(void)git_remote_disconnect(remote);
	git_remote_free(remote);
	if (err == KG_OK)
		err = kg_store_refresh(into->store);
	if (err != KG_OK) {
		kg_offers_release(&found);
		return err;
	}
	*offers = found;
	return KG_OK;
}

/* ---- to there ---- */

void kg_transport_name(char name[KG_STORE_NAME_SIZE], const kg_transport_ref *ref)
{
	if (ref->epoch > 0)
		kg_store_epoch_format(name, &ref->ref->agent, ref->epoch);
	else
		(void)snprintf(name, KG_STORE_NAME_SIZE, "%s", ref->ref->name);
}

static kg_err make_specs(git_strarray *specs, const kg_transport_ref *refs, size_t count)
{
	specs->strings = calloc(count + 1, sizeof(char *));
	if (specs->strings == NULL)
		return kg_fail(KG_ENOMEM, "no memory for refs");
	for (size_t i = 0; i < count; i++) {
		char name[KG_STORE_NAME_SIZE];

		kg_transport_name(name, &refs[i]);
		if (asprintf(&specs->strings[i], "%s:%s", refs[i].ref->name, name) < 0) {
			specs->strings[i] = NULL;
			return kg_fail(KG_ENOMEM, "no memory for refs");
		}
		specs->count++;
	}
	return KG_OK;
}

/* libgit2 moves the refs of a repository on this machine without asking where they are by then: two
 * who push at once would take from each other. close(2) lets go; -1: there is nothing to hold. */
static int hold(const char *url)
{
	const char *path = kg_transport__local(url);
	int fd = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR)
		;
	return fd;
}

kg_err kg_transport_push(kg_store *from, const kg_transport_ref *refs, size_t count,
			 const kg_transport *t, kg_transport_pushed pushed, void *payload)
{
	git_push_options options = {
		.version = GIT_PUSH_OPTIONS_VERSION,
		.pb_parallelism = 1,
		.proxy_opts = {.version = GIT_PROXY_OPTIONS_VERSION},
	};
	git_strarray specs = {0};
	git_remote *remote = NULL;
	session s;
	kg_err err = trust_authorities(t);
	int held = hold(t->url);
	int rc;

	if (err == KG_OK)
		err = make_specs(&specs, refs, count);
	begin(&s, &options.callbacks, t);
	s.pushed = pushed;
	s.pushed_payload = payload;
	if (err == KG_OK) {
		rc = git_remote_create_anonymous(&remote, from->repo, t->url);
		rc = rc != 0 ? rc : git_remote_push(remote, &specs, &options);
		err = rc == 0 ? KG_OK : fail_transport(rc, &s);
	}
	git_remote_free(remote);
	if (held >= 0)
		(void)close(held);
	for (size_t i = 0; i < specs.count; i++)
		free(specs.strings[i]);
	free(specs.strings);
	return err;
}

/* What stock git is to see: our settings of it, and that nobody is there to be asked. */
static kg_err git_environment(const kg_transport *t)
{
	int rc = setenv("GIT_TERMINAL_PROMPT", "0", 1);

	rc |= setenv("GIT_SSH_COMMAND", "ssh -o BatchMode=yes", 1);
	if (t->ca_file[0] != '\0')
		rc |= setenv("GIT_SSL_CAINFO", t->ca_file, 1);
	return rc == 0 ? KG_OK : kg_fail_errno(errno, "environment");
}

kg_err kg_transport_push_sealed(kg_store *from, const kg_transport *t)
{
	static char git[] = "git";
	static char in[] = "-C";
	static char push[] = "push";
	static char quiet[] = "--quiet";
	static char end[] = "--";
	static char spec[] = KG_STORE_VAULT "*:" KG_STORE_VAULT "*";
	char *url = strdup(t->url);
	char *argv[] = {git, in, from->path, push, quiet, end, url, spec, NULL};
	int status = 0;
	pid_t child;
	const char *local = kg_transport__local(t->url);
	int rc;
	kg_err err = url != NULL ? git_environment(t) : kg_fail(KG_ENOMEM, "no memory for a url");

	if (err != KG_OK || local != NULL) {
		free(url);
		return err == KG_OK ? kg_transport__put_sealed(from, local) : err;
	}
	rc = posix_spawnp(&child, git, NULL, NULL, argv, environ);
	if (rc == ENOENT)
		err = kg_fail(KG_ENOTFOUND, "sealed content is pushed by git, which is not here");
	else if (rc != 0)
		err = kg_fail_errno(rc, "git");
	while (err == KG_OK && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			err = kg_fail_errno(errno, "git");
	free(url);
	if (err == KG_OK && status != 0)
		err = kg_fail(KG_EIO, "sealed content could not be pushed: git has failed");
	return err;
}

bool kg_transport_is_ahead(kg_store *store, const kg_commit *tip, const kg_commit *commit)
{
	git_oid a;
	git_oid b;

	kg_store__to_oid(&a, tip);
	kg_store__to_oid(&b, commit);
	return git_graph_descendant_of(store->repo, &a, &b) == 1;
}

/* ---- urls ---- */

bool kg_transport_is_memory(const char *url)
{
	const char *path = kg_transport__local(url);
	git_config *config = NULL;
	git_buf owner = {0};
	kg_store *store = NULL;
	bool is = false;

	if (path == NULL || kg_store_open_path(&store, path) != KG_OK)
		return false;
	if (git_repository_config_snapshot(&config, store->repo) == 0)
		is = git_config_get_string_buf(&owner, config, "kindergarten.swarm") == 0;
	git_buf_dispose(&owner);
	git_config_free(config);
	kg_store_free(store);
	return is;
}

kg_err kg_transport_configured(char *url, size_t size, kg_store *store, const char *name)
{
	git_remote *remote = NULL;
	const char *found;
	int rc = git_remote_lookup(&remote, store->repo, name);

	if (rc != 0)
		return kg_fail(KG_ENOTFOUND, "no remote \"%.80s\"", name);
	found = git_remote_url(remote);
	if (found == NULL || strlen(found) >= size) {
		git_remote_free(remote);
		return kg_fail(KG_EINVAL, "the remote \"%.80s\" has no url", name);
	}
	memcpy(url, found, strlen(found) + 1);
	git_remote_free(remote);
	return KG_OK;
}
