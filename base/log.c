/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 2048 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static char role_name[64] = "kindergarten";
static kg_log_level least_level = KG_LOG_INFO;

void kg_log_init(const char *role, kg_log_level least)
{
	(void)snprintf(role_name, sizeof(role_name), "%s", role);
	least_level = least;
}

kg_err kg_log_level_parse(kg_log_level *out, const char *name)
{
	for (int i = 0; i < 4; i++) {
		if (strcmp(level_names[i], name) == 0) {
			*out = (kg_log_level)i;
			return KG_OK;
		}
	}
	return kg_fail(KG_EINVAL, "log level '%s': debug, info, warn or error", name);
}

void kg_log(kg_log_level level, const char *event, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	char time[KG_TIME_TEXT_SIZE];
	va_list ap;
	int used;

	if (level < least_level)
		return;
	kg_clock_format(time, kg_clock_wall_ms());
	used = snprintf(line, sizeof(line) - 1, "%s %s %s %s ", time, role_name, level_names[level],
			event);
	KG_ASSERT(used > 0 && used < LINE_MAX_BYTES / 2);
	va_start(ap, fmt);
	(void)vsnprintf(line + used, sizeof(line) - 1 - (size_t)used, fmt, ap);
	va_end(ap);
	/* One event is one line, whatever a caller forgot to quote. */
	for (; line[used] != '\0'; used++)
		if ((unsigned char)line[used] < 0x20 || line[used] == 0x7f)
			line[used] = '?';
	line[used++] = '\n';
	/* One write: lines of several processes on one file do not mix. A failure to log has
	 * nowhere to be told. */
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		return;
}

const char *kg_log_quote(char *out, size_t room, const char *text)
{
	size_t used = 0;

	KG_ASSERT(room >= 3);
	out[used++] = '"';
	for (; *text != '\0' && used + 6 < room; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			out[used++] = '\\';
			out[used++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			used += (size_t)snprintf(out + used, room - used, "\\x%02x", c);
		} else {
			out[used++] = (char)c;
		}
	}
	out[used++] = '"';
	out[used] = '\0';
	return out;
}

void kg_log_err(kg_log_level level, const char *event)
{
	char quoted[KG_ERR_TEXT_MAX + 64];

	kg_log(level, event, "why=%s", kg_log_quote(quoted, sizeof(quoted), kg_err_text()));
}
