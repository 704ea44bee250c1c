/* SPDX-License-Identifier: MIT */
/*
 * restart – when a child that ended may begin again.
 *
 * The delay doubles with every failure in a row up to a limit, and is drawn between its half and
 * its whole so that many children do not come back at once. More than `intensity` restarts within
 * `period_ms` and the child is parked: left alone, visibly, until someone releases it.
 */
#ifndef KG_ORCHESTRATOR_RESTART_H
#define KG_ORCHESTRATOR_RESTART_H

#include <stdbool.h>
#include <stdint.h>

enum { KG_RESTART_INTENSITY_MAX = 32 };

typedef struct {
	unsigned intensity;   /* restarts allowed within a period, 0..KG_RESTART_INTENSITY_MAX */
	int64_t period_ms;    /* length of the period */
	int64_t delay_ms;     /* before the first restart, at most */
	int64_t delay_max_ms; /* before any */
	int64_t stable_ms;    /* a life this long ends the row of failures */
} kg_restart_policy;

typedef struct {
	int64_t times[KG_RESTART_INTENSITY_MAX]; /* of the last restarts, a ring */
	unsigned total;                          /* restarts so far */
	unsigned row;                            /* failures in a row */
	bool parked;
} kg_restart;

/* A child ended at `now_ms` after `lived_ms`. True: restart it in *delay_ms; false: it is parked.
 * `dice` is uniform in [0, 1). Times never go backwards. */
bool kg_restart_next(kg_restart *restart, const kg_restart_policy *policy, int64_t now_ms,
		     int64_t lived_ms, double dice, int64_t *delay_ms);

/* Forgets the budget used and the row, keeps the total. */
void kg_restart_release(kg_restart *restart);

#endif
