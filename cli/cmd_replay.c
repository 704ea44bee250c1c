/* SPDX-License-Identifier: MIT */
/* replay: did this agent really say that? Its weights are rebuilt from the genome in the entry and
 * asked the same again. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/genome.h"
#include "agent/mind.h"
#include "base/hex.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "identity/secret.h"
#include "memory/chain.h"
#include "memory/entry.h"
#include "orchestrator/runfile.h"
#include "runtime/nursery.h"

static kg_err load_entry(kg_entry *entry, kg_entry_proof *proof, bool *verified, const kg_cli *cli,
			 const char *name)
{
	kg_reading reading;
	kg_commit commit;
	kg_err err = kg_reading_open(&reading, cli);
	if (err != KG_OK) {
		return err;
	}
	err = kg_reading_commit(&reading, &commit, name);
	if (err == KG_OK) {
		err = kg_chain_read(reading.store, entry, proof, verified, &commit);
	}
	kg_reading_close(&reading);
	return err;
}

/* Opens `path` ("": embedded) into `*out` when its digest is `digest`; else leaves NULL. */
static kg_err try_model(kg_model **out, const char *path, const uint8_t digest[KG_HASH_SIZE])
{
	kg_model *model = NULL;
	uint8_t has[KG_HASH_SIZE];
	kg_err err = path[0] ? kg_model_open(&model, path) : kg_nursery_open(&model);
	if (err == KG_OK) {
		err = kg_base_digest(has, model);
	}
	if (err == KG_OK && memcmp(has, digest, KG_HASH_SIZE) == 0) {
		*out = model;
		return KG_OK;
	}
	kg_model_free(model);
	return err;
}

/* The base model: the one given, else the embedded one, else the running swarm's. */
static kg_err find_model(kg_model **out, const kg_cli *cli, const char *given,
			 const uint8_t digest[KG_HASH_SIZE])
{
	char hex[KG_HASH_TEXT_SIZE];
	kg_hex_encode(hex, digest, KG_HASH_SIZE);
	if (given) {
		kg_err err = try_model(out, given, digest);
		if (err == KG_OK && !*out) {
			err = kg_fail(KG_ENOTFOUND, "%s is not the base model %.16s…", given, hex);
		}
		return err;
	}
	kg_runfile *run = calloc(1, sizeof(*run));
	if (!run) {
		return kg_fail(KG_ENOMEM, "no memory for the swarm's file");
	}
	kg_err err = KG_OK;
	bool embedded = try_model(out, "", digest) == KG_OK && *out;
	if (!embedded && kg_runfile_read(run, cli->state_dir) == KG_OK && run->model[0]) {
		err = try_model(out, run->model, digest);
	}
	free(run);
	if (err == KG_OK && !*out) {
		err = kg_fail(KG_ENOTFOUND,
			      "base model %.16s… is not here: name its file with --model", hex);
	}
	return err;
}

static kg_err genome_of(kg_genome *genome, const kg_entry_genome *from)
{
	memcpy(genome->base_digest, from->base_digest, KG_HASH_SIZE);
	memcpy(genome->seed, from->seed, KG_SEED_SIZE);
	return kg_strategy_parse(&genome->strategy, from->strategy);
}

typedef struct {
	bool reproduced;
	const char *detail; /* why not; NULL when reproduced */
	kg_thought thought; /* what was generated, if it came to that */
} verdict;

