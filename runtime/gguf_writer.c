/* SPDX-License-Identifier: MIT */
#include "runtime/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "runtime/ggml_blocks.h"

/* Keys and tensor infos together; the vocabulary is the greater part. */
enum { HEAD_MAX = 512 << 20 };

void kg_gguf_writer_init(kg_gguf_writer *writer, uint32_t alignment)
{
	KG_ASSERT(alignment == KG_GGUF_ALIGNMENT || alignment == KG_GGUF_ALIGNMENT_PLAIN);
	memset(writer, 0, sizeof(*writer));
	kg_buf_init(&writer->keys, HEAD_MAX);
	kg_buf_init(&writer->infos, HEAD_MAX);
	writer->alignment = alignment;
	kg_gguf_put_u32(writer, "general.alignment", alignment);
}

void kg_gguf_writer_release(kg_gguf_writer *writer)
{
	kg_buf_release(&writer->keys);
	kg_buf_release(&writer->infos);
	free(writer->data);
	free(writer->sizes);
	memset(writer, 0, sizeof(*writer));
}

static void put_string(kg_buf *buf, const char *text, size_t size)
{
	kg_buf_put_u64le(buf, size);
	kg_buf_put(buf, text, size);
}

static void put_key(kg_gguf_writer *writer, const char *key, kg_gguf_type type)
{
	KG_ASSERT(writer->keys_count < KG_GGUF_KEYS_MAX);
	put_string(&writer->keys, key, strlen(key));
	kg_buf_put_u32le(&writer->keys, type);
	writer->keys_count++;
}

void kg_gguf_put_u32(kg_gguf_writer *writer, const char *key, uint32_t value)
{
	put_key(writer, key, KG_GGUF_U32);
	kg_buf_put_u32le(&writer->keys, value);
}

void kg_gguf_put_float(kg_gguf_writer *writer, const char *key, float value)
{
	put_key(writer, key, KG_GGUF_F32);
	kg_buf_put(&writer->keys, &value, sizeof(value));
}

void kg_gguf_put_bool(kg_gguf_writer *writer, const char *key, bool value)
{
	put_key(writer, key, KG_GGUF_BOOL);
	kg_buf_put_u8(&writer->keys, value ? 1 : 0);
}

void kg_gguf_put_string(kg_gguf_writer *writer, const char *key, const char *text, size_t size)
{
	put_key(writer, key, KG_GGUF_STRING);
	put_string(&writer->keys, text, size);
}

void kg_gguf_put_array(kg_gguf_writer *writer, const char *key, kg_gguf_type type, uint64_t count,
		       const void *data, size_t size)
{
	put_key(writer, key, KG_GGUF_ARRAY);
	kg_buf_put_u32le(&writer->keys, type);
	kg_buf_put_u64le(&writer->keys, count);
	kg_buf_put(&writer->keys, data, size);
}

/* Room for one more tensor; doubles at powers of two. */
static bool grow(kg_gguf_writer *writer)
{
	size_t n = writer->tensors_count;
	const void **data;
	size_t *sizes;

	if ((n & (n - 1)) != 0)
		return true;
	n = n == 0 ? 1 : 2 * n;
	data = realloc(writer->data, n * sizeof(*data));
	if (data != NULL)
		writer->data = data;
	sizes = realloc(writer->sizes, n * sizeof(*sizes));
	if (sizes != NULL)
		writer->sizes = sizes;
	return data != NULL && sizes != NULL;
}

