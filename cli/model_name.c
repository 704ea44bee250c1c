/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/stat.h>

#include "cli/model.h"

bool kg_cli_is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void kg_cli_model_name(char out[KG_MODEL_NAME_MAX + 1], const char *path)
{
	size_t end = strlen(path);
	const char *base;
	const char *dot;
	size_t length;

	while (end > 1 && path[end - 1] == '/')
		end--;
	base = memrchr(path, '/', end - 1);
	base = base == NULL ? path : base + 1;
	length = end - (size_t)(base - path);
	dot = kg_cli_is_folder(path) ? NULL : memrchr(base, '.', length);
	if (dot != NULL && dot != base)
		length = (size_t)(dot - base);
	if (length > KG_MODEL_NAME_MAX)
		length = KG_MODEL_NAME_MAX;
	memcpy(out, base, length);
	out[length] = '\0';
}
