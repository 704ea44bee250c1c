/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/lesson.h"
#include "runtime/train/train_impl.h"
#include "tests/runtime/train_tiny.h"

static char scratch[] = "/tmp/kg-train-XXXXXX";

static const char *in_scratch(const char *name)
{
	static char path[4][256];
	static int at;
	char *to = path[at++ & 3];

	snprintf(path[(at - 1) & 3], sizeof(path[0]), "%s/%s", scratch, name);
	return to;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "wbe");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static kg_train_text write_text(const char *name, const char *text)
{
	kg_train_text out = {.weight = 1.0};

	snprintf(out.name, sizeof(out.name), "%s", name);
	snprintf(out.path, sizeof(out.path), "%s", in_scratch(name));
	write_file(out.path, text, strlen(text));
	return out;
}

static void test_train__tensors_have_the_names_and_shapes_of_the_file_format(void **state)
{
	kg_train_config config = tiny();
	kg_train *train = open_tiny(&config);
	size_t all = 0;

	(void)state;
	assert_int_equal(kg_train_tensor_count(train), 2 + 2 * 9);
	assert_string_equal(kg_train_tensor_at(train, 0).name, "token_embd.weight");
	assert_int_equal(kg_train_tensor_at(train, 0).rows, KG_TRAIN_VOCABULARY);
	assert_string_equal(kg_train_tensor_at(train, 12).name, "blk.1.attn_k.weight");
	assert_int_equal(kg_train_tensor_at(train, 12).rows, 8);
	assert_string_equal(kg_train_tensor_at(train, 18).name, "blk.1.ffn_down.weight");
	assert_int_equal(kg_train_tensor_at(train, 18).cols, 20);
	assert_true(kg_train_tensor_at(train, 18).quantized);
	assert_string_equal(kg_train_tensor_at(train, 19).name, "output_norm.weight");
	for (uint32_t i = 0; i < kg_train_tensor_count(train); i++) {
		kg_train_tensor tensor = kg_train_tensor_at(train, i);

		assert_int_equal(tensor.quantized, strstr(tensor.name, "blk.") != NULL &&
							   strstr(tensor.name, "norm") == NULL);
		all += (size_t)tensor.rows * tensor.cols;
	}
	assert_int_equal(all, train->parameters);
	kg_train_free(train);
}

static char symbol(uint16_t id)
{
	return id >= KG_TRAIN_BYTE_0 ? (char)(id - KG_TRAIN_BYTE_0) : '\0';
}

/* A lesson segment: BOS, then whole lines; the last may have been asked before. Returns lines. */
static uint32_t check_lesson_segment(const kg_batch *batch, const kg_segment *segment,
				     bool *repeated)
{
	char text[1024];
	char *line[4];
	uint32_t lines = 0;

	assert_int_equal(batch->token[segment->start], KG_TRAIN_BOS);
	assert_in_range(segment->length, 2, 256);
	for (uint32_t t = 0; t < segment->length; t++) {
		text[t] = symbol(batch->target[segment->start + t]);
		if (t > 0)
			assert_int_equal(batch->token[segment->start + t],
					 batch->target[segment->start + t - 1]);
	}
	text[segment->length] = '\0';
	assert_int_equal(text[segment->length - 1], '\n');
	for (char *at = text; *at != '\0'; lines++) {
		char *end = strchr(at, '\n');
		char *answer;

		*end = '\0';
		line[lines] = at;
		assert_memory_equal(at, "Q: ", 3);
		answer = strstr(at, " A: ");
		assert_non_null(answer);
		for (char *c = at; c <= end; c++)
			assert_true(batch->weight[segment->start + (uint32_t)(c - text)] ==
				    (c < answer + 3 ? 0.1f : 5.0f));
		at = end + 1;
	}
	for (uint32_t i = 0; i + 1 < lines; i++)
		*repeated = *repeated || strcmp(line[i], line[lines - 1]) == 0;
	return lines;
}

