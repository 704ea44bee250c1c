/* SPDX-License-Identifier: MIT */
/* The command line of bench. */
#include <getopt.h>
#include <string.h>

#include "cli/bench_options.h"
#include "cli/commands.h"

static const struct {
	const char *name;
	kg_bench_part part;
} parts[] = {{"speed", KG_BENCH_SPEED},     {"start", KG_BENCH_START},
	     {"memory", KG_BENCH_MEMORY},   {"swarm", KG_BENCH_SWARM},
	     {"kernels", KG_BENCH_KERNELS}, {"entries", KG_BENCH_ENTRIES},
	     {"ready", KG_BENCH_READY}};

enum { PARTS = sizeof(parts) / sizeof(parts[0]), WORD_MAX = 64, OF_MODELS_PARTS = 4 };

static kg_err add_part(kg_bench_options *o, const char *name)
{
	for (size_t i = 0; i < PARTS; i++) {
		if (strcmp(parts[i].name, name) != 0)
			continue;
		o->parts |= parts[i].part;
		return KG_OK;
	}
	return kg_fail(KG_EINVAL,
		       "--part is speed, start, memory, swarm, kernels, entries or ready, not "
		       "\"%s\"",
		       name);
}

static kg_err add_shape(kg_bench_options *o, const char *name)
{
	if (o->shapes_count == KG_BENCH_SHAPES_MAX)
		return kg_fail(KG_EFULL, "--shape: %d at most", KG_BENCH_SHAPES_MAX);
	return kg_specimen_find(&o->shapes[o->shapes_count++], name);
}

static kg_err add_format(kg_bench_options *o, const char *name)
{
	kg_err err;

	if (o->formats_count == KG_BENCH_FORMATS_MAX)
		return kg_fail(KG_EFULL, "--format: %d at most", KG_BENCH_FORMATS_MAX);
	err = kg_strategy_parse(&o->formats[o->formats_count++], name);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "--format");
}

static kg_err add_peer_model(kg_bench_options *o, const char *path)
{
	if (o->peer_models_count == KG_BENCH_SHAPES_MAX)
		return kg_fail(KG_EFULL, "--peer-model: %d at most", KG_BENCH_SHAPES_MAX);
	o->peer_models[o->peer_models_count++] = path;
	return KG_OK;
}

/* Each word of a list with commas between them. */
static kg_err each(kg_bench_options *o, const char *list,
		   kg_err (*add)(kg_bench_options *o, const char *word))
{
	kg_err err = KG_OK;

	while (err == KG_OK) {
		size_t length = strcspn(list, ",");
		char word[WORD_MAX + 1];

		if (length > WORD_MAX)
			return kg_fail(KG_EINVAL, "\"%s\" is too long", list);
		memcpy(word, list, length);
		word[length] = '\0';
		err = add(o, word);
		if (list[length] == '\0')
			break;
		list += length + 1;
	}
	return err;
}

static kg_err number(uint32_t *out, const char *what, const char *value, uint64_t max)
{
	uint64_t n = 0;
	kg_err err = kg_cli_u64(&n, what, value, 1, max);

	if (err == KG_OK)
		*out = (uint32_t)n;
	return err;
}

static kg_err parse_one(kg_bench_options *o, int letter, const char *value)
{
	switch (letter) {
	case 's':
		return each(o, value, add_shape);
	case 'f': /* the name of a mix has commas of its own */
		return strncmp(value, "mix:", 4) == 0 ? add_format(o, value)
						      : each(o, value, add_format);
	case 'p':
		return each(o, value, add_part);
	case 't':
		return number(&o->threads, "--threads", value, KG_BENCH_THREADS_MAX);
	case 'r':
		return number(&o->rounds, "--repeat", value, KG_BENCH_ROUNDS_MAX);
	case 'e':
		return kg_cli_u64(&o->entries, "--entries", value, 1, KG_BENCH_ENTRIES_MAX);
	case 'k':
		o->keep = value;
		return KG_OK;
	case 'b':
		o->peer = value;
		return KG_OK;
	case 'g':
		return add_peer_model(o, value);
	case 'm':
		o->model = value;
		return KG_OK;
	case 'w':
		return kg_specimen_find(&o->gguf, value);
	case 'o':
		o->output = value;
		return KG_OK;
	case 'a':
		o->all = true;
		return KG_OK;
	default:
		o->json = true;
		return KG_OK;
	}
}

