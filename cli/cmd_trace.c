/* SPDX-License-Identifier: MIT */
/* trace: the coefficient over time, as the agents' own signed entries tell it. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/coefficient.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "memory/index.h"

enum {
	WIDTH_MIN = 30,
	WIDTH_MAX = 400,
	LABEL = 26,      /* columns left of a line of blocks */
	VALUES = 18,     /* columns right of it */
	CHART_ROWS = 10, /* of four dots each */
};

/* The moments of one agent, oldest first: rows[first .. first + count). */
typedef struct {
	const kg_index_row *rows;
	size_t count;
} trail;

static int by_agent_and_sequence(const void *a, const void *b)
{
	const kg_entry *x = &((const kg_index_row *)a)->entry;
	const kg_entry *y = &((const kg_index_row *)b)->entry;
	int order = strcmp(x->agent_name, y->agent_name);
	/* agent-2 before agent-10 */
	if (order != 0 && strlen(x->agent_name) != strlen(y->agent_name)) {
		order = strlen(x->agent_name) < strlen(y->agent_name) ? -1 : 1;
	}
	if (order == 0) {
		order = memcmp(x->agent.bytes, y->agent.bytes, KG_PUBKEY_SIZE);
	}
	return order != 0 ? order : (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* Births and traces of one agent (name or key) or of all, sorted; other entries are left out. */
static kg_err load(kg_index_rows *rows, const kg_cli *cli, const char *agent)
{
	kg_reading reading;
	kg_pubkey key;
	kg_index_filter filter = {.limit = KG_INDEX_LIMIT_MAX};
	kg_err err = kg_reading_open(&reading, cli);
	if (err != KG_OK) {
		return err;
	}
	if (agent) {
		err = kg_reading_agent(&reading, &key, agent);
		filter.agent = &key;
	}
	const kg_entry_type types[] = {KG_ENTRY_BIRTH, KG_ENTRY_TRACE};
	kg_index_rows got[2] = {{0}};
	for (size_t i = 0; err == KG_OK && i < 2; i++) {
		filter.has_type = true;
		filter.type = types[i];
		err = kg_reading_recall(&reading, &got[i], &filter);
	}
	kg_reading_close(&reading);
	kg_index_row *all = calloc(got[0].count + got[1].count + 1, sizeof(*all));
	if (err == KG_OK && !all) {
		err = kg_fail(KG_ENOMEM, "no memory for %zu entries", got[0].count + got[1].count);
	}
	if (err != KG_OK || !all) {
		kg_index_rows_release(&got[0]);
		kg_index_rows_release(&got[1]);
		free(all);
		return err;
	}
	/* What cannot be believed is not drawn. */
	size_t count = 0;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < got[i].count; k++) {
			if (got[i].rows[k].verified) {
				all[count++] = got[i].rows[k];
			} else {
				kg_entry_release(&got[i].rows[k].entry);
			}
		}
		free(got[i].rows); /* their content has moved */
	}
	qsort(all, count, sizeof(*all), by_agent_and_sequence);
	*rows = (kg_index_rows){.rows = all, .count = count};
	return KG_OK;
}

/* The agent's rows from `at` on. */
static trail trail_at(const kg_index_rows *rows, size_t at)
{
	trail t = {&rows->rows[at], 0};
	while (at + t.count < rows->count &&
	       kg_pubkey_equal(&t.rows[0].entry.agent, &rows->rows[at + t.count].entry.agent)) {
		t.count++;
	}
	return t;
}

/* Part 0..3 of a row, or the level for 4. */
static double value_of(const kg_index_row *row, int part)
{
	const kg_entry_parts *p = &row->entry.parts;
	const double values[] = {p->quantization_awareness, p->complex_understanding,
				 p->compression_readiness, p->pedagogical_capacity,
				 row->entry.level};
	return values[part];
}

static const char *stage_of(double level)
{
	kg_stage stage;
	return kg_coefficient_stage(&stage, level) == KG_OK ? kg_stage_name(stage) : "?";
}

static int width_of_terminal(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");
	long width = columns ? strtol(columns, NULL, 10) : 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
		width = size.ws_col;
	}
	width = width > 0 ? width : 80;
	return (int)(width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width);
}