static void test_train__lesson_segments_are_whole_lines_with_answers_weighted(void **state)
{
	kg_train_config config = tiny();
	uint32_t by_lines[4] = {0};
	uint32_t repeats = 0;
	uint32_t all = 0;
	kg_train *train;

	(void)state;
	config.shape.context = 256;
	train = open_tiny(&config);
	config.shape.context = 256;
	for (int step = 0; step < 300; step++) {
		train->config.shape.context = 256;
		kg_train__batch_fill(train, &train->batch);
		assert_in_range(train->batch.tokens, 1, config.tokens_per_step);
		for (uint32_t i = 0; i < train->batch.segments; i++) {
			bool repeated = false;

			by_lines[check_lesson_segment(&train->batch, &train->batch.segment[i],
						      &repeated)]++;
			repeats += repeated;
			all++;
		}
	}
	/* Long ones are cut to the context or left to the next step, so fewer than drawn. */
	assert_true(by_lines[1] > all / 2 && by_lines[2] > all / 20 && by_lines[3] > 0);
	assert_in_range(repeats, (by_lines[2] + by_lines[3]) / 6, (by_lines[2] + by_lines[3]) / 2);
	kg_train_free(train);
}

static void test_train__text_windows_fill_the_batch_and_keep_the_share(void **state)
{
	kg_train_config config = tiny();
	uint64_t lessons = 0;
	uint64_t texts = 0;
	char story[4000];
	kg_train *train;

	(void)state;
	for (size_t i = 0; i < sizeof(story); i++)
		story[i] = (char)('a' + i % 23);
	story[sizeof(story) - 1] = '\0';
	config.text[0] = write_text("story.txt", story);
	config.text_count = 1;
	config.lessons_share = 0.6;
	train = open_tiny(&config);
	assert_int_equal(train->text[0].size + train->held_out.size, sizeof(story));
	assert_in_range(train->held_out.size, sizeof(story) / 21, sizeof(story) / 19);
	for (int step = 0; step < 200; step++) {
		kg_train__batch_fill(train, &train->batch);
		assert_int_equal(train->batch.tokens, config.tokens_per_step);
		for (uint32_t i = 0; i < train->batch.segments; i++) {
			kg_segment s = train->batch.segment[i];
			bool lesson = train->batch.weight[s.start] != 1.0f;

			*(lesson ? &lessons : &texts) += s.length;
			for (uint32_t t = s.start; !lesson && t + 1 < s.start + s.length; t++)
				assert_int_equal(train->batch.token[t + 1], train->batch.target[t]);
		}
	}
	assert_true(fabs((double)lessons / (double)(lessons + texts) - 0.6) < 0.01);
	kg_train_free(train);
}

static void test_train__segments_do_not_hear_each_other(void **state)
{
	kg_train_config config = tiny();
	kg_train *train = open_tiny(&config);
	const uint16_t first[] = {1, 40, 41, 42, 43};
	const uint16_t other[] = {1, 90, 91, 92, 93};
	const uint16_t second[] = {1, 50, 60, 70};
	const float weight[] = {1, 1, 1, 1, 1};
	float want[3 * KG_TRAIN_VOCABULARY];

	(void)state;
	assert_int_equal(kg_train__quantize(train, NULL), KG_OK);
	for (int pass = 0; pass < 2; pass++) {
		const float *got = train->act.logits + 4 * (size_t)KG_TRAIN_VOCABULARY;

		train->batch.tokens = train->batch.segments = 0;
		assert_true(
			kg_train__batch_put(&train->batch, pass == 0 ? first : other, weight, 5));
		assert_true(kg_train__batch_put(&train->batch, second, weight, 4));
		kg_train__forward(train, &train->batch, 0, 2);
		if (pass == 0)
			memcpy(want, got, sizeof(want));
		else
			assert_memory_equal(got, want, sizeof(want));
	}
	kg_train_free(train);
}

static void test_train__documents_are_split_and_trimmed(void **state)
{
	const char *text =
		"\nOne day.\nMore.\n<|endoftext|>\n\n  two \n<|endoftext|>\nonce a\nb\nonce c\n";
	kg_train_text source = {.name = "t", .prefix = {"once "}, .prefix_count = 1};
	const char *want = "|One day.\nMore.|two|once a\nb|once c";
	kg_stream stream;

	(void)state;
	assert_int_equal(kg_train__stream_parse(&stream, &source, text, strlen(text)), KG_OK);
	assert_int_equal(stream.size, strlen(want));
	assert_int_equal(stream.documents, 4);
	for (size_t i = 0, d = 0; i < stream.size; i++) {
		if (want[i] == '|') {
			assert_int_equal(stream.token[i], KG_TRAIN_BOS);
			assert_int_equal(stream.document[d++], i);
		} else {
			assert_int_equal(symbol(stream.token[i]), want[i]);
		}
	}
	kg_train__stream_free(&stream);
	assert_int_equal(kg_train__stream_parse(&stream, &source, " \n ", 3), KG_EINVAL);
	assert_int_equal(kg_train__stream_parse(&stream, &source, "", 0), KG_EINVAL);
}

