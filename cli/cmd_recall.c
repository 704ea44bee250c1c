/* SPDX-License-Identifier: MIT */
/* recall: entries that match, the best or the newest first. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "memory/view.h"

typedef struct {
	kg_index_filter filter;
	const char *agent;
	kg_pubkey agent_key;
	kg_buf query;
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
		err = kg_entry_type_parse(&f->type, value);
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
	case 'l':
		err = kg_cli_u64(&limit, "--limit", value, 1, KG_INDEX_LIMIT_MAX);
		f->limit = (size_t)limit;
		break;
	default:
		o->json = true;
	}
	return err;
}

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"tag", required_argument, NULL, 'g'},
					      {"type", required_argument, NULL, 't'},
					      {"memory-type", required_argument, NULL, 't'},
					      {"agent", required_argument, NULL, 'a'},
					      {"hours", required_argument, NULL, 'h'},
					      {"min-consciousness", required_argument, NULL, 'c'},
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
	if (optind < argc)
		o->filter.query = kg_buf_text(&o->query);
	return KG_EXIT_YES;
}

static kg_err recall(kg_index_rows *rows, kg_cli *cli, options *o)
{
	kg_reading reading;
	kg_err err = kg_reading_open(&reading, cli);

	if (err != KG_OK)
		return err;
	if (o->agent != NULL) {
		err = kg_reading_agent(&reading, &o->agent_key, o->agent);
		o->filter.agent = &o->agent_key;
	}
	if (err == KG_OK)
		err = kg_reading_recall(&reading, rows, &o->filter);
	kg_reading_close(&reading);
	return err;
}

int kg_cmd_recall_run(kg_cli *cli, int argc, char **argv)
{
	options o = {0};
	kg_index_rows rows = {0};
	int code;
	kg_err err;

	kg_buf_init(&o.query, KG_INDEX_QUERY_MAX);
	code = parse(&o, argc, argv);
	if (code != KG_EXIT_YES) {
		kg_buf_release(&o.query);
		return code;
	}
	err = recall(&rows, cli, &o);
	kg_buf_release(&o.query);
	if (err != KG_OK && (err != KG_ENOTFOUND || !o.json)) {
		(void)kg_cli_trouble("recall");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	if (o.json) {
		json_t *document = kg_view_rows(&rows, SIZE_MAX);

		kg_json_print(document, true);
		json_decref(document);
	}
	for (size_t i = 0; !o.json && i < rows.count; i++)
		kg_reading_print(cli, &rows.rows[i].entry, &rows.rows[i].proof,
				 rows.rows[i].verified, false);
	if (rows.count == 0 && !o.json)
		(void)fprintf(stderr, "nothing found\n");
	code = rows.count > 0 ? KG_EXIT_YES : KG_EXIT_NO;
	kg_index_rows_release(&rows);
	return code;
}