static kg_err regenerate(verdict *v, const kg_entry *entry, const kg_model *model)
{
	const kg_sampler_settings settings = {
		.temperature = (float)entry->sampler.temperature,
		.top_k = entry->sampler.top_k,
		.top_p = (float)entry->sampler.top_p,
		.seed = entry->sampler.seed,
	};
	kg_genome genome;
	kg_mind *mind = NULL;
	kg_err err = genome_of(&genome, &entry->genome);
	if (err == KG_OK) {
		err = kg_mind_new(&mind, model, &genome);
	}
	if (err == KG_OK &&
	    memcmp(kg_mind_weights_digest(mind), entry->genome.weights_digest, KG_HASH_SIZE) != 0) {
		v->detail = "the genome makes other weights than the entry says";
	} else if (err == KG_OK) {
		err = kg_mind_think(mind, &v->thought, entry->prompt.data, entry->prompt.size,
				    &settings, entry->sampler.max_tokens);
	}
	kg_mind_free(mind);
	if (err != KG_OK || v->detail) {
		return err;
	}
	const kg_buf *text = &v->thought.text;
	bool same = text->size == entry->answer.size &&
		    (text->size == 0 || memcmp(text->data, entry->answer.data, text->size) == 0);
	if (!same) {
		v->detail = "not what this agent would have said";
	} else if (v->thought.tokens != entry->sampler.tokens) {
		v->detail = "the same text, but not in as many tokens";
	}
	v->reproduced = !v->detail;
	return KG_OK;
}

static json_t *text_json(const void *data, size_t size)
{
	kg_buf text;
	kg_buf_init(&text, KG_ENTRY_TEXT_MAX);
	kg_entry_readable(&text, data, size);
	json_t *value = json_string(kg_buf_text(&text));
	kg_buf_release(&text);
	return value;
}

static void print_verdict(const verdict *v, const kg_entry *entry, const kg_entry_proof *proof,
			  bool json)
{
	char id[KG_HASH_TEXT_SIZE];
	kg_entry_id_format(id, &proof->id);
	json_t *expected = text_json(entry->answer.data, entry->answer.size);
	json_t *made = text_json(v->thought.text.data, v->thought.text.size);
	if (json) {
		json_t *document =
			json_pack("{s:s, s:b, s:O, s:O, s:s, s:I, s:s?}", "entry", id, "reproduced",
				  v->reproduced, "expected", expected, "regenerated", made, "agent",
				  entry->agent_name, "tokens", (json_int_t)v->thought.tokens,
				  "detail", v->detail);
		kg_json_print(document, true);
		json_decref(document);
	} else if (v->reproduced) {
		printf("reproduced: %s said \"%s\", token for token (%u)\n", entry->agent_name,
		       json_string_value(expected), v->thought.tokens);
	} else {
		printf("not reproduced: %s\n  entry        \"%s\"\n  regenerated  \"%s\"\n",
		       v->detail, json_string_value(expected), json_string_value(made));
	}
	json_decref(expected);
	json_decref(made);
}

static int replay(const kg_cli *cli, const char *name, const char *given, bool json)
{
	kg_entry entry;
	kg_entry_proof proof;
	kg_model *model = NULL;
	verdict v = {0};
	bool verified = false;
	kg_err err = load_entry(&entry, &proof, &verified, cli, name);
	if (err != KG_OK) {
		(void)kg_cli_trouble("replay");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	if (!entry.has_sampler) {
		err = kg_fail(KG_EINVAL, "%s by %s is no generated text (type %s)", name,
			      entry.agent_name, kg_entry_type_name(entry.type));
	} else if (!verified) {
		v.detail = "the signature is not good: the entry says nothing about its author";
	} else {
		err = find_model(&model, cli, given, entry.genome.base_digest);
		if (err == KG_OK) {
			err = regenerate(&v, &entry, model);
		}
	}
	if (err == KG_OK) {
		print_verdict(&v, &entry, &proof, json);
	}
	kg_thought_release(&v.thought);
	kg_model_free(model);
	kg_entry_release(&entry);
	if (err != KG_OK) {
		return kg_cli_trouble("replay");
	}
	return v.reproduced ? KG_EXIT_YES : KG_EXIT_NO;
}

int kg_cmd_replay_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"model", required_argument, NULL, 'm'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	const char *model = NULL;
	bool json = false;
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'm') {
			model = optarg;
		} else if (letter == 'j') {
			json = true;
		} else {
			return kg_cli_unknown(&kg_cmd_replay, known, letter, argv);
		}
	}
	if (optind + 1 != argc) {
		return kg_cli_usage(&kg_cmd_replay, "one entry is needed");
	}
	if (kg_identity_init() != KG_OK) {
		return kg_cli_trouble("replay");
	}
	return replay(cli, argv[optind], model, json);
}
