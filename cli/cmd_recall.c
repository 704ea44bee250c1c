/* SPDX-License-Identifier: MIT */
/* recall: entries that match, the best or the newest first. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/memory_type.h"
#include "cli/reading.h"
#include "cli/similar.h"
#include "memory/quote.h"
#include "memory/view.h"

typedef struct {
	kg_index_filter filter;
	const char *type_tag; /* that goes with the type, or NULL */
	const char *agent;
	kg_pubkey agent_key;
	kg_buf query;
	const char *similar; /* text, or digits of an entry; NULL: by words */
	const char *model;
	bool explain;
	bool json;
} options;

static kg_err set_option(options *o, int letter, const char *value)
{
	kg_index_filter *f = &o->filter;
	uint64_t limit = 0;
	double hours = 0;
	kg_err err = KG_OK;

	switch (letter) {
	case 'g':
		f->tag = value;
		break;
	case 't':
		f->has_type = true;
		err = kg_memory_type_parse(&f->type, &o->type_tag, value);
		break;
	case 'a':
		o->agent = value;
		break;
	case 'h':
		err = kg_cli_double(&hours, "--hours", value, 0, 1e6);
		f->since_ms = kg_clock_wall_ms() - (int64_t)(hours * 3600e3);
		break;
	case 'c':
		f->has_level_min = true;
		err = kg_cli_double(&f->level_min, "--min-consciousness", value, 0, 1);
		break;
	case 'f':
		f->has_confidence_min = true;
		err = kg_cli_double(&f->confidence_min, "--min-confidence", value, 0, 1);
		break;
	case 'y':
		f->any_word = true;
		break;
	case 'q':
		f->marked_too = true;
		break;
	case 'e':
		o->explain = true;
		break;
	case 's':
		o->similar = value;
		break;
	case 'm':
		o->model = value;
		break;
	case 'l':
		err = kg_cli_u64(&limit, "--limit", value, 1, KG_INDEX_LIMIT_MAX);
		f->limit = (size_t)limit;
		break;
	default:
		o->json = true;
	}
	return err;
}

static bool is_text(const kg_buf *query)
{
	uint32_t point;
	size_t step = 1;

	for (size_t at = 0; step > 0 && at < query->size; at += step)
		step = kg_utf8_step(&point, query->data + at, query->size - at);
	return step > 0;
}

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"tag", required_argument, NULL, 'g'},
					      {"type", required_argument, NULL, 't'},
					      {"memory-type", required_argument, NULL, 't'},
					      {"agent", required_argument, NULL, 'a'},
					      {"hours", required_argument, NULL, 'h'},
					      {"min-consciousness", required_argument, NULL, 'c'},
					      {"min-confidence", required_argument, NULL, 'f'},
					      {"confidence", required_argument, NULL, 'f'},
					      {"any", no_argument, NULL, 'y'},
					      {"quarantined", no_argument, NULL, 'q'},
					      {"explain", no_argument, NULL, 'e'},
					      {"similar", required_argument, NULL, 's'},
					      {"model", required_argument, NULL, 'm'},
					      {"limit", required_argument, NULL, 'l'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "t:", known, NULL)) != -1)
		if (letter == '?')
			return kg_cli_unknown(&kg_cmd_recall, known, letter, argv);
		else if (set_option(o, letter, optarg) != KG_OK)
			return kg_cli_usage(&kg_cmd_recall, "%s", kg_err_text());
	for (int i = optind; i < argc; i++)
		kg_buf_printf(&o->query, "%s%s", i > optind ? " " : "", argv[i]);
	if (kg_buf_ok(&o->query) != KG_OK)
		return kg_cli_usage(&kg_cmd_recall, "the query is too long");
	if (!is_text(&o->query))
		return kg_cli_usage(&kg_cmd_recall, "the query is not UTF-8");
	if (optind < argc)
		o->filter.query = kg_buf_text(&o->query);
	if (o->type_tag != NULL && o->filter.tag != NULL && strcmp(o->type_tag, o->filter.tag) != 0)
		return kg_cli_usage(&kg_cmd_recall, "--type %s is a tag: no other beside it",
				    o->type_tag);
	if (o->type_tag != NULL)
		o->filter.tag = o->type_tag;
	if (o->similar != NULL && o->filter.query != NULL)
		return kg_cli_usage(&kg_cmd_recall, "--similar or words, not both");
	if (o->similar != NULL && o->similar[0] == '\0')
		return kg_cli_usage(&kg_cmd_recall, "--similar to what?");
	if (o->model != NULL && o->similar == NULL)
		return kg_cli_usage(&kg_cmd_recall, "--model goes with --similar");
	return KG_EXIT_YES;
}

