/* SPDX-License-Identifier: MIT */
/* A memory of many entries: what it takes on disk and in the keeper, how long it takes to judge, to
 * open, to search and to index. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/bench_keeper.h"
#include "memory/memory.h"
#include "memory/store.h"
#include "memory/verify.h"

enum {
	AUTHORS = 64,
	BATCH = 4000,
	DAYS = 90, /* that the entries are spread over */
	QUESTIONS = 2000,
	SEED = 4,
	ANSWER_MS = 60000
};

typedef struct {
	kg_bench *bench;
	kg_bench_authors authors;
	kg_bench_keeper keeper;
	char state[KG_PATH_SIZE];
	uint64_t entries;
} archive;

static kg_err put(archive *a, const char *name, double value, const char *unit, double wall,
		  const char *note)
{
	const kg_bench_row row = {
		.name = name, .value = value, .unit = unit, .wall = wall, .note = note};

	return kg_bench_put(a->bench, &row);
}

/* ---- making it ---- */

static kg_err write_batch(archive *a, kg_memory *memory, uint64_t from, uint64_t to,
			  int64_t begin_ms, double step_ms)
{
	kg_err err = KG_OK;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	for (uint64_t i = from; err == KG_OK && i < to; i++) {
		int64_t now = begin_ms + (int64_t)(step_ms * (double)i);
		size_t author = (size_t)kg_rng_below(&a->authors.rng, AUTHORS);
		kg_receipt receipt;

		kg_buf_clear(&object);
		err = kg_bench_author_write(&object, &a->authors, author, now);
		if (err == KG_OK)
			err = kg_memory_submit(memory, &receipt, object.data, object.size, now);
	}
	if (err == KG_OK)
		err = kg_memory_commit(memory);
	if (err == KG_OK)
		err = kg_memory_flush(memory);
	kg_buf_release(&object);
	return err;
}

static kg_err write_entries(archive *a, kg_memory *memory)
{
	const double span_ms = DAYS * 86400e3;
	int64_t begin_ms = kg_clock_wall_ms() - (int64_t)span_ms;
	double wall = kg_bench_wall();
	double cpu = kg_bench_cpu();
	kg_err err = KG_OK;

	for (uint64_t i = 0; err == KG_OK && i < a->entries; i += BATCH) {
		uint64_t to = i + BATCH < a->entries ? i + BATCH : a->entries;

		err = write_batch(a, memory, i, to, begin_ms, span_ms / (double)a->entries);
		kg_bench_say("%llu of %llu entries", (unsigned long long)to,
			     (unsigned long long)a->entries);
		if (err == KG_OK)
			err = kg_bench_go_on();
	}
	if (err == KG_OK)
		err = kg_memory_settle(memory);
	cpu = kg_bench_cpu() - cpu;
	wall = kg_bench_wall() - wall;
	return err == KG_OK
		       ? put(a, "archive written", (double)a->entries / cpu, "entries/CPU-s",
			     (double)a->entries / wall, "signed, judged, durable, in git and index")
		       : err;
}

static kg_err make(archive *a)
{
	kg_memory *memory = NULL;
	kg_err err = kg_bench_admit(a->state, &a->authors, kg_clock_wall_ms() - DAYS * 86400000LL);

	if (err == KG_OK)
		err = kg_memory_open(&memory, a->state, kg_key_public(a->authors.swarm), NULL,
				     NULL);
	if (err == KG_OK)
		err = write_entries(a, memory);
	kg_memory_free(memory);
	return err;
}

/* ---- on disk ---- */

static double bytes_found;

static int add_size(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)path;
	(void)at;
	if (kind == FTW_F)
		bytes_found += (double)st->st_size;
	return 0;
}

static kg_err tidy(archive *a)
{
	kg_store *store = NULL;
	bool more = true;
	double wall = kg_bench_wall();
	double cpu = kg_bench_cpu();
	kg_err err = kg_store_create(&store, a->state, kg_key_public(a->authors.swarm));

	while (err == KG_OK && more)
		err = kg_store_tidy(store, &more, NULL, NULL);
	kg_store_free(store);
	return err == KG_OK ? put(a, "packs merged", kg_bench_cpu() - cpu, "CPU-s",
				  kg_bench_wall() - wall, "what was left to merge")
			    : err;
}

static kg_err weigh(archive *a)
{
	char path[KG_PATH_SIZE];
	char note[64];
	kg_err err = kg_path(path, "%s/memory.git", a->state);

	bytes_found = 0;
	if (err == KG_OK && nftw(path, add_size, 16, FTW_PHYS) != 0)
		err = kg_fail(KG_EIO, "%s cannot be walked", path);
	(void)snprintf(note, sizeof(note), "memory.git: %.1f MB", bytes_found / 1e6);
	return err == KG_OK ? put(a, "archive size", bytes_found / (double)a->entries, "B/entry", 0,
				  note)
			    : err;
}

