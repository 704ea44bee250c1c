/* SPDX-License-Identifier: MIT */
#include "memory/mmogit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/json.h"
#include "identity/envelope.h"
#include "identity/hash.h"
#include "memory/entry_impl.h"
#include "memory/quote.h"

enum { SIGNATURE_TEXT = 2 * KG_SIGNATURE_SIZE, CIPHERTEXT_MAX = KG_MMOGIT_FILE_MAX / 2 };

void kg_mmogit_release(kg_mmogit_message *message)
{
	free(message->content.data);
	memset(message, 0, sizeof(*message));
}

/* ---- time ---- */

static bool digits(unsigned *out, const char *text, size_t count)
{
	unsigned value = 0;

	for (size_t i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = 10 * value + (unsigned)(text[i] - '0');
	}
	*out = value;
	return true;
}

static int64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
	/* Years begin in March, so that the day that is not always there comes last. */
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = y >= 0 ? y / 400 : -1;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static unsigned days_of(unsigned year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

/* "2025-08-27T15:30:45[.123[456[789]]](+00:00|Z)" */
static kg_err parse_time(int64_t *ns, const char *text)
{
	unsigned year, month, day, hour, minute, second, fraction = 0;
	size_t length = strnlen(text, KG_ENTRY_ORIGIN_TIME_MAX + 1);
	size_t count = 0;
	const char *zone = text + 19;

	if (length < 20 || length > KG_ENTRY_ORIGIN_TIME_MAX || !digits(&year, text, 4) ||
	    text[4] != '-' || !digits(&month, text + 5, 2) || text[7] != '-' ||
	    !digits(&day, text + 8, 2) || text[10] != 'T' || !digits(&hour, text + 11, 2) ||
	    text[13] != ':' || !digits(&minute, text + 14, 2) || text[16] != ':' ||
	    !digits(&second, text + 17, 2))
		return kg_fail(KG_EINVAL, "a time that is not of RFC 3339");
	if (*zone == '.') {
		count = strspn(zone + 1, "0123456789");
		if ((count != 3 && count != 6 && count != 9) || !digits(&fraction, zone + 1, count))
			return kg_fail(KG_EINVAL, "a second with %zu digits behind it", count);
		zone += 1 + count;
	}
	for (; count < 9; count++)
		fraction *= 10;
	if (strcmp(zone, "+00:00") != 0 && strcmp(zone, "Z") != 0)
		return kg_fail(KG_EINVAL, "a time that is not in UTC");
	if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 ||
	    day > days_of(year, month) || hour > 23 || minute > 59 || second > 59)
		return kg_fail(KG_EINVAL, "a time that never was");
	*ns = ((days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) *
	       1000000000) +
	      fraction;
	return KG_OK;
}

/* ---- messages ---- */

kg_err kg_mmogit_check(const kg_pubkey *author, const char *time,
		       const uint8_t signature[KG_SIGNATURE_SIZE], const void *content, size_t size)
{
	char key[KG_PUBKEY_TEXT_SIZE];
	int64_t ns;
	kg_buf signed_bytes;
	kg_err err = parse_time(&ns, time);

	if (err != KG_OK)
		return err;
	kg_pubkey_format(key, author);
	kg_buf_init(&signed_bytes, size + KG_PUBKEY_TEXT_SIZE + KG_ENTRY_ORIGIN_TIME_MAX + 1);
	kg_buf_put(&signed_bytes, content, size);
	kg_buf_puts(&signed_bytes, key);
	kg_buf_puts(&signed_bytes, time);
	err = kg_buf_ok(&signed_bytes);
	if (err == KG_OK)
		err = kg_pubkey_verify(author, signature, signed_bytes.data, signed_bytes.size);
	kg_buf_release(&signed_bytes);
	return err;
}

static kg_err read_author(kg_mmogit_message *m, kg_reason *why, const json_t *body)
{
	const char *author = NULL;
	kg_err err = kg_json_get_text(&author, body, "author", KG_MMOGIT_FILE_MAX);

	if (err != KG_OK)
		return kg_reason_fail(why, KG_REASON_MALFORMED, "no author");
	err = kg_pubkey_parse(&m->author, author);
	if (err == KG_EDENIED)
		return kg_reason_fail(why, KG_REASON_WEAK_KEY, "%.64s", author);
	if (err != KG_OK)
		return kg_reason_fail(why, KG_REASON_MALFORMED, "the author is no whole key");
	return KG_OK;
}

static kg_err read_content(kg_mmogit_message *m, kg_reason *why, const json_t *body)
{
	const json_t *content = json_object_get(body, "content");
	size_t size = json_string_length(content);

	if (!json_is_string(content) || size == 0)
		return kg_reason_fail(why, KG_REASON_MALFORMED, "no content");
	if (size > KG_ENTRY_TEXT_MAX)
		return kg_reason_fail(why, KG_REASON_OVERSIZE, "content of %zu bytes, at most %d",
				      size, KG_ENTRY_TEXT_MAX);
	return kg_entry__set_bytes(&m->content, "the content", json_string_value(content), size);
}

