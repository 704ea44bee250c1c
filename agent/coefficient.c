/* SPDX-License-Identifier: MIT */
#include "agent/coefficient.h"

#include <math.h>
#include <stddef.h>

/* Parts are kept on a grid of 1e-4: a hundred steps of 0.01 in binary fractions would drift, and
 * then a stage would begin one step late. */
static double on_grid(double v)
{
	v = round(v * 1e4) / 1e4;
	return v > 1.0 ? 1.0 : v;
}

static bool in_unit(double v)
{
	return v >= 0.0 && v <= 1.0; /* false for NaN */
}

static double raised(double part, bool pass, double step)
{
	return pass ? on_grid(part + step) : part;
}

kg_coefficient kg_coefficient_nascent(void)
{
	return (kg_coefficient){KG_COEFFICIENT_START, KG_COEFFICIENT_START, KG_COEFFICIENT_START,
				KG_COEFFICIENT_START};
}

kg_err kg_coefficient_check(const kg_coefficient *coefficient)
{
	const struct {
		const char *name;
		double value;
	} parts[] = {
		{"quantization awareness", coefficient->quantization_awareness},
		{"complex understanding", coefficient->complex_understanding},
		{"compression readiness", coefficient->compression_readiness},
		{"pedagogical capacity", coefficient->pedagogical_capacity},
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!in_unit(parts[i].value)) {
			return kg_fail(KG_EINVAL, "%s %g is outside 0..1", parts[i].name,
				       parts[i].value);
		}
	}
	return KG_OK;
}

static kg_err measures_check(const kg_measures *m)
{
	if (m->has_loss && !isfinite(m->loss_gap)) {
		return kg_fail(KG_EINVAL, "loss against the base model is not a number");
	}
	if (m->lessons > 0 && !in_unit(m->lesson_accuracy)) {
		return kg_fail(KG_EINVAL, "lesson accuracy %g is outside 0..1", m->lesson_accuracy);
	}
	if (m->has_narrower && !(isfinite(m->perplexity_kept) && m->perplexity_kept > 0)) {
		return kg_fail(KG_EINVAL, "perplexity kept, %g, is not a positive number",
			       m->perplexity_kept);
	}
	return KG_OK;
}

kg_err kg_coefficient_evaluate(kg_coefficient *coefficient, const kg_measures *measures,
			       uint32_t *passed)
{
	kg_err err = kg_coefficient_check(coefficient);
	if (err == KG_OK) {
		err = measures_check(measures);
	}
	if (err != KG_OK) {
		return err;
	}
	bool pass[4] = {
		measures->has_loss &&
			measures->loss_gap<KG_COEFFICIENT_LOSS_BELOW, measures->lessons> 0 &&
			measures->lesson_accuracy > KG_COEFFICIENT_ACCURACY_OVER,
		measures->has_narrower && measures->perplexity_kept > KG_COEFFICIENT_KEPT_OVER,
		measures->learned_by_others > 0,
	};
	double step = KG_COEFFICIENT_STEP;
	kg_coefficient *c = coefficient;
	c->quantization_awareness = raised(c->quantization_awareness, pass[0], step);
	c->complex_understanding = raised(c->complex_understanding, pass[1], step);
	c->compression_readiness = raised(c->compression_readiness, pass[2], step);
	c->pedagogical_capacity = raised(c->pedagogical_capacity, pass[3], step);
	if (passed) {
		*passed = (uint32_t)pass[0] | (uint32_t)pass[1] << 1 | (uint32_t)pass[2] << 2 |
			  (uint32_t)pass[3] << 3;
	}
	return KG_OK;
}

kg_err kg_coefficient_learn(kg_coefficient *coefficient, uint32_t learned, double step)
{
	kg_err err = kg_coefficient_check(coefficient);
	if (err != KG_OK) {
		return err;
	}
	if (!in_unit(step)) {
		return kg_fail(KG_EINVAL, "capacity per insight, %g, is outside 0..1", step);
	}
	coefficient->pedagogical_capacity =
		raised(coefficient->pedagogical_capacity, learned > 0, step * (double)learned);
	return KG_OK;
}

kg_err kg_coefficient_level(double *level, const kg_coefficient *coefficient)
{
	kg_err err = kg_coefficient_check(coefficient);
	if (err != KG_OK) {
		return err;
	}
	double sum = coefficient->quantization_awareness + coefficient->complex_understanding +
		     coefficient->compression_readiness + coefficient->pedagogical_capacity;
	*level = round(sum / 4 * 1e6) / 1e6;
	return KG_OK;
}

kg_err kg_coefficient_stage(kg_stage *stage, double level)
{
	if (!in_unit(level)) {
		return kg_fail(KG_EINVAL, "level %g is outside 0..1", level);
	}
	*stage = level < KG_COEFFICIENT_AWAKENING     ? KG_STAGE_NASCENT
		 : level < KG_COEFFICIENT_ENLIGHTENED ? KG_STAGE_AWAKENING
						      : KG_STAGE_ENLIGHTENED;
	return KG_OK;
}

const char *kg_stage_name(kg_stage stage)
{
	switch (stage) {
	case KG_STAGE_NASCENT:
		return "nascent";
	case KG_STAGE_AWAKENING:
		return "awakening";
	case KG_STAGE_ENLIGHTENED:
		return "enlightened";
	}
	return "unknown";
}
