/* SPDX-License-Identifier: MIT */
/* How many tokens per second: what `model generate` does, and the peer on the same minutes. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/model.h"
#include "runtime/generate.h"

/* Long enough for the clock, short enough to take turns. */
static const double round_s = 0.25;
static const double peer_round_s = 0.5;

enum { AGAIN_MAX = 5000, PEER_AGAIN_MAX = 2000 };

/* A model opened as `model generate` opens it. */
typedef struct {
	kg_model *model;
	kg_weights *weights;
	kg_session *session;
	kg_sampler *sampler;
	FILE *out;
	char *text; /* of a prompt round; a token more at least than it takes */
	uint32_t prompt_tokens;
} mind;

/* One thing that is timed in rounds: ours, or the peer's. */
typedef struct {
	const kg_bench_subject *subject;
	const char *peer_model; /* the peer's; NULL: ours */
	bool prompt;
	mind mind;
	uint32_t tokens; /* of one time */
	uint32_t again;  /* times per round */
	double cpu[KG_BENCH_ROUNDS_MAX];
	double wall[KG_BENCH_ROUNDS_MAX];
	char format[64];
	double bytes; /* read per token */
} contest;

static bool show(void *context, uint32_t token, const char *text, size_t size)
{
	FILE *out = context;

	(void)token;
	return fwrite(text, 1, size, out) == size && fflush(out) == 0 && kg_bench_go_on() == KG_OK;
}

/* What is read for one token: every weight but the rows of the embedding that are not looked up. */
static double token_bytes(const mind *m)
{
	const kg_model_config *c = kg_model_get_config(m->model);
	double size = (double)kg_model_tensor_bytes(m->model);
	const kg_tensor *t = kg_model_tensor(m->model, KG_TENSOR_EMBEDDING, 0);
	double per_weight = t->format == KG_FORMAT_F32   ? 4.0
			    : t->format == KG_FORMAT_F16 ? 2.0
							 : 1.0;

	return c->tied ? size : size - per_weight * t->rows * t->cols;
}

static kg_err open_mind(mind *m, const kg_bench_subject *subject, uint32_t threads)
{
	const kg_session_options options = {.threads = threads};
	const kg_sampler_settings greedy = {.top_p = 1.0f};
	uint32_t context;
	kg_err err = kg_cli_model_open(&m->model, subject->path);

	if (err == KG_OK)
		err = kg_weights_new(&m->weights, m->model, &subject->strategy, NULL);
	if (err == KG_OK)
		err = kg_session_new(&m->session, m->weights, &options);
	if (err == KG_OK)
		err = kg_sampler_new(&m->sampler, &greedy, kg_session_vocabulary(m->session));
	if (err != KG_OK)
		return err;
	context = kg_session_context(m->session);
	m->prompt_tokens = context < KG_BENCH_PROMPT ? context : KG_BENCH_PROMPT;
	m->out = fopen("/dev/null", "w");
	if (m->out == NULL)
		return kg_fail_errno(errno, "/dev/null");
	return kg_bench_text(&m->text, kg_model_tokenizer(m->model), m->prompt_tokens);
}

static void close_mind(mind *m)
{
	if (m->out != NULL)
		(void)fclose(m->out);
	free(m->text);
	kg_sampler_free(m->sampler);
	kg_session_free(m->session);
	kg_weights_free(m->weights);
	kg_model_free(m->model);
}

/* A text encoded and taken in, and the first token after it; or one token and then as many as a
 * decode round has. *tokens is what was taken in. */
static kg_err generate_once(mind *m, bool prompt, uint32_t *tokens)
{
	const kg_tokenizer *tokenizer = kg_model_tokenizer(m->model);
	kg_generate_request request = {.step = show, .context = m->out};
	kg_generation made;
	uint32_t *ids = NULL;
	size_t count = 0;
	kg_err err = kg_tokenizer_encode(tokenizer, m->text, prompt ? strlen(m->text) : 1, true,
					 &ids, &count);

	if (err != KG_OK)
		return err;
	kg_session_rewind(m->session, 0);
	request.prompt = ids;
	request.prompt_count = prompt ? m->prompt_tokens : 1;
	request.tokens_max = prompt ? 1 : KG_BENCH_DECODE;
	err = kg_generate(&made, m->session, m->sampler, &request);
	free(ids);
	if (err != KG_OK)
		return err;
	*tokens = prompt ? m->prompt_tokens : made.count;
	kg_generation_release(&made);
	if (*tokens == 0)
		return kg_fail(KG_EINVAL, "the model ends its text at once");
	return kg_bench_go_on();
}

static kg_err own_round(contest *c, double *cpu, double *wall)
{
	double cpu_s = kg_bench_cpu();
	double wall_s = kg_bench_wall();
	kg_err err = KG_OK;

	for (uint32_t i = 0; i < c->again && err == KG_OK; i++)
		err = generate_once(&c->mind, c->prompt, &c->tokens);
	cpu_s = kg_bench_cpu() - cpu_s;
	wall_s = kg_bench_wall() - wall_s;
	*cpu = (double)c->again * c->tokens / cpu_s;
	*wall = (double)c->again * c->tokens / wall_s;
	return err;
}

static kg_err peer_round(contest *c, const kg_bench *bench, double *cpu, double *wall,
			 kg_bench_peer_round *round)
{
	kg_err err = kg_bench_peer_run(round, bench, c->peer_model, c->prompt, c->again);

	*cpu = round->tokens_per_cpu_s;
	*wall = round->tokens_per_s;
	return err;
}

static uint32_t times(double wanted_s, double once_s, uint32_t most)
{
	double n = ceil(wanted_s / once_s);

	return n < 1.0 ? 1 : n > most ? most : (uint32_t)n;
}

