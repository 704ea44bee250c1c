/* SPDX-License-Identifier: MIT */
#include "cli/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static kg_err keep(kg_bench *bench, const kg_bench_row *row)
{
	json_t *json =
		json_pack("{s:s, s:s?, s:s?, s:o, s:f, s:s, s:s?, s:o}", "name", row->name, "shape",
			  row->shape, "format", row->format, "threads",
			  row->threads == 0 ? json_null() : json_integer((json_int_t)row->threads),
			  "value", row->value, "unit", row->unit, "ratio_to", row->ratio_to,
			  "ratio", row->ratio_to == NULL ? json_null() : json_real(row->ratio));
	const struct {
		const char *key;
		double value;
	} more[] = {{"wall", row->wall},
		    {"low", row->low},
		    {"high", row->high},
		    {"roofline", row->share}};
	int failed = json == NULL;

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]) && !failed; i++)
		if (more[i].value > 0.0)
			failed |= json_object_set_new(json, more[i].key, json_real(more[i].value));
	if (!failed && row->note != NULL)
		failed |= json_object_set_new(json, "note", json_string(row->note));
	if (failed) {
		json_decref(json);
		return kg_fail(KG_ENOMEM, "no memory for the results");
	}
	return json_array_append_new(bench->rows, json) == 0
		       ? KG_OK
		       : kg_fail(KG_ENOMEM, "no memory for the results");
}

/* Three digits at least, in the columns of the table. */
static void format_number(char out[32], double value)
{
	int digits = value >= 100.0 ? 0 : value >= 10.0 ? 1 : value >= 1.0 ? 2 : 3;

	(void)snprintf(out, 32, "%.*f", digits, value);
}

static void print_row(kg_bench *bench, const kg_bench_row *row)
{
	char value[32];
	char number[32];
	char threads[16] = "";

	if (!bench->titled)
		printf("%-18s %-10s %-10s %3s %9s %-13s %9s  %s\n", "what", "shape", "format",
		       "thr", "value", "unit", "wall", "");
	bench->titled = true;
	format_number(value, row->value);
	number[0] = '\0';
	if (row->wall > 0.0)
		format_number(number, row->wall);
	if (row->threads > 0)
		(void)snprintf(threads, sizeof(threads), "%u", row->threads);
	printf("%-18s %-10s %-10s %3s %9s %-13s %9s ", row->name,
	       row->shape == NULL ? "" : row->shape, row->format == NULL ? "" : row->format,
	       threads, value, row->unit, number);
	if (row->ratio_to != NULL)
		printf(" %.2f x %s%s", row->ratio, row->ratio_to, row->share > 0.0 ? "," : "");
	if (row->share > 0.0)
		printf(" %.0f %%", 100.0 * row->share);
	if (row->note != NULL)
		printf(" %s", row->note);
	printf("\n");
	(void)fflush(stdout);
}

kg_err kg_bench_put(kg_bench *bench, const kg_bench_row *row)
{
	kg_err err = keep(bench, row);

	if (err == KG_OK && !bench->json)
		print_row(bench, row);
	return err;
}

void kg_bench_say(const char *fmt, ...)
{
	static const double quiet_s = 5.0;
	static double said;
	va_list ap;

	/* Not every step where nobody watches, and nothing of what is soon over. */
	if (isatty(STDERR_FILENO) == 0) {
		if (said == 0.0)
			said = kg_bench_wall();
		if (kg_bench_wall() - said < quiet_s)
			return;
		said = kg_bench_wall();
	}
	(void)fputs("bench: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

static int ascending(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x > *y) - (*x < *y);
}

double kg_bench_median(double *values, size_t n)
{
	KG_ASSERT(n >= 1);
	qsort(values, n, sizeof(*values), ascending);
	return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2.0;
}

double kg_bench_cpu(void)
{
	struct timespec ts;

	KG_ASSERT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double kg_bench_wall(void)
{
	return (double)kg_clock_mono_ns() / 1e9;
}