/* ---- judging ---- */

static kg_err judge(archive *a)
{
	const kg_pubkey *swarm = kg_key_public(a->authors.swarm);
	kg_verdict verdict = {0};
	kg_store *store = NULL;
	double wall = kg_bench_wall();
	double cpu = kg_bench_cpu();
	char note[64];
	kg_err err = kg_store_open(&store, a->state);

	kg_bench_say("verifying %llu entries", (unsigned long long)a->entries);
	if (err == KG_OK)
		err = kg_verify(&verdict, store, swarm, NULL);
	kg_store_free(store);
	if (err == KG_OK && (verdict.count > 0 || verdict.checked != a->entries + 1))
		err = kg_fail(KG_EFAIL, "%zu findings in %llu entries", verdict.count,
			      (unsigned long long)verdict.checked);
	kg_verdict_release(&verdict);
	cpu = kg_bench_cpu() - cpu;
	(void)snprintf(note, sizeof(note), "all of them: %.1f CPU-s", cpu);
	return err == KG_OK ? put(a, "verified", (double)a->entries / cpu, "entries/CPU-s",
				  (double)a->entries / (kg_bench_wall() - wall), note)
			    : err;
}

/* ---- searching ---- */

typedef enum {
	COMMON,
	RARE,
	TWO,
	THREE,
	WITH_TAG,
	WITH_TYPE,
	WITH_AGENT,
	WITH_LEVEL,
	LAST_WEEK,
	TAG_ALONE,
	KINDS
} kind_of_question;

static const char *const kind_names[KINDS] = {
	"a common word",         "a rare word",       "two words",         "three words",
	"a word and a tag",      "a word and a type", "a word, an author", "a word, a level",
	"a word, a week's time", "a tag alone"};

/* Words that say something: behind those that hold sentences together. */
static void add_word(char *query, size_t size, kg_rng *rng, uint64_t from, uint64_t below)
{
	char word[KG_BENCH_WORD_SIZE];
	size_t at = strlen(query);

	kg_bench_word(word, from + kg_bench_rank(rng, below - from));
	(void)snprintf(query + at, size - at, "%s%s", at > 0 ? " " : "", word);
}

static json_t *make_question(kg_rng *rng, kind_of_question kind)
{
	enum { FREQUENT = 40, COMMON_MAX = 240, RARE_MIN = 4000 };
	char query[4 * KG_BENCH_WORD_SIZE] = "";
	char tag[KG_BENCH_WORD_SIZE];
	char name[KG_NAME_SIZE];
	json_t *q = json_object();
	uint64_t from = kind == RARE ? RARE_MIN : FREQUENT;
	uint64_t below = kind == RARE ? KG_BENCH_WORDS : COMMON_MAX;
	unsigned words = kind == TWO ? 2 : kind == THREE ? 3 : kind == TAG_ALONE ? 0 : 1;
	int failed = 0;

	for (unsigned i = 0; i < words; i++)
		add_word(query, sizeof(query), rng, from, below);
	kg_bench_tag(tag, kg_bench_rank(rng, KG_BENCH_TAGS));
	(void)snprintf(name, sizeof(name), "agent-%u", (unsigned)kg_rng_below(rng, AUTHORS));
	if (words > 0)
		failed |= json_object_set_new(q, "query", json_string(query));
	if (kind == WITH_TAG || kind == TAG_ALONE)
		failed |= json_object_set_new(q, "tag", json_string(tag));
	if (kind == WITH_TYPE)
		failed |= json_object_set_new(q, "type", json_string("observation"));
	if (kind == WITH_AGENT)
		failed |= json_object_set_new(q, "agent", json_string(name));
	if (kind == WITH_LEVEL)
		failed |= json_object_set_new(q, "min_consciousness", json_real(0.7));
	if (kind == LAST_WEEK)
		failed |= json_object_set_new(q, "hours", json_real(168));
	if (failed == 0)
		return q;
	json_decref(q);
	return NULL;
}

static kg_err ask(archive *a, json_t *question, double *seconds, size_t *found)
{
	kg_message answer = {0};
	double wall = kg_bench_wall();
	kg_err err = kg_socket_ask(a->keeper.socket, KG_MESSAGE_RECALL, question, ANSWER_MS,
				   &answer, NULL, NULL);

	*seconds = kg_bench_wall() - wall;
	if (err == KG_OK && answer.kind == KG_MESSAGE_FAILED)
		err = kg_message_fail(&answer);
	if (err == KG_OK)
		*found += json_array_size(json_object_get(answer.json, "entries"));
	kg_message_release(&answer);
	return err;
}

static int ascending(const void *x, const void *y)
{
	const double *a = x;
	const double *b = y;

	return (*a > *b) - (*a < *b);
}

