/* SPDX-License-Identifier: MIT */
/* model quantize – a model made narrow, and what is lost by it. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/genome.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/model.h"
#include "cli/quantize.h"
#include "identity/hash.h"
#include "runtime/calibrate.h"
#include "runtime/document.h"
#include "runtime/team.h"

enum { CALIBRATION_WINDOWS = 64, SVG_SIZE_MAX = 16 << 20 };

typedef struct {
	const char *source;
	const char *output;
	const char *seed_label;
	const char *calibrate;
	const char *report;
	const char *svg;
	kg_strategy strategy;
	bool has_strategy;
	uint64_t windows; /* of each text; 0: 64 to calibrate, all to report */
	uint64_t threads;
	bool json;
} options;

static const struct option longs[] = {
	{"output", required_argument, NULL, 'o'},  {"strategy", required_argument, NULL, 's'},
	{"seed", required_argument, NULL, 'l'},    {"calibrate", required_argument, NULL, 'c'},
	{"report", required_argument, NULL, 'r'},  {"windows", required_argument, NULL, 'w'},
	{"threads", required_argument, NULL, 'H'}, {"svg", required_argument, NULL, 'v'},
	{"json", no_argument, NULL, 'j'},          {NULL, 0, NULL, 0}};

/* Ctrl-C is asked for between windows and tensors; a second one ends the process as ever. */
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static kg_err parse_one(options *o, int letter, const char *value)
{
	uint8_t seed[KG_HASH_SIZE];
	kg_err err;

	switch (letter) {
	case 'o':
		o->output = value;
		return KG_OK;
	case 's':
		o->has_strategy = true;
		err = kg_strategy_parse(&o->strategy, value);
		return err == KG_OK ? KG_OK : kg_fail_context(err, "--strategy");
	case 'l':
		o->seed_label = value;
		err = kg_seed_from_label(seed, value);
		return err == KG_OK ? KG_OK : kg_fail_context(err, "--seed");
	case 'c':
		o->calibrate = value;
		return KG_OK;
	case 'r':
		o->report = value;
		return KG_OK;
	case 'v':
		o->svg = value;
		return KG_OK;
	case 'w':
		return kg_cli_u64(&o->windows, "--windows", value, 1, UINT32_MAX);
	case 'H':
		return kg_cli_u64(&o->threads, "--threads", value, 1, KG_TEAM_THREADS_MAX);
	default:
		o->json = true;
		return KG_OK;
	}
}

static int parse(options *o, int argc, char **argv)
{
	int letter;

	*o = (options){.threads = 1};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
		if (letter == '?')
			return kg_cli_unknown(&kg_cmd_model, longs, letter, argv);
		if (parse_one(o, letter, optarg) != KG_OK)
			return kg_cli_usage(&kg_cmd_model, "%s", kg_err_text());
	}
	if (argc - optind != 1 || o->output == NULL || !o->has_strategy)
		return kg_cli_usage(&kg_cmd_model,
				    "quantize needs one model, --strategy S and -o G.fairy");
	o->source = argv[optind];
	if (o->windows != 0 && o->calibrate == NULL && o->report == NULL)
		return kg_cli_usage(&kg_cmd_model, "--windows N is of --calibrate or --report");
	if (o->calibrate != NULL &&
	    (o->strategy.linear == KG_FORMAT_F32 || o->strategy.linear == KG_FORMAT_F16 ||
	     kg_strategy_is_phase(&o->strategy)))
		return kg_cli_usage(&kg_cmd_model, "%s rounds nothing that --calibrate could steer",
				    kg_strategy_name(&o->strategy));
	return KG_EXIT_YES;
}

/* A text as tokens; free(*ids). */
static kg_err read_text(uint32_t **ids, size_t *count, const kg_model *model, const char *path)
{
	kg_map map;
	kg_err err = kg_map_open(&map, path);

	if (err != KG_OK)
		return err;
	err = kg_document_stream(ids, count, kg_model_tokenizer(model), (const char *)map.data,
				 map.size);
	kg_map_close(&map);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "%s", path);
}

/* The quantizing as one run of work: windows read, then tensors, by turns where the moments of all
 * layers do not fit. */
