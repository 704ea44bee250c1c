/* SPDX-License-Identifier: MIT */
/* up: starts a swarm, in the foreground until it is stopped, or detached. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "cli/passphrase.h"
#include "cli/program.h"
#include "cli/renewal.h"
#include "identity/keyring.h"
#include "identity/mnemonic.h"
#include "identity/secret.h"
#include "orchestrator/crew.h"
#include "orchestrator/orchestrator_main.h"
#include "runtime/format.h"

_Static_assert((int)KG_LAUNCH_STRATEGY_SIZE == (int)KG_STRATEGY_NAME_MAX + 1,
	       "a strategy of any name travels whole");

typedef struct {
	uint64_t agents;
	char model[PATH_MAX]; /* absolute; "" for the embedded one */
	const char *strategy;
	const char *seed;
	bool detach;
} options;

/* What the detached process tells the one that waits for it. */
typedef struct {
	int code; /* exit code; KG_EXIT_YES with the report */
	kg_orchestrator_report report;
	char why[KG_ERR_TEXT_MAX];
} news;

/* Settings first, options over them. An exit code; KG_EXIT_YES to go on. */
static int parse(options *o, const kg_cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{"model", required_argument, NULL, 'm'}, {"strategy", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'S'},  {"http", required_argument, NULL, 'h'},
		{"detach", no_argument, NULL, 'd'},      {NULL, 0, NULL, 0}};
	const char *model = kg_conf_text(cli->conf, "swarm.model");
	kg_strategy strategy;
	int c;

	memset(o, 0, sizeof(*o));
	o->agents = (uint64_t)kg_conf_int(cli->conf, "swarm.agents");
	o->strategy = kg_conf_text(cli->conf, "swarm.strategy");
	o->seed = kg_conf_text(cli->conf, "swarm.seed");
	opterr = 0;
	while ((c = getopt_long(argc, argv, "n:", longs, NULL)) != -1) {
		if (c == 'm')
			model = optarg;
		else if (c == 's')
			o->strategy = optarg;
		else if (c == 'S')
			o->seed = optarg;
		else if (c == 'd')
			o->detach = true;
		else if (c == 'h' && strcmp(optarg, "off") != 0) {
			(void)fprintf(stderr, "kindergarten: up: --http: not built yet\n");
			return KG_EXIT_USAGE;
		} else if (c == 'n' &&
			   kg_cli_u64(&o->agents, "-n", optarg, 1, KG_CREW_MAX) != KG_OK)
			return kg_cli_usage(&kg_cmd_up, "%s", kg_err_text());
		else if (c == '?')
			return kg_cli_unknown(&kg_cmd_up, longs, c, argv);
	}
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_up, "takes no arguments");
	if (o->seed[0] == '\0' || strlen(o->seed) > 128)
		return kg_cli_usage(&kg_cmd_up, "--seed is 1..128 bytes");
	if (o->strategy[0] != '\0' && kg_strategy_parse(&strategy, o->strategy) != KG_OK)
		return kg_cli_usage(&kg_cmd_up, "%s", kg_err_text());
	if (model[0] != '\0' && realpath(model, o->model) == NULL) {
		(void)kg_fail_errno(errno, "model %s", model);
		return kg_cli_trouble("up");
	}
	return KG_EXIT_YES;
}

/* A new identity, sealed when the settings name a passphrase; its words are shown on stderr, this
 * once. */
static kg_err create_identity(const kg_cli *cli)
{
	const char *file = kg_conf_text(cli->conf, "identity.passphrase_file");
	char *passphrase = NULL;
	void *entropy = NULL;
	void *words = NULL;
	kg_err err = kg_secret_new(&entropy, KG_MNEMONIC_ENTROPY_MAX);

	if (err == KG_OK)
		err = kg_secret_new(&words, KG_MNEMONIC_SIZE);
	if (err == KG_OK)
		err = kg_mnemonic_generate(entropy);
	if (err == KG_OK)
		err = kg_mnemonic_encode(words, entropy, KG_MNEMONIC_ENTROPY_MAX);
	if (err == KG_OK)
		err = file[0] != '\0' ? kg_passphrase_read(&passphrase, file) : KG_OK;
	if (err == KG_OK)
		err = kg_keyring_create(cli->state_dir, entropy, KG_MNEMONIC_ENTROPY_MAX,
					passphrase);
	if (err == KG_OK)
		(void)fprintf(stderr,
			      "A new swarm identity was made in %s, %s a passphrase.\n"
			      "These 24 words are the swarm. They are shown this once: write them "
			      "down.\n\n  %s\n\n",
			      cli->state_dir, passphrase != NULL ? "under" : "without",
			      (const char *)words);
	kg_secret_free(passphrase);
	kg_secret_free(words);
	kg_secret_free(entropy);
	return err;
}

static kg_err open_identity(kg_swarm **out, const kg_cli *cli)
{
	kg_swarm *swarm = NULL;
	bool sealed;
	kg_err err = kg_fs_mkdirs(cli->state_dir, 0700);

	if (err == KG_OK)
		err = kg_identity_init();
	if (err == KG_OK)
		err = kg_keyring_probe(cli->state_dir, &sealed);
	if (err == KG_ENOTFOUND)
		err = create_identity(cli);
	if (err == KG_OK)
		err = kg_passphrase_open_swarm(&swarm, cli);
	/* Every agent starts with the key that its chains say. */
	if (err == KG_OK)
		err = kg_renewal_settle(swarm, cli);
	if (err != KG_OK) {
		kg_swarm_free(swarm);
		return err;
	}
	*out = swarm;
	return KG_OK;
}