/* What does not go together. */
static kg_err check(const kg_bench_options *o)
{
	size_t models = o->model != NULL ? 1 : o->shapes_count;

	if (o->model != NULL && o->shapes_count > 0)
		return kg_fail(KG_EINVAL, "--model and --shape: a model has its own shape");
	if ((o->peer == NULL) != (o->peer_models_count == 0))
		return kg_fail(KG_EINVAL, "--peer-llama-bench and --peer-model go together");
	if (o->peer != NULL && o->peer_models_count != models)
		return kg_fail(KG_EINVAL,
			       "a --peer-model for each shape, in their order: %u for %zu",
			       o->peer_models_count, models);
	if ((o->gguf == NULL) != (o->output == NULL))
		return kg_fail(KG_EINVAL, "--write-gguf SHAPE and -o F.gguf go together");
	if (o->keep != NULL && o->parts != 0 && (o->parts & KG_BENCH_ENTRIES) == 0)
		return kg_fail(KG_EINVAL, "--keep is of the part entries");
	return KG_OK;
}

static void settle(kg_bench_options *o)
{
	static const char *const short_run[] = {"S256", "S512", "M"};
	bool of_models = o->model != NULL || o->shapes_count > 0 || o->formats_count > 0;

	if (o->parts == 0 && (o->entries > 0 || o->keep != NULL))
		o->parts = KG_BENCH_ENTRIES;
	if (o->entries == 0)
		o->entries = KG_BENCH_ENTRIES_DEFAULT;
	if (o->parts == 0)
		for (size_t i = 0; i < (of_models && !o->all ? OF_MODELS_PARTS : PARTS); i++)
			o->parts |= parts[i].part;
	if (o->model != NULL || o->shapes_count > 0)
		return;
	for (uint32_t i = 0; i < kg_specimen_count() && o->all; i++)
		o->shapes[o->shapes_count++] = kg_specimen_at(i);
	for (size_t i = 0; i < sizeof(short_run) / sizeof(short_run[0]) && !o->all; i++)
		if (kg_specimen_find(&o->shapes[o->shapes_count], short_run[i]) == KG_OK)
			o->shapes_count++;
}

int kg_bench_parse(kg_bench_options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"shape", required_argument, NULL, 's'},
					      {"format", required_argument, NULL, 'f'},
					      {"part", required_argument, NULL, 'p'},
					      {"model", required_argument, NULL, 'm'},
					      {"threads", required_argument, NULL, 't'},
					      {"entries", required_argument, NULL, 'e'},
					      {"keep", required_argument, NULL, 'k'},
					      {"repeat", required_argument, NULL, 'r'},
					      {"peer-llama-bench", required_argument, NULL, 'b'},
					      {"peer-model", required_argument, NULL, 'g'},
					      {"write-gguf", required_argument, NULL, 'w'},
					      {"output", required_argument, NULL, 'o'},
					      {"all", no_argument, NULL, 'a'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (kg_bench_options){.threads = 1, .rounds = 5};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
		if (letter == '?')
			return kg_cli_unknown(&kg_cmd_bench, longs, letter, argv);
		if (parse_one(o, letter, optarg) != KG_OK)
			return kg_cli_usage(&kg_cmd_bench, "%s", kg_err_text());
	}
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_bench, "\"%s\" is one argument too many", argv[optind]);
	if (check(o) != KG_OK)
		return kg_cli_usage(&kg_cmd_bench, "%s", kg_err_text());
	settle(o);
	return KG_EXIT_YES;
}