/* The row shown in column `column` of `columns`: the last one that falls into it. */
static const kg_index_row *sampled(const trail *t, int column, int columns)
{
	size_t at = ((size_t)column + 1) * t->count / (size_t)columns;
	return &t->rows[at > 0 ? at - 1 : 0];
}

/* A line of eighth blocks, one moment or more per column. */
static void print_blocks(const trail *t, int part, int columns)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	int used = t->count < (size_t)columns ? (int)t->count : columns;
	for (int i = 0; i < used; i++) {
		int height = (int)(value_of(sampled(t, i, used), part) * 8);
		fputs(blocks[height < 0 ? 0 : height > 7 ? 7 : height], stdout);
	}
	printf("%*s", columns - used, "");
}

static void print_line(const trail *t, int part, const char *label, int columns)
{
	const kg_index_row *last = &t->rows[t->count - 1];
	printf("%-*.*s", LABEL, LABEL - 1, label);
	print_blocks(t, part, columns);
	printf(" %.4f > %.4f\n", value_of(&t->rows[0], part), value_of(last, part));
}

/* The dots of one braille cell of the curve: two moments beside each other, four dots high. */
static unsigned cell_at(const trail *t, int row, int column, int columns)
{
	/* Bits of a braille cell, by column and row from the top. */
	static const unsigned dots[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};
	unsigned cell = 0;
	for (int half = 0; half < 2; half++) {
		const kg_index_row *r = sampled(t, 2 * column + half, 2 * columns);
		int dot = (int)((1.0 - value_of(r, 4)) * 4 * CHART_ROWS);
		dot = dot >= 4 * CHART_ROWS ? 4 * CHART_ROWS - 1 : dot;
		cell |= dot / 4 == row ? dots[half][dot % 4] : 0;
	}
	return cell;
}

/* The level as a curve of braille dots, 0 at the bottom, with the stages' borders at the left. */
static void print_chart(const trail *t, int columns)
{
	for (int row = 0; row < CHART_ROWS; row++) {
		double low = 1.0 - (double)(row + 1) / CHART_ROWS;
		const char *label = row == 0 ? "1.0" : "";
		label = row == CHART_ROWS - 1 ? "0.0" : label;
		label = fabs(low - KG_COEFFICIENT_ENLIGHTENED) < 1e-9 ? "0.7" : label;
		label = fabs(low - KG_COEFFICIENT_AWAKENING) < 1e-9 ? "0.3" : label;
		printf("%4s ", label);
		for (int column = 0; column < columns; column++) {
			unsigned cell = cell_at(t, row, column, columns);
			/* U+2800 + cell, in UTF-8 */
			printf("%c%c%c", 0xe2, 0xa0 | (int)(cell >> 6), 0x80 | (int)(cell & 63));
		}
		putchar('\n');
	}
}

static void draw_one(const trail *t)
{
	static const char *const parts[] = {"quantization awareness", "complex understanding",
					    "compression readiness", "pedagogical capacity"};
	int width = width_of_terminal();
	const kg_entry *last = &t->rows[t->count - 1].entry;
	char from[KG_TIME_TEXT_SIZE];
	char to[KG_TIME_TEXT_SIZE];
	kg_clock_format(from, t->rows[0].entry.time_ms);
	kg_clock_format(to, last->time_ms);
	printf("%s: level %.4f, %s; %zu moments, %.19s to %.19s\n\n", last->agent_name, last->level,
	       stage_of(last->level), t->count, from, to);
	print_chart(t, width - 6);
	putchar('\n');
	int columns = width - LABEL - VALUES;
	for (int i = 0; i < 4; i++) {
		print_line(t, i, parts[i], columns < 4 ? 4 : columns);
	}
}

static void draw(const kg_index_rows *rows)
{
	trail t = trail_at(rows, 0);
	if (t.count == rows->count) {
		draw_one(&t);
		return;
	}
	int columns = width_of_terminal() - LABEL - VALUES;
	for (size_t at = 0; at < rows->count; at += t.count) {
		char label[KG_NAME_SIZE + 16];
		t = trail_at(rows, at);
		const kg_entry *last = &t.rows[t.count - 1].entry;
		snprintf(label, sizeof(label), "%s %s", last->agent_name, stage_of(last->level));
		print_line(&t, 4, label, columns < 4 ? 4 : columns);
	}
}

