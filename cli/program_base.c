/* SPDX-License-Identifier: MIT */
/* The commands of kindergarten itself: what needs no more than models do. */
#include "cli/program.h"

const kg_program_entry kg_program_commands[] = {
	{&kg_cmd_model, kg_cmd_model_run},
	{&kg_cmd_lessons, kg_cmd_lessons_run},
	{&kg_cmd_config, kg_cmd_config_run},
	{&kg_cmd_help, kg_cmd_help_run},
	{&kg_cmd_version, kg_cmd_version_run},
	{&kg_cmd_role, kg_cmd_role_run},
	{NULL, NULL},
};
