/* SPDX-License-Identifier: MIT */
/*
 * kindergarten – finds the command, its state directory and its settings, runs it. The same in all
 * programs that have commands; one that another program has is left to that program.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "cli/program.h"
#include "runtime/kernel.h"

typedef struct {
	const char *state;
	const char *config;
} global_options;

static char help_name[] = "help";
static char version_name[] = "version";

/* Options before the command's name; returns the index of the name, or a negative exit code. */
static int parse_globals(global_options *g, int argc, char **argv)
{
	static const struct option longs[] = {{"state", required_argument, NULL, 's'},
					      {"config", required_argument, NULL, 'c'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'V'},
					      {NULL, 0, NULL, 0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			g->state = optarg;
			break;
		case 'c':
			g->config = optarg;
			break;
		case 'h':
			argv[optind - 1] = help_name;
			return optind - 1;
		case 'V':
			argv[optind - 1] = version_name;
			return optind - 1;
		default:
			(void)fprintf(stderr,
				      "kindergarten: %s: unknown option, or one without its value; "
				      "see `kindergarten help`\n",
				      argv[optind - 1]);
			return -KG_EXIT_USAGE;
		}
	}
	return optind;
}

/* --state and --config may also stand after the command's name: they are taken out of argv. */
static int take_late_globals(global_options *g, const kg_command *command, int argc, char **argv)
{
	static const struct {
		const char *name;
		size_t at;
	} late[] = {{"--state", offsetof(global_options, state)},
		    {"--config", offsetof(global_options, config)}};
	int kept = 0;

	for (int i = 0; i < argc; i++) {
		bool taken = false;

		if (strcmp(argv[i], "--") == 0) {
			while (i < argc)
				argv[kept++] = argv[i++];
			break;
		}
		for (size_t k = 0; k < sizeof(late) / sizeof(late[0]); k++) {
			size_t length = strlen(late[k].name);
			const char **to = (const char **)((char *)g + late[k].at);

			if (strncmp(argv[i], late[k].name, length) != 0 ||
			    (command->own_config && k == 1))
				continue;
			if (argv[i][length] == '=') {
				*to = argv[i] + length + 1;
				taken = true;
			} else if (argv[i][length] == '\0' && i + 1 < argc) {
				*to = argv[++i];
				taken = true;
			}
		}
		if (!taken)
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	return kept;
}

static kg_err absolute(char **out, const char *path)
{
	char full[KG_PATH_SIZE];
	char here[KG_PATH_SIZE];
	kg_err err;

	if (path[0] == '/') {
		err = kg_path(full, "%s", path);
	} else if (getcwd(here, sizeof(here)) == NULL) {
		err = kg_fail_errno(errno, "current directory");
	} else {
		err = kg_path(full, "%s/%s", here, path);
	}
	if (err != KG_OK)
		return err;
	*out = strdup(full);
	return *out == NULL ? kg_fail(KG_ENOMEM, "no memory") : KG_OK;
}

/* --state, $KINDERGARTEN_HOME, $XDG_STATE_HOME/kindergarten, ~/.local/state/kindergarten. */
static kg_err find_state(char **out, const char *option)
{
	char path[KG_PATH_SIZE];
	const char *dir = option != NULL ? option : getenv("KINDERGARTEN_HOME");
	kg_err err;

	if (dir != NULL && dir[0] != '\0')
		return absolute(out, dir);
	dir = getenv("XDG_STATE_HOME");
	if (dir != NULL && dir[0] == '/') {
		err = kg_path(path, "%s/kindergarten", dir);
	} else {
		dir = getenv("HOME");
		if (dir == NULL || dir[0] == '\0')
			return kg_fail(KG_ENOTFOUND,
				       "no state directory: give --state or set KINDERGARTEN_HOME");
		err = kg_path(path, "%s/.local/state/kindergarten", dir);
	}
	return err == KG_OK ? absolute(out, path) : err;
}

static kg_err choose_kernel(const char *want)
{
	return kg_kernel_set(strcmp(want, "auto") == 0 ? NULL : want);
}

static kg_err open_cli(kg_cli *cli, const global_options *g)
{
	char path[KG_PATH_SIZE];
	kg_log_level level;
	kg_err err = find_state(&cli->state_dir, g->state);

	if (err == KG_OK && g->config == NULL)
		err = kg_path(path, "%s/kindergarten.conf", cli->state_dir);
	if (err == KG_OK)
		err = absolute(&cli->config_path, g->config != NULL ? g->config : path);
	if (err == KG_OK)
		err = kg_conf_new(&cli->conf);
	if (err == KG_OK)
		err = kg_conf_load(cli->conf, cli->config_path, g->config != NULL);
	if (err == KG_OK)
		err = kg_conf_environment(cli->conf);
	if (err == KG_OK)
		err = kg_log_level_parse(&level, kg_conf_text(cli->conf, "log.level"));
	if (err == KG_OK)
		kg_log_init("cli", level);
	if (err == KG_OK)
		err = choose_kernel(kg_conf_text(cli->conf, "runtime.kernel"));
	cli->colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
	return err;
}

static int run(const kg_command *command, const global_options *g, int argc, char **argv,
	       char *const *whole)
{
	kg_cli cli = {.argv = whole};
	int code;

	if (open_cli(&cli, g) == KG_OK) {
		optind = 0; /* GNU: start afresh with the command's own options */
		code = kg_program_run(command)(&cli, argc, argv);
		/* ferror: an earlier flush of a full buffer may be the one that failed. A command
		 * that has told its trouble has told this one too: one line. */
		if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code != KG_EXIT_TROUBLE) {
			(void)kg_fail(KG_EIO, "standard output cannot be written");
			code = kg_cli_trouble(command->name);
		}
	} else {
		code = kg_cli_trouble("settings");
	}
	kg_conf_free(cli.conf);
	free(cli.state_dir);
	free(cli.config_path);
	return code;
}

