/* SPDX-License-Identifier: MIT */
/* kindergarten-agent – an agent of a swarm; what it is to be stands in its launch document. */
#include <sys/prctl.h>

#include "agent/agent_main.h"

int main(void)
{
	/* In ps and top, whatever it was executed as. */
	(void)prctl(PR_SET_NAME, "kg-agent");
	return kg_agent_main();
}