/* A first round that does not count: everything is in caches, and it is known how long one takes.
 */
static kg_err warm_up(contest *c, const kg_bench *bench)
{
	kg_bench_peer_round round = {0};
	double cpu;
	double wall;
	kg_err err;

	c->again = 1;
	if (c->peer_model != NULL) {
		err = peer_round(c, bench, &cpu, &wall, &round);
		if (err != KG_OK)
			return err;
		(void)snprintf(c->format, sizeof(c->format), "%s", round.format);
		c->again = times(peer_round_s, round.seconds, PEER_AGAIN_MAX);
		return KG_OK;
	}
	err = open_mind(&c->mind, c->subject, bench->threads);
	if (err == KG_OK)
		err = own_round(c, &cpu, &wall);
	if (err == KG_OK)
		err = own_round(c, &cpu, &wall);
	if (err != KG_OK)
		return err;
	c->bytes = token_bytes(&c->mind);
	(void)snprintf(c->format, sizeof(c->format), "%s", kg_strategy_name(&c->subject->strategy));
	c->again = times(round_s, c->tokens / wall, AGAIN_MAX);
	return KG_OK;
}

/* The peer's median of the same kind; 0 where there is none. */
static double rival_of(const contest *c, contest *all, size_t count, uint32_t rounds,
		       const char **format)
{
	for (size_t i = 0; i < count; i++) {
		if (all[i].peer_model == NULL || all[i].prompt != c->prompt ||
		    c->peer_model != NULL || c->subject->peer_model == NULL)
			continue;
		*format = all[i].format;
		return kg_bench_median(all[i].cpu, rounds);
	}
	return 0.0;
}

static kg_err put(kg_bench *bench, contest *c, contest *all, size_t count)
{
	const char *rival_format = "";
	double rival = rival_of(c, all, count, bench->rounds, &rival_format);
	char name[48];
	char rival_name[96];
	char note[64] = "";
	kg_bench_row row = {.shape = c->subject->shape,
			    .format = c->format,
			    .threads = bench->threads,
			    .unit = "tokens/CPU-s"};

	row.value = kg_bench_median(c->cpu, bench->rounds);
	row.wall = kg_bench_median(c->wall, bench->rounds);
	row.low = c->cpu[0];
	row.high = c->cpu[bench->rounds - 1];
	(void)snprintf(name, sizeof(name), "%s%s %u", c->peer_model != NULL ? "peer " : "",
		       c->prompt ? "prompt" : "decode", c->tokens);
	(void)snprintf(rival_name, sizeof(rival_name), "llama-bench %s", rival_format);
	row.name = name;
	if (rival > 0.0) {
		row.ratio_to = rival_name;
		row.ratio = row.value / rival;
	}
	/* Weights made from the file's own are read from elsewhere, and are fewer bytes. */
	if (c->peer_model == NULL && !c->prompt && bench->threads == 1 && !c->subject->derived) {
		double rate = 0.0;
		kg_err err = kg_bench_stream(&rate, (size_t)c->bytes);

		if (err != KG_OK)
			return err;
		row.share = row.value * c->bytes / rate;
		(void)snprintf(note, sizeof(note), "of reading %.3g MB at %.0f GB/s",
			       c->bytes / 1e6, rate / 1e9);
		row.note = note;
	}
	return kg_bench_put(bench, &row);
}

/* One kind, decode or prompt, of one shape: everybody in turns. */
static kg_err compete(kg_bench *bench, contest *all, size_t count)
{
	kg_err err = KG_OK;

	for (size_t i = 0; i < count && err == KG_OK; i++)
		err = warm_up(&all[i], bench);
	for (uint32_t r = 0; r < bench->rounds; r++) {
		for (size_t i = 0; i < count && err == KG_OK; i++) {
			kg_bench_peer_round round;

			err = all[i].peer_model != NULL
				      ? peer_round(&all[i], bench, &all[i].cpu[r], &all[i].wall[r],
						   &round)
				      : own_round(&all[i], &all[i].cpu[r], &all[i].wall[r]);
		}
	}
	for (size_t i = 0; i < count && err == KG_OK; i++)
		err = put(bench, &all[i], all, count);
	for (size_t i = 0; i < count; i++)
		close_mind(&all[i].mind);
	return err;
}

static kg_err compete_shape(kg_bench *bench, const kg_bench_subject *first, size_t count,
			    bool prompt)
{
	contest *all = calloc(count + 1, sizeof(*all));
	size_t used = 0;
	kg_err err;

	if (all == NULL)
		return kg_fail(KG_ENOMEM, "no memory for %zu contests", count);
	for (size_t i = 0; i < count; i++)
		all[used++] = (contest){.subject = &first[i], .prompt = prompt};
	if (bench->peer != NULL && first->peer_model != NULL)
		all[used++] = (contest){.subject = first,
					.peer_model = first->peer_model,
					.prompt = prompt,
					.tokens = prompt ? KG_BENCH_PROMPT : KG_BENCH_DECODE};
	kg_bench_say("%s: %s, %u rounds", first->shape, prompt ? "prompts" : "decoding",
		     bench->rounds);
	err = compete(bench, all, used);
	free(all);
	return err;
}

kg_err kg_bench_speed(kg_bench *bench)
{
	kg_err err = KG_OK;
	uint32_t end;

	for (uint32_t i = 0; i < bench->subjects_count && err == KG_OK; i = end) {
		const kg_bench_subject *first = &bench->subjects[i];

		for (end = i + 1; end < bench->subjects_count &&
				  strcmp(bench->subjects[end].shape, first->shape) == 0;)
			end++;
		err = compete_shape(bench, first, end - i, false);
		if (err == KG_OK)
			err = compete_shape(bench, first, end - i, true);
	}
	return err;
}