static void test_train__rate_rises_falls_and_restarts_with_each_phase(void **state)
{
	kg_train_config config = tiny();

	(void)state;
	config.phase[0] = (kg_train_phase){
		.steps = 110, .warmup = 10, .rate = 1.0, .final = 0.1, .name = "a"};
	config.phase[1] = (kg_train_phase){.steps = 10, .rate = 0.5, .name = "b"};
	assert_true(fabs(kg_train__rate(&config, 0) - 0.1) < 1e-12);
	assert_true(fabs(kg_train__rate(&config, 9) - 1.0) < 1e-12);
	assert_true(fabs(kg_train__rate(&config, 60) - 0.55) < 1e-12);
	assert_true(kg_train__rate(&config, 109) < 0.101);
	assert_true(fabs(kg_train__rate(&config, 110) - 0.5) < 1e-12);
	assert_string_equal(kg_train__phase(&config, 109)->name, "a");
	assert_string_equal(kg_train__phase(&config, 110)->name, "b");
	assert_string_equal(kg_train__phase(&config, 5000)->name, "b");
}

static void test_train__one_optimizer_step_is_adamw(void **state)
{
	kg_train_config config = tiny();
	kg_train *train = open_tiny(&config);
	size_t matrix = train->layer[0].q;
	size_t gain = train->output_norm;
	float before = train->latent[matrix];

	(void)state;
	memset(train->gradient, 0, train->parameters * sizeof(float));
	train->gradient[matrix] = 30.0f;
	train->gradient[gain] = -40.0f; /* norm 50: clipped to 0.6 and -0.8 */
	assert_int_equal(kg_train__optimize(train, 0.01), KG_OK);
	/* The first step of Adam is the rate itself, against the sign. */
	assert_true(fabs((double)train->latent[matrix] -
			 ((double)before * (1 - 0.01 * 0.05) - 0.01)) < 1e-7);
	assert_true(fabs((double)train->latent[gain] - 1.01) < 1e-6);
	assert_true(fabs((double)train->moment1[matrix] - 0.06) < 1e-7);
	assert_true(fabs((double)train->moment2[gain] - 0.64 * 0.02) < 1e-7);
	kg_train_free(train);
}

static void steps(kg_train *train, int count)
{
	double loss;

	while (count-- > 0)
		if (kg_train_step(train, &loss) != KG_OK)
			fail_msg("%s", kg_err_text());
}

static void test_train__a_resumed_run_is_the_same_run(void **state)
{
	kg_train_config config = tiny();
	kg_train *straight = open_tiny(&config);
	kg_train *resumed;
	kg_train_grade grade;
	const char *path = in_scratch("resume.kgt");

	(void)state;
	steps(straight, 4);
	assert_int_equal(kg_train_save(straight, path), KG_OK);
	assert_int_equal(kg_train_evaluate(straight, true, &grade), KG_OK);
	steps(straight, 5);
	config.seed = 99; /* what is loaded decides */
	resumed = open_tiny(&config);
	assert_int_equal(kg_train_load(resumed, path), KG_OK);
	assert_int_equal(kg_train_steps_done(resumed), 4);
	steps(resumed, 5);
	assert_memory_equal(straight->latent, resumed->latent,
			    straight->parameters * sizeof(float));
	assert_memory_equal(straight->moment1, resumed->moment1,
			    straight->parameters * sizeof(float));
	assert_memory_equal(straight->moment2, resumed->moment2,
			    straight->parameters * sizeof(float));
	assert_memory_equal(&straight->rng, &resumed->rng, sizeof(straight->rng));
	assert_int_equal(straight->lesson_tokens, resumed->lesson_tokens);
	kg_train_free(straight);
	kg_train_free(resumed);
}

static kg_train_config smallest(void)
{
	kg_train_config config = tiny();

	config.shape = (kg_train_shape){
		.dim = 2, .hidden = 2, .layers = 1, .heads = 1, .kv_heads = 1, .context = 256};
	config.tokens_per_step = 256;
	return config;
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *bytes = malloc(1 << 20);

	assert_non_null(file);
	*size = fread(bytes, 1, 1 << 20, file);
	assert_int_equal(fclose(file), 0);
	return bytes;
}

