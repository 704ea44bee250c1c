/* SPDX-License-Identifier: MIT */
#include "agent/record.h"

#include <stdio.h>
#include <string.h>

#include "base/hex.h"

void kg_genome_tag(char tag[KG_GENOME_TAG_SIZE], const kg_genome *genome)
{
	uint8_t id[KG_HASH_SIZE];
	kg_genome_id(genome, id);
	kg_hex_encode(stpcpy(tag, "genome-"), id, 8);
}

static void put_coefficient(kg_entry *entry, const kg_coefficient *c)
{
	const kg_entry_parts parts = {
		.quantization_awareness = c->quantization_awareness,
		.complex_understanding = c->complex_understanding,
		.compression_readiness = c->compression_readiness,
		.pedagogical_capacity = c->pedagogical_capacity,
	};
	kg_entry_set_parts(entry, &parts);
}

static kg_err put_genome(kg_entry *entry, const kg_mind *mind)
{
	const kg_genome *genome = kg_mind_genome(mind);
	kg_entry_genome *g = &entry->genome;
	const char *strategy = kg_strategy_name(&genome->strategy);
	if (strlen(strategy) > KG_ENTRY_STRATEGY_MAX) {
		return kg_fail(KG_EINVAL, "the strategy's name is too long");
	}
	memcpy(g->base_digest, genome->base_digest, KG_HASH_SIZE);
	memcpy(g->weights_digest, kg_mind_weights_digest(mind), KG_HASH_SIZE);
	memcpy(g->seed, genome->seed, KG_HASH_SIZE);
	memcpy(g->strategy, strategy, strlen(strategy) + 1);
	entry->has_genome = true;
	return KG_OK;
}

static kg_err put_text(kg_entry *entry, const kg_buf *text)
{
	kg_err err = kg_buf_ok(text);
	if (err != KG_OK) {
		return err;
	}
	return kg_entry_set_text(entry, kg_buf_text(text), text->size);
}

static kg_err put_round_tag(kg_entry *entry, const char *round)
{
	char tag[KG_ENTRY_TAG_MAX + 1];
	snprintf(tag, sizeof(tag), "round-%.16s", round);
	return kg_entry_add_tag(entry, tag);
}

/* Empties the entry when its making failed. */
static kg_err made(kg_entry *entry, kg_err err)
{
	if (err != KG_OK) {
		kg_entry_release(entry);
	}
	return err;
}

kg_err kg_record_birth(kg_entry *out, const char *name, const char *model_name, const kg_mind *mind,
		       const kg_coefficient *coefficient)
{
	char tag[KG_GENOME_TAG_SIZE];
	char digest[KG_HASH_TEXT_SIZE];
	kg_buf text;
	kg_buf_init(&text, KG_ENTRY_TEXT_MAX);
	kg_genome_tag(tag, kg_mind_genome(mind));
	kg_hex_encode(digest, kg_mind_weights_digest(mind), KG_HASH_SIZE);
	kg_buf_printf(&text, "%s is born: model \"%s\", strategy %s, weights %.16s", name,
		      model_name, kg_strategy_name(&kg_mind_genome(mind)->strategy), digest);

	kg_entry_init(out, KG_ENTRY_BIRTH);
	kg_err err = put_text(out, &text);
	if (err == KG_OK) {
		err = kg_entry_add_tags(out, "birth,kindergarten");
	}
	if (err == KG_OK) {
		err = kg_entry_add_tag(out, tag);
	}
	if (err == KG_OK) {
		err = put_genome(out, mind);
	}
	kg_entry_set_confidence(out, 1.0);
	put_coefficient(out, coefficient);
	kg_buf_release(&text);
	return made(out, err);
}

kg_err kg_record_insight(kg_entry *out, const kg_insight *insight)
{
	const kg_sampler_settings *s = insight->sampler;
	const kg_entry_sampler sampler = {
		.temperature = (double)s->temperature,
		.top_p = (double)s->top_p,
		.top_k = s->top_k,
		.max_tokens = insight->max_tokens,
		.tokens = insight->thought->tokens,
		.seed = s->seed,
	};
	kg_entry_init(out, KG_ENTRY_INSIGHT);
	kg_err err = put_genome(out, insight->mind);
	if (err == KG_OK) {
		err = kg_entry_set_generated(out, &sampler, insight->prompt->data,
					     insight->prompt->size, insight->thought->text.data,
					     insight->thought->text.size);
	}
	if (err == KG_OK) {
		err = kg_entry_add_tag(out, insight->tag);
	}
	if (err == KG_OK) {
		err = put_round_tag(out, insight->round);
	}
	for (uint32_t i = 0; err == KG_OK && i < insight->source_count; i++) {
		err = kg_entry_add_reference(out, &insight->sources[i]);
	}
	kg_entry_set_confidence(out, kg_thought_confidence(insight->thought));
	put_coefficient(out, insight->coefficient);
	return made(out, err);
}

