/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"

enum { REPORT_MAX = 1 << 20 };

/* One run of the peer, its one result in *result. */
static kg_err run(json_t **report, json_t **result, double *cpu_s, const kg_bench *bench,
		  const char *model, bool prompt, uint32_t repetitions)
{
	char prompts[16];
	char tokens[16];
	char threads[16];
	char times[16];
	const char *argv[] = {bench->peer, "-m",    model, "-p",  prompts, "-n",   tokens,
			      "-t",        threads, "-r",  times, "-o",    "json", NULL};
	kg_bench_child child;
	kg_bench_usage usage;
	kg_buf text;
	kg_err err;

	(void)snprintf(prompts, sizeof(prompts), "%d", prompt ? KG_BENCH_PROMPT : 0);
	(void)snprintf(tokens, sizeof(tokens), "%d", prompt ? 0 : KG_BENCH_DECODE);
	(void)snprintf(threads, sizeof(threads), "%u", bench->threads);
	(void)snprintf(times, sizeof(times), "%u", repetitions);
	kg_buf_init(&text, REPORT_MAX);
	err = kg_bench_child_start(&child, bench, argv, true);
	if (err == KG_OK)
		err = kg_bench_child_wait(&usage, &child, &text, 0);
	if (err == KG_OK) {
		err = kg_json_parse(report, text.data, text.size);
		if (err != KG_OK)
			err = kg_fail_context(err, "%s: its report", bench->peer);
	}
	kg_buf_release(&text);
	if (err != KG_OK)
		return err;
	*cpu_s = usage.cpu_s;
	*result = json_array_get(*report, 0);
	if (json_array_size(*report) == 1 && json_is_object(*result))
		return KG_OK;
	json_decref(*report);
	return kg_fail(KG_ECORRUPT, "%s: its report is no list of one result", bench->peer);
}

/* "llama 7B TQ2_0 - 2.06 bpw ternary" is called TQ2_0: the word behind the size, as far as it is of
 * such characters. */
static void name_format(char *out, size_t room, const char *type)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *size = strstr(type, "B ");
	const char *name = size == NULL ? type : size + 2;

	(void)snprintf(out, room, "%.*s", (int)strspn(name, letters), name);
}

static kg_err read_result(kg_bench_peer_round *out, const json_t *result, const char *peer)
{
	const char *type;
	kg_err err = kg_json_get_double(&out->tokens_per_s, result, "avg_ts", 1e-6, 1e12);

	if (err == KG_OK)
		err = kg_json_get_text(&type, result, "model_type", 256);
	if (err == KG_OK)
		err = kg_json_get_double(&out->parameters, result, "model_n_params", 1.0, 1e15);
	if (err != KG_OK)
		return kg_fail_context(err, "%s: its report", peer);
	name_format(out->format, sizeof(out->format), type);
	return KG_OK;
}

kg_err kg_bench_peer_run(kg_bench_peer_round *out, const kg_bench *bench, const char *model,
			 bool prompt, uint32_t extra)
{
	double tokens = prompt ? KG_BENCH_PROMPT : KG_BENCH_DECODE;
	json_t *report = NULL;
	json_t *result = NULL;
	double once = 0.0;
	double more = 0.0;
	kg_err err = run(&report, &result, &once, bench, model, prompt, 1);

	if (err != KG_OK)
		return err;
	json_decref(report);
	err = run(&report, &result, &more, bench, model, prompt, 1 + extra);
	if (err != KG_OK)
		return err;
	err = read_result(out, result, bench->peer);
	json_decref(report);
	if (err != KG_OK)
		return err;
	out->seconds = tokens / out->tokens_per_s;
	if (more <= once)
		return kg_fail(KG_EFAIL, "%s: %u more repetitions took no time", bench->peer,
			       extra);
	out->tokens_per_cpu_s = tokens * extra / (more - once);
	return KG_OK;
}
