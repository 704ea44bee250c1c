/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

int kg_cli_trouble(const char *what)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "kindergarten: %s: %s\n", what, kg_err_text());
	return KG_EXIT_TROUBLE;
}

void kg_cli_print_usage(FILE *out, const kg_command *command)
{
	(void)fprintf(out, "usage: kindergarten %s%s%s\n", command->name,
		      command->usage[0] == '\0' ? "" : " ", command->usage);
}

int kg_cli_usage(const kg_command *command, const char *fmt, ...)
{
	va_list ap;

	(void)fflush(stdout);
	(void)fprintf(stderr, "kindergarten: %s: ", command->name);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	kg_cli_print_usage(stderr, command);
	return KG_EXIT_USAGE;
}

static bool is_long(const struct option *longs, int letter)
{
	while (longs->name != NULL && longs->val != letter)
		longs++;
	return longs->name != NULL;
}

int kg_cli_unknown(const kg_command *command, const struct option *longs, int letter, char **argv)
{
	static const char why[] = "unknown option, or one without its value";
	const char *last = argv[optind - 1];

	if (letter != '?' && optarg == last)
		last = argv[optind - 2];
	if (letter != '?')
		return kg_cli_usage(command, "%s has no meaning here", last);
	/* Of a long option getopt_long keeps its letter, if it knows it, and has gone past it. */
	if (optopt == 0 || (strncmp(last, "--", 2) == 0 && is_long(longs, optopt)))
		return kg_cli_usage(command, "%s: %s", why, last);
	return kg_cli_usage(command, "%s: -%c", why, optopt);
}

kg_err kg_cli_u64(uint64_t *out, const char *what, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (*end != '\0' || !isdigit((unsigned char)text[text[0] == '-']))
		return kg_fail(KG_EINVAL, "%s '%s' is not a whole number", what, text);
	if (text[0] == '-' || errno != 0 || v < min || v > max)
		return kg_fail(KG_EINVAL, "%s %s is outside %llu..%llu", what, text,
			       (unsigned long long)min, (unsigned long long)max);
	*out = v;
	return KG_OK;
}

kg_err kg_cli_double(double *out, const char *what, const char *text, double min, double max)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || isspace((unsigned char)text[0]))
		return kg_fail(KG_EINVAL, "%s '%s' is not a number", what, text);
	if (!(v >= min && v <= max))
		return kg_fail(KG_EINVAL, "%s %s is outside %g..%g", what, text, min, max);
	*out = v;
	return KG_OK;
}

kg_err kg_cli_stdin(char **out, size_t size_max)
{
	kg_buf text;
	kg_err err = KG_OK;
	size_t got;

	kg_buf_init(&text, size_max);
	do {
		char part[4096];

		got = fread(part, 1, sizeof(part), stdin);
		kg_buf_put(&text, part, got);
	} while (got > 0 && kg_buf_ok(&text) == KG_OK);
	if (ferror(stdin))
		err = kg_fail(KG_EIO, "standard input cannot be read");
	else if (kg_buf_ok(&text) != KG_OK)
		err = kg_fail(KG_EFULL, "standard input is longer than %zu bytes", size_max);
	else if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
		err = kg_fail(KG_EINVAL, "standard input contains a NUL byte");
	if (err == KG_OK && text.size > 0 && text.data[text.size - 1] == '\n')
		text.data[--text.size] = '\0';
	if (err == KG_OK) {
		*out = text.data == NULL ? strdup("") : (char *)kg_buf_take(&text, NULL);
		if (*out == NULL)
			err = kg_fail(KG_ENOMEM, "no memory");
	}
	kg_buf_release(&text);
	return err;
}
