/* SPDX-License-Identifier: MIT */
/* bench – speed, start, memory and the rest, measured on this machine. */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/bench_options.h"
#include "cli/commands.h"
#include "cli/model.h"
#include "runtime/export_gguf.h"
#include "runtime/kernel.h"

enum { SPAWNS = 20, SPAWNS_ALL = 50, SEED = 1 };

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	stopped = number;
}

kg_err kg_bench_go_on(void)
{
	return stopped == 0 ? KG_OK : kg_fail(KG_EFAIL, "interrupted");
}

/* Whatever is waited for ends: no SA_RESTART. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = stop};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

static kg_err make_dir(kg_bench *bench)
{
	const char *temp = getenv("TMPDIR");
	kg_err err = kg_path(bench->dir, "%s/kg-bench.XXXXXX",
			     temp == NULL || temp[0] == '\0' ? "/tmp" : temp);

	if (err == KG_OK && mkdtemp(bench->dir) == NULL) {
		err = kg_fail_errno(errno, "%s", bench->dir);
		bench->dir[0] = '\0';
	}
	return err;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	(void)remove(path);
	return 0;
}

static void remove_dir(const kg_bench *bench)
{
	if (bench->dir[0] != '\0')
		(void)nftw(bench->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* kindergarten, beside this program or in ../../bin seen from where it is installed. */
static kg_err find_program(char out[KG_PATH_SIZE])
{
	char here[KG_PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", here, sizeof(here) - 1);
	kg_err err;

	if (n < 0)
		return kg_fail_errno(errno, "/proc/self/exe");
	here[n] = '\0';
	*strrchr(here, '/') = '\0';
	err = kg_path(out, "%s/kindergarten", here);
	if (err == KG_OK && access(out, X_OK) != 0)
		err = kg_path(out, "%s/../../bin/kindergarten", here);
	if (err == KG_OK && access(out, X_OK) != 0)
		err = kg_fail(KG_ENOTFOUND, "kindergarten is not beside %s; reinstall", here);
	return err;
}

static kg_err add_subject(kg_bench *bench, kg_bench_subject **out, const char *shape,
			  const kg_strategy *strategy)
{
	kg_bench_subject *s = &bench->subjects[bench->subjects_count];

	if (bench->subjects_count == KG_BENCH_SUBJECTS_MAX)
		return kg_fail(KG_EFULL, "%d models at most in one run", KG_BENCH_SUBJECTS_MAX);
	bench->subjects_count++;
	s->shape = shape;
	s->strategy = *strategy;
	*out = s;
	return KG_OK;
}

/* A specimen of a shape for each format. */
static kg_err add_shape(kg_bench *bench, const kg_bench_options *o, uint32_t shape)
{
	const kg_specimen_shape *made = o->shapes[shape];
	uint32_t formats = o->formats_count == 0 ? 1 : o->formats_count;
	kg_err err = KG_OK;

	for (uint32_t f = 0; f < formats && err == KG_OK; f++) {
		kg_bench_subject *s = NULL;
		kg_strategy own;

		err = kg_strategy_parse(&own, made->strategy);
		if (err == KG_OK)
			err = add_subject(bench, &s, made->name,
					  o->formats_count == 0 ? &own : &o->formats[f]);
		if (err == KG_OK)
			err = kg_path(s->path, "%s/%u-%u.fairy", bench->dir, shape, f);
		if (err != KG_OK)
			break;
		s->made = made;
		if (o->peer_models_count > 0)
			s->peer_model = o->peer_models[shape];
		kg_bench_say("writing %s as %s", made->name, kg_strategy_name(&s->strategy));
		err = kg_specimen_save(s->path, made, &s->strategy, SEED);
		if (err == KG_OK)
			err = kg_bench_go_on();
	}
	return err;
}

static bool is_float(const kg_strategy *strategy)
{
	return strategy->linear == KG_FORMAT_F32 || strategy->linear == KG_FORMAT_F16;
}

/* A file of the user, as what it is; one in floats as agents take it, or as asked for. */
static kg_err add_model(kg_bench *bench, const kg_bench_options *o,
			char name[KG_MODEL_NAME_MAX + 1])
{
	uint32_t formats = o->formats_count == 0 ? 1 : o->formats_count;
	kg_model *model = NULL;
	kg_strategy own;
	kg_err err = kg_cli_model_open(&model, o->model);

	if (err != KG_OK)
		return err;
	own = kg_model_strategy(model);
	kg_model_free(model);
	kg_cli_model_name(name, o->model);
	for (uint32_t f = 0; f < formats && err == KG_OK; f++) {
		kg_strategy as = o->formats_count > 0 ? o->formats[f]
				 : is_float(&own)     ? kg_strategy_of(KG_FORMAT_FAIRY2)
						      : own;
		kg_bench_subject *s = NULL;

		err = add_subject(bench, &s, name, &as);
		if (err == KG_OK)
			err = kg_path(s->path, "%s", o->model);
		if (err != KG_OK)
			break;
		s->derived = !kg_strategy_same(&as, &own);
		s->peer_model = o->peer_models_count > 0 ? o->peer_models[0] : NULL;
	}
	return err;
}

static kg_err check_peer(const kg_bench_options *o)
{
	if (o->peer != NULL && access(o->peer, X_OK) != 0)
		return kg_fail_errno(errno, "%s", o->peer);
	for (uint32_t i = 0; i < o->peer_models_count; i++)
		if (access(o->peer_models[i], R_OK) != 0)
			return kg_fail_errno(errno, "%s", o->peer_models[i]);
	return KG_OK;
}

static kg_err prepare(kg_bench *bench, const kg_bench_options *o, char name[KG_MODEL_NAME_MAX + 1])
{
	unsigned of_models = KG_BENCH_SPEED | KG_BENCH_START | KG_BENCH_MEMORY | KG_BENCH_SWARM;
	kg_err err = check_peer(o);

	if (err == KG_OK)
		err = find_program(bench->program);
	if (err == KG_OK)
		err = make_dir(bench);
	if (err != KG_OK || (o->parts & of_models) == 0)
		return err;
	if (o->model != NULL)
		return add_model(bench, o, name);
	for (uint32_t i = 0; i < o->shapes_count && err == KG_OK; i++)
		err = add_shape(bench, o, i);
	return err;
}

static kg_err measure(kg_bench *bench)
{
	static const struct {
		kg_bench_part part;
		kg_err (*run)(kg_bench *bench);
	} parts[] = {{KG_BENCH_SPEED, kg_bench_speed},      {KG_BENCH_START, kg_bench_start},
		     {KG_BENCH_MEMORY, kg_bench_footprint}, {KG_BENCH_SWARM, kg_bench_swarm},
		     {KG_BENCH_KERNELS, kg_bench_kernels},  {KG_BENCH_ENTRIES, kg_bench_entries},
		     {KG_BENCH_READY, kg_bench_ready}};
	kg_err err = KG_OK;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && err == KG_OK; i++)
		if ((bench->parts & parts[i].part) != 0)
			err = parts[i].run(bench);
	return err;
}