static void test_train__a_cut_checkpoint_is_refused_at_every_byte(void **state)
{
	kg_train_config config = smallest();
	kg_train *train = open_tiny(&config);
	const char *path = in_scratch("whole.kgt");
	const char *cut = in_scratch("cut.kgt");
	float *before = malloc(train->parameters * sizeof(float));
	size_t size;
	uint8_t *bytes;

	(void)state;
	steps(train, 1);
	assert_int_equal(kg_train_save(train, path), KG_OK);
	bytes = read_file(path, &size);
	steps(train, 1);
	memcpy(before, train->latent, train->parameters * sizeof(float));
	for (size_t n = 0; n < size; n++) {
		write_file(cut, bytes, n);
		assert_int_equal(kg_train_load(train, cut), KG_ECORRUPT);
	}
	for (size_t n = 0; n < size; n += n < 100 ? 1 : 97) {
		kg_err err;

		bytes[n] ^= 0x10;
		write_file(cut, bytes, size);
		err = kg_train_load(train, cut);
		/* The digest and the count of parameters tell another shape. */
		assert_true(err == KG_ECORRUPT || (err == KG_ECONFLICT && n >= 8 && n < 24));
		bytes[n] ^= 0x10;
	}
	bytes[size] = 0;
	write_file(cut, bytes, size + 1);
	assert_int_equal(kg_train_load(train, cut), KG_ECORRUPT);
	assert_int_equal(kg_train_load(train, in_scratch("absent")), KG_ENOTFOUND);
	assert_memory_equal(before, train->latent, train->parameters * sizeof(float));
	assert_int_equal(kg_train_steps_done(train), 2);
	assert_int_equal(kg_train_load(train, path), KG_OK);
	assert_int_equal(kg_train_steps_done(train), 1);
	free(before);
	free(bytes);
	kg_train_free(train);
}

static void test_train__a_checkpoint_of_another_strategy_is_refused(void **state)
{
	kg_train_config config = smallest();
	kg_train *two = open_tiny(&config);
	kg_train *one;
	const char *path = in_scratch("two.kgt");

	(void)state;
	assert_int_equal(kg_train_save(two, path), KG_OK);
	config.stages = 1;
	one = open_tiny(&config);
	assert_int_equal(kg_train_load(one, path), KG_ECONFLICT);
	assert_int_equal(kg_train_save(two, "/nowhere/at/all.kgt"), KG_ENOTFOUND);
	kg_train_free(two);
	kg_train_free(one);
}

static void test_train__a_checkpoint_with_a_number_that_is_none_is_refused(void **state)
{
	kg_train_config config = smallest();
	kg_train *train = open_tiny(&config);
	const char *path = in_scratch("two.kgt");

	(void)state;
	train->moment2[train->parameters - 1] = NAN;
	assert_int_equal(kg_train_save(train, path), KG_OK);
	assert_int_equal(kg_train_load(train, path), KG_ECORRUPT);
	kg_train_free(train);
}

static void test_train__numbers_out_of_bounds_end_the_step_with_an_error(void **state)
{
	kg_train_config config = smallest();
	kg_train *train = open_tiny(&config);
	double loss;

	(void)state;
	train->latent[train->layer[0].up] = INFINITY;
	assert_int_equal(kg_train_step(train, &loss), KG_ECORRUPT);
	train->latent[train->layer[0].up] = 0.0f;
	/* One that is read at every segment's start, and one that is only ever a wrong answer. */
	train->latent[train->embedding + (size_t)KG_TRAIN_BOS * config.shape.dim] = NAN;
	assert_int_equal(kg_train_step(train, &loss), KG_ECORRUPT);
	train->latent[train->embedding + (size_t)KG_TRAIN_BOS * config.shape.dim] = 0.0f;
	train->latent[train->embedding] = NAN;
	assert_int_equal(kg_train_step(train, &loss), KG_ECORRUPT);
	assert_int_equal(kg_train_steps_done(train), 0);
	kg_train_free(train);
}

static const char config_start[] = "[phase a]\nsteps = 10\n[train]\nlessons_share = 1\n";

