/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_CELLS = 30 };

void kg_progress_start(kg_progress *progress, const char *what, uint64_t total)
{
	*progress = (kg_progress){.total = total, .started_ns = kg_clock_mono_ns()};
	(void)snprintf(progress->what, sizeof(progress->what), "%s", what);
	progress->shown_ns = progress->started_ns;
	progress->terminal = isatty(STDERR_FILENO) == 1;
}

static void eta(char *out, size_t room, const kg_progress *p, uint64_t done, int64_t now)
{
	double seconds;

	out[0] = '\0';
	if (p->total == 0 || done == 0 || done >= p->total)
		return;
	seconds = (double)(now - p->started_ns) / 1e9 * (double)(p->total - done) / (double)done;
	if (seconds < 1e7)
		(void)snprintf(out, room, " %d:%02d left", (int)seconds / 60, (int)seconds % 60);
}

static void draw(kg_progress *p, uint64_t done, const char *note, int64_t now)
{
	char left[32];
	char bar[BAR_CELLS + 1];
	uint64_t filled = p->total == 0 ? 0 : done * BAR_CELLS / p->total;

	eta(left, sizeof(left), p, done, now);
	if (filled > BAR_CELLS)
		filled = BAR_CELLS;
	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', filled);
	bar[BAR_CELLS] = '\0';
	if (p->terminal && p->total > 0)
		(void)fprintf(stderr, "\r%s [%s] %llu/%llu%s %s\033[K", p->what, bar,
			      (unsigned long long)done, (unsigned long long)p->total, left,
			      note != NULL ? note : "");
	else if (p->terminal)
		(void)fprintf(stderr, "\r%s %llu %s\033[K", p->what, (unsigned long long)done,
			      note != NULL ? note : "");
	else if (p->total > 0)
		(void)fprintf(stderr, "%s: %llu of %llu%s %s\n", p->what, (unsigned long long)done,
			      (unsigned long long)p->total, left, note != NULL ? note : "");
	else
		(void)fprintf(stderr, "%s: %llu %s\n", p->what, (unsigned long long)done,
			      note != NULL ? note : "");
	p->shown_ns = now;
	p->shown = true;
}

void kg_progress_step(kg_progress *progress, uint64_t done, const char *note)
{
	int64_t now = kg_clock_mono_ns();

	progress->done = done;
	if (now - progress->shown_ns >= (progress->terminal ? 100000000LL : 5000000000LL))
		draw(progress, done, note, now);
}

void kg_progress_end(kg_progress *progress)
{
	int64_t now = kg_clock_mono_ns();

	if (progress->shown && progress->terminal)
		(void)fprintf(stderr, "\r\033[K");
	else if (progress->shown)
		(void)fprintf(stderr, "%s: %llu in %.1f s\n", progress->what,
			      (unsigned long long)progress->done,
			      (double)(now - progress->started_ns) / 1e9);
	progress->shown = false;
}