typedef struct {
	kg_progress progress;
	uint64_t windows;
	uint64_t tensors;
} work;

static bool window_done(void *context, uint64_t done, uint64_t total)
{
	work *w = context;

	(void)total;
	w->windows = done;
	kg_progress_step(&w->progress, w->windows + w->tensors, "reading");
	return stopped == 0;
}

static bool tensor_done(void *context, const kg_tensor *tensor, uint32_t done, uint32_t total)
{
	work *w = context;

	(void)total;
	w->tensors = done;
	kg_progress_step(&w->progress, w->windows + w->tensors, tensor->name);
	return stopped == 0;
}

/* What a calibration went by: every token it read. */
static kg_err digest_tokens(uint8_t out[KG_HASH_SIZE], const uint32_t *ids, size_t count)
{
	kg_buf bytes;
	kg_err err;

	kg_buf_init(&bytes, count * sizeof(*ids));
	for (size_t i = 0; i < count; i++)
		kg_buf_put_u32le(&bytes, ids[i]);
	err = kg_buf_ok(&bytes);
	if (err == KG_OK)
		kg_hash(out, "kindergarten calibration v1", bytes.data, bytes.size);
	kg_buf_release(&bytes);
	return err;
}

static kg_err save(const kg_model *base, const options *o, kg_model_form *form, work *w,
		   uint64_t windows)
{
	kg_err err;

	form->progress = tensor_done;
	form->progress_context = w;
	kg_progress_start(&w->progress, "quantizing", windows + kg_model_tensor_count(base));
	err = kg_model_save(base, o->output, form);
	kg_progress_end(&w->progress);
	return err;
}

static kg_err save_calibrated(const kg_model *base, const options *o, kg_model_form *form,
			      uint64_t *windows)
{
	work w = {0};
	kg_calibration_request request = {
		.text = {.windows = o->windows == 0 ? CALIBRATION_WINDOWS : o->windows},
		.threads = (uint32_t)o->threads,
		.progress = window_done,
		.context = &w};
	uint8_t digest[KG_HASH_SIZE];
	kg_calibration *calibration = NULL;
	uint32_t *ids = NULL;
	kg_err err = read_text(&ids, &request.text.count, base, o->calibrate);

	request.text.ids = ids;
	if (err == KG_OK)
		err = kg_calibration_new(&calibration, base, &request);
	if (err == KG_OK)
		err = digest_tokens(digest, ids, kg_calibration_tokens(calibration));
	if (err == KG_OK) {
		*windows = kg_calibration_tokens(calibration) / kg_calibration_window(calibration);
		form->calibration = digest;
		form->round = kg_calibration_round;
		form->round_context = calibration;
		err = save(base, o, form, &w, kg_calibration_windows(calibration));
	}
	kg_calibration_free(calibration);
	free(ids);
	return err;
}

static bool scored(void *context, uint64_t done, uint64_t total)
{
	(void)total;
	kg_progress_step(context, done, NULL);
	return stopped == 0;
}

/* The text as both models tell it: each with the arithmetic of its own file. */
static kg_err score_text(kg_quantize_result *result, const options *o)
{
	const kg_model *models[2] = {result->base, result->model};
	const kg_session_options session = {.threads = (uint32_t)o->threads};
	kg_weights *weights[2] = {NULL, NULL};
	kg_session *sessions[2] = {NULL, NULL};
	kg_text_request request = {.windows = o->windows};
	kg_progress progress;
	uint32_t *ids = NULL;
	kg_err err = read_text(&ids, &request.count, result->base, o->report);

	for (int i = 0; i < 2 && err == KG_OK; i++) {
		err = kg_weights_new(&weights[i], models[i], NULL, NULL);
		if (err == KG_OK)
			err = kg_session_new(&sessions[i], weights[i], &session);
	}
	if (err == KG_OK) {
		uint64_t all = kg_evaluate_windows(sessions[1], request.count);

		request.ids = ids;
		if (request.windows == 0 || request.windows > all)
			request.windows = all;
		kg_progress_start(&progress, "reading", request.windows);
		err = kg_evaluate_text(&result->text, sessions[1], sessions[0], &request, scored,
				       &progress);
		kg_progress_end(&progress);
	}
	result->has_text = err == KG_OK;
	for (int i = 0; i < 2; i++) {
		kg_session_free(sessions[i]);
		kg_weights_free(weights[i]);
	}
	free(ids);
	return err;
}

