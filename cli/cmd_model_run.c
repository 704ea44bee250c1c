/* SPDX-License-Identifier: MIT */
/* model generate, model eval – what computes with a model. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/genome.h"
#include "agent/prompt.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/model.h"
#include "identity/hash.h"
#include "runtime/document.h"
#include "runtime/evaluate.h"
#include "runtime/generate.h"
#include "runtime/team.h"

enum { TOKENS_MAX = 1 << 20, LESSONS_MAX = 100000, TOKENS_DEFAULT = 256, LESSONS_DEFAULT = 100 };

typedef struct {
	const char *text;
	const char *agent_seed;
	const char *prompt_cache;
	const char *base;
	kg_strategy strategy;
	bool has_strategy;
	kg_sampler_settings sampler;
	uint64_t tokens_max;
	uint64_t windows;
	uint64_t count; /* of lessons per task and kind of wording */
	uint64_t seed;
	uint64_t threads;
	bool chat;
	bool lessons;
	bool trained;
	bool unseen;
	bool json;
} options;

/* A model, the weights of one agent of it, and a run through them. */
typedef struct {
	kg_model *model;
	kg_weights *weights;
	kg_session *session;
} mind;

static const struct option longs[] = {{"max-tokens", required_argument, NULL, 'n'},
				      {"temperature", required_argument, NULL, 't'},
				      {"top-k", required_argument, NULL, 'k'},
				      {"top-p", required_argument, NULL, 'p'},
				      {"seed", required_argument, NULL, 's'},
				      {"strategy", required_argument, NULL, 'S'},
				      {"agent-seed", required_argument, NULL, 'a'},
				      {"chat", no_argument, NULL, 'C'},
				      {"prompt-cache", required_argument, NULL, 'P'},
				      {"threads", required_argument, NULL, 'H'},
				      {"text", required_argument, NULL, 'T'},
				      {"base", required_argument, NULL, 'B'},
				      {"windows", required_argument, NULL, 'w'},
				      {"lessons", no_argument, NULL, 'l'},
				      {"count", required_argument, NULL, 'c'},
				      {"wording", required_argument, NULL, 'W'},
				      {"json", no_argument, NULL, 'j'},
				      {NULL, 0, NULL, 0}};

static kg_err parse_wording(options *o, const char *value)
{
	bool both = strcmp(value, "both") == 0;

	o->trained = both || strcmp(value, "trained") == 0;
	o->unseen = both || strcmp(value, "unseen") == 0;
	if (o->trained || o->unseen)
		return KG_OK;
	return kg_fail(KG_EINVAL, "--wording is trained, unseen or both, not \"%s\"", value);
}

static kg_err parse_float(float *out, const char *what, const char *value, double max)
{
	double number;
	kg_err err = kg_cli_double(&number, what, value, 0.0, max);

	if (err == KG_OK)
		*out = (float)number;
	return err;
}

/* One option with a value. */
static kg_err parse_one(options *o, int letter, const char *value)
{
	uint8_t seed[KG_HASH_SIZE];
	uint64_t number = 0;
	kg_err err;

	switch (letter) {
	case 'n':
		return kg_cli_u64(&o->tokens_max, "-n", value, 1, TOKENS_MAX);
	case 't':
		return parse_float(&o->sampler.temperature, "--temperature", value, 100.0);
	case 'k':
		err = kg_cli_u64(&number, "--top-k", value, 0, UINT32_MAX);
		o->sampler.top_k = (uint32_t)number;
		return err;
	case 'p':
		return parse_float(&o->sampler.top_p, "--top-p", value, 1.0);
	case 's':
		return kg_cli_u64(&o->seed, "--seed", value, 0, UINT64_MAX);
	case 'w':
		return kg_cli_u64(&o->windows, "--windows", value, 1, UINT32_MAX);
	case 'c':
		return kg_cli_u64(&o->count, "--count", value, 1, LESSONS_MAX);
	case 'W':
		return parse_wording(o, value);
	case 'S':
		o->has_strategy = true;
		err = kg_strategy_parse(&o->strategy, value);
		return err == KG_OK ? KG_OK : kg_fail_context(err, "--strategy");
	case 'B':
		o->base = value;
		return KG_OK;
	case 'P':
		o->prompt_cache = value;
		return KG_OK;
	case 'H':
		return kg_cli_u64(&o->threads, "--threads", value, 1, KG_TEAM_THREADS_MAX);
	case 'a':
		o->agent_seed = value;
		err = kg_seed_from_label(seed, value);
		return err == KG_OK ? KG_OK : kg_fail_context(err, "--agent-seed");
	default:
		o->text = value;
		return KG_OK;
	}
}

