/* SPDX-License-Identifier: MIT */
/* model – model files: brought in, described, quantized, and what computes with them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/genome.h"
#include "base/fs.h"
#include "base/hex.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/model.h"
#include "identity/hash.h"
#include "runtime/gguf.h"
#include "runtime/model.h"
#include "runtime/tokenizer_gguf.h"

/* Options of all parts; each part accepts some. */
typedef struct {
	bool json;
	bool decode;
	bool without_bos;
} options;

static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
				      {"decode", no_argument, NULL, 'd'},
				      {"no-bos", no_argument, NULL, 'b'},
				      {NULL, 0, NULL, 0}};

/* `allowed` are the letters of the part. Returns KG_EXIT_YES to go on. */
static int parse(options *o, const char *allowed, int argc, char **argv)
{
	int c;

	*o = (options){0};
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == '?' || strchr(allowed, c) == NULL)
			return kg_cli_unknown(&kg_cmd_model, longs, c, argv);
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 'd':
			o->decode = true;
			break;
		default:
			o->without_bos = true;
			break;
		}
	}
	return KG_EXIT_YES;
}

static json_t *hex_text(const uint8_t *bytes)
{
	char text[KG_HASH_TEXT_SIZE];

	if (bytes == NULL)
		return json_null();
	kg_hex_encode(text, bytes, KG_HASH_SIZE);
	return json_string(text);
}

/* What the file was made from, or null for a base. */
static json_t *genome_of(const kg_model *model)
{
	kg_strategy strategy = kg_model_strategy(model);

	if (kg_model_base_digest(model) == NULL)
		return json_null();
	return json_pack("{s:o, s:s, s:o}", "base_digest", hex_text(kg_model_base_digest(model)),
			 "strategy", kg_strategy_name(&strategy), "seed",
			 hex_text(kg_model_seed(model)));
}

static json_t *describe(const kg_model *model, const uint8_t digest[KG_HASH_SIZE])
{
	const kg_model_config *c = kg_model_get_config(model);
	uint64_t parameters = kg_model_parameters(model);
	kg_strategy strategy = kg_model_strategy(model);
	size_t size;

	(void)kg_model_bytes(model, &size);
	return json_pack(
		"{s:s, s:s, s:I, s:s, s:f, s:I, s:o, s:I, s:I, s:o, s:I, s:I, s:I, s:I, "
		"s:I, s:o}",
		"architecture", kg_architecture_name(c->architecture), "name", kg_model_name(model),
		"parameters", (json_int_t)parameters, "format", kg_strategy_name(&strategy),
		"bits_per_weight", 8.0 * (double)kg_model_tensor_bytes(model) / (double)parameters,
		"file_bytes", (json_int_t)size, "digest", hex_text(digest), "vocabulary",
		(json_int_t)c->vocabulary, "context", (json_int_t)c->context, "genome",
		genome_of(model), "dim", (json_int_t)c->dim, "hidden", (json_int_t)c->hidden,
		"layers", (json_int_t)c->layers, "heads", (json_int_t)c->heads, "kv_heads",
		(json_int_t)c->kv_heads, "calibration", hex_text(kg_model_calibration(model)));
}