static kg_err recall(kg_index_rows *rows, kg_reading *reading, options *o, const kg_cli *cli)
{
	kg_similar *similar = NULL;
	kg_err err = KG_OK;

	if (o->agent != NULL) {
		err = kg_reading_agent(reading, &o->agent_key, o->agent);
		o->filter.agent = &o->agent_key;
	}
	if (err != KG_OK)
		return err;
	if (o->similar == NULL)
		return kg_reading_recall(reading, rows, &o->filter);
	err = kg_similar_open(&similar, cli, reading, o->model);
	if (err == KG_OK)
		err = kg_similar_recall(similar, rows, &o->filter, o->similar);
	kg_similar_free(similar);
	return err;
}

/* ---- why ---- */

static void print_why(const kg_index_rows *rows, const kg_index_row *row)
{
	const kg_index_weight *w = &row->weight;

	printf("    score %.3f = relevance %.3f x trust %.3f", w->score, w->relevance, w->trust);
	if (row->entry.has_confidence)
		printf(" (confidence %.2f", row->entry.confidence);
	else
		printf(" (no confidence");
	printf(", cited by %lu other key%s%s)\n", (unsigned long)w->witnesses,
	       w->witnesses == 1 ? "" : "s", row->verified ? "" : ", not verified");
	printf("    of %llu words:", (unsigned long long)w->length);
	for (size_t i = 0; i < rows->word_count; i++)
		printf("%s %s %u times", i > 0 ? "," : "", rows->words[i].word,
		       (unsigned)w->counts[i]);
	printf("\n");
}

static void print_words(const kg_index_rows *rows)
{
	for (size_t i = 0; i < rows->word_count; i++) {
		const kg_index_word *word = &rows->words[i];

		printf("%-20s in %llu of %llu entries, weight %.3f%s\n", word->word,
		       (unsigned long long)word->entries, (unsigned long long)rows->entries,
		       word->weight, word->left_out ? ", left out: too common" : "");
	}
	printf("%zu entr%s weighed%s\n", rows->weighed, rows->weighed == 1 ? "y" : "ies",
	       rows->cut ? ", the newest that match; older ones were not looked at" : "");
}

static void print_rows(const kg_cli *cli, const kg_reading *reading, const options *o,
		       const kg_index_rows *rows)
{
	bool explain = o->explain && o->filter.query != NULL;

	for (size_t i = 0; i < rows->count; i++) {
		const kg_index_row *row = &rows->rows[i];

		kg_reading_print(cli, reading, &row->entry, &row->proof, row->verified, false);
		if (explain)
			print_why(rows, row);
		else if (rows->similar)
			printf("    similarity %.3f\n", row->weight.score);
	}
	if (explain)
		print_words(rows);
	if (rows->cut && !rows->similar && rows->word_count == 0)
		(void)fprintf(stderr, "older ones were not looked at\n");
	if (rows->similar && rows->cut)
		(void)fprintf(stderr, "of %llu entries the newest %zu were looked at\n",
			      (unsigned long long)rows->entries, rows->weighed);
}

static int answer(kg_cli *cli, kg_reading *reading, options *o)
{
	kg_index_rows rows = {0};
	kg_err err = recall(&rows, reading, o, cli);
	int code;

	if (err != KG_OK && (err != KG_ENOTFOUND || !o->json)) {
		(void)kg_cli_trouble("recall");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	if (o->json) {
		json_t *document =
			o->explain ? kg_view_explained(&rows) : kg_view_rows(&rows, SIZE_MAX);

		kg_json_print(document, true);
		json_decref(document);
	} else {
		print_rows(cli, reading, o, &rows);
	}
	if (rows.count == 0 && !o->json)
		(void)fprintf(stderr, "nothing found\n");
	code = rows.count > 0 ? KG_EXIT_YES : KG_EXIT_NO;
	kg_index_rows_release(&rows);
	return code;
}

/* No memory here: nothing is found. */
static int nothing(const options *o, kg_err err)
{
	if (err == KG_ENOTFOUND && o->json) {
		printf("{\"entries\":[]}\n");
		return KG_EXIT_NO;
	}
	(void)kg_cli_trouble("recall");
	return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}

int kg_cmd_recall_run(kg_cli *cli, int argc, char **argv)
{
	options o = {0};
	kg_reading reading;
	int code;
	kg_err err;

	kg_buf_init(&o.query, KG_INDEX_QUERY_MAX);
	code = parse(&o, argc, argv);
	if (code == KG_EXIT_YES) {
		err = kg_reading_open(&reading, cli);
		code = err == KG_OK ? answer(cli, &reading, &o) : nothing(&o, err);
		if (err == KG_OK)
			kg_reading_close(&reading);
	}
	kg_buf_release(&o.query);
	return code;
}
