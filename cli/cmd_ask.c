/* SPDX-License-Identifier: MIT */
/* ask: one question to the swarm, one answer with its agreement. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "orchestrator/exchange.h"
#include "orchestrator/round.h"

enum { K_DEFAULT = 8, TOKENS_DEFAULT = 64, SILENCE_MS = 30000, SETTLE_MS = 5000 };

/* Of no total chance at all there is no token. */
#define TOP_P_MIN 1e-6

typedef struct {
	uint64_t k, max_tokens, top_k, seed;
	double temperature, top_p;
	bool has_k, has_seed, json, choir;
} options;

static kg_err set(options *o, int letter, const char *value)
{
	switch (letter) {
	case 'k':
		o->has_k = true;
		return kg_cli_u64(&o->k, "-k", value, 0, KG_ROUND_AGENTS_MAX);
	case 'n':
		return kg_cli_u64(&o->max_tokens, "--max-tokens", value, 1, KG_ASK_TOKENS_MAX);
	case 'K':
		return kg_cli_u64(&o->top_k, "--top-k", value, 0, INT32_MAX);
	case 's':
		o->has_seed = true;
		return kg_cli_u64(&o->seed, "--seed", value, 0, UINT64_MAX);
	case 't':
		return kg_cli_double(&o->temperature, "--temperature", value, 0, 100);
	case 'p':
		return kg_cli_double(&o->top_p, "--top-p", value, TOP_P_MIN, 1);
	case 'c':
		o->choir = true;
		return KG_OK;
	default:
		o->json = true;
		return KG_OK;
	}
}

/* An exit code; KG_EXIT_YES to go on. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"max-tokens", required_argument, NULL, 'n'},
					      {"temperature", required_argument, NULL, 't'},
					      {"top-k", required_argument, NULL, 'K'},
					      {"top-p", required_argument, NULL, 'p'},
					      {"seed", required_argument, NULL, 's'},
					      {"json", no_argument, NULL, 'j'},
					      {"choir", no_argument, NULL, 'c'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){.max_tokens = TOKENS_DEFAULT, .top_p = 1};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "k:", longs, NULL)) != -1)
		if (letter == '?')
			return kg_cli_unknown(&kg_cmd_ask, longs, letter, argv);
		else if (set(o, letter, optarg) != KG_OK)
			return kg_cli_usage(&kg_cmd_ask, "%s", kg_err_text());
	if (o->choir) {
		(void)fprintf(stderr, "kindergarten: ask: --choir: not built yet\n");
		return KG_EXIT_USAGE;
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_ask, "expected one prompt, or - for standard input");
	return KG_EXIT_YES;
}

static void show_progress(void *data, const kg_message *m)
{
	const char *stage = json_string_value(json_object_get(m->json, "stage"));

	(void)data;
	(void)fprintf(stderr, "\r\033[K%s %lld/%lld", stage != NULL ? stage : "",
		      (long long)json_integer_value(json_object_get(m->json, "done")),
		      (long long)json_integer_value(json_object_get(m->json, "of")));
}

static kg_err make_question(json_t **out, const options *o, const char *prompt)
{
	json_t *body = json_pack("{s:s, s:I, s:I, s:f, s:I, s:f}", "prompt", prompt, "k",
				 (json_int_t)(o->has_k ? o->k : K_DEFAULT), "max_tokens",
				 (json_int_t)o->max_tokens, "temperature", o->temperature, "top_k",
				 (json_int_t)o->top_k, "top_p", o->top_p);
	char seed[24];

	(void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)o->seed);
	if (body == NULL)
		return kg_fail(KG_EINVAL, "the prompt is not UTF-8 text");
	if (o->has_seed)
		(void)json_object_set_new(body, "seed", json_string(seed));
	*out = body;
	return KG_OK;
}

/* The answer on stdout; how it came about on stderr. */
static void print_answer(const json_t *doc)
{
	const json_t *candidates = json_object_get(doc, "candidates");
	const json_t *c;
	const json_t *id;
	size_t i;

	printf("%s\n", json_string_value(json_object_get(doc, "answer")));
	(void)fflush(stdout);
	(void)fprintf(stderr, "agreement %.2f of %zu, %.1f s\n",
		      json_real_value(json_object_get(doc, "agreement")),
		      json_array_size(candidates),
		      json_real_value(json_object_get(doc, "seconds")));
	json_array_foreach(candidates, i, c)(void) fprintf(
		stderr, "  %-10s %8.4f  %s\n", json_string_value(json_object_get(c, "agent")),
		json_number_value(json_object_get(c, "score")),
		json_string_value(json_object_get(c, "text")));
	json_array_foreach(json_object_get(doc, "entries"), i, id)(void)
		fprintf(stderr, "  entry %s\n", json_string_value(id));
}

/* Entries that the answer names are durable; a moment later they are in git, where the next command
 * looks for them. */
static void await_entries(kg_client *client, const json_t *doc)
{
	kg_message m = {0};

	if (json_array_size(json_object_get(doc, "entries")) == 0)
		return;
	/* The answer is good, whatever comes of this. */
	if (kg_client_ask_keeper(client, KG_MESSAGE_SETTLED, json_object(), SETTLE_MS, &m) != KG_OK)
		return;
	kg_message_release(&m);
}

int kg_cmd_ask_run(kg_cli *cli, int argc, char **argv)
{
	bool bar = isatty(STDERR_FILENO) == 1;
	kg_client *client = NULL;
	json_t *body = NULL;
	char *input = NULL;
	const char *prompt;
	kg_message m = {0};
	options o;
	kg_err err = KG_OK;
	int code = parse(&o, argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	prompt = argv[optind];
	if (strcmp(prompt, "-") == 0) {
		err = kg_cli_stdin(&input, KG_ROUND_PROMPT_MAX);
		prompt = input;
	}
	if (err == KG_OK && prompt[0] == '\0') {
		free(input);
		return kg_cli_usage(&kg_cmd_ask, "the prompt is empty");
	}
	if (err == KG_OK)
		err = make_question(&body, &o, prompt);
	if (err == KG_EINVAL && body == NULL && input == NULL)
		return kg_cli_usage(&kg_cmd_ask, "%s", kg_err_text());
	if (err == KG_OK)
		err = kg_client_open(&client, cli);
	if (err == KG_OK)
		err = kg_client_ask(client, KG_MESSAGE_ASK, json_incref(body), SILENCE_MS, &m,
				    bar ? show_progress : NULL, NULL);
	json_decref(body);
	if (bar)
		(void)fprintf(stderr, "\r\033[K");
	if (err == KG_OK)
		await_entries(client, m.json);
	if (err == KG_OK && o.json)
		kg_json_print(m.json, false);
	else if (err == KG_OK)
		print_answer(m.json);
	kg_message_release(&m);
	kg_client_free(client);
	free(input);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("ask");
}
