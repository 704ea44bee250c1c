/* SPDX-License-Identifier: MIT */
#include "runtime/nfc.h"

#include <stdlib.h>
#include <utf8proc.h>

/* Where the first `size` bytes stop being ASCII, which is composed already. */
static size_t ascii(const char *text, size_t size)
{
	size_t at = 0;

	while (at < size && (unsigned char)text[at] < 0x80)
		at++;
	return at;
}

/* Also those of class 0, some of which come apart into marks of others. */
static bool is_mark(utf8proc_int32_t c)
{
	utf8proc_category_t category = utf8proc_category(c);

	return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
	       category == UTF8PROC_CATEGORY_ME || utf8proc_get_property(c)->combining_class != 0;
}

/* Bytes of UTF-8 at the start of `text`; 0 when the first character is none. */
static kg_err run_of(const char *text, size_t size, size_t *run)
{
	unsigned marks = 0;

	*run = 0;
	while (*run < size) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + *run,
						      (utf8proc_ssize_t)(size - *run), &c);

		if (n <= 0)
			break;
		marks = is_mark(c) ? marks + 1 : 0;
		if (marks > KG_NFC_MARKS_MAX)
			return kg_fail(KG_EINVAL, "text: more than %d combining marks in a row",
				       KG_NFC_MARKS_MAX);
		*run += (size_t)n;
	}
	return KG_OK;
}

static kg_err put_run(kg_buf *out, const char *text, size_t size)
{
	utf8proc_uint8_t *composed = NULL;
	utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size,
					  &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);

	if (n < 0)
		return kg_fail(KG_ENOMEM, "text: %s", utf8proc_errmsg(n));
	kg_buf_put(out, composed, (size_t)n);
	free(composed);
	return KG_OK;
}

kg_err kg_nfc_put(kg_buf *out, const char *text, size_t size)
{
	kg_err err = KG_OK;

	while (size > 0 && err == KG_OK) {
		size_t done = ascii(text, size);

		if (done == size) {
			kg_buf_put(out, text, size);
			break;
		}
		/* The last letter before a mark may become one with it. */
		done -= done > 0;
		kg_buf_put(out, text, done);
		text += done;
		size -= done;
		err = run_of(text, size, &done);
		if (err == KG_OK && done == 0)
			kg_buf_put(out, text, done = 1);
		else if (err == KG_OK)
			err = put_run(out, text, done);
		text += done;
		size -= done;
	}
	return err == KG_OK ? kg_buf_ok(out) : err;
}