static void print_machine(const json_t *machine)
{
	const json_t *load = json_object_get(machine, "load");

	printf("%s, %lld cores, kernel %s, load %.2f\n\n",
	       json_string_value(json_object_get(machine, "cpu")),
	       json_integer_value(json_object_get(machine, "cores")),
	       json_string_value(json_object_get(machine, "kernel")),
	       json_real_value(json_array_get(load, 0)));
}

static kg_err run_all(kg_bench *bench, const kg_bench_options *o)
{
	char name[KG_MODEL_NAME_MAX + 1];
	json_t *machine = kg_bench_machine();
	json_t *document;
	kg_err err;

	bench->rows = json_array();
	if (machine == NULL || bench->rows == NULL) {
		json_decref(machine);
		return kg_fail(KG_ENOMEM, "no memory for the results");
	}
	if (!o->json)
		print_machine(machine);
	err = prepare(bench, o, name);
	if (err == KG_OK)
		err = measure(bench);
	document = json_pack("{s:o, s:O}", "machine", machine, "rows", bench->rows);
	if (err == KG_OK && document == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for the results");
	if (err == KG_OK && o->json)
		kg_json_print(document, true);
	json_decref(document);
	return err;
}

/* A written file takes the place of what was there: not of a device or a link. */
static kg_err check_output(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return kg_fail(KG_EINVAL, "%s is there and no regular file", path);
	return KG_OK;
}

/* Weights of a byte each stand for any others: only their number makes a peer fast or slow. */
static kg_err write_gguf(kg_bench *bench, const kg_bench_options *o)
{
	const kg_strategy int8 = kg_strategy_of(KG_FORMAT_INT8);
	char path[KG_PATH_SIZE];
	kg_model *model = NULL;
	kg_err err = make_dir(bench);

	if (err == KG_OK)
		err = kg_path(path, "%s/model.fairy", bench->dir);
	if (err == KG_OK)
		err = check_output(o->output);
	if (err == KG_OK)
		err = kg_specimen_save(path, o->gguf, &int8, SEED);
	if (err == KG_OK)
		err = kg_model_open(&model, path);
	if (err == KG_OK)
		err = kg_export_gguf_save(model, KG_GGML_F16, o->output);
	kg_model_free(model);
	return err;
}

int kg_cmd_bench_run(kg_cli *cli, int argc, char **argv)
{
	kg_bench *bench = NULL;
	kg_bench_options o;
	kg_err err;
	int code = kg_bench_parse(&o, argc, argv);

	(void)cli;
	if (code != KG_EXIT_YES)
		return code;
	bench = calloc(1, sizeof(*bench));
	if (bench == NULL) {
		(void)kg_fail(KG_ENOMEM, "no memory");
		return kg_cli_trouble("bench");
	}
	bench->parts = o.parts;
	bench->threads = o.threads;
	bench->rounds = o.rounds;
	bench->entries = o.entries;
	bench->keep = o.keep;
	bench->spawns = o.all ? SPAWNS_ALL : SPAWNS;
	bench->json = o.json;
	bench->peer = o.peer;
	catch_signals();
	/* Whatever chose it here: processes that are measured use the same. */
	(void)setenv("KINDERGARTEN_KERNEL", kg_kernel_current()->name, 1);
	err = o.gguf != NULL ? write_gguf(bench, &o) : run_all(bench, &o);
	remove_dir(bench);
	json_decref(bench->rows);
	free(bench);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("bench");
}
