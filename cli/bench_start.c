/* SPDX-License-Identifier: MIT */
/* From nothing to the first token, and many processes at once: real ones, from spawn to end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/model.h"

enum { SWARM = 8, SWARM_TOKENS = 200 };

/* Bytes that `model generate` shows before its first token: the prompt. */
static kg_err prompt_bytes(size_t *out, const kg_bench_subject *subject, const char *prompt)
{
	kg_model *model = NULL;
	uint32_t *ids = NULL;
	size_t count = 0;
	kg_buf text;
	kg_err err = kg_cli_model_open(&model, subject->path);

	kg_buf_init(&text, 4096);
	if (err == KG_OK)
		err = kg_tokenizer_encode(
			kg_model_tokenizer(model), prompt, strlen(prompt),
			kg_tokenizer_get_rules(kg_model_tokenizer(model))->add_bos, &ids, &count);
	if (err == KG_OK)
		err = kg_tokenizer_decode(kg_model_tokenizer(model), ids, count, &text);
	*out = text.size;
	free(ids);
	kg_buf_release(&text);
	kg_model_free(model);
	return err;
}

static kg_err put(kg_bench *bench, const kg_bench_subject *subject, const char *name,
		  double *values, size_t count)
{
	kg_bench_row row = {.name = name,
			    .shape = subject->shape,
			    .format = kg_strategy_name(&subject->strategy),
			    .threads = 1,
			    .unit = "ms"};
	char note[48];

	row.value = kg_bench_median(values, count);
	row.low = values[0];
	row.high = values[count - 1];
	(void)snprintf(note, sizeof(note), "least %.2f", row.low);
	row.note = note;
	return kg_bench_put(bench, &row);
}

static kg_err start_one(kg_bench *bench, const kg_bench_subject *subject)
{
	static const char prompt[] = "x";
	double *first = calloc((size_t)bench->spawns * 2, sizeof(*first));
	double *cpu = first == NULL ? NULL : first + bench->spawns;
	kg_bench_command command;
	size_t skip = 0;
	kg_err err;

	if (first == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %u spawns", bench->spawns);
	kg_bench_say("%s %s: %u starts", subject->shape, kg_strategy_name(&subject->strategy),
		     bench->spawns);
	kg_bench_generate(&command, bench, subject, prompt, 1, 1);
	err = prompt_bytes(&skip, subject, prompt);
	/* The first time does not count: files come into memory. */
	for (uint32_t i = 0; i <= bench->spawns && err == KG_OK; i++) {
		uint32_t at = i == 0 ? 0 : i - 1;
		kg_bench_child child;
		kg_bench_usage usage = {0};

		err = kg_bench_child_start(&child, bench, command.argv, true);
		if (err == KG_OK)
			err = kg_bench_child_wait(&usage, &child, NULL, skip);
		first[at] = 1e3 * usage.first_s;
		cpu[at] = 1e3 * usage.cpu_s;
	}
	if (err == KG_OK)
		err = put(bench, subject, "first token", first, bench->spawns);
	if (err == KG_OK)
		err = put(bench, subject, "start, 1 token", cpu, bench->spawns);
	free(first);
	return err;
}

kg_err kg_bench_start(kg_bench *bench)
{
	kg_err err = KG_OK;

	for (uint32_t i = 0; i < bench->subjects_count && err == KG_OK; i++)
		err = start_one(bench, &bench->subjects[i]);
	return err;
}

/* Some processes at once, each its 200 tokens. */
static kg_err crowd(kg_bench *bench, const kg_bench_subject *subject, uint32_t threads,
		    double *wall, double *cpu)
{
	kg_bench_child children[SWARM];
	kg_bench_command command;
	uint32_t started = 0;
	double begin = kg_bench_wall();
	double used = 0.0;
	kg_err err = KG_OK;

	kg_bench_generate(&command, bench, subject, "x", SWARM_TOKENS, threads);
	while (started < SWARM && err == KG_OK) {
		err = kg_bench_child_start(&children[started], bench, command.argv, false);
		started += err == KG_OK;
	}
	for (uint32_t i = 0; i < started; i++) {
		kg_bench_usage usage = {0};

		if (err == KG_OK)
			err = kg_bench_child_wait(&usage, &children[i], NULL, 0);
		else
			kg_bench_child_kill(&children[i]);
		used += usage.cpu_s;
	}
	*wall = SWARM * SWARM_TOKENS / (kg_bench_wall() - begin);
	*cpu = SWARM * SWARM_TOKENS / used;
	return err;
}

static kg_err swarm_of(kg_bench *bench, const kg_bench_subject *subject)
{
	enum { ROUNDS = 3, KINDS = 2 };
	double wall[KINDS][ROUNDS];
	double cpu[KINDS][ROUNDS];
	char name[48];
	kg_err err = KG_OK;

	kg_bench_say("%s: %d processes at once", subject->shape, SWARM);
	for (int r = 0; r < ROUNDS; r++)
		for (uint32_t k = 0; k < KINDS && err == KG_OK; k++)
			err = crowd(bench, subject, k + 1, &wall[k][r], &cpu[k][r]);
	for (uint32_t k = 0; k < KINDS && err == KG_OK; k++) {
		kg_bench_row row = {.name = name,
				    .shape = subject->shape,
				    .format = kg_strategy_name(&subject->strategy),
				    .threads = k + 1,
				    .unit = "tokens/CPU-s"};

		(void)snprintf(name, sizeof(name), "%d at once", SWARM);
		row.value = kg_bench_median(cpu[k], ROUNDS);
		row.wall = kg_bench_median(wall[k], ROUNDS);
		row.low = cpu[k][0];
		row.high = cpu[k][ROUNDS - 1];
		row.note = "together, start included";
		if (k > 0) {
			row.ratio_to = "1 thread each, by the wall clock";
			row.ratio = row.wall / kg_bench_median(wall[0], ROUNDS);
		}
		err = kg_bench_put(bench, &row);
	}
	return err;
}

kg_err kg_bench_swarm(kg_bench *bench)
{
	return bench->subjects_count > 0 ? swarm_of(bench, &bench->subjects[0]) : KG_OK;
}