static kg_err read_config(const char *tail, kg_train_config *config)
{
	const char *path = in_scratch("run.conf");
	char text[2048];

	snprintf(text, sizeof(text), "%s%s", config_start, tail);
	write_file(path, text, strlen(text));
	kg_train_config_init(config);
	return kg_train_config_load(config, path);
}

static void test_train__config_is_read_whole(void **state)
{
	kg_train_config c;

	(void)state;
	assert_int_equal(
		read_config("strategy = fairy3\nseed = 12\n[model]\ndim = 64\nhidden = 96\n"
			    "[phase b]\nsteps = 7\nwarmup = 2\nrate = 0.5\nfinal = 0.25\n"
			    "pairing = random\n[text t]\npath = a/b.txt\nweight = 3\n"
			    "document_starts = one day\ndocument_starts = once\n",
			    &c),
		KG_OK);
	assert_int_equal(c.stages, 3);
	assert_int_equal(c.seed, 12);
	assert_int_equal(c.shape.dim, 64);
	assert_int_equal(c.phase_count, 2);
	assert_int_equal(c.phase[0].pairing, KG_TRAIN_FIXED);
	assert_string_equal(c.phase[1].name, "b");
	assert_int_equal(c.phase[1].steps, 7);
	assert_int_equal(c.phase[1].warmup, 2);
	assert_true(c.phase[1].rate == 0.5 && c.phase[1].final == 0.25);
	assert_int_equal(c.phase[1].pairing, KG_TRAIN_RANDOM);
	assert_string_equal(c.text[0].path, "a/b.txt");
	assert_true(c.text[0].weight == 3.0);
	assert_string_equal(c.text[0].prefix[1], "once");
}

static void test_train__config_errors_name_the_line(void **state)
{
	static const char *const wrong[] = {
		"unknown = 1\n",         "seed = twelve\n",      "seed = 1.5\n",
		"strategy = ternary\n",  "lessons_share = 2\n",  "decay = nan\n",
		"[zoo]\nlion = 1\n",     "[model]\ndim = 0\n",   "[phase b]\npairing = loose\n",
		"[phase b]\nlion = 1\n", "[text t]\nlion = 1\n", "no equals sign\n",
		"[text t]\npath =\n",
	};
	kg_train_config c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[16];

		assert_int_equal(read_config(wrong[i], &c), KG_EINVAL);
		snprintf(line, sizeof(line), "run.conf:%d", wrong[i][0] == '[' ? 6 : 5);
		assert_non_null(strstr(kg_err_text(), line));
	}
	assert_int_equal(kg_train_config_load(&c, in_scratch("absent")), KG_ENOTFOUND);
}

static void test_train__config_parts_must_fit_each_other(void **state)
{
	static const char *const wrong[] = {
		"[model]\ndim = 130\n",    "[model]\ncontext = 223\n",
		"[model]\nheads = 128\n",  "[model]\nkv_heads = 3\n",
		"[model]\nhidden = 351\n", "tokens_per_step = 64\n",
		"lessons_share = 0.5\n",   "[phase b]\nsteps = 5\nwarmup = 5\n",
		"[text t]\nweight = 1\n",
	};
	kg_train_config c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(read_config(wrong[i], &c), KG_EINVAL);
	kg_train_config_init(&c);
	assert_int_equal(kg_train_config_check(&c), KG_EINVAL); /* no phase */
}

typedef struct {
	int64_t now;
	uint32_t asked;
	uint32_t stop_at;
	uint32_t progress;
	uint32_t graded;
	double loss;
} watcher;

static int64_t watch_now(void *data)
{
	return ((watcher *)data)->now += 1000;
}

static bool watch_stop(void *data)
{
	watcher *w = data;

	return ++w->asked == w->stop_at;
}

static void watch_progress(void *data, const kg_train_progress *progress)
{
	watcher *w = data;

	w->progress++;
	w->loss = progress->loss;
	assert_int_equal(progress->steps, 10);
	assert_true(progress->tokens_per_s > 0 && progress->eta_s >= 0);
}

static void watch_graded(void *data, const kg_train_grade *grade)
{
	((watcher *)data)->graded++;
	assert_int_equal(grade->task_count, kg_lesson_task_count());
	assert_true(grade->accuracy_mean >= 0.0 && grade->accuracy_mean <= 1.0);
}