int main(int argc, char **argv)
{
	global_options g = {0};
	const kg_command *command;
	int first = parse_globals(&g, argc, argv);
	char **whole;
	int code;

	if (first < 0)
		return -first;
	/* A closed pipe and a file at its limit are errors of write(2), not the end. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	if (first >= argc) {
		(void)fprintf(stderr, "kindergarten: no command; see `kindergarten help`\n");
		return KG_EXIT_USAGE;
	}
	command = kg_command_find(argv[first]);
	if (command == NULL) {
		(void)fprintf(stderr, "kindergarten: %s: %s\n", argv[first],
			      kg_command_is_planned(argv[first])
				      ? "not built yet"
				      : "no such command; see `kindergarten help`");
		return KG_EXIT_USAGE;
	}
	if (first + 2 == argc && strcmp(argv[first + 1], "--help") == 0) {
		argv[first + 1] = argv[first];
		argv[first] = help_name;
		command = kg_command_find(help_name);
	}
	if (kg_program_run(command) == NULL) {
		(void)!kg_program_become(command->program, argv);
		return kg_cli_trouble(command->name);
	}
	whole = calloc((size_t)argc + 1, sizeof(*whole));
	if (whole == NULL) {
		(void)kg_fail(KG_ENOMEM, "no memory");
		return kg_cli_trouble("start");
	}
	memcpy(whole, argv, (size_t)argc * sizeof(*whole));
	argc = take_late_globals(&g, command, argc - first, argv + first);
	/* An unset variable of a script must not mean the swarm of the user. */
	if (g.state != NULL && g.state[0] == '\0') {
		free(whole);
		return kg_cli_usage(command, "--state is empty");
	}
	/* Whatever a swarm keeps is its owner's, also where a library makes the file. */
	if (!command->for_all)
		(void)umask(077);
	code = run(command, &g, argc, argv + first, whole);
	free(whole);
	return code;
}
