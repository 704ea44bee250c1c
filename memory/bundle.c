/* SPDX-License-Identifier: MIT */
#include "memory/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hex.h"
#include "memory/incoming_impl.h"

enum {
	STEP = 64 << 10,        /* bytes given to the indexer at once */
	PACK_SMALLEST = 12 + 20 /* head and sum of a pack */
};

void kg_bundle_release(kg_bundle *bundle)
{
	kg_offers_release(&bundle->offers);
	free(bundle->needs);
	*bundle = (kg_bundle){0};
}

/* ---- reading ---- */

static kg_err add_need(kg_bundle *b, const kg_commit *commit)
{
	if (b->need_count == KG_OFFERS_MAX)
		return kg_fail(KG_EFULL, "more than %d commits needed", KG_OFFERS_MAX);
	if ((b->need_count & (b->need_count - 1)) == 0) {
		size_t room = b->need_count == 0 ? 1 : 2 * b->need_count;
		kg_commit *grown = realloc(b->needs, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for a bundle");
		b->needs = grown;
	}
	b->needs[b->need_count++] = *commit;
	return KG_OK;
}

static kg_err parse_commit(kg_commit *commit, const char *line, size_t length)
{
	char hex[KG_COMMIT_TEXT_SIZE];

	if (length < KG_COMMIT_TEXT_SIZE - 1)
		return kg_fail(KG_ECORRUPT, "a line of the bundle breaks off");
	memcpy(hex, line, KG_COMMIT_TEXT_SIZE - 1);
	hex[KG_COMMIT_TEXT_SIZE - 1] = '\0';
	if (kg_commit_parse(commit, hex) != KG_OK)
		return kg_fail(KG_ECORRUPT, "a line of the bundle names no commit");
	return KG_OK;
}

/* A line without its end. */
static kg_err parse_line(kg_bundle *b, const char *line, size_t length)
{
	const size_t hex = KG_COMMIT_TEXT_SIZE - 1;
	bool is_need = line[0] == '-';
	kg_commit commit;
	kg_err err;

	if (line[0] == '@') {
		static const char sha1[] = "@object-format=sha1";

		if (b->version == 3 && length == sizeof(sha1) - 1 &&
		    memcmp(line, sha1, length) == 0)
			return KG_OK;
		return kg_fail(KG_ECORRUPT, "the bundle asks for \"%.*s\", which is not known here",
			       (int)(length < 64 ? length : 64), line);
	}
	line += is_need ? 1 : 0;
	length -= is_need ? 1 : 0;
	err = parse_commit(&commit, line, length);
	if (err != KG_OK)
		return err;
	if (length > hex && line[hex] != ' ')
		return kg_fail(KG_ECORRUPT, "a line of the bundle is not formed like one");
	if (is_need)
		return add_need(b, &commit);
	if (length < hex + 2)
		return kg_fail(KG_ECORRUPT, "a ref of the bundle has no name");
	return kg_offers_add(&b->offers, line + hex + 1, length - hex - 1, &commit);
}

static kg_err parse_lines(kg_bundle *b, const char *data, size_t size)
{
	size_t at = 0;
	kg_err err = KG_OK;

	while (err == KG_OK) {
		const char *line = data + at;
		size_t left = size - at;
		size_t most = left < KG_BUNDLE_LINE_MAX ? left : KG_BUNDLE_LINE_MAX;
		const char *end = most > 0 ? memchr(line, '\n', most) : NULL;

		if (end == NULL)
			return kg_fail(KG_ECORRUPT, "the header of the bundle breaks off");
		at += (size_t)(end - line) + 1;
		if (end == line) {
			b->pack_at += at;
			return KG_OK;
		}
		err = parse_line(b, line, (size_t)(end - line));
	}
	return err;
}

kg_err kg_bundle_parse(kg_bundle *bundle, const void *data, size_t size)
{
	static const char v2[] = "# v2 git bundle\n";
	static const char v3[] = "# v3 git bundle\n";
	const size_t first = sizeof(v2) - 1;
	kg_bundle b = {0};
	kg_err err;

	if (size >= first && memcmp(data, v2, first) == 0)
		b.version = 2;
	else if (size >= first && memcmp(data, v3, first) == 0)
		b.version = 3;
	else
		return kg_fail(KG_ECORRUPT, "not a git bundle of version 2 or 3");
	b.pack_at = first;
	size = size < KG_BUNDLE_HEADER_MAX ? size : KG_BUNDLE_HEADER_MAX;
	err = parse_lines(&b, (const char *)data + first, size - first);
	if (err == KG_OK && b.offers.count == 0 && b.offers.others == 0)
		err = kg_fail(KG_ECORRUPT, "the bundle has no refs");
	if (err != KG_OK) {
		kg_bundle_release(&b);
		return err;
	}
	*bundle = b;
	return KG_OK;
}

/* ---- unpacking ---- */

static kg_err check_needs(kg_incoming *into, const kg_bundle *bundle)
{
	for (size_t i = 0; i < bundle->need_count; i++) {
		char hex[KG_COMMIT_TEXT_SIZE];
		git_oid oid;

		kg_store__to_oid(&oid, &bundle->needs[i]);
		if (git_odb_exists(into->store->odb, &oid) == 1)
			continue;
		kg_commit_format(hex, &bundle->needs[i]);
		return kg_fail(KG_ENOTFOUND,
			       "it goes on from commit %s, which is not here: an earlier bundle, "
			       "or one of everything, has to come first",
			       hex);
	}
	return KG_OK;
}

/* What the pack itself says of its size: libgit2 would make room for as much. */
static kg_err check_pack(const uint8_t *pack, size_t size, const kg_incoming_limits *limits)
{
	uint64_t objects;

	if (size < PACK_SMALLEST || memcmp(pack, "PACK", 4) != 0)
		return kg_fail(KG_ECORRUPT, "the bundle has no pack");
	objects = (uint64_t)pack[8] << 24 | (uint64_t)pack[9] << 16 | (uint64_t)pack[10] << 8 |
		  pack[11];
	if (objects > limits->objects_max)
		return kg_fail(KG_EFULL, "%llu objects; at most %llu are taken at once",
			       (unsigned long long)objects,
			       (unsigned long long)limits->objects_max);
	if (objects > size)
		return kg_fail(KG_ECORRUPT, "the pack is shorter than it says");
	return KG_OK;
}

static kg_err index_pack(kg_incoming *into, const uint8_t *data, size_t size, kg_incoming_watch *w)
{
	git_indexer_options options = {
		.version = GIT_INDEXER_OPTIONS_VERSION,
		.progress_cb = kg_incoming__watch,
		.progress_cb_payload = w,
	};
	git_indexer_progress stats = {0};
	git_indexer *indexer = NULL;
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(path, "%s/objects/pack", into->path);
	int rc;

	if (err != KG_OK)
		return err;
	rc = git_indexer_new(&indexer, path, 0, into->store->odb, &options);
	for (size_t at = 0; rc == 0 && at < size; at += STEP)
		rc = git_indexer_append(indexer, data + at, size - at < STEP ? size - at : STEP,
					&stats);
	rc = rc != 0 ? rc : git_indexer_commit(indexer, &stats);
	git_indexer_free(indexer);
	if (w->failed != KG_OK)
		return w->failed;
	if (rc != 0 && kg_store__fail_git(rc, "the pack") == KG_EFULL)
		return KG_EFULL;
	if (rc != 0)
		return kg_fail(KG_ECORRUPT, "%s", kg_err_text());
	return kg_store_refresh(into->store);
}

kg_err kg_bundle_unpack(kg_incoming *into, const kg_bundle *bundle, const void *data, size_t size,
			const kg_incoming_limits *limits, kg_store_progress progress, void *payload)
{
	kg_incoming_watch watch = {.limits = limits, .progress = progress, .payload = payload};
	kg_err err = KG_OK;

	KG_ASSERT(bundle->pack_at <= size);
	size -= bundle->pack_at;
	if (bundle->offers.count > limits->refs_max)
		err = kg_fail(KG_EFULL, "%zu refs; at most %llu are taken", bundle->offers.count,
			      (unsigned long long)limits->refs_max);
	if (err == KG_OK && size > limits->bytes_max)
		err = kg_fail(KG_EFULL, "more than %llu bytes are not taken at once",
			      (unsigned long long)limits->bytes_max);
	if (err == KG_OK)
		err = check_pack((const uint8_t *)data + bundle->pack_at, size, limits);
	if (err == KG_OK)
		err = check_needs(into, bundle);
	if (err == KG_OK)
		err = index_pack(into, (const uint8_t *)data + bundle->pack_at, size, &watch);
	return err;
}

/* ---- writing ---- */

typedef struct {
	kg_store *store;
	const kg_bundle_content *content;
	git_packbuilder *pack;
	FILE *file;
	uint64_t objects; /* inserted */
	kg_store_progress progress;
	void *payload;
	kg_err failed;
} writer;

static kg_err insert(writer *w, const git_oid *oid)
{
	int rc = git_packbuilder_insert(w->pack, oid, NULL);

	if (rc != 0)
		return kg_store__fail_git(rc, "bundle");
	w->objects++;
	if (w->progress != NULL && w->objects % 1024 == 0 &&
	    !w->progress(w->payload, w->objects, 0))
		return kg_fail(KG_ETIMEOUT, "stopped");
	return KG_OK;
}

/* The commits of a chain that the receiver lacks: never more than a parent each. */
static kg_err insert_chain(writer *w, const kg_bundle_chain *chain)
{
	git_oid at;
	git_oid base = {{0}};
	kg_err err = KG_OK;
	bool more = true;

	kg_store__to_oid(&at, &chain->tip);
	if (chain->has_base)
		kg_store__to_oid(&base, &chain->base);
	while (err == KG_OK && more && (!chain->has_base || git_oid_cmp(&at, &base) != 0)) {
		git_commit *commit = NULL;
		int rc = git_commit_lookup(&commit, w->store->repo, &at);

		if (rc != 0)
			return kg_store__fail_git(rc, "bundle");
		err = insert(w, &at);
		if (err == KG_OK && w->objects == 1)
			err = insert(w, git_commit_tree_id(commit));
		more = git_commit_parentcount(commit) > 0;
		if (more)
			git_oid_cpy(&at, git_commit_parent_id(commit, 0));
		git_commit_free(commit);
	}
	return err;
}

static bool has_news(const kg_bundle_chain *chain)
{
	return !chain->has_base || memcmp(chain->tip.bytes, chain->base.bytes, KG_COMMIT_SIZE) != 0;
}

static kg_err insert_all(writer *w)
{
	kg_err err = KG_OK;

	for (size_t i = 0; err == KG_OK && i < w->content->chain_count; i++)
		if (has_news(&w->content->chains[i]))
			err = insert_chain(w, &w->content->chains[i]);
	for (size_t i = 0; err == KG_OK && i < w->content->other_count; i++) {
		git_oid oid;

		kg_store__to_oid(&oid, &w->content->others[i].commit);
		err = insert(w, &oid);
	}
	if (err == KG_OK && w->objects == 0)
		err = kg_fail(KG_ENOTFOUND, "there is nothing to export");
	return err;
}

static void put_commit(writer *w, const char *before, const kg_commit *commit, const char *behind)
{
	char hex[KG_COMMIT_TEXT_SIZE];

	kg_commit_format(hex, commit);
	(void)fprintf(w->file, "%s%s%s", before, hex, behind);
}

/* What a proof goes on from is in its author's chain, or needed from before. */
static void put_header(writer *w)
{
	const kg_bundle_content *c = w->content;

	(void)fputs("# v2 git bundle\n", w->file);
	for (size_t i = 0; i < c->chain_count; i++)
		if (c->chains[i].has_base && has_news(&c->chains[i]))
			put_commit(w, "-", &c->chains[i].base, " \n");
	for (size_t i = 0; i < c->chain_count; i++) {
		char hex[KG_PUBKEY_TEXT_SIZE];

		if (!has_news(&c->chains[i]))
			continue;
		kg_pubkey_format(hex, &c->chains[i].agent);
		put_commit(w, "", &c->chains[i].tip, " " KG_STORE_REFS);
		(void)fprintf(w->file, "%s\n", hex);
		if (c->head != NULL && kg_pubkey_equal(c->head, &c->chains[i].agent))
			put_commit(w, "", &c->chains[i].tip, " HEAD\n");
	}
	for (size_t i = 0; i < c->other_count; i++) {
		put_commit(w, "", &c->others[i].commit, " ");
		(void)fprintf(w->file, "%s\n", c->others[i].name);
	}
	(void)fputc('\n', w->file);
}

static int write_pack(void *data, size_t size, void *payload)
{
	writer *w = payload;

	if (fwrite(data, 1, size, w->file) == size)
		return 0;
	w->failed = kg_fail_errno(errno, "bundle");
	return GIT_EUSER;
}

static kg_err write_file(writer *w, const char *path)
{
	char temporary[KG_PATH_SIZE];
	kg_err err = kg_path(temporary, "%s.XXXXXX", path);
	int fd;
	int rc;

	if (err == KG_OK)
		err = kg_fs_check_target(path);
	if (err != KG_OK)
		return err;
	fd = mkostemp(temporary, O_CLOEXEC);
	w->file = fd >= 0 ? fdopen(fd, "w") : NULL;
	/* Not ENOENT's own code: that is for there being nothing to export. */
	if (w->file == NULL)
		return kg_fail(KG_EIO, "%s: %s", path, strerrordesc_np(errno));
	put_header(w);
	rc = git_packbuilder_foreach(w->pack, write_pack, w);
	if (rc != 0)
		err = w->failed != KG_OK ? w->failed : kg_store__fail_git(rc, path);
	if (err == KG_OK && (fflush(w->file) != 0 || fsync(fd) != 0))
		err = kg_fail_errno(errno, "%s", path);
	if (fclose(w->file) != 0 && err == KG_OK)
		err = kg_fail_errno(errno, "%s", path);
	if (err == KG_OK && rename(temporary, path) != 0)
		err = kg_fail_errno(errno, "%s", path);
	if (err != KG_OK)
		(void)unlink(temporary);
	return err;
}

kg_err kg_bundle_write(kg_store *store, const char *path, const kg_bundle_content *content,
		       uint64_t *objects, kg_store_progress progress, void *payload)
{
	writer w = {.store = store, .content = content, .progress = progress, .payload = payload};
	kg_err err;
	int rc = git_packbuilder_new(&w.pack, store->repo);

	if (rc != 0)
		return kg_store__fail_git(rc, "bundle");
	(void)git_packbuilder_set_threads(w.pack, 1);
	err = insert_all(&w);
	if (err == KG_OK)
		err = write_file(&w, path);
	if (err == KG_OK)
		*objects = git_packbuilder_object_count(w.pack);
	git_packbuilder_free(w.pack);
	return err;
}
