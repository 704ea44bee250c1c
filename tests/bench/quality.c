/* SPDX-License-Identifier: MIT */
/*
 * quality – what every format does to real models, plainly rounded and calibrated.
 *
 *     KG_DATA_DIR=DIR quality [FORMAT…]
 *
 * DIR has models/stories260K.bin with tok512.bin, models/babyllama105.bin with tok105.vocab (both
 * of llama2.c) and text/tinystories-train.txt: stories with a line <|endoftext|> between them.
 * Stories 121..340 are judged on, 341..560 calibrated on: 80 and 64 windows. Prints a table for
 * each model; fails where weights err otherwise than in an independent computation (numpy), int8 is
 * not as good as floats, or a calibration makes something worse.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "runtime/calibrate.h"
#include "runtime/document.h"
#include "runtime/llama2c.h"
#include "runtime/report.h"

enum { JUDGED_FIRST = 120, CALIBRATED_FIRST = 340, END = 560 };
/* What ctest takes for "not run, and says why". */
enum { SKIPPED = 77 };

enum { JUDGED_WINDOWS = 80, CALIBRATED_WINDOWS = 64, FILE_MAX = 64 << 20 };

/* Errors of weights as numpy has them, to three digits; 0: to fewer. */
static const struct {
	const char *format;
	double error[2];
} formats[] = {
	{"int8", {0}},
	{"int4", {0}},
	{"int2", {0.111, 0.112}},
	{"ternary", {0.178, 0.181}},
	{"palette4", {0.099, 0.105}},
	{"palette16", {0}},
	{"palette256", {0}},
	{"fairy1", {0.405, 0.368}},
	{"fairy2", {0.1653, 0.1339}},
	{"fairy3", {0.087, 0.061}},
};

static const struct {
	const char *name, *checkpoint, *tokenizer;
} models[] = {{"stories260K", "stories260K.bin", "tok512.bin"},
	      {"babyllama105", "babyllama105.bin", "tok105.vocab"}};

typedef struct {
	kg_map checkpoint, tokenizer;
	const char *name;
	kg_model *model;
	uint32_t *judged, *calibrated;
	size_t judged_count, calibrated_count;
	double nll; /* of the floats */
	int failures;
} subject;

/* What one file is worth. */
typedef struct {
	double error;   /* of its weights */
	double bits;    /* of a weight of its matrices */
	double weights; /* perplexity with these weights as floats */
	double whole;   /* perplexity with the arithmetic of the format, too */
} quality;

static void must(kg_err err)
{
	if (err == KG_OK)
		return;
	(void)fprintf(stderr, "quality: %s\n", kg_err_text());
	exit(1);
}

static void complain(subject *s, const char *format, const char *what, double is, double want)
{
	printf("FAILED: %s, %s: %s is %g, not %g\n", s->name, format, what, is, want);
	s->failures++;
}

static kg_model *import(const subject *s)
{
	kg_model *model;

	must(kg_llama2c_import(&model, s->checkpoint.data, s->checkpoint.size, s->tokenizer.data,
			       s->tokenizer.size, s->name));
	return model;
}

/* Where document `index` begins. */
static size_t beginning(const kg_map *text, int index)
{
	kg_document_reader reader;
	const char *document = NULL;
	size_t size;

	kg_document_init(&reader, (const char *)text->data, text->size);
	for (int i = 0; i <= index; i++)
		if (!kg_document_next(&reader, &document, &size))
			return text->size;
	return (size_t)(document - (const char *)text->data);
}

static void take_tokens(uint32_t **ids, size_t *count, const subject *s, const kg_map *text,
			int first, int end)
{
	size_t from = beginning(text, first);

	must(kg_document_stream(ids, count, kg_model_tokenizer(s->model),
				(const char *)text->data + from, beginning(text, end) - from));
}

static double nll_of(const subject *s, const kg_model *model)
{
	kg_text_request request = {s->judged, s->judged_count, JUDGED_WINDOWS};
	kg_weights *weights;
	kg_session *session;
	kg_text_score score;

	must(kg_weights_new(&weights, model, NULL, NULL));
	must(kg_session_new(&session, weights, NULL));
	must(kg_evaluate_text(&score, session, NULL, &request, NULL, NULL));
	kg_session_free(session);
	kg_weights_free(weights);
	return kg_text_score_nll(&score);
}

/* The base with the matrices of `narrow` in its layers, as floats. */
static double nll_of_weights(const subject *s, const kg_model *narrow)
{
	kg_model *model = import(s);
	double nll;

	for (uint32_t i = 0; i < kg_model_tensor_count(narrow); i++) {
		const kg_tensor *t = kg_model_tensor_at(narrow, i);

		if (kg_tensor_role_is_linear(t->role))
			must(kg_model_tensor_floats(narrow, t,
						    kg_model_floats(model, t->role, t->layer)));
	}
	nll = nll_of(s, model);
	kg_model_free(model);
	return nll;
}