/* `allowed` are the letters of the part. Returns KG_EXIT_YES to go on. */
static int parse(options *o, const char *allowed, int argc, char **argv)
{
	int letter;

	*o = (options){.sampler = {.top_p = 1.0f},
		       .tokens_max = TOKENS_DEFAULT,
		       .count = LESSONS_DEFAULT,
		       .trained = true,
		       .unseen = true};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "n:", longs, NULL)) != -1) {
		if (letter == '?' || strchr(allowed, letter) == NULL)
			return kg_cli_unknown(&kg_cmd_model, longs, letter, argv);
		if (letter == 'l')
			o->lessons = true;
		else if (letter == 'C')
			o->chat = true;
		else if (letter == 'j')
			o->json = true;
		else if (parse_one(o, letter, optarg) != KG_OK)
			return kg_cli_usage(&kg_cmd_model, "%s", kg_err_text());
	}
	o->sampler.seed = o->seed;
	return KG_EXIT_YES;
}

/* "nursery" or NULL is the embedded model. */
static bool is_float(kg_strategy strategy)
{
	return strategy.linear == KG_FORMAT_F32 || strategy.linear == KG_FORMAT_F16;
}

/* Without --strategy the file is taken as it is; but a seed acts on two-bit weights only, so that
 * --agent-seed alone means fairy2. */
static kg_strategy settle_strategy(const options *o, const kg_model *model)
{
	kg_strategy own = kg_model_strategy(model);

	if (o->has_strategy)
		return o->strategy;
	if (o->agent_seed != NULL && is_float(own))
		return kg_strategy_of(KG_FORMAT_FAIRY2);
	return own;
}

static kg_err open_mind(mind *m, const options *o, const char *path)
{
	uint8_t seed[KG_HASH_SIZE];
	kg_strategy strategy;
	kg_err err = kg_cli_model_open(&m->model, path);

	if (err == KG_OK && o->agent_seed != NULL)
		err = kg_seed_from_label(seed, o->agent_seed);
	if (err != KG_OK)
		return err;
	strategy = settle_strategy(o, m->model);
	return kg_weights_new(&m->weights, m->model, &strategy,
			      o->agent_seed != NULL ? seed : NULL);
}

static kg_err open_session(mind *m, const options *o)
{
	const kg_session_options session = {.threads = (uint32_t)o->threads};

	return kg_session_new(&m->session, m->weights, &session);
}

/* What the weights are, in the words of a genome. */
static kg_err digest_of(uint8_t digest[KG_HASH_SIZE], const mind *m, const options *o)
{
	kg_genome genome = {.strategy = kg_weights_strategy(m->weights)};
	kg_err err = kg_base_digest(genome.base_digest, m->model);

	if (err == KG_OK && o->agent_seed != NULL)
		err = kg_seed_from_label(genome.seed, o->agent_seed);
	if (err == KG_OK)
		kg_genome_id(&genome, digest);
	return err;
}

/* A session that has read the prompt but for its last token, whose logits are still to be made:
 * from the file of --prompt-cache as far as that goes. The file is written unless it held all of
 * that. */
