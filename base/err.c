/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[KG_ERR_TEXT_MAX];

static const struct {
	kg_err code;
	const char *name;
} names[] = {
	{KG_OK, "ok"},
	{KG_EFAIL, "failed"},
	{KG_ENOMEM, "no_memory"},
	{KG_EINVAL, "invalid"},
	{KG_ENOTFOUND, "not_found"},
	{KG_EEXISTS, "exists"},
	{KG_EBADSIG, "bad_signature"},
	{KG_EDENIED, "denied"},
	{KG_ECONFLICT, "conflict"},
	{KG_ETIMEOUT, "timeout"},
	{KG_EFULL, "full"},
	{KG_EIO, "io"},
	{KG_ECORRUPT, "corrupt"},
};

/* Appends what fits. */
static void append(char to[KG_ERR_TEXT_MAX], const char *text)
{
	size_t used = strlen(to);
	size_t length = strlen(text);

	if (length > KG_ERR_TEXT_MAX - 1 - used)
		length = KG_ERR_TEXT_MAX - 1 - used;
	memcpy(to + used, text, length);
	to[used + length] = '\0';
}

/* The message is "<fmt>" or "<fmt>: <why>". It is built aside, since the arguments may point into
 * the message before; bytes from outside may end up in it, so control characters, of either set,
 * become '?'. */
static void set_message(const char *why, const char *fmt, va_list ap) KG_PRINTF(2, 0);
static void set_message(const char *why, const char *fmt, va_list ap)
{
	char text[KG_ERR_TEXT_MAX];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	if (why != NULL) {
		append(text, ": ");
		append(text, why);
	}
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	for (char *c = text; (c = strchr(c, 0xc2)) != NULL; c++)
		if ((unsigned char)c[1] >= 0x80 && (unsigned char)c[1] < 0xa0)
			c[0] = c[1] = '?';
	memcpy(message, text, sizeof(message));
}

kg_err kg_fail(kg_err code, const char *fmt, ...)
{
	va_list ap;

	KG_ASSERT(code != KG_OK);
	va_start(ap, fmt);
	set_message(NULL, fmt, ap);
	va_end(ap);
	return code;
}

static kg_err from_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return KG_EFULL;
	case ENOMEM:
		return KG_ENOMEM;
	case ENOENT:
		return KG_ENOTFOUND;
	case EACCES:
	case EPERM:
		return KG_EDENIED;
	case EEXIST:
		return KG_EEXISTS;
	default:
		return KG_EIO;
	}
}

kg_err kg_fail_errno(int errnum, const char *fmt, ...)
{
	const char *why = strerrordesc_np(errnum);
	va_list ap;

	va_start(ap, fmt);
	set_message(why != NULL ? why : "unknown error", fmt, ap);
	va_end(ap);
	return from_errno(errnum);
}

kg_err kg_fail_context(kg_err code, const char *fmt, ...)
{
	va_list ap;

	KG_ASSERT(code != KG_OK);
	va_start(ap, fmt);
	set_message(message, fmt, ap);
	va_end(ap);
	return code;
}

const char *kg_err_text(void)
{
	return message;
}

const char *kg_err_name(kg_err code)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	return "failed";
}

kg_err kg_err_from_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].code;
	return KG_EFAIL;
}

void kg_assert_failed(const char *cond, const char *file, int line, const char *func)
{
	(void)fprintf(stderr, "kindergarten: assertion failed: %s at %s:%d (%s)\n", cond, file,
		      line, func);
	abort();
}
