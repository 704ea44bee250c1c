/* SPDX-License-Identifier: MIT */
/*
 * similar – entries whose text a model takes for about the same.
 *
 * The vector of a text is the mean over its tokens of what the model's head takes in
 * (runtime/session.h), kept in <state>/vectors.sqlite. It is disposable and no proof of anything.
 */
#ifndef KG_CLI_SIMILAR_H
#define KG_CLI_SIMILAR_H

#include <stdint.h>

#include "base/err.h"
#include "cli/command.h"
#include "cli/reading.h"
#include "memory/index.h"

typedef struct kg_similar kg_similar;

/* `model` is a file, or NULL: the embedded one. `reading` is borrowed. */
KG_NODISCARD kg_err kg_similar_open(kg_similar **out, const kg_cli *cli, kg_reading *reading,
				    const char *model);
void kg_similar_free(kg_similar *similar);

/* Makes the vectors that are missing, with progress; `*made` counts them. Stopped by SIGINT or
 * SIGTERM it keeps what it has and is KG_ETIMEOUT; called again it goes on. */
KG_NODISCARD kg_err kg_similar_fill(kg_similar *similar, uint64_t *made);

/* Entries most like `what`, an id or its first six digits or more, or else a text; of those that
 * the filter lets through. */
KG_NODISCARD kg_err kg_similar_recall(kg_similar *similar, kg_index_rows *rows,
				      const kg_index_filter *filter, const char *what);

#endif
