/* SPDX-License-Identifier: MIT */
#include "identity/author.h"

#include "base/fs.h"
#include "identity/derive.h"

kg_err kg_author_lock(int *fd, const char *state_dir, const char *name)
{
	char path[KG_PATH_SIZE];
	kg_err err = kg_name_check(name);

	if (err == KG_OK)
		err = kg_path(path, "%s/run", state_dir);
	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = kg_path(path, "%s/run/author-%s.lock", state_dir, name);
	if (err == KG_OK)
		err = kg_fs_lock(fd, path);
	return err == KG_ECONFLICT ? kg_fail_context(err, "another process signs as %s", name)
				   : err;
}
