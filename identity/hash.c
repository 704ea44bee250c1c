/* SPDX-License-Identifier: MIT */
#include "identity/hash.h"

#include <string.h>
#include <utf8proc.h>

void kg_hash_init(kg_hash_stream *stream, const char *tag)
{
	size_t length = strlen(tag);
	uint8_t head = (uint8_t)length;

	KG_ASSERT(length >= 1 && length <= 255);
	KG_ASSERT(crypto_generichash_init(&stream->state, NULL, 0, KG_HASH_SIZE) == 0);
	kg_hash_update(stream, &head, 1);
	kg_hash_update(stream, tag, length);
}

void kg_hash_update(kg_hash_stream *stream, const void *data, size_t size)
{
	if (size > 0)
		KG_ASSERT(crypto_generichash_update(&stream->state, data, size) == 0);
}

void kg_hash_final(kg_hash_stream *stream, uint8_t out[KG_HASH_SIZE])
{
	KG_ASSERT(crypto_generichash_final(&stream->state, out, KG_HASH_SIZE) == 0);
	sodium_memzero(stream, sizeof(*stream));
}

void kg_hash(uint8_t out[KG_HASH_SIZE], const char *tag, const void *data, size_t size)
{
	kg_hash_stream stream;

	kg_hash_init(&stream, tag);
	kg_hash_update(&stream, data, size);
	kg_hash_final(&stream, out);
}

kg_err kg_seed_from_label(uint8_t seed[KG_HASH_SIZE], const char *label)
{
	size_t length = strnlen(label, KG_LABEL_MAX + 1);
	const uint8_t *text = (const uint8_t *)label;

	if (length < 1 || length > KG_LABEL_MAX)
		return kg_fail(KG_EINVAL, "a seed label has 1 to %d bytes", KG_LABEL_MAX);
	for (size_t i = 0; i < length;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(text + i, (utf8proc_ssize_t)(length - i), &c);

		if (n <= 0)
			return kg_fail(KG_EINVAL, "seed label: not UTF-8 at byte %zu", i);
		if (utf8proc_category(c) == UTF8PROC_CATEGORY_CC)
			return kg_fail(KG_EINVAL, "seed label: control character at byte %zu", i);
		i += (size_t)n;
	}
	kg_hash(seed, "kindergarten seed label v1", label, length);
	return KG_OK;
}
