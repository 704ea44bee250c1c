/* SPDX-License-Identifier: MIT */
/* clock – wall and monotonic time, RFC 3339 text. Only *_main.c and cli read clocks. */
#ifndef KG_BASE_CLOCK_H
#define KG_BASE_CLOCK_H

#include <stdint.h>

#include "base/err.h"

enum { KG_TIME_TEXT_SIZE = 25 }; /* "2026-11-20T03:40:00.123Z" and the terminator */

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t kg_clock_wall_ms(void);

/* Milliseconds (nanoseconds) since some fixed moment, never backwards. */
int64_t kg_clock_mono_ms(void);
int64_t kg_clock_mono_ns(void);

/* RFC 3339 UTC with milliseconds. `ms` outside years 0000..9999 is clamped. */
void kg_clock_format(char text[KG_TIME_TEXT_SIZE], int64_t ms);

/* The inverse, this one form only (24 characters); KG_EINVAL otherwise. */
KG_NODISCARD kg_err kg_clock_parse(int64_t *ms, const char *text);

#endif
