/* SPDX-License-Identifier: MIT */
#include "memory/vault.h"

#include <string.h>

#include "identity/seal.h"
#include "memory/store_impl.h"

enum { REF_SIZE = sizeof(KG_STORE_VAULT) + KG_HASH_TEXT_SIZE };

static void vault_ref(char name[REF_SIZE], const kg_entry_id *entry)
{
	memcpy(name, KG_STORE_VAULT, sizeof(KG_STORE_VAULT));
	kg_entry_id_format(name + sizeof(KG_STORE_VAULT) - 1, entry);
}

/* ---- what was erased ---- */

/* The lines of <state>/erased; none when there is no such file. */
static kg_err read_erased(kg_buf *lines, char path[KG_PATH_SIZE], const kg_store *store)
{
	kg_err err = kg_path(path, "%s/erased", store->state_dir);

	if (err == KG_OK)
		err = kg_fs_read(lines, path);
	return err == KG_ENOTFOUND ? KG_OK : err;
}

/* Whether a whole line is this id. */
static bool has_line(const kg_buf *lines, const char hex[KG_HASH_TEXT_SIZE])
{
	enum { LINE = KG_HASH_TEXT_SIZE }; /* the terminator's place has the newline */

	for (size_t at = 0; at + LINE <= lines->size; at += LINE)
		if (memcmp(lines->data + at, hex, LINE - 1) == 0)
			return true;
	return false;
}

kg_err kg_vault_is_erased(bool *erased, kg_store *store, const kg_entry_id *entry)
{
	char path[KG_PATH_SIZE];
	char hex[KG_HASH_TEXT_SIZE];
	kg_buf lines;
	kg_err err;

	kg_buf_init(&lines, KG_VAULT_ERASED_MAX);
	err = read_erased(&lines, path, store);
	kg_entry_id_format(hex, entry);
	if (err == KG_OK && lines.size % KG_HASH_TEXT_SIZE != 0)
		err = kg_fail(KG_ECORRUPT, "%s: not one id on each line", path);
	if (err == KG_OK)
		*erased = has_line(&lines, hex);
	kg_buf_release(&lines);
	return err;
}

static kg_err note_erased(kg_store *store, const kg_entry_id *entry)
{
	char path[KG_PATH_SIZE];
	char hex[KG_HASH_TEXT_SIZE];
	kg_buf lines;
	kg_err err;

	kg_buf_init(&lines, KG_VAULT_ERASED_MAX);
	err = read_erased(&lines, path, store);
	kg_entry_id_format(hex, entry);
	if (err == KG_OK && !has_line(&lines, hex)) {
		kg_buf_puts(&lines, hex);
		kg_buf_puts(&lines, "\n");
		err = kg_buf_ok(&lines);
		if (err == KG_OK)
			err = kg_fs_write(path, lines.data, lines.size, 0600);
	}
	kg_buf_release(&lines);
	return err;
}

/* ---- content ---- */

kg_err kg_vault_check(const kg_entry *entry, const void *sealed, size_t size)
{
	uint8_t digest[KG_HASH_SIZE];

	kg_seal_digest(digest, sealed, size);
	if (!entry->has_sealed || entry->sealed.size != size ||
	    memcmp(entry->sealed.digest, digest, sizeof(digest)) != 0)
		return kg_fail(KG_ECORRUPT, "the sealed content is not what the entry announces");
	return KG_OK;
}

kg_err kg_vault_read(kg_store *store, kg_buf *sealed, const kg_entry_id *entry)
{
	char name[REF_SIZE];
	git_blob *blob = NULL;
	git_oid oid;
	kg_err err = KG_OK;
	int rc;

	vault_ref(name, entry);
	rc = git_reference_name_to_id(&oid, store->repo, name);
	if (rc == GIT_ENOTFOUND)
		return kg_fail(KG_ENOTFOUND, "no sealed content");
	if (rc == 0)
		err = kg_store__check_loose(store->path, &oid);
	if (err != KG_OK)
		return err;
	rc = rc != 0 ? rc : git_blob_lookup(&blob, store->repo, &oid);
	if (rc != 0) {
		err = kg_store__fail_git(rc, name);
		return err == KG_ENOMEM ? err : kg_fail_context(KG_ECORRUPT, "sealed content");
	}
	if (git_blob_rawsize(blob) > KG_SEAL_SIZE_MAX)
		err = kg_fail(KG_ECORRUPT, "%s: larger than sealed content can be", name);
	else
		kg_buf_put(sealed, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
	git_blob_free(blob);
	return err == KG_OK ? kg_buf_ok(sealed) : err;
}

/* KG_OK when it is there, KG_ENOTFOUND when there is none. */
static kg_err is_there(kg_store *store, const kg_entry_id *entry, const void *sealed, size_t size)
{
	kg_buf now;
	kg_err err;

	kg_buf_init(&now, KG_SEAL_SIZE_MAX);
	err = kg_vault_read(store, &now, entry);
	if (err == KG_OK && (now.size != size || memcmp(now.data, sealed, size) != 0))
		err = kg_fail(KG_EEXISTS, "there is other sealed content of that entry");
	kg_buf_release(&now);
	return err;
}

kg_err kg_vault_put(kg_store *store, const kg_entry_id *entry, const void *sealed, size_t size)
{
	char name[REF_SIZE];
	git_reference *ref = NULL;
	bool erased = false;
	size_t recipients;
	git_oid oid;
	kg_err err = kg_seal_check(&recipients, sealed, size);
	int rc;

	if (err == KG_OK)
		err = kg_vault_is_erased(&erased, store, entry);
	if (err == KG_OK && erased)
		err = kg_fail(KG_EDENIED, "the sealed content of that entry was erased");
	if (err == KG_OK)
		err = is_there(store, entry, sealed, size);
	if (err != KG_ENOTFOUND)
		return err;
	vault_ref(name, entry);
	rc = git_odb_write(&oid, store->odb, sealed, size, GIT_OBJECT_BLOB);
	rc = rc != 0 ? rc : git_reference_create(&ref, store->repo, name, &oid, 0, NULL);
	git_reference_free(ref);
	return rc == 0 ? kg_store_sync(store) : kg_store__fail_git(rc, name);
}

kg_err kg_vault_drop(kg_store *store, const kg_entry_id *entry)
{
	char name[REF_SIZE];
	int rc;

	vault_ref(name, entry);
	rc = git_reference_remove(store->repo, name);
	return rc == 0 || rc == GIT_ENOTFOUND ? KG_OK : kg_store__fail_git(rc, name);
}

kg_err kg_vault_erase(kg_store *store, const kg_entry_id *entry)
{
	kg_err err = note_erased(store, entry);

	if (err == KG_OK)
		err = kg_vault_drop(store, entry);
	return err == KG_OK ? kg_store_sync(store) : err;
}

kg_err kg_vault_sweep(kg_store *store, size_t *dropped, kg_vault_known known, void *payload)
{
	kg_store_refs refs = {0};
	kg_err err = kg_store_refs_read(store, &refs);

	*dropped = 0;
	for (size_t i = 0; err == KG_OK && i < refs.count; i++) {
		bool is_known = true;

		if (refs.refs[i].kind != KG_STORE_SEALED)
			continue;
		err = known(payload, &is_known, &refs.refs[i].entry);
		if (err != KG_OK || is_known)
			continue;
		err = kg_vault_drop(store, &refs.refs[i].entry);
		*dropped += err == KG_OK ? 1 : 0;
	}
	kg_store_refs_release(&refs);
	return err;
}