static void print_ready(const kg_orchestrator_report *r)
{
	printf("%u agents ready in %.2f s; memory per agent %.1f MB resident, %.1f MB by share; "
	       "keeper %.1f MB\n",
	       r->agents, r->seconds, (double)r->rss_bytes / 1e6, (double)r->pss_bytes / 1e6,
	       (double)r->keeper_pss_bytes / 1e6);
	(void)fflush(stdout);
}

/* The log of the orchestrator as stderr; the descriptor of what was stderr in *saved. */
static kg_err redirect(const kg_cli *cli, int *saved)
{
	char path[KG_PATH_SIZE];
	int fd;
	kg_err err = kg_path(path, "%s/log", cli->state_dir);

	if (err == KG_OK)
		err = kg_fs_mkdirs(path, 0700);
	if (err == KG_OK)
		err = kg_path(path, "%s/log/orchestrator.log", cli->state_dir);
	if (err != KG_OK)
		return err;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return kg_fail_errno(errno, "%s", path);
	*saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (*saved < 0 || dup2(fd, STDERR_FILENO) < 0)
		err = kg_fail_errno(errno, "%s", path);
	(void)close(fd);
	return err;
}

static kg_err run_swarm(const kg_cli *cli, const options *o, const kg_swarm *identity,
			void (*ready)(void *data, const kg_orchestrator_report *report), void *data)
{
	char agent[KG_PATH_SIZE];
	char keeper[KG_PATH_SIZE];
	kg_orchestrator_options run = {.state_dir = cli->state_dir,
				       .identity = identity,
				       .conf = cli->conf,
				       .model = o->model,
				       .strategy = o->strategy,
				       .seed = o->seed,
				       .agents = (unsigned)o->agents,
				       .agent_program = agent,
				       .keeper_program = keeper,
				       .ready = ready,
				       .data = data};
	kg_log_level level = KG_LOG_INFO;
	int saved = -1;
	kg_err err = kg_program_path(agent, "agent");

	if (err == KG_OK)
		err = kg_program_path(keeper, "keeper");
	if (err == KG_OK)
		err = redirect(cli, &saved);
	if (err == KG_OK)
		err = kg_log_level_parse(&level, kg_conf_text(cli->conf, "log.level"));
	if (err == KG_OK) {
		kg_log_init("orchestrator", level);
		err = kg_orchestrator_run(&run);
		if (err != KG_OK)
			kg_log_err(KG_LOG_ERROR, "orchestrator.failed");
	}
	if (saved >= 0) {
		(void)dup2(saved, STDERR_FILENO);
		(void)close(saved);
	}
	return err;
}

static void ready_here(void *data, const kg_orchestrator_report *report)
{
	(void)data;
	print_ready(report);
}

static int run_foreground(const kg_cli *cli, const options *o)
{
	kg_swarm *identity = NULL;
	kg_err err = open_identity(&identity, cli);

	if (err == KG_OK)
		err = run_swarm(cli, o, identity, ready_here, NULL);
	kg_swarm_free(identity);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("up");
}

static void tell(int fd, const news *n)
{
	/* Nobody waits any more: then there is nobody to tell. */
	if (kg_fs_write_all(fd, n, sizeof(*n)) != KG_OK)
		kg_log_err(KG_LOG_DEBUG, "news.untold");
}

static void ready_there(void *data, const kg_orchestrator_report *report)
{
	int *fd = data;
	news n = {.code = KG_EXIT_YES, .report = *report};

	tell(*fd, &n);
	(void)close(*fd);
	*fd = -1;
}

/* The detached process: asks for a passphrase while it still has the terminal. */
static int be_detached(const kg_cli *cli, const options *o, int fd)
{
	kg_swarm *identity = NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	kg_err err = open_identity(&identity, cli);

	if (err == KG_OK && (null < 0 || setsid() < 0 || dup2(null, STDIN_FILENO) < 0 ||
			     dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0))
		err = kg_fail_errno(errno, "detaching");
	if (err == KG_OK)
		err = run_swarm(cli, o, identity, ready_there, &fd);
	if (err != KG_OK && fd >= 0) {
		news n = {.code = KG_EXIT_TROUBLE};

		(void)snprintf(n.why, sizeof(n.why), "%s", kg_err_text());
		tell(fd, &n);
	}
	kg_swarm_free(identity);
	return err == KG_OK ? KG_EXIT_YES : KG_EXIT_TROUBLE;
}

static int await_news(int fd)
{
	news n;
	size_t got = 0;

	while (got < sizeof(n)) {
		ssize_t r = read(fd, (char *)&n + got, sizeof(n) - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		got += (size_t)r;
	}
	if (got < sizeof(n))
		(void)kg_fail(KG_EIO, "the swarm ended before it was ready; see `logs`");
	else if (n.code == KG_EXIT_YES)
		print_ready(&n.report);
	else
		(void)kg_fail(KG_EIO, "%s", n.why);
	return got == sizeof(n) && n.code == KG_EXIT_YES ? KG_EXIT_YES : kg_cli_trouble("up");
}

static int run_detached(const kg_cli *cli, const options *o)
{
	int ends[2];
	pid_t pid;
	int code;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		(void)kg_fail_errno(errno, "detaching");
		return kg_cli_trouble("up");
	}
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		_exit(be_detached(cli, o, ends[1]));
	}
	(void)close(ends[1]);
	if (pid < 0) {
		(void)kg_fail_errno(errno, "detaching");
		(void)close(ends[0]);
		return kg_cli_trouble("up");
	}
	code = await_news(ends[0]);
	(void)close(ends[0]);
	return code;
}

int kg_cmd_up_run(kg_cli *cli, int argc, char **argv)
{
	options o;
	int code = parse(&o, cli, argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	return o.detach ? run_detached(cli, &o) : run_foreground(cli, &o);
}
