/* SPDX-License-Identifier: MIT */
/* kindergarten-keeper – the keeper of a swarm's memory. */
#include <sys/prctl.h>

#include "memory/memory_main.h"

int main(void)
{
	/* In ps and top, whatever it was executed as. */
	(void)prctl(PR_SET_NAME, "kg-keeper");
	return kg_keeper_main();
}