kg_err kg_record_learning(kg_entry *out, const char *round, const kg_coefficient *coefficient,
			  const kg_entry_id *ids, const char *const *lines, uint32_t count)
{
	kg_buf text;
	kg_buf_init(&text, KG_ENTRY_TEXT_MAX);
	kg_buf_printf(&text, "learned %u insight%s", count, count == 1 ? "" : "s");
	kg_entry_init(out, KG_ENTRY_LEARNING);
	kg_err err = kg_entry_add_tag(out, "learning");
	if (err == KG_OK) {
		err = put_round_tag(out, round);
	}
	for (uint32_t i = 0; err == KG_OK && i < count; i++) {
		kg_buf_printf(&text, "\n%s", lines[i]);
		err = kg_entry_add_reference(out, &ids[i]);
	}
	if (err == KG_OK) {
		err = put_text(out, &text);
	}
	put_coefficient(out, coefficient);
	kg_buf_release(&text);
	return made(out, err);
}

static void put_part(kg_buf *text, const char *name, double before, double after)
{
	kg_buf_printf(text, "\n%s %.4f -> %.4f", name, before, after);
}

static kg_err judge(double *level, kg_stage *stage, const kg_coefficient *coefficient)
{
	kg_err err = kg_coefficient_level(level, coefficient);
	return err == KG_OK ? kg_coefficient_stage(stage, *level) : err;
}

kg_err kg_record_heartbeat(kg_entry *out, uint64_t rounds, const kg_coefficient *coefficient)
{
	double level = 0;
	kg_stage stage = KG_STAGE_NASCENT;
	kg_err err = judge(&level, &stage, coefficient);
	if (err != KG_OK) {
		return err;
	}
	kg_buf text;
	kg_buf_init(&text, KG_ENTRY_TEXT_MAX);
	kg_buf_printf(&text, "%llu rounds, level %.4f, %s", (unsigned long long)rounds, level,
		      kg_stage_name(stage));
	kg_entry_init(out, KG_ENTRY_HEARTBEAT);
	err = put_text(out, &text);
	if (err == KG_OK) {
		err = kg_entry_add_tags(out, "heartbeat,state");
	}
	kg_entry_set_confidence(out, 0.9);
	put_coefficient(out, coefficient);
	kg_buf_release(&text);
	return made(out, err);
}

kg_err kg_record_trace(kg_entry *out, const kg_coefficient *before, const kg_coefficient *after,
		       const kg_measures *m)
{
	double level = 0;
	kg_stage stage = KG_STAGE_NASCENT;
	kg_err err = judge(&level, &stage, after);
	if (err != KG_OK) {
		return err;
	}
	kg_buf text;
	kg_buf_init(&text, KG_ENTRY_TEXT_MAX);
	kg_buf_printf(&text, "level %.4f, %s", level, kg_stage_name(stage));
	put_part(&text, "quantization awareness", before->quantization_awareness,
		 after->quantization_awareness);
	put_part(&text, "complex understanding", before->complex_understanding,
		 after->complex_understanding);
	put_part(&text, "compression readiness", before->compression_readiness,
		 after->compression_readiness);
	put_part(&text, "pedagogical capacity", before->pedagogical_capacity,
		 after->pedagogical_capacity);
	if (m->has_loss) {
		kg_buf_printf(&text, "\nloss against the base model %+.4f nats per token",
			      m->loss_gap);
	}
	if (m->lessons > 0) {
		kg_buf_printf(&text, "\nlessons %u, accuracy %.4f", m->lessons, m->lesson_accuracy);
	}
	if (m->has_narrower) {
		kg_buf_printf(&text, "\nperplexity kept one format narrower %.4f",
			      m->perplexity_kept);
	}
	kg_buf_printf(&text, "\ninsights learned by others %llu",
		      (unsigned long long)m->learned_by_others);

	kg_entry_init(out, KG_ENTRY_TRACE);
	err = put_text(out, &text);
	if (err == KG_OK) {
		err = kg_entry_add_tags(out, "trace,coefficient");
	}
	put_coefficient(out, after);
	kg_buf_release(&text);
	return made(out, err);
}
