/* SPDX-License-Identifier: MIT */
/*
 * orchestrator_impl – the inside of the orchestrator's process, for its parts: the loop, the
 * processes, the mail.
 */
#ifndef KG_ORCHESTRATOR_ORCHESTRATOR_IMPL_H
#define KG_ORCHESTRATOR_ORCHESTRATOR_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "bus/bus.h"
#include "bus/feed.h"
#include "bus/launch.h"
#include "bus/message.h"
#include "bus/socket.h"
#include "orchestrator/child.h"
#include "orchestrator/crew.h"
#include "orchestrator/docket.h"
#include "orchestrator/notary_main.h"
#include "orchestrator/orchestrator_main.h"
#include "orchestrator/relay.h"
#include "orchestrator/restart.h"
#include "orchestrator/runfile.h"

/* A process of ours beside what it is. */
typedef struct {
	kg_child child;
	kg_restart restart;
	kg_route route;     /* agents: where it was heard from */
	int64_t started_ms; /* monotonic, like all below */
	int64_t heard_ms;
	int64_t due_ms; /* dead: when to start again */
	bool suspected;
	bool closed; /* agents: its key may not write any more */
	char closed_why[KG_CREW_WHY_SIZE];
} kg_orchestrator_process;

typedef struct {
	const kg_orchestrator_options *options;
	kg_runfile run;
	kg_curve *curve;
	kg_bus *bus;
	kg_socket *server;
	kg_socket *to_keeper;
	kg_feed *feed;
	int lock_fd;
	int signal_fd;
	int agent_fd; /* the programs */
	int keeper_fd;
	kg_member *members; /* orchestrator, keeper's other peers: operator, agents */
	size_t member_count;
	kg_orchestrator_process keeper;
	kg_crew_state keeper_state;
	kg_orchestrator_process *processes; /* of the agents */
	kg_crew_agent *agents;              /* the same index */
	unsigned count;
	kg_docket *docket;
	kg_relay relay;
	kg_notary notary;
	kg_rng rng;
	int64_t started_ms;
	int64_t beat_ms;
	int64_t checkpoint_ms;
	int64_t drops_ms;
	int64_t hung_ms; /* settings */
	int64_t checkpoint_every_ms;
	uint64_t drops;
	double ready_seconds;
	bool was_ready;
	bool stop;    /* told to */
	bool ending;  /* nothing is restarted any more */
	kg_err fatal; /* why the swarm cannot go on; its text: */
	char fatal_why[KG_ERR_TEXT_MAX];
} kg_orchestrator;

/* The swarm cannot go on, for this thread's error; the first reason stays. */
void kg_orchestrator__give_up(kg_orchestrator *o, kg_err code);

/* ---- processes_main.c ---- */

/* Also takes its process's number and its restarts into what is known of the agent. */
void kg_orchestrator__move_agent(kg_orchestrator *o, unsigned i, kg_crew_event event);

void kg_orchestrator__start_agent(kg_orchestrator *o, unsigned i);
void kg_orchestrator__start_keeper(kg_orchestrator *o);

/* It is left alone, visibly. */
void kg_orchestrator__park_agent(kg_orchestrator *o, unsigned i, const char *why);

/* Takes in which processes have ended: a time to start again, or parked, or the end of it all. */
void kg_orchestrator__reap(kg_orchestrator *o);

/* Suspects a process that says nothing, and kills one that hangs. */
void kg_orchestrator__check_silence(kg_orchestrator *o, kg_orchestrator_process *p,
				    const char *name, int64_t now_ms);

/* ---- mail_main.c ---- */

/* Takes in what has come. */
void kg_orchestrator__hear(kg_orchestrator *o);

/* The docket's port (docket.h) and the notary's `other`: data is the orchestrator. */
kg_err kg_orchestrator__to_agent(void *data, unsigned agent, kg_message_kind kind, uint64_t id,
				 json_t *body);
void kg_orchestrator__to_client(void *data, const kg_message *client, kg_message_kind kind,
				json_t *body);
void kg_orchestrator__hear_keeper(void *data, kg_message *message);

/* Tells a client this thread's error. */
void kg_orchestrator__refuse(kg_orchestrator *o, const kg_message *client, kg_err code);

#endif