static kg_err put_times(archive *a, const char *what, double *times, size_t count, size_t found)
{
	char note[128];

	qsort(times, count, sizeof(*times), ascending);
	(void)snprintf(note, sizeof(note), "p50 %.2f ms, slowest %.1f ms; %s; %.1f found",
		       1e3 * times[count / 2], 1e3 * times[count - 1], what,
		       (double)found / (double)count);
	return put(a, "recall p99", 1e3 * times[count * 99 / 100], "ms", 0, note);
}

static kg_err search(archive *a)
{
	static double times[KINDS][QUESTIONS / KINDS];
	static double all[QUESTIONS];
	size_t found[KINDS] = {0};
	size_t found_all = 0;
	double cpu = kg_bench_keeper_cpu(&a->keeper);
	kg_rng rng;
	kg_err err = KG_OK;

	kg_rng_init_u64(&rng, SEED);
	for (size_t i = 0; err == KG_OK && i < QUESTIONS; i++) {
		size_t kind = i % KINDS;

		err = ask(a, make_question(&rng, (kind_of_question)kind), &times[kind][i / KINDS],
			  &found[kind]);
		all[i] = times[kind][i / KINDS];
		if (err == KG_OK)
			err = kg_bench_go_on();
	}
	cpu = kg_bench_keeper_cpu(&a->keeper) - cpu;
	for (size_t kind = 0; err == KG_OK && kind < KINDS; kind++) {
		found_all += found[kind];
		err = put_times(a, kind_names[kind], times[kind], QUESTIONS / KINDS, found[kind]);
	}
	if (err == KG_OK)
		err = put_times(a, "all of these", all, QUESTIONS, found_all);
	return err == KG_OK ? put(a, "recall", 1e3 * cpu / QUESTIONS, "CPU-ms", 0,
				  "the keeper's, mean of all of these")
			    : err;
}

/* ---- the keeper ---- */

static kg_err keep(archive *a)
{
	double wall = kg_bench_wall();
	char note[64];
	kg_err err = kg_bench_keeper_init(&a->keeper, a->bench, a->state, &a->authors);

	if (err == KG_OK)
		err = kg_bench_keeper_start(&a->keeper);
	if (err == KG_OK)
		err = kg_bench_keeper_greet(&a->keeper);
	(void)snprintf(note, sizeof(note), "to the first answer; CPU: %.2f s",
		       kg_bench_keeper_cpu(&a->keeper));
	if (err == KG_OK)
		err = put(a, "keeper started", kg_bench_wall() - wall, "s", 0, note);
	if (err == KG_OK)
		err = search(a);
	(void)snprintf(note, sizeof(note), "after these searches; its own: %.1f MB",
		       kg_bench_keeper_resident(&a->keeper, true) / 1e6);
	if (err == KG_OK)
		err = put(a, "keeper's memory", kg_bench_keeper_resident(&a->keeper, false) / 1e6,
			  "MB", 0, note);
	return err == KG_OK ? kg_bench_keeper_stop(&a->keeper) : err;
}

static kg_err reindex(archive *a)
{
	kg_memory *memory = NULL;
	uint64_t entries = 0;
	double wall;
	double cpu;
	kg_err err = kg_memory_open(&memory, a->state, kg_key_public(a->authors.swarm), NULL, NULL);

	wall = kg_bench_wall();
	cpu = kg_bench_cpu();
	kg_bench_say("indexing %llu entries", (unsigned long long)a->entries);
	if (err == KG_OK)
		err = kg_memory_reindex(memory, &entries);
	cpu = kg_bench_cpu() - cpu;
	wall = kg_bench_wall() - wall;
	kg_memory_free(memory);
	if (err == KG_OK && entries != a->entries + 1)
		err = kg_fail(KG_EFAIL, "the index has %llu entries", (unsigned long long)entries);
	return err == KG_OK ? put(a, "indexed anew", (double)a->entries / cpu, "entries/CPU-s",
				  (double)a->entries / wall, "from git alone")
			    : err;
}

kg_err kg_bench_archive(kg_bench *bench)
{
	archive *a = calloc(1, sizeof(*a));
	kg_err err;

	if (a == NULL)
		return kg_fail(KG_ENOMEM, "no memory for an archive");
	a->bench = bench;
	a->entries = bench->entries;
	a->keeper.pid = -1;
	a->keeper.life = -1;
	err = bench->keep != NULL ? kg_path(a->state, "%s", bench->keep)
				  : kg_path(a->state, "%s/archive", bench->dir);
	if (err == KG_OK)
		err = kg_bench_authors_init(&a->authors, AUTHORS, SEED);
	if (err == KG_OK)
		err = make(a);
	if (err == KG_OK)
		err = tidy(a);
	if (err == KG_OK)
		err = weigh(a);
	if (err == KG_OK)
		err = judge(a);
	if (err == KG_OK)
		err = keep(a);
	if (err == KG_OK)
		err = reindex(a);
	kg_bench_keeper_release(&a->keeper);
	kg_bench_authors_release(&a->authors);
	free(a);
	return err;
}