static quality measure(const subject *s, const char *format, kg_calibration *calibration)
{
	kg_model_form form = {.round = calibration == NULL ? NULL : kg_calibration_round,
			      .round_context = calibration};
	quality q;
	kg_report_sum layers;
	kg_report report;
	kg_model *narrow;
	uint8_t *data;
	kg_buf file;

	must(kg_strategy_parse(&form.strategy, format));
	kg_buf_init(&file, FILE_MAX);
	must(kg_model_encode(s->model, &file, &form));
	data = aligned_alloc(64, (file.size + 63) / 64 * 64);
	if (data == NULL)
		must(kg_fail(KG_ENOMEM, "no memory for a file"));
	else
		memcpy(data, file.data, file.size);
	must(kg_model_open_memory(&narrow, data, file.size));
	must(kg_report_init(&report, s->model, narrow));
	layers = kg_report_of_layers(&report);
	q.error = kg_report_error(&layers);
	q.bits = kg_report_bits(&layers);
	q.weights = exp(nll_of_weights(s, narrow));
	q.whole = exp(nll_of(s, narrow));
	kg_report_release(&report);
	kg_model_free(narrow);
	free(data);
	kg_buf_release(&file);
	return q;
}

static void judge(subject *s, const char *format, double error, const quality *plain,
		  const quality *fed)
{
	double base = exp(s->nll);

	if (error > 0.0 && fabs(plain->error / error - 1.0) > 0.03)
		complain(s, format, "the error of weights", plain->error, error);
	if (strcmp(format, "int8") == 0 && fabs(plain->weights / base - 1.0) > 0.002)
		complain(s, format, "the perplexity", plain->weights, base);
	/* Where there is next to nothing to win, it may be lost. */
	if (plain->weights > 1.01 * base && fed->weights >= plain->weights)
		complain(s, format, "the calibrated perplexity", fed->weights, plain->weights);
}

static bool is_asked_for(const char *format, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], format) == 0)
			return true;
	return argc == 1;
}

static void measure_all(subject *s, size_t which, int argc, char **argv)
{
	double base = exp(s->nll);
	kg_calibration_request request = {
		.text = {s->calibrated, s->calibrated_count, CALIBRATED_WINDOWS}};
	kg_calibration *calibration;

	must(kg_calibration_new(&calibration, s->model, &request));
	printf("\n%s: %.4f in floats; perplexities with ratios to that\n", s->name, base);
	printf("%-11s %6s | %8s %10s %9s %10s | %8s %10s %9s %10s\n", "", "", "plain", "weights",
	       "ratio", "whole", "calibr.", "weights", "ratio", "whole");
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		const char *format = formats[f].format;
		quality plain;
		quality fed;

		if (!is_asked_for(format, argc, argv))
			continue;
		plain = measure(s, format, NULL);
		fed = measure(s, format, calibration);
		printf("%-11s %6.3f | %8.5f %10.4f %9.4f %10.4f | %8.5f %10.4f %9.4f %10.4f\n",
		       format, plain.bits, plain.error, plain.weights, plain.weights / base,
		       plain.whole, fed.error, fed.weights, fed.weights / base, fed.whole);
		(void)fflush(stdout);
		judge(s, format, formats[f].error[which], &plain, &fed);
	}
	kg_calibration_free(calibration);
}

int main(int argc, char **argv)
{
	const char *folder = getenv("KG_DATA_DIR");
	char path[KG_PATH_SIZE];
	int failures = 0;
	kg_map text;

	if (folder == NULL) {
		printf("SKIP: KG_DATA_DIR names no folder of models and text\n");
		return SKIPPED;
	}
	must(kg_path(path, "%s/text/tinystories-train.txt", folder));
	must(kg_map_open(&text, path));
	for (size_t m = 0; m < sizeof(models) / sizeof(*models); m++) {
		subject s = {.name = models[m].name};

		must(kg_path(path, "%s/models/%s", folder, models[m].checkpoint));
		must(kg_map_open(&s.checkpoint, path));
		must(kg_path(path, "%s/models/%s", folder, models[m].tokenizer));
		must(kg_map_open(&s.tokenizer, path));
		s.model = import(&s);
		take_tokens(&s.judged, &s.judged_count, &s, &text, JUDGED_FIRST, CALIBRATED_FIRST);
		take_tokens(&s.calibrated, &s.calibrated_count, &s, &text, CALIBRATED_FIRST, END);
		s.nll = nll_of(&s, s.model);
		measure_all(&s, m, argc, argv);
		failures += s.failures;
		free(s.judged);
		free(s.calibrated);
		kg_model_free(s.model);
		kg_map_close(&s.checkpoint);
		kg_map_close(&s.tokenizer);
	}
	kg_map_close(&text);
	return failures == 0 ? 0 : 1;
}
