/* SPDX-License-Identifier: MIT */
/* train – trains or fine-tunes a model with quantization in the loop; resumes by itself. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/model.h"
#include "runtime/lesson.h"
#include "runtime/train/export.h"
#include "runtime/train/train.h"

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

typedef struct {
	const char *config;
	const char *directory;
	const char *output;
	bool export_only; /* write the checkpoint's model as it stands, do not train */
} options;

static int64_t now_ms(void *data)
{
	(void)data;
	return kg_clock_mono_ms();
}

static bool stop(void *data)
{
	(void)data;
	return stopped != 0;
}

static void on_progress(void *data, const kg_train_progress *p)
{
	char note[128];

	(void)snprintf(note, sizeof(note), "%s, loss %.4f, rate %.2e, %.0f tokens/s", p->phase,
		       p->loss, p->rate, p->tokens_per_s);
	kg_progress_step(data, p->step, note);
}

static void on_graded(void *data, const kg_train_grade *g)
{
	kg_progress_end(data);
	(void)fprintf(stderr, "step %llu, %s pairing: lessons %.3f", (unsigned long long)g->step,
		      g->pairing, g->accuracy_mean);
	if (!isnan(g->text_nats))
		(void)fprintf(stderr, ", text %.3f perplexity per byte", exp(g->text_nats));
	for (uint32_t i = 0; i < g->task_count; i++)
		(void)fprintf(stderr, "%s %s %.2f", i == 0 ? ":" : ",", kg_lesson_task_at(i)->name,
			      g->accuracy[i]);
	(void)fprintf(stderr, "\n");
}

/* OpenBLAS reads its variable before main(): with a better value known, this process starts again.
 */
static void restart_for_blas(char *const *argv)
{
	const char *core = kg_train_blas_coretype();

	if (core == NULL || getenv("OPENBLAS_CORETYPE") != NULL)
		return;
	if (setenv("OPENBLAS_CORETYPE", core, 1) == 0)
		(void)execv("/proc/self/exe", argv); /* on failure: slower, not wrong */
}

static kg_err export_model(const options *o, const kg_train *state)
{
	char name[KG_MODEL_NAME_MAX + 1];
	kg_err err;

	kg_cli_model_name(name, o->config);
	err = kg_train_export_fairy(state, o->output, name);
	if (err == KG_OK)
		printf("%s\n", o->output);
	return err;
}

static kg_err train(const options *o, kg_train *state)
{
	char path[KG_PATH_SIZE];
	kg_progress progress;
	kg_train_port port = {.data = &progress,
			      .now_ms = now_ms,
			      .stop = stop,
			      .progress = on_progress,
			      .graded = on_graded};
	kg_err err = kg_path(path, "%s/checkpoint.kgt", o->directory);

	if (err == KG_OK && !o->export_only)
		err = kg_fs_mkdirs(o->directory, 0755);
	if (err == KG_OK && o->export_only && !kg_fs_exists(path))
		err = kg_fail(KG_ENOTFOUND, "%s: no checkpoint to export", path);
	if (err == KG_OK && kg_fs_exists(path)) {
		err = kg_train_load(state, path);
		if (err == KG_OK && !o->export_only)
			(void)fprintf(stderr, "continuing %s at step %llu of %llu\n", path,
				      (unsigned long long)kg_train_steps_done(state),
				      (unsigned long long)kg_train_steps_total(state));
	}
	if (err != KG_OK)
		return err;
	if (o->export_only)
		return export_model(o, state);
	kg_progress_start(&progress, "training", kg_train_steps_total(state));
	err = kg_train_run(state, &port, o->directory);
	kg_progress_end(&progress);
	if (err != KG_OK)
		return err;
	if (kg_train_steps_done(state) < kg_train_steps_total(state)) {
		(void)fprintf(stderr, "stopped at step %llu; the same command goes on from there\n",
			      (unsigned long long)kg_train_steps_done(state));
		return KG_OK;
	}
	return export_model(o, state);
}

static int parse(options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
					      {"directory", required_argument, NULL, 'd'},
					      {"output", required_argument, NULL, 'o'},
					      {"export", no_argument, NULL, 'x'},
					      {NULL, 0, NULL, 0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "d:o:", longs, NULL)) != -1) {
		if (c == 'c')
			o->config = optarg;
		else if (c == 'd')
			o->directory = optarg;
		else if (c == 'o')
			o->output = optarg;
		else if (c == 'x')
			o->export_only = true;
		else
			return kg_cli_unknown(&kg_cmd_train, longs, c, argv);
	}
	if (optind != argc || o->config == NULL)
		return kg_cli_usage(&kg_cmd_train, "--config FILE is needed and nothing else");
	return KG_EXIT_YES;
}

int kg_cmd_train_run(kg_cli *cli, int argc, char **argv)
{
	options o = {.directory = "training"};
	struct sigaction action = {.sa_handler = on_signal};
	char output[KG_PATH_SIZE];
	kg_train_config config;
	kg_train *state = NULL;
	kg_err err;
	int code;

	code = parse(&o, argc, argv);
	if (code != KG_EXIT_YES)
		return code;
	restart_for_blas(cli->argv);
	err = kg_path(output, "%s/model.fairy", o.directory);
	if (o.output == NULL)
		o.output = output;
	kg_train_config_init(&config);
	if (err == KG_OK)
		err = kg_train_config_load(&config, o.config);
	if (err == KG_OK)
		err = kg_train_config_check(&config);
	if (err == KG_OK)
		err = kg_train_new(&state, &config);
	if (err == KG_OK &&
	    (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0))
		err = kg_fail_errno(errno, "signals");
	if (err == KG_OK)
		err = train(&o, state);
	kg_train_free(state);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("train");
}
