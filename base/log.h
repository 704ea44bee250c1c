/* SPDX-License-Identifier: MIT */
/*
 * log – one line per event on stderr, for *_main.c and cli only.
 *
 *   2026-11-20T03:40:00.123Z keeper warn entry.refused id=… from=… why="…"
 *
 * Event names are stable noun.verb pairs, listed in docs/operations.md. Values go in as printf text
 * of key=value pairs; quote free text with kg_log_quote. No prompts, memories or keys above debug.
 */
#ifndef KG_BASE_LOG_H
#define KG_BASE_LOG_H

#include <stddef.h>

#include "base/err.h"

typedef enum { KG_LOG_DEBUG, KG_LOG_INFO, KG_LOG_WARN, KG_LOG_ERROR } kg_log_level;

/* The role in every line ("keeper", "agent-3", …; copied, cut at 63) and the least level shown. */
void kg_log_init(const char *role, kg_log_level least);

/* "debug", "info", "warn", "error"; KG_EINVAL otherwise. */
KG_NODISCARD kg_err kg_log_level_parse(kg_log_level *out, const char *name);

void kg_log(kg_log_level level, const char *event, const char *fmt, ...) KG_PRINTF(3, 4);

/* `text` in double quotes with control characters, quotes and backslashes escaped, cut to fit. */
const char *kg_log_quote(char *out, size_t room, const char *text);

/* kg_log(level, event, why="<this thread's error>"). */
void kg_log_err(kg_log_level level, const char *event);

#endif
