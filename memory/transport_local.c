/* SPDX-License-Identifier: MIT */
/*
 * transport_local – sealed content to a repository on this machine.
 *
 * Stock git would run what that repository is set up to run (hooks, core.alternateRefsCommand), and
 * who made it need not be trusted: it may have come on a stick.
 */
#include <string.h>

#include "memory/store_impl.h"
#include "memory/transport_impl.h"

const char *kg_transport__local(const char *url)
{
	static const char scheme[] = "file://";
	const char *path =
		strncmp(url, scheme, sizeof(scheme) - 1) == 0 ? url + sizeof(scheme) - 1 : url;

	return path[0] == '/' ? path : NULL;
}

/* One content; what is there under its name stays. */
static int put(git_repository *to, git_odb *from, const kg_store_ref *sealed)
{
	git_reference *ref = NULL;
	git_odb_object *object = NULL;
	git_oid oid;
	git_oid there;
	int rc;

	if (git_reference_name_to_id(&there, to, sealed->name) == 0)
		return 0;
	kg_store__to_oid(&oid, &sealed->commit);
	rc = git_odb_read(&object, from, &oid);
	if (rc == 0)
		rc = git_blob_create_from_buffer(&there, to, git_odb_object_data(object),
						 git_odb_object_size(object));
	if (rc == 0)
		rc = git_reference_create(&ref, to, sealed->name, &there, 0, NULL);
	/* Somebody else brings it at this moment. */
	if (rc == GIT_EEXISTS || rc == GIT_ELOCKED)
		rc = 0;
	git_reference_free(ref);
	git_odb_object_free(object);
	return rc;
}

kg_err kg_transport__put_sealed(kg_store *from, const char *path)
{
	kg_store_refs refs = {0};
	kg_store *to = NULL;
	kg_err err = kg_store_open_path(&to, path);

	if (err == KG_OK)
		err = kg_store_refs_read(from, &refs);
	for (size_t i = 0; err == KG_OK && i < refs.count; i++) {
		int rc = refs.refs[i].kind == KG_STORE_SEALED && refs.refs[i].has_commit
				 ? put(to->repo, from->odb, &refs.refs[i])
				 : 0;

		if (rc != 0)
			err = kg_store__fail_git(rc, "sealed content");
	}
	kg_store_refs_release(&refs);
	kg_store_free(to);
	return err;
}