/* The model may be there by another name. */
static kg_err write_svg(const kg_quantize_result *result, const char *output, const char *path)
{
	kg_buf svg;
	kg_err err = kg_cli_check_output(output, path);

	if (err != KG_OK)
		return err;
	kg_buf_init(&svg, SVG_SIZE_MAX);
	kg_quantize_svg(&svg, result);
	err = kg_buf_ok(&svg);
	if (err == KG_OK)
		err = kg_fs_write(path, svg.data, svg.size, 0644);
	kg_buf_release(&svg);
	return err;
}

static kg_err tell(kg_quantize_result *result, const options *o)
{
	json_t *document = NULL;
	kg_err err = kg_report_init(&result->report, result->base, result->model);

	if (err == KG_OK && o->report != NULL)
		err = score_text(result, o);
	if (err == KG_OK && o->svg != NULL)
		err = write_svg(result, o->output, o->svg);
	if (err == KG_OK && o->json) {
		document = kg_quantize_json(result);
		if (document == NULL)
			err = kg_fail(KG_ENOMEM, "no memory for the results");
		else
			kg_json_print(document, true);
	} else if (err == KG_OK) {
		kg_quantize_print(result);
	}
	json_decref(document);
	kg_report_release(&result->report);
	return err;
}

static kg_err check_outputs(const options *o)
{
	const char *const inputs[] = {o->source, o->calibrate, o->report};
	kg_err err = KG_OK;

	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs) && err == KG_OK; i++) {
		if (inputs[i] == NULL)
			continue;
		err = kg_cli_check_output(inputs[i], o->output);
		if (err == KG_OK && o->svg != NULL)
			err = kg_cli_check_output(inputs[i], o->svg);
	}
	if (err == KG_OK && o->svg != NULL && strcmp(o->svg, o->output) == 0)
		err = kg_fail(KG_EINVAL, "%s cannot be the model and its picture", o->svg);
	return err;
}

/* Told before the work, not after it. */
static kg_err check_report(const kg_model *base, const options *o)
{
	uint32_t *ids = NULL;
	size_t count;
	kg_err err = read_text(&ids, &count, base, o->report);

	free(ids);
	return err;
}

static kg_err quantize(const options *o)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	uint8_t digest[KG_HASH_SIZE];
	uint8_t seed[KG_HASH_SIZE];
	kg_model_form form = {.strategy = o->strategy, .base_digest = digest};
	kg_quantize_result result = {0};
	kg_model *base = NULL;
	kg_model *model = NULL;
	work w = {0};
	kg_err err = check_outputs(o);

	if (err == KG_OK &&
	    (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0))
		err = kg_fail_errno(errno, "signals");
	if (err == KG_OK)
		err = kg_cli_model_open(&base, o->source);
	if (err == KG_OK)
		err = kg_base_digest(digest, base);
	if (err == KG_OK && o->seed_label != NULL) {
		err = kg_seed_from_label(seed, o->seed_label);
		form.seed = seed;
	}
	if (err == KG_OK && o->report != NULL)
		err = check_report(base, o);
	if (err == KG_OK && o->calibrate != NULL)
		err = save_calibrated(base, o, &form, &result.calibration_windows);
	else if (err == KG_OK)
		err = save(base, o, &form, &w, 0);
	if (err == KG_OK)
		err = kg_model_open(&model, o->output);
	result.base = base;
	result.model = model;
	if (err == KG_OK)
		err = tell(&result, o);
	kg_model_free(model);
	kg_model_free(base);
	return err;
}

int kg_cli_model_quantize(int argc, char **argv)
{
	options o;
	int code = parse(&o, argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	if (quantize(&o) != KG_OK)
		return kg_cli_trouble("model quantize");
	return KG_EXIT_YES;
}