static void print_csv(const kg_index_rows *rows)
{
	puts("time,agent,name,sequence,level,stage,quantization_awareness,complex_understanding,"
	     "compression_readiness,pedagogical_capacity");
	for (size_t i = 0; i < rows->count; i++) {
		const kg_index_row *r = &rows->rows[i];
		char time[KG_TIME_TEXT_SIZE];
		char key[KG_PUBKEY_TEXT_SIZE];
		kg_clock_format(time, r->entry.time_ms);
		kg_pubkey_format(key, &r->entry.agent);
		printf("%s,%s,%s,%llu,%.6f,%s,%.6f,%.6f,%.6f,%.6f\n", time, key,
		       r->entry.agent_name, (unsigned long long)r->entry.sequence, r->entry.level,
		       stage_of(r->entry.level), value_of(r, 0), value_of(r, 1), value_of(r, 2),
		       value_of(r, 3));
	}
}

static json_t *point_json(const kg_index_row *r)
{
	char time[KG_TIME_TEXT_SIZE];
	char id[KG_HASH_TEXT_SIZE];
	kg_clock_format(time, r->entry.time_ms);
	kg_entry_id_format(id, &r->proof.id);
	return json_pack("{s:s, s:s, s:I, s:f, s:s, s:{s:f, s:f, s:f, s:f}}", "time", time, "entry",
			 id, "sequence", (json_int_t)r->entry.sequence, "level", r->entry.level,
			 "stage", stage_of(r->entry.level), "coefficient", "quantization_awareness",
			 value_of(r, 0), "complex_understanding", value_of(r, 1),
			 "compression_readiness", value_of(r, 2), "pedagogical_capacity",
			 value_of(r, 3));
}

static int print_json(const kg_index_rows *rows)
{
	json_t *agents = json_array();
	trail t;
	for (size_t at = 0; agents && at < rows->count; at += t.count) {
		char key[KG_PUBKEY_TEXT_SIZE];
		json_t *points = json_array();
		t = trail_at(rows, at);
		kg_pubkey_format(key, &t.rows[0].entry.agent);
		for (size_t i = 0; points && i < t.count; i++) {
			json_array_append_new(points, point_json(&t.rows[i]));
		}
		json_array_append_new(agents,
				      json_pack("{s:s, s:s, s:o}", "agent", key, "name",
						t.rows[0].entry.agent_name, "points", points));
	}
	json_t *document = json_pack("{s:o}", "agents", agents);
	if (!document) {
		(void)kg_fail(KG_ENOMEM, "no memory for the trace");
		return kg_cli_trouble("trace");
	}
	kg_json_print(document, true);
	json_decref(document);
	return KG_EXIT_YES;
}

int kg_cmd_trace_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {
		{"csv", no_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
	bool csv = false, json = false;
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter != 'c' && letter != 'j') {
			return kg_cli_unknown(&kg_cmd_trace, known, letter, argv);
		}
		csv = csv || letter == 'c';
		json = json || letter == 'j';
	}
	if (optind + 1 < argc || (csv && json)) {
		return kg_cli_usage(&kg_cmd_trace,
				    "at most one agent, and one of --csv and --json");
	}
	const char *agent = optind < argc ? argv[optind] : NULL;
	kg_index_rows rows = {0};
	kg_err err = load(&rows, cli, agent);
	if (err != KG_OK) {
		(void)kg_cli_trouble("trace");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	int code = rows.count > 0 ? KG_EXIT_YES : KG_EXIT_NO;
	if (json) {
		int printed = print_json(&rows);
		code = printed == KG_EXIT_YES ? code : printed;
	} else if (csv) {
		print_csv(&rows);
	} else if (rows.count > 0) {
		draw(&rows);
	} else {
		fprintf(stderr, "kindergarten: trace: %s has left %s trace\n",
			agent ? agent : "nobody", agent ? "no" : "a");
	}
	kg_index_rows_release(&rows);
	return code;
}