static kg_err open_cached_session(mind *m, const options *o, const uint32_t *ids, size_t count)
{
	uint8_t digest[KG_HASH_SIZE];
	kg_session_options session = {.threads = (uint32_t)o->threads, .digest = digest};
	kg_err err = digest_of(digest, m, o);
	uint32_t same = 0;
	uint32_t held;

	if (kg_fs_exists(o->prompt_cache))
		session.prefix = o->prompt_cache;
	if (err == KG_OK)
		err = kg_session_new(&m->session, m->weights, &session);
	if (err != KG_OK)
		return err;
	held = kg_session_position(m->session);
	while (same < held && same + 1 < count && kg_session_tokens(m->session)[same] == ids[same])
		same++;
	kg_session_rewind(m->session, same);
	err = kg_session_feed(m->session, ids + same, count - 1 - same, NULL);
	/* A file that holds the beginning of many prompts stays as it is. */
	if (err != KG_OK || (held > 0 && same == held) || same + 1 == count)
		return err;
	return kg_session_save(m->session, o->prompt_cache, digest);
}

static void close_mind(mind *m)
{
	kg_session_free(m->session);
	kg_weights_free(m->weights);
	kg_model_free(m->model);
}

static bool show_token(void *context, uint32_t token, const char *text, size_t size)
{
	(void)context;
	(void)token;
	return fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0;
}

static kg_err show_prompt(const kg_tokenizer *tokenizer, const uint32_t *ids, size_t count)
{
	kg_buf text;
	kg_err err;

	kg_buf_init(&text, KG_TOKENIZER_TEXT_MAX);
	err = kg_tokenizer_decode(tokenizer, ids, count, &text);
	if (err == KG_OK)
		(void)show_token(NULL, 0, kg_buf_text(&text), text.size);
	kg_buf_release(&text);
	return err;
}

/* The prompt as a question, in the form or the conversation that the model was taught. */
static kg_err encode_question(const kg_model *model, const char *question, uint32_t **ids,
			      size_t *count)
{
	size_t size = 0;
	const char *template = kg_model_template(model, &size);
	uint32_t used = 0;
	kg_chat chat;
	kg_buf text;
	kg_err err = KG_OK;

	if (!kg_prompt_has_form(kg_model_get_prompt(model)))
		err = template == NULL
			      ? kg_fail(KG_EINVAL, "the model was taught no form of questions")
			      : kg_chat_recognise(&chat, template, size);
	if (err != KG_OK)
		return err;
	kg_buf_init(&text, KG_PROMPT_SIZE_MAX);
	err = kg_prompt_build(&text, &used, model, 1, question, NULL, 0);
	if (err == KG_OK)
		err = kg_prompt_encode(model, text.data, text.size, NULL, 0, ids, count);
	kg_buf_release(&text);
	return err;
}

/* The tokens to go on from. */
static kg_err encode_prompt(const kg_model *model, const options *o, const char *prompt,
			    uint32_t **ids, size_t *count)
{
	const kg_tokenizer *tokenizer = kg_model_tokenizer(model);
	uint32_t context = kg_model_get_config(model)->context;
	kg_err err;

	if (o->chat)
		err = encode_question(model, prompt, ids, count);
	else
		err = kg_tokenizer_encode(tokenizer, prompt, strlen(prompt),
					  kg_tokenizer_get_rules(tokenizer)->add_bos, ids, count);
	if (err == KG_OK && *count == 0)
		err = kg_fail(KG_EINVAL, "an empty prompt");
	if (err == KG_OK && *count > context)
		err = kg_fail(KG_EFULL, "a prompt of %zu tokens: the context has room for %u",
			      *count, context);
	return err;
}

/* As `ask` gives it: without the space that sets an answer off from its question. */
static void print_answer(const kg_generation *made)
{
	static const char space[] = " \t\r\n";
	const char *text = kg_buf_text(&made->text);
	size_t before = strspn(text, space);
	size_t size = strlen(text);

	while (size > before && strchr(space, text[size - 1]) != NULL)
		size--;
	(void)fwrite(text + before, 1, size - before, stdout);
}

