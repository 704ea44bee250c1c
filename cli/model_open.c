/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/model.h"
#include "runtime/nursery.h"

kg_err kg_cli_model_open(kg_model **out, const char *path)
{
	bool embedded = path == NULL || strcmp(path, "nursery") == 0;

	return embedded ? kg_nursery_open(out) : kg_model_open(out, path);
}