static void print_plain(json_t *about)
{
	json_t *value;
	const char *key;

	json_object_foreach(about, key, value)
	{
		if (json_is_string(value))
			printf("%-16s %s\n", key, json_string_value(value));
		else if (json_is_integer(value))
			printf("%-16s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
		else if (json_is_real(value))
			printf("%-16s %.3f\n", key, json_real_value(value));
		else if (json_is_object(value))
			print_plain(value);
	}
}

static int run_info(int argc, char **argv)
{
	options o;
	uint8_t digest[KG_HASH_SIZE];
	kg_model *model = NULL;
	json_t *about = NULL;
	kg_err err;
	int code = parse(&o, "j", argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	if (argc - optind > 1)
		return kg_cli_usage(&kg_cmd_model, "info takes one model");
	err = kg_cli_model_open(&model, argc > optind ? argv[optind] : NULL);
	if (err == KG_OK)
		err = kg_base_digest(digest, model);
	if (err == KG_OK) {
		about = describe(model, digest);
		if (about == NULL)
			err = kg_fail(KG_EINVAL, "the model's name is not UTF-8");
	}
	if (err == KG_OK && o.json)
		kg_json_print(about, true);
	else if (err == KG_OK)
		print_plain(about);
	json_decref(about);
	kg_model_free(model);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("model info");
}

static kg_err print_ids(const kg_tokenizer *tokenizer, const char *text, bool without_bos)
{
	bool bos = kg_tokenizer_get_rules(tokenizer)->add_bos && !without_bos;
	uint32_t *ids = NULL;
	size_t count = 0;
	kg_err err = kg_tokenizer_encode(tokenizer, text, strlen(text), bos, &ids, &count);

	if (err != KG_OK)
		return err;
	for (size_t i = 0; i < count; i++)
		printf("%s%u", i == 0 ? "" : " ", ids[i]);
	printf("\n");
	free(ids);
	return KG_OK;
}

/* Numbers separated by white space; free(*ids). */
static kg_err parse_ids(uint32_t **ids, size_t *count, const char *numbers)
{
	static const char spaces[] = " \t\r\n";
	uint32_t *out = malloc((strlen(numbers) / 2 + 1) * sizeof(*out));
	size_t used = 0;

	if (out == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the tokens");
	for (const char *at = numbers; *(at += strspn(at, spaces)) != '\0';) {
		size_t digits = strspn(at, "0123456789");

		if (digits != strcspn(at, spaces) || digits > 9) {
			free(out);
			return kg_fail(KG_EINVAL, "token %zu is not a number of a token", used + 1);
		}
		out[used++] = (uint32_t)strtoul(at, NULL, 10);
		at += digits;
	}
	*ids = out;
	*count = used;
	return KG_OK;
}

static kg_err print_text(const kg_tokenizer *tokenizer, const char *numbers)
{
	uint32_t *ids = NULL;
	size_t count = 0;
	kg_buf text;
	kg_err err = parse_ids(&ids, &count, numbers);

	if (err != KG_OK)
		return err;
	kg_buf_init(&text, count * KG_TOKENIZER_PIECE_MAX);
	err = kg_tokenizer_decode(tokenizer, ids, count, &text);
	if (err == KG_OK) {
		(void)fwrite(kg_buf_text(&text), 1, text.size, stdout);
		printf("\n");
	}
	kg_buf_release(&text);
	free(ids);
	return err;
}

/* Only the keys of the file are needed: one without tensors will do. */
static kg_err open_tokenizer(kg_tokenizer **out, const char *path)
{
	kg_gguf *gguf = NULL;
	kg_map map;
	kg_err err = kg_map_open(&map, path);

	if (err != KG_OK)
		return err;
	err = kg_gguf_open(&gguf, map.data, map.size);
	if (err == KG_OK)
		err = kg_tokenizer_from_gguf(out, gguf);
	kg_gguf_free(gguf);
	kg_map_close(&map);
	return err == KG_OK ? KG_OK : kg_fail_context(err, "%s", path);
}

static int run_tokenize(int argc, char **argv)
{
	options o;
	kg_tokenizer *own = NULL;
	const kg_tokenizer *tokenizer;
	kg_model *nursery = NULL;
	char *input = NULL;
	const char *text;
	kg_err err;
	int code = parse(&o, "db", argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	if (argc - optind < 1 || argc - optind > 2)
		return kg_cli_usage(&kg_cmd_model, "tokenize takes a model and one text");
	err = strcmp(argv[optind], "nursery") == 0 ? kg_cli_model_open(&nursery, NULL)
						   : open_tokenizer(&own, argv[optind]);
	tokenizer = nursery == NULL ? own : kg_model_tokenizer(nursery);
	text = argc - optind == 2 ? argv[optind + 1] : "-";
	if (err == KG_OK && strcmp(text, "-") == 0) {
		err = kg_cli_stdin(&input, KG_TOKENIZER_TEXT_MAX);
		text = input;
	}
	if (err == KG_OK)
		err = o.decode ? print_text(tokenizer, text)
			       : print_ids(tokenizer, text, o.without_bos);
	free(input);
	kg_tokenizer_free(own);
	kg_model_free(nursery);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("model tokenize");
}

int kg_cmd_model_run(kg_cli *cli, int argc, char **argv)
{
	if (argc < 2)
		return kg_cli_usage(&kg_cmd_model, "which part?");
	argc--;
	argv++;
	if (strcmp(argv[0], "import") == 0)
		return kg_cli_model_import(argc, argv);
	if (strcmp(argv[0], "export") == 0)
		return kg_cli_model_export(argc, argv);
	if (strcmp(argv[0], "info") == 0)
		return run_info(argc, argv);
	if (strcmp(argv[0], "quantize") == 0)
		return kg_cli_model_quantize(argc, argv);
	if (strcmp(argv[0], "tokenize") == 0)
		return run_tokenize(argc, argv);
	if (strcmp(argv[0], "generate") == 0)
		return kg_cli_model_generate(cli, argc, argv);
	if (strcmp(argv[0], "eval") == 0)
		return kg_cli_model_eval(cli, argc, argv);
	return kg_cli_usage(&kg_cmd_model, "no part is called \"%s\"", argv[0]);
}
