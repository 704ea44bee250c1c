/* SPDX-License-Identifier: MIT */
/*
 * progress – long work shown on stderr: a bar on a terminal, a plain line every few seconds
 * otherwise, nothing for work that ends sooner.
 */
#ifndef KG_BASE_PROGRESS_H
#define KG_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	char what[48];
	uint64_t total; /* 0 = unknown */
	int64_t started_ns;
	uint64_t done;    /* as of the last step */
	int64_t shown_ns; /* when the last line or bar was drawn */
	bool terminal;
	bool shown;
} kg_progress;

/* `what` is a short phrase, "evaluating". */
void kg_progress_start(kg_progress *progress, const char *what, uint64_t total);

/* `done` of total; `note` is appended ("loss 1.23") or NULL. Cheap: draws at most 10 times a
 * second on a terminal, every 5 s otherwise. */
void kg_progress_step(kg_progress *progress, uint64_t done, const char *note);

/* Removes the bar (terminal) or prints a last line, if anything was shown. */
void kg_progress_end(kg_progress *progress);

#endif
