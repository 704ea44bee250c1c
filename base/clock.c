/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define YEAR_0_MS    (-62167219200000LL)
#define YEAR_9999_MS 253402300799999LL

static int64_t read_ns(clockid_t id)
{
	struct timespec ts;

	KG_ASSERT(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t kg_clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t kg_clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t kg_clock_mono_ms(void)
{
	return kg_clock_mono_ns() / 1000000;
}

void kg_clock_format(char text[KG_TIME_TEXT_SIZE], int64_t ms)
{
	struct tm tm;
	time_t seconds;
	char line[96];

	if (ms < YEAR_0_MS)
		ms = YEAR_0_MS;
	if (ms > YEAR_9999_MS)
		ms = YEAR_9999_MS;
	seconds = (time_t)(ms / 1000 - (ms % 1000 < 0 ? 1 : 0));
	KG_ASSERT(gmtime_r(&seconds, &tm) != NULL);
	(void)snprintf(line, sizeof(line), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		       (int)(ms - (int64_t)seconds * 1000));
	memcpy(text, line, KG_TIME_TEXT_SIZE - 1);
	text[KG_TIME_TEXT_SIZE - 1] = '\0';
}

static int digits(const char *text, int count)
{
	int v = 0;

	for (int i = 0; i < count; i++)
		v = v * 10 + (text[i] - '0');
	return v;
}

kg_err kg_clock_parse(int64_t *ms, const char *text)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";
	struct tm tm = {0};
	char again[KG_TIME_TEXT_SIZE];
	int64_t value;

	for (size_t i = 0; i < sizeof(shape); i++) {
		if (shape[i] == '0' ? (text[i] < '0' || text[i] > '9') : text[i] != shape[i])
			return kg_fail(KG_EINVAL, "time: not of the form %s", shape);
	}
	tm.tm_year = digits(text, 4) - 1900;
	tm.tm_mon = digits(text + 5, 2) - 1;
	tm.tm_mday = digits(text + 8, 2);
	tm.tm_hour = digits(text + 11, 2);
	tm.tm_min = digits(text + 14, 2);
	tm.tm_sec = digits(text + 17, 2);
	value = (int64_t)timegm(&tm) * 1000 + digits(text + 20, 3);
	kg_clock_format(again, value);
	if (strcmp(again, text) != 0) /* the 31st of June, second 60, … */
		return kg_fail(KG_EINVAL, "time: no such moment: %s", text);
	*ms = value;
	return KG_OK;
}
