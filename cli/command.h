/* SPDX-License-Identifier: MIT */
/*
 * command – one entry of the command table: a name, its help, the program that has it.
 *
 * A command parses its own options with getopt_long (optind is reset before it runs), prints
 * results on stdout and trouble as one line on stderr, and returns an exit code of base/err.h.
 */
#ifndef KG_CLI_COMMAND_H
#define KG_CLI_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/conf.h"
#include "base/err.h"

/* What every command is given. */
typedef struct {
	char *state_dir;   /* absolute; not yet created */
	char *config_path; /* --config, or <state>/kindergarten.conf; may not exist */
	kg_conf *conf;     /* settings with their origin: default < file < environment < option */
	char *const *argv; /* the whole process's, as given; ends with NULL */
	bool colour;       /* stdout is a terminal and NO_COLOR is unset */
} kg_cli;

typedef struct {
	const char *name;
	const char *usage;   /* the options and arguments, without the name */
	const char *about;   /* one line */
	const char *help;    /* more lines, or NULL */
	const char *program; /* kindergarten-<program> has it; NULL: kindergarten itself */
	bool hidden;         /* absent from `help` (roles) */
	bool for_all;        /* makes files that are no secrets of the swarm: models */
	bool own_config;     /* --config after the name is the command's own option */
} kg_command;

typedef int kg_command_run(kg_cli *cli, int argc, char **argv);

/* Prints "kindergarten: <what>: <message of this thread>" and returns KG_EXIT_TROUBLE. */
int kg_cli_trouble(const char *what);

/* Prints "usage: kindergarten <command> <usage>", which may be more lines than one. */
void kg_cli_print_usage(FILE *out, const kg_command *command);

/* Prints "kindergarten: <command>: <why>" and the usage line; returns KG_EXIT_USAGE. */
int kg_cli_usage(const kg_command *command, const char *fmt, ...) KG_PRINTF(2, 3);

/* What getopt_long gave as `letter` cannot be taken: '?', or a known option that has no meaning
 * here. Usage trouble that names the option. */
int kg_cli_unknown(const kg_command *command, const struct option *longs, int letter, char **argv);

/* Strict number parsing of option values; KG_EINVAL with a message that names `what`. */
KG_NODISCARD kg_err kg_cli_u64(uint64_t *out, const char *what, const char *text, uint64_t min,
			       uint64_t max);
KG_NODISCARD kg_err kg_cli_double(double *out, const char *what, const char *text, double min,
				  double max);

/* Reads all of stdin as text (without one final newline), at most size_max bytes; free() it. */
KG_NODISCARD kg_err kg_cli_stdin(char **out, size_t size_max);

#endif