static kg_err read_message(kg_mmogit_message *m, kg_reason *why, const json_t *body)
{
	const char *time = NULL;
	const char *signature = NULL;
	kg_err err;

	if (json_object_size(body) != 4 ||
	    kg_json_get_text(&time, body, "timestamp", KG_MMOGIT_FILE_MAX) != KG_OK ||
	    kg_json_get_text(&signature, body, "signature", SIGNATURE_TEXT) != KG_OK ||
	    kg_hex_decode(m->signature, KG_SIGNATURE_SIZE, signature) != KG_OK)
		return kg_reason_fail(why, KG_REASON_MALFORMED,
				      "not a content, author, timestamp and signature");
	err = read_author(m, why, body);
	if (err == KG_OK && parse_time(&m->time_ns, time) != KG_OK)
		err = kg_reason_fail(why, KG_REASON_MALFORMED, "%s", kg_err_text());
	if (err == KG_OK) {
		memcpy(m->time, time, strlen(time) + 1);
		err = read_content(m, why, body);
	}
	if (err == KG_OK && kg_mmogit_check(&m->author, m->time, m->signature, m->content.data,
					    m->content.size) != KG_OK)
		err = kg_reason_fail(why, KG_REASON_BAD_SIGNATURE,
				     "not what its author signed at that time");
	return err;
}

/* ---- envelopes ---- */

static bool is_envelope(const json_t *body)
{
	return json_object_get(body, "nonce") != NULL &&
	       json_object_get(body, "ciphertext") != NULL;
}

/* A list of small integers as bytes. */
static bool read_bytes(kg_buf *out, const json_t *list, size_t max)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list) || count > max)
		return false;
	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_array_get(list, i);

		if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		    json_integer_value(value) > 255)
			return false;
		kg_buf_put_u8(out, (uint8_t)json_integer_value(value));
	}
	return kg_buf_ok(out) == KG_OK;
}

static kg_err open_envelope(kg_buf *plain, kg_reason *why, const json_t *body, const uint8_t *seed)
{
	const json_t *version = json_object_get(body, "version");
	kg_buf nonce;
	kg_buf ciphertext;
	kg_err err = KG_OK;

	if (seed == NULL)
		return kg_fail(KG_ENOTFOUND, "it is encrypted");
	kg_buf_init(&nonce, KG_ENVELOPE_NONCE_SIZE);
	kg_buf_init(&ciphertext, CIPHERTEXT_MAX);
	if (!json_is_integer(version) || json_integer_value(version) != 1 ||
	    !read_bytes(&nonce, json_object_get(body, "nonce"), KG_ENVELOPE_NONCE_SIZE) ||
	    nonce.size != KG_ENVELOPE_NONCE_SIZE ||
	    !read_bytes(&ciphertext, json_object_get(body, "ciphertext"), CIPHERTEXT_MAX))
		err = kg_reason_fail(why, KG_REASON_MALFORMED, "not an envelope of version 1");
	if (err == KG_OK)
		err = kg_envelope_open(plain, seed, nonce.data, ciphertext.data, ciphertext.size);
	if (err == KG_EBADSIG)
		err = kg_fail(KG_ENOTFOUND, "it is encrypted, and not for these words");
	kg_buf_release(&nonce);
	kg_buf_release(&ciphertext);
	return err;
}

/* ---- files ---- */

static bool is_utf8(const uint8_t *data, size_t size)
{
	uint32_t point;

	for (size_t at = 0, step; at < size; at += step) {
		step = kg_utf8_step(&point, data + at, size - at);
		if (step == 0)
			return false;
	}
	return true;
}

static kg_err parse_object(json_t **body, kg_reason *why, const void *data, size_t size)
{
	if (data == NULL || size > KG_MMOGIT_FILE_MAX)
		return kg_reason_fail(why, KG_REASON_OVERSIZE, "more than %d bytes",
				      KG_MMOGIT_FILE_MAX);
	if (!is_utf8(data, size))
		return kg_reason_fail(why, KG_REASON_NOT_UTF8, "not UTF-8");
	if (kg_json_parse(body, data, size) != KG_OK)
		return kg_reason_fail(why, KG_REASON_MALFORMED, "%s", kg_err_text());
	if (!json_is_object(*body)) {
		json_decref(*body);
		*body = NULL;
		return kg_reason_fail(why, KG_REASON_MALFORMED, "no JSON object");
	}
	return KG_OK;
}

kg_err kg_mmogit_parse(kg_mmogit_message *out, kg_reason *why, const void *data, size_t size,
		       const uint8_t *seed)
{
	kg_mmogit_message m = {0};
	json_t *body = NULL;
	kg_buf plain;
	kg_err err;

	*why = KG_REASON_NONE;
	kg_buf_init(&plain, KG_MMOGIT_FILE_MAX);
	err = parse_object(&body, why, data, size);
	if (err == KG_OK && is_envelope(body)) {
		m.was_private = true;
		err = open_envelope(&plain, why, body, seed);
		json_decref(body);
		body = NULL;
		if (err == KG_OK)
			err = parse_object(&body, why, plain.data, plain.size);
	}
	if (err == KG_OK)
		err = read_message(&m, why, body);
	json_decref(body);
	kg_buf_release(&plain);
	if (err != KG_OK) {
		kg_mmogit_release(&m);
		return err;
	}
	*out = m;
	return KG_OK;
}

void kg_mmogit_tag(char tag[KG_MMOGIT_TAG_SIZE], const kg_mmogit_message *message)
{
	uint8_t digest[KG_HASH_SIZE];

	kg_hash(digest, "kindergarten mmogit message v1", message->signature, KG_SIGNATURE_SIZE);
	kg_hex_encode(stpcpy(tag, "mmogit-"), digest, 16);
}
