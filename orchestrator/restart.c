/* SPDX-License-Identifier: MIT */
#include "orchestrator/restart.h"

#include <string.h>

#include "base/err.h"

static unsigned recent(const kg_restart *r, int64_t since)
{
	unsigned kept = r->total < KG_RESTART_INTENSITY_MAX ? r->total : KG_RESTART_INTENSITY_MAX;
	unsigned count = 0;

	for (unsigned i = 0; i < kept; i++)
		count += r->times[i] > since;
	return count;
}

bool kg_restart_next(kg_restart *restart, const kg_restart_policy *policy, int64_t now_ms,
		     int64_t lived_ms, double dice, int64_t *delay_ms)
{
	int64_t delay = policy->delay_ms;

	KG_ASSERT(policy->intensity <= KG_RESTART_INTENSITY_MAX);
	if (lived_ms >= policy->stable_ms)
		restart->row = 0;
	if (restart->parked || recent(restart, now_ms - policy->period_ms) >= policy->intensity) {
		restart->parked = true;
		return false;
	}
	for (unsigned i = 0; i < restart->row && delay < policy->delay_max_ms; i++)
		delay *= 2;
	if (delay > policy->delay_max_ms)
		delay = policy->delay_max_ms;
	*delay_ms = (int64_t)((double)delay * (1 + dice) / 2);
	restart->times[restart->total % KG_RESTART_INTENSITY_MAX] = now_ms;
	restart->total++;
	restart->row++;
	return true;
}

void kg_restart_release(kg_restart *restart)
{
	restart->parked = false;
	restart->row = 0;
	/* Far enough in the past for any period, with room to subtract one. */
	for (unsigned i = 0; i < KG_RESTART_INTENSITY_MAX; i++)
		restart->times[i] = INT64_MIN / 2;
}
