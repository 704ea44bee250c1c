/* SPDX-License-Identifier: MIT */
/* What stock git is told of keys of which nothing is accepted. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "identity/sshsig.h"
#include "memory/store_impl.h"

static const char setting[] = "gpg.ssh.revocationfile";

/* The setting points to the list, or is not there: to a missing file, stock git would find every
 * signature bad. */
static kg_err set_list(kg_store *store, const char *path)
{
	git_config *config = NULL;
	git_buf now = {0};
	int rc = git_repository_config(&config, store->repo);
	bool is_set = rc == 0 && git_config_get_string_buf(&now, config, setting) == 0;

	if (rc == 0 && path != NULL && !(is_set && strcmp(now.ptr, path) == 0))
		rc = git_config_set_string(config, setting, path);
	else if (rc == 0 && path == NULL && is_set)
		rc = git_config_delete_entry(config, setting);
	git_buf_dispose(&now);
	git_config_free(config);
	return rc == 0 ? KG_OK : kg_store__fail_git(rc, "memory.git/config");
}

static kg_err write_list(const char *path, const kg_pubkey *keys, size_t count)
{
	char line[KG_SSHSIG_PUBLIC_SIZE];
	kg_buf text;
	kg_err err;

	kg_buf_init(&text, 64 << 20);
	for (size_t i = 0; i < count; i++) {
		kg_sshsig_public(line, &keys[i]);
		kg_buf_puts(&text, line);
		kg_buf_puts(&text, "\n");
	}
	err = kg_buf_ok(&text);
	if (err == KG_OK)
		err = kg_fs_update(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	return err;
}

kg_err kg_store_write_revoked(kg_store *store, const kg_pubkey *keys, size_t count)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/revoked_signers", store->state_dir);

	if (err != KG_OK)
		return err;
	if (count > 0) {
		err = write_list(path, keys, count);
		return err == KG_OK ? set_list(store, path) : err;
	}
	err = set_list(store, NULL);
	if (err == KG_OK && unlink(path) != 0 && errno != ENOENT)
		err = kg_fail_errno(errno, "%s", path);
	return err;
}