static kg_err continue_text(mind *m, const options *o, const char *prompt)
{
	const kg_prompt_end end = kg_prompt_get_end(m->model);
	kg_generate_request request = {.tokens_max = (uint32_t)o->tokens_max, .step = show_token};
	kg_sampler *sampler = NULL;
	uint32_t *ids = NULL;
	kg_generation made;
	size_t count = 0;
	kg_err err =
		kg_sampler_new(&sampler, &o->sampler, kg_model_get_config(m->model)->vocabulary);

	if (err == KG_OK)
		err = encode_prompt(m->model, o, prompt, &ids, &count);
	if (o->chat) {
		request.step = NULL; /* the text that ends the answer is not to be shown */
		request.stop = end.stop;
		request.end = end.token == KG_TOKENIZER_NONE ? NULL : &end.token;
	}
	if (err == KG_OK && o->prompt_cache != NULL)
		err = open_cached_session(m, o, ids, count);
	else if (err == KG_OK)
		err = open_session(m, o);
	/* Of a question only the answer is shown. */
	if (err == KG_OK && !o->chat)
		err = show_prompt(kg_model_tokenizer(m->model), ids, count);
	if (err == KG_OK) {
		uint32_t read = kg_session_position(m->session);

		request.prompt = ids + read;
		request.prompt_count = count - read;
		err = kg_generate(&made, m->session, sampler, &request);
	}
	if (err == KG_OK) {
		bool lost = made.end == KG_END_CALLER;

		if (o->chat)
			print_answer(&made);
		printf("\n");
		kg_generation_release(&made);
		if (lost || ferror(stdout) != 0)
			err = kg_fail(KG_EIO, "standard output cannot be written");
	}
	free(ids);
	kg_sampler_free(sampler);
	return err;
}

int kg_cli_model_generate(kg_cli *cli, int argc, char **argv)
{
	mind m = {0};
	char *input = NULL;
	const char *prompt;
	options o;
	kg_err err = KG_OK;
	int code = parse(&o, "ntkpsSaCPH", argc, argv);

	(void)cli;
	if (code != KG_EXIT_YES)
		return code;
	if (argc - optind < 1 || argc - optind > 2)
		return kg_cli_usage(&kg_cmd_model, "generate takes a model and a prompt");
	if (kg_sampler_check(&o.sampler) != KG_OK)
		return kg_cli_usage(&kg_cmd_model, "%s", kg_err_text());
	prompt = argv[argc - 1];
	if (argc - optind == 1 && kg_fs_exists(prompt))
		return kg_cli_usage(&kg_cmd_model, "generate takes a prompt; %s is a file", prompt);
	if (strcmp(prompt, "-") == 0) {
		err = kg_cli_stdin(&input, KG_TOKENIZER_TEXT_MAX);
		prompt = input;
	}
	if (err == KG_OK)
		err = open_mind(&m, &o, argc - optind == 2 ? argv[optind] : NULL);
	if (err == KG_OK)
		err = continue_text(&m, &o, prompt);
	close_mind(&m);
	free(input);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("model generate");
}

static bool show_progress(void *context, uint64_t done, uint64_t total)
{
	(void)total;
	kg_progress_step(context, done, NULL);
	return true;
}

/* What to compare greedy tokens with: the model of --base as it is, or the file's own floats in
 * f32; left NULL where it has none, or where the weights are those. */
static kg_err open_reference(mind *reference, const mind *m, const options *o)
{
	kg_strategy f32 = kg_strategy_of(KG_FORMAT_F32);
	kg_err err;

	if (o->base != NULL) {
		err = kg_cli_model_open(&reference->model, o->base);
		if (err == KG_OK)
			err = kg_weights_new(&reference->weights, reference->model, NULL, NULL);
		return err == KG_OK ? open_session(reference, o) : err;
	}
	if (!is_float(kg_model_strategy(m->model)) ||
	    kg_weights_strategy(m->weights).linear == KG_FORMAT_F32)
		return KG_OK;
	err = kg_weights_new(&reference->weights, m->model, &f32, NULL);
	return err == KG_OK ? open_session(reference, o) : err;
}