void kg_gguf_put_tensor(kg_gguf_writer *writer, const char *name, kg_ggml_type type,
			const uint64_t *dims, uint32_t dims_count, const void *data)
{
	uint32_t weights = 0;
	uint32_t bytes = 0;
	size_t size = 1;

	KG_ASSERT(type == KG_GGML_F32 || type == KG_GGML_F16 || type == KG_GGML_I8 ||
		  type == KG_GGML_Q8_0);
	KG_ASSERT(kg_ggml_block(type, &weights, &bytes) && dims[0] % weights == 0);
	KG_ASSERT(dims_count >= 1 && dims_count <= KG_GGUF_DIMS_MAX);
	if (writer->failed != KG_OK)
		return;
	if (writer->tensors_count >= KG_GGUF_TENSORS_MAX || !grow(writer)) {
		writer->failed = kg_fail(KG_ENOMEM, "model file: no room for tensor %s", name);
		return;
	}
	put_string(&writer->infos, name, strlen(name));
	kg_buf_put_u32le(&writer->infos, dims_count);
	for (uint32_t d = 0; d < dims_count; d++) {
		kg_buf_put_u64le(&writer->infos, dims[d]);
		size *= dims[d];
	}
	kg_buf_put_u32le(&writer->infos, type);
	kg_buf_put_u64le(&writer->infos, writer->data_size);
	writer->data[writer->tensors_count] = data;
	size = size / weights * bytes;
	writer->sizes[writer->tensors_count] = size;
	writer->tensors_count++;
	writer->data_size += (size + writer->alignment - 1) / writer->alignment * writer->alignment;
}

static void pad(kg_buf *out, size_t start, uint32_t alignment)
{
	static const uint8_t zeros[KG_GGUF_ALIGNMENT];
	size_t over = (out->size - start) % alignment;

	if (over != 0)
		kg_buf_put(out, zeros, alignment - over);
}

/* Everything before the tensors. */
static kg_err put_head(kg_gguf_writer *writer, kg_buf *out, size_t start)
{
	kg_err err = writer->failed;

	if (err == KG_OK)
		err = kg_buf_ok(&writer->keys);
	if (err == KG_OK)
		err = kg_buf_ok(&writer->infos);
	if (err != KG_OK)
		return err;
	kg_buf_puts(out, "GGUF");
	kg_buf_put_u32le(out, 3);
	kg_buf_put_u64le(out, writer->tensors_count);
	kg_buf_put_u64le(out, writer->keys_count);
	kg_buf_put(out, writer->keys.data, writer->keys.size);
	kg_buf_put(out, writer->infos.data, writer->infos.size);
	pad(out, start, writer->alignment);
	return kg_buf_ok(out);
}

kg_err kg_gguf_writer_finish(kg_gguf_writer *writer, kg_buf *out)
{
	size_t start = out->size;
	kg_err err = put_head(writer, out, start);

	if (err != KG_OK)
		return err;
	for (uint64_t i = 0; i < writer->tensors_count; i++) {
		kg_buf_put(out, writer->data[i], writer->sizes[i]);
		pad(out, start, writer->alignment);
	}
	return kg_buf_ok(out);
}

kg_err kg_gguf_writer_save(kg_gguf_writer *writer, const char *path)
{
	static const uint8_t zeros[KG_GGUF_ALIGNMENT];
	kg_fs_part *parts = malloc((2 * (size_t)writer->tensors_count + 1) * sizeof(*parts));
	size_t count = 1;
	kg_buf head;
	kg_err err;

	if (parts == NULL)
		return kg_fail(KG_ENOMEM, "model file: no memory for %llu tensors",
			       (unsigned long long)writer->tensors_count);
	kg_buf_init(&head, 2 * (size_t)HEAD_MAX);
	err = put_head(writer, &head, 0);
	parts[0] = (kg_fs_part){head.data, head.size};
	for (uint64_t i = 0; i < writer->tensors_count; i++) {
		size_t over = writer->sizes[i] % writer->alignment;

		parts[count++] = (kg_fs_part){writer->data[i], writer->sizes[i]};
		if (over != 0)
			parts[count++] = (kg_fs_part){zeros, writer->alignment - over};
	}
	if (err == KG_OK)
		err = kg_fs_write_parts(path, parts, count, 0644);
	kg_buf_release(&head);
	free(parts);
	return err;
}
