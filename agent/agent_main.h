/* SPDX-License-Identifier: MIT */
/* agent_main – the process of one agent: sockets, clock, signals and log around a life. */
#ifndef KG_AGENT_AGENT_MAIN_H
#define KG_AGENT_AGENT_MAIN_H

/* Reads the launch document from KG_LAUNCH_FD and lives until told to stop or until the
 * orchestrator is gone. Returns an exit code. */
int kg_agent_main(void);

#endif