static kg_train_port watch(watcher *w)
{
	return (kg_train_port){.data = w,
			       .now_ms = watch_now,
			       .stop = watch_stop,
			       .progress = watch_progress,
			       .graded = watch_graded};
}

static void test_train__a_stopped_run_saves_and_goes_on_to_the_end(void **state)
{
	kg_train_config config = tiny();
	watcher w = {.stop_at = 3};
	kg_train_port port = watch(&w);
	kg_train *train;

	(void)state;
	config.progress_every = 2;
	config.evaluate_every = 5;
	train = open_tiny(&config);
	assert_int_equal(kg_train_run(train, &port, scratch), KG_OK);
	assert_int_equal(kg_train_steps_done(train), 3);
	kg_train_free(train);
	train = open_tiny(&config);
	assert_int_equal(kg_train_load(train, in_scratch("checkpoint.kgt")), KG_OK);
	assert_int_equal(kg_train_steps_done(train), 3);
	assert_int_equal(kg_train_run(train, &port, scratch), KG_OK);
	assert_int_equal(kg_train_steps_done(train), 10);
	assert_int_equal(w.progress, 1 + 4);   /* steps 2; 4, 6, 8, 10 */
	assert_int_equal(w.graded, 2 + 2 + 1); /* both pairings at 5 and 6, one at 10 */
	assert_int_equal(access(in_scratch("phase-plain.kgt"), F_OK), 0);
	assert_int_equal(access(in_scratch("phase-seeded.kgt"), F_OK), 0);
	assert_int_equal(access(in_scratch("checkpoint.kgt.new"), F_OK), -1);
	kg_train_free(train);
}

static void test_train__a_small_model_learns_a_text_by_heart(void **state)
{
	kg_train_config config = tiny();
	double loss = 0.0;
	kg_train *train;

	(void)state;
	config.shape.dim = 32;
	config.lessons_share = 0.0;
	config.phase_count = 1;
	config.phase[0].steps = 300;
	config.text[0] = write_text("heart.txt", "the cat sat on the mat and the dog sat on the "
						 "log and the cow sat on the plough all the day");
	config.text_count = 1;
	train = open_tiny(&config);
	for (int i = 0; i < 300; i++)
		assert_int_equal(kg_train_step(train, &loss), KG_OK);
	assert_true(loss < 0.3); /* uniform guessing costs 5.56 */
	kg_train_free(train);
}

static int enter(void **state)
{
	(void)state;
	return mkdtemp(scratch) == NULL;
}

static int leave(void **state)
{
	static const char *const files[] = {"story.txt",        "heart.txt",      "resume.kgt",
					    "whole.kgt",        "cut.kgt",        "two.kgt",
					    "run.conf",         "checkpoint.kgt", "phase-plain.kgt",
					    "phase-seeded.kgt", "metrics.jsonl"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(in_scratch(files[i]));
	return rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_train__tensors_have_the_names_and_shapes_of_the_file_format),
		cmocka_unit_test(test_train__lesson_segments_are_whole_lines_with_answers_weighted),
		cmocka_unit_test(test_train__text_windows_fill_the_batch_and_keep_the_share),
		cmocka_unit_test(test_train__segments_do_not_hear_each_other),
		cmocka_unit_test(test_train__documents_are_split_and_trimmed),
		cmocka_unit_test(test_train__rate_rises_falls_and_restarts_with_each_phase),
		cmocka_unit_test(test_train__one_optimizer_step_is_adamw),
		cmocka_unit_test(test_train__a_resumed_run_is_the_same_run),
		cmocka_unit_test(test_train__a_cut_checkpoint_is_refused_at_every_byte),
		cmocka_unit_test(test_train__a_checkpoint_of_another_strategy_is_refused),
		cmocka_unit_test(test_train__a_checkpoint_with_a_number_that_is_none_is_refused),
		cmocka_unit_test(test_train__numbers_out_of_bounds_end_the_step_with_an_error),
		cmocka_unit_test(test_train__config_is_read_whole),
		cmocka_unit_test(test_train__config_errors_name_the_line),
		cmocka_unit_test(test_train__config_parts_must_fit_each_other),
		cmocka_unit_test(test_train__a_stopped_run_saves_and_goes_on_to_the_end),
		cmocka_unit_test(test_train__a_small_model_learns_a_text_by_heart),
	};

	return cmocka_run_group_tests_name("train", tests, enter, leave);
}
