/* SPDX-License-Identifier: MIT */
/* The commands of kindergarten-swarm: the orchestrator, and what speaks with it or reads memory. */
#include "cli/program.h"

const kg_program_entry kg_program_commands[] = {
	{&kg_cmd_up, kg_cmd_up_run},
	{&kg_cmd_down, kg_cmd_down_run},
	{&kg_cmd_ps, kg_cmd_ps_run},
	{&kg_cmd_logs, kg_cmd_logs_run},
	{&kg_cmd_ask, kg_cmd_ask_run},
	{&kg_cmd_remember, kg_cmd_remember_run},
	{&kg_cmd_recall, kg_cmd_recall_run},
	{&kg_cmd_log, kg_cmd_log_run},
	{&kg_cmd_show, kg_cmd_show_run},
	{&kg_cmd_trace, kg_cmd_trace_run},
	{&kg_cmd_verify, kg_cmd_verify_run},
	{&kg_cmd_replay, kg_cmd_replay_run},
	{&kg_cmd_reindex, kg_cmd_reindex_run},
	{&kg_cmd_identity, kg_cmd_identity_run},
	{&kg_cmd_compact, kg_cmd_compact_run},
	{&kg_cmd_erase, kg_cmd_erase_run},
	{&kg_cmd_quarantine, kg_cmd_quarantine_run},
	{&kg_cmd_revoke, kg_cmd_revoke_run},
	{&kg_cmd_rotate, kg_cmd_rotate_run},
	{&kg_cmd_sync, kg_cmd_sync_run},
	{&kg_cmd_export, kg_cmd_export_run},
	{&kg_cmd_import, kg_cmd_import_run},
	{&kg_cmd_trust, kg_cmd_trust_run},
	{&kg_cmd_doctor, kg_cmd_doctor_run},
	{NULL, NULL},
};
