/* SPDX-License-Identifier: MIT */
#include "cli/program.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

kg_command_run *kg_program_run(const kg_command *command)
{
	for (const kg_program_entry *e = kg_program_commands; e->command != NULL; e++)
		if (e->command == command)
			return e->run;
	return NULL;
}

/* Of the file that is executed, whatever argv[0] says. */
static kg_err own_directory(char out[KG_PATH_SIZE])
{
	ssize_t n = readlink("/proc/self/exe", out, KG_PATH_SIZE);

	if (n < 0)
		return kg_fail_errno(errno, "/proc/self/exe");
	if (n == KG_PATH_SIZE)
		return kg_fail(KG_EINVAL, "the path of this program is too long");
	out[n] = '\0';
	*strrchr(out, '/') = '\0';
	return KG_OK;
}

kg_err kg_program_path(char path[KG_PATH_SIZE], const char *name)
{
	char here[KG_PATH_SIZE];
	kg_err err = own_directory(here);

	if (err == KG_OK)
		err = kg_path(path, "%s/kindergarten-%s", here, name);
	if (err == KG_OK && access(path, X_OK) != 0)
		err = kg_path(path, "%s/../lib/kindergarten/kindergarten-%s", here, name);
	if (err == KG_OK && access(path, X_OK) != 0)
		err = kg_fail(KG_ENOTFOUND,
			      "kindergarten-%s is neither in %s nor in ../lib/kindergarten from "
			      "there; reinstall",
			      name, here);
	return err;
}

kg_err kg_program_become(const char *name, char *const *argv)
{
	char path[KG_PATH_SIZE];
	kg_err err;

	/* Looking for it from here could find this program again, and again. */
	if (name == NULL)
		return kg_fail(KG_EINVAL, "this command is of the program kindergarten");
	err = kg_program_path(path, name);
	if (err != KG_OK)
		return err;
	(void)execv(path, argv);
	return kg_fail_errno(errno, "%s", path);
}
