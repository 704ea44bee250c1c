/* SPDX-License-Identifier: MIT */
/*
 * memory_type – the kinds of memories as commands name them: our types, and those of mmogit.
 *
 * What mmogit knows beside ours (task, experience, relationship, custom) is an observation with its
 * name as a tag. Names are compared without regard to case, as mmogit does.
 */
#ifndef KG_CLI_MEMORY_TYPE_H
#define KG_CLI_MEMORY_TYPE_H

#include "base/err.h"
#include "memory/entry.h"

/* `*tag` is the tag that goes with the type, or NULL. KG_EINVAL for a name that is none. */
KG_NODISCARD kg_err kg_memory_type_parse(kg_entry_type *type, const char **tag, const char *name);

#endif