static kg_err eval_text(kg_text_score *score, const mind *m, const options *o)
{
	mind reference = {0};
	kg_progress progress;
	uint32_t *stream = NULL;
	size_t count = 0;
	kg_text_request request;
	kg_map map;
	kg_err err = kg_map_open(&map, o->text);

	if (err != KG_OK)
		return err;
	err = kg_document_stream(&stream, &count, kg_model_tokenizer(m->model),
				 (const char *)map.data, map.size);
	kg_map_close(&map);
	if (err == KG_OK)
		err = open_reference(&reference, m, o);
	if (err == KG_OK) {
		request.ids = stream;
		request.count = count;
		request.windows = kg_evaluate_windows(m->session, count);
		if (o->windows != 0 && o->windows < request.windows)
			request.windows = o->windows;
		kg_progress_start(&progress, "reading", request.windows);
		err = kg_evaluate_text(score, m->session, reference.session, &request,
				       show_progress, &progress);
		kg_progress_end(&progress);
	}
	close_mind(&reference);
	free(stream);
	return err;
}

static kg_err eval_lessons(kg_lessons_score *score, const mind *m, const options *o)
{
	kg_lessons_request request = {.seed = o->seed,
				      .count = (uint32_t)o->count,
				      .trained = o->trained,
				      .unseen = o->unseen};
	uint64_t kinds = (uint64_t)o->trained + (uint64_t)o->unseen;
	kg_progress progress;
	kg_err err;

	kg_progress_start(&progress, "answering", kg_lesson_task_count() * o->count * kinds);
	err = kg_evaluate_lessons(score, m->session, &request, show_progress, &progress);
	kg_progress_end(&progress);
	return err;
}

static json_t *lessons_json(const char *wording, const kg_lesson_score *scores, uint32_t tasks)
{
	json_t *by_task = json_object();
	uint32_t count = 0;

	for (uint32_t t = 0; t < tasks; t++) {
		double accuracy = kg_lesson_score_mean(&scores[t], 1);

		count += scores[t].count;
		if (json_object_set_new(by_task, kg_lesson_task_at(t)->name,
					json_pack("{s:I, s:f}", "count",
						  (json_int_t)scores[t].count, "accuracy",
						  accuracy)) < 0) {
			json_decref(by_task);
			return NULL;
		}
	}
	return json_pack("{s:s, s:I, s:f, s:o}", "wording", wording, "count", (json_int_t)count,
			 "mean", kg_lesson_score_mean(scores, tasks), "tasks", by_task);
}

/* The trained wordings, with the unseen ones beside them; or what was asked for. */
static json_t *all_lessons_json(const options *o, const kg_lessons_score *score)
{
	json_t *main;

	if (!o->trained)
		return lessons_json("unseen", score->unseen, score->tasks);
	main = lessons_json("trained", score->trained, score->tasks);
	if (main != NULL && o->unseen &&
	    json_object_set_new(main, "unseen",
				lessons_json("unseen", score->unseen, score->tasks)) < 0) {
		json_decref(main);
		return NULL;
	}
	return main;
}

static json_t *agreement_json(const mind *m, const kg_text_score *score)
{
	if (score->compared)
		return json_real((double)score->agreed / (double)score->tokens);
	/* f32 weights are the base itself. */
	return kg_weights_strategy(m->weights).linear == KG_FORMAT_F32 ? json_real(1.0)
								       : json_null();
}

static json_t *text_json(const mind *m, const kg_text_score *score)
{
	double bits = kg_text_score_bits_per_byte(score);

	return json_pack(
		"{s:I, s:I, s:f, s:f, s:f, s:f, s:o, s:I}", "tokens", (json_int_t)score->tokens,
		"bytes", (json_int_t)score->bytes, "nll_per_token", kg_text_score_nll(score),
		"perplexity_per_token", kg_text_score_perplexity(score), "bits_per_byte", bits,
		"perplexity_per_byte", kg_text_score_perplexity_per_byte(score), "top1_agreement",
		agreement_json(m, score), "windows", (json_int_t)score->windows);
}

