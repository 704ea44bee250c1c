/* SPDX-License-Identifier: MIT */
/* A whole run: steps, reports, grades, checkpoints. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "runtime/lesson.h"
#include "runtime/train/train_impl.h"

typedef struct {
	kg_train *train;
	const kg_train_port *port;
	const char *directory;
	FILE *metrics;
	int64_t reported_ms;
	int64_t started_ms;
	uint64_t started_step;
	uint64_t reported_step;
	double loss; /* sum since the last report */
} run;

static kg_err save(const run *r, const char *name)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s.kgt", r->directory, name) >= (int)sizeof(path))
		return kg_fail(KG_EINVAL, "train: the path is too long");
	return kg_train_save(r->train, path);
}

static void report(run *r)
{
	const kg_train *train = r->train;
	const kg_train_config *c = &train->config;
	int64_t now = r->port->now_ms(r->port->data);
	double seconds = (double)(now - r->reported_ms) / 1000.0;
	double all_seconds = (double)(now - r->started_ms) / 1000.0;
	uint64_t steps = train->step - r->reported_step;
	uint64_t total = kg_train_steps_total(train);
	kg_train_progress progress = {
		.step = train->step,
		.steps = total,
		.phase = kg_train__phase(c, train->step - 1)->name,
		.loss = r->loss / (double)steps,
		.rate = kg_train__rate(c, train->step - 1),
		.tokens_per_s = seconds > 0 ? (double)steps * c->tokens_per_step / seconds : 0.0,
		/* Over the whole run: evaluations and saves take their time too. */
		.eta_s = (double)(total - train->step) * all_seconds /
			 (double)(train->step - r->started_step),
	};

	fprintf(r->metrics,
		"{\"step\":%llu,\"phase\":\"%s\",\"loss\":%.4f,\"rate\":%.3g,"
		"\"tokens_per_s\":%.0f}\n",
		(unsigned long long)progress.step, progress.phase, progress.loss, progress.rate,
		progress.tokens_per_s);
	fflush(r->metrics);
	r->port->progress(r->port->data, &progress);
	r->reported_ms = now;
	r->reported_step = train->step;
	r->loss = 0.0;
}

static kg_err grade(run *r, bool seeded)
{
	kg_train_grade g;
	kg_err err = kg_train_evaluate(r->train, seeded, &g);

	if (err != KG_OK)
		return err;
	fprintf(r->metrics, "{\"step\":%llu,\"phase\":\"%s\",\"pairing\":\"%s\"",
		(unsigned long long)g.step, g.phase, g.pairing);
	if (isfinite(g.text_nats))
		fprintf(r->metrics, ",\"text_nats\":%.4f", g.text_nats);
	if (isfinite(g.accuracy_mean)) {
		fprintf(r->metrics, ",\"accuracy\":%.4f,\"tasks\":{", g.accuracy_mean);
		for (uint32_t i = 0; i < g.task_count; i++)
			fprintf(r->metrics, "%s\"%s\":%.4f", i == 0 ? "" : ",",
				kg_lesson_task_at(i)->name, g.accuracy[i]);
		fprintf(r->metrics, "}");
	}
	fprintf(r->metrics, "}\n");
	if (fflush(r->metrics) != 0)
		return kg_fail_errno(errno, "train: metrics");
	if (r->port->graded != NULL)
		r->port->graded(r->port->data, &g);
	return KG_OK;
}

/* Under a fixed pairing the plain one is what is being learned; the seeded one is always watched,
 * since that is what members are. */
static kg_err grade_both(run *r)
{
	const kg_train_config *c = &r->train->config;
	kg_err err = KG_OK;

	if (kg_train__phase(c, r->train->step - 1)->pairing == KG_TRAIN_FIXED)
		err = grade(r, false);
	return err == KG_OK && c->stages > 0 ? grade(r, true) : err;
}

/* True when `step` steps end a phase. */
static const kg_train_phase *phase_ended(const kg_train_config *config, uint64_t step)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < config->phase_count; i++) {
		end += config->phase[i].steps;
		if (end == step)
			return &config->phase[i];
	}
	return NULL;
}

static bool due(uint64_t step, uint32_t every)
{
	return every > 0 && step % every == 0;
}

static kg_err after_step(run *r)
{
	const kg_train_config *c = &r->train->config;
	uint64_t step = r->train->step;
	const kg_train_phase *ended = phase_ended(c, step);
	kg_err err = KG_OK;

	if (due(step, c->progress_every) || ended != NULL)
		report(r);
	if (due(step, c->evaluate_every) || ended != NULL)
		err = grade_both(r);
	if (err == KG_OK && (due(step, c->save_every) || ended != NULL))
		err = save(r, "checkpoint");
	if (err == KG_OK && ended != NULL) {
		char name[KG_TRAIN_NAME_MAX + 8];

		snprintf(name, sizeof(name), "phase-%s", ended->name);
		err = save(r, name);
	}
	return err;
}

kg_err kg_train_run(kg_train *train, const kg_train_port *port, const char *directory)
{
	run r = {.train = train, .port = port, .directory = directory};
	uint64_t total = kg_train_steps_total(train);
	kg_err err = KG_OK;
	char path[4096];
	bool stopped = false;

	if (snprintf(path, sizeof(path), "%s/metrics.jsonl", directory) >= (int)sizeof(path))
		return kg_fail(KG_EINVAL, "train: the path is too long");
	r.metrics = fopen(path, "ae");
	if (r.metrics == NULL)
		return kg_fail_errno(errno, "train: %s", path);
	r.reported_ms = r.started_ms = port->now_ms(port->data);
	r.started_step = r.reported_step = train->step;
	while (err == KG_OK && train->step < total && !stopped) {
		double loss = 0.0;

		err = kg_train_step(train, &loss);
		r.loss += loss;
		if (err == KG_OK)
			err = after_step(&r);
		stopped = port->stop(port->data);
	}
	if (err == KG_OK && stopped)
		err = save(&r, "checkpoint");
	if (fclose(r.metrics) != 0 && err == KG_OK)
		err = kg_fail_errno(errno, "train: %s", path);
	return err;
}