static void print_text(const json_t *text, bool compared)
{
	printf("%-22s %lld tokens, %lld bytes\n", "scored",
	       json_integer_value(json_object_get(text, "tokens")),
	       json_integer_value(json_object_get(text, "bytes")));
	printf("%-22s %.4f\n", "nats per token",
	       json_real_value(json_object_get(text, "nll_per_token")));
	printf("%-22s %.4f\n", "perplexity per token",
	       json_real_value(json_object_get(text, "perplexity_per_token")));
	printf("%-22s %.4f\n", "bits per byte",
	       json_real_value(json_object_get(text, "bits_per_byte")));
	printf("%-22s %.4f\n", "perplexity per byte",
	       json_real_value(json_object_get(text, "perplexity_per_byte")));
	if (compared)
		printf("%-22s %.4f\n", "agrees with the base",
		       json_real_value(json_object_get(text, "top1_agreement")));
}

static void print_cell(const kg_lesson_score *score)
{
	if (score->count == 0)
		printf("  %8s", "-");
	else
		printf("  %8.3f", (double)score->right / (double)score->count);
}

static void print_lessons(const options *o, const kg_lessons_score *score)
{
	printf("%-22s  %8s  %8s\n", "lesson", "trained", "unseen");
	for (uint32_t t = 0; t < score->tasks; t++) {
		printf("%-22s", kg_lesson_task_at(t)->name);
		print_cell(&score->trained[t]);
		print_cell(&score->unseen[t]);
		printf("\n");
	}
	printf("%-22s", "mean");
	if (o->trained)
		printf("  %8.3f", kg_lesson_score_mean(score->trained, score->tasks));
	else
		printf("  %8s", "-");
	if (o->unseen)
		printf("  %8.3f\n", kg_lesson_score_mean(score->unseen, score->tasks));
	else
		printf("  %8s\n", "-");
}

static kg_err print_results(const mind *m, const options *o, const kg_text_score *text,
			    const kg_lessons_score *lessons)
{
	json_t *all = o->text != NULL ? text_json(m, text) : json_object();
	kg_strategy strategy = kg_weights_strategy(m->weights);
	int failed = all == NULL;

	if (!failed && o->lessons)
		failed |= json_object_set_new(all, "lessons", all_lessons_json(o, lessons));
	if (!failed)
		failed |= json_object_set_new(all, "strategy",
					      json_string(kg_strategy_name(&strategy)));
	if (!failed && o->json)
		kg_json_print(all, true);
	if (!failed && !o->json && o->text != NULL)
		print_text(all, text->compared);
	if (!failed && !o->json && o->lessons)
		print_lessons(o, lessons);
	json_decref(all);
	return failed ? kg_fail(KG_ENOMEM, "no memory for the results") : KG_OK;
}

int kg_cli_model_eval(kg_cli *cli, int argc, char **argv)
{
	kg_lessons_score lessons = {0};
	kg_text_score text = {0};
	mind m = {0};
	options o;
	kg_err err;
	int code = parse(&o, "sSaTBwlcWjH", argc, argv);

	(void)cli;
	if (code != KG_EXIT_YES)
		return code;
	if (argc - optind > 1)
		return kg_cli_usage(&kg_cmd_model, "eval takes one model");
	if (o.text == NULL && !o.lessons)
		return kg_cli_usage(&kg_cmd_model, "eval needs --text T or --lessons");
	if (o.base != NULL && o.text == NULL)
		return kg_cli_usage(&kg_cmd_model, "--base F is of --text T");
	err = open_mind(&m, &o, argc > optind ? argv[optind] : NULL);
	if (err == KG_OK)
		err = open_session(&m, &o);
	if (err == KG_OK && o.text != NULL)
		err = eval_text(&text, &m, &o);
	if (err == KG_OK && o.lessons)
		err = eval_lessons(&lessons, &m, &o);
	if (err == KG_OK)
		err = print_results(&m, &o, &text, &lessons);
	close_mind(&m);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("model eval");
}
