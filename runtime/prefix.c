/* SPDX-License-Identifier: MIT */
#include "runtime/prefix.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

/* Counts forms of the file and of the arithmetic whose results it holds. */
enum { VERSION = 2 };

static const char magic[8] = {'K', 'G', 'P', 'R', 'E', 'F', 'I', 'X'};

/* The first bytes of a file; tokens follow. */
typedef struct {
	char magic[8];
	uint32_t version;
	uint32_t layers;
	uint32_t kv_heads;
	uint32_t head_dim;
	uint32_t context;
	uint32_t quantized; /* 0 or 1 */
	uint32_t count;     /* tokens */
	uint32_t zero;
	uint64_t cache_size;
	uint8_t digest[KG_PREFIX_DIGEST_SIZE];
} head;

_Static_assert(sizeof(head) == 80, "as it lies in the file");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "written as it lies in memory");

static size_t cache_at(size_t count)
{
	size_t end = sizeof(head) + count * sizeof(uint32_t);

	return (end + KG_PREFIX_ALIGNMENT - 1) / KG_PREFIX_ALIGNMENT * KG_PREFIX_ALIGNMENT;
}

static head head_of(const kg_cache *cache, uint32_t count,
		    const uint8_t digest[KG_PREFIX_DIGEST_SIZE])
{
	head h = {.version = VERSION,
		  .layers = cache->layers,
		  .kv_heads = cache->kv_heads,
		  .head_dim = cache->head_dim,
		  .context = cache->context,
		  .quantized = cache->quantized,
		  .count = count,
		  .cache_size = cache->size};

	memcpy(h.magic, magic, sizeof(magic));
	memcpy(h.digest, digest, sizeof(h.digest));
	return h;
}

/* Runs of bytes that follow each other in the file. */
typedef struct {
	kg_fs_part *part;
	size_t count;
	size_t end; /* of the file so far */
} layout;

/* `data` at `at`, behind a hole if need be. */
static void place(layout *l, size_t at, const void *data, size_t size)
{
	if (at > l->end)
		l->part[l->count++] = (kg_fs_part){NULL, at - l->end};
	if (size > 0)
		l->part[l->count++] = (kg_fs_part){data, size};
	l->end = at + size;
}

/* Finite floats, scales above 0; integers within ±127. */
static bool is_sound(const uint8_t *data, const kg_cache_part *part, bool scales)
{
	const float *x = (const float *)(const void *)data;
	bool bad = false;

	if (!part->floats) {
		for (size_t i = 0; i < part->size; i++)
			bad |= data[i] == 0x80;
		return !bad;
	}
	for (size_t i = 0; i < part->size / sizeof(*x); i++)
		bad |= !(fabsf(x[i]) < INFINITY) || (scales && x[i] <= 0.0f);
	return !bad;
}

/* The keys of the first `tokens` tokens of a tile; of others, which a session has left behind,
 * nothing. */
static void copy_keys(uint8_t *out, const kg_cache *cache, const uint8_t *tile, uint32_t tokens)
{
	memset(out, 0, cache->quads * KG_LINE_SIZE);
	for (size_t at = 0; at < cache->quads * KG_LINE_SIZE; at += KG_LINE_SIZE)
		memcpy(out + at, tile + at, tokens * KG_TILE_COLS);
}

kg_err kg_prefix_write(const char *path, const kg_cache *cache, const uint32_t *tokens,
		       uint32_t count, const uint8_t digest[KG_PREFIX_DIGEST_SIZE])
{
	const head h = head_of(cache, count, digest);
	const size_t heads = (size_t)cache->layers * cache->kv_heads;
	const uint32_t rest = cache->quantized ? count % KG_TILE_ROWS : 0;
	const size_t tile = rest == 0 ? 0 : cache->quads * KG_LINE_SIZE;
	size_t start = cache_at(count);
	layout l = {0};
	uint8_t *last; /* tiles of keys that are not full */
	bool sound = true;
	kg_err err;

	if (count == 0)
		return kg_fail(KG_EINVAL, "%s: nothing has been read that could be kept", path);
	l.part = calloc((heads * (KG_CACHE_PARTS + 1) + 3) * 2, sizeof(*l.part));
	last = malloc(heads * tile + 1);
	if (l.part == NULL || last == NULL) {
		free(l.part);
		free(last);
		return kg_fail(KG_ENOMEM, "%s: no memory to write", path);
	}
	place(&l, 0, &h, sizeof(h));
	place(&l, sizeof(h), tokens, count * sizeof(*tokens));
	for (uint32_t layer = 0; layer < cache->layers; layer++)
		for (uint32_t kv = 0; kv < cache->kv_heads; kv++) {
			kg_cache_part part[KG_CACHE_PARTS];
			uint32_t parts = kg_cache_parts(part, cache, layer, kv, count);
			uint8_t *keys = last + ((size_t)layer * cache->kv_heads + kv) * tile;

			for (uint32_t i = 0; i < parts; i++) {
				const uint8_t *data = cache->memory + part[i].at;
				size_t whole = part[i].size - (i == 0 ? tile : 0);

				sound = sound && is_sound(data, &part[i], cache->quantized);
				place(&l, start + part[i].at, data, whole);
				if (whole == part[i].size)
					continue;
				copy_keys(keys, cache, data + whole, rest);
				place(&l, start + part[i].at + whole, keys, tile);
			}
		}
	place(&l, start + cache->size, NULL, 0);
	err = sound ? kg_fs_write_parts(path, l.part, l.count, 0600)
		    : kg_fail(KG_EINVAL, "%s: the model's numbers overflow: nothing to keep", path);
	free(l.part);
	free(last);
	return err;
}

static kg_err map_file(kg_prefix *prefix, int fd)
{
	struct stat status;
	void *data;

	if (fstat(fd, &status) != 0)
		return kg_fail_errno(errno, "%s", prefix->path);
	if (!S_ISREG(status.st_mode))
		return kg_fail(KG_EINVAL, "%s is no regular file", prefix->path);
	if (status.st_size < (off_t)sizeof(head))
		return kg_fail(KG_ECORRUPT, "%s holds no prompt", prefix->path);
	data = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (data == MAP_FAILED)
		return kg_fail_errno(errno, "%s", prefix->path);
	prefix->data = data;
	prefix->size = (size_t)status.st_size;
	return KG_OK;
}

/* Between tokens and cache there is nothing. */
static bool has_gap(const kg_prefix *prefix, size_t from, size_t to)
{
	uint8_t any = 0;

	for (size_t i = from; i < to; i++)
		any |= prefix->data[i];
	return any == 0;
}

static kg_err read_head(kg_prefix *prefix)
{
	head h;

	memcpy(&h, prefix->data, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0)
		return kg_fail(KG_ECORRUPT, "%s holds no prompt", prefix->path);
	if (h.version != VERSION)
		return kg_fail(KG_ECORRUPT, "%s is of version %u; this program reads %d",
			       prefix->path, h.version, VERSION);
	/* No file is so large that its count of tokens could overflow a size. */
	if (h.count == 0 || h.count > h.context || h.zero != 0 ||
	    cache_at(h.count) > prefix->size || h.cache_size != prefix->size - cache_at(h.count) ||
	    !has_gap(prefix, sizeof(h) + h.count * sizeof(uint32_t), cache_at(h.count)))
		return kg_fail(KG_ECORRUPT, "%s is damaged or cut short", prefix->path);
	prefix->context = h.context;
	prefix->count = h.count;
	prefix->token = (const uint32_t *)(const void *)(prefix->data + sizeof(h));
	prefix->cache_at = cache_at(h.count);
	return KG_OK;
}

kg_err kg_prefix_open(kg_prefix *prefix, const char *path)
{
	kg_prefix made = {.path = path};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	kg_err err;

	if (fd < 0)
		return kg_fail_errno(errno, "%s", path);
	err = map_file(&made, fd);
	(void)close(fd);
	if (err == KG_OK)
		err = read_head(&made);
	if (err != KG_OK) {
		kg_prefix_close(&made);
		return err;
	}
	*prefix = made;
	return KG_OK;
}

void kg_prefix_close(kg_prefix *prefix)
{
	if (prefix->data != NULL)
		(void)munmap(prefix->data, prefix->size);
	prefix->data = NULL;
}

static kg_err check_numbers(const kg_prefix *prefix, const kg_cache *cache)
{
	for (uint32_t layer = 0; layer < cache->layers; layer++)
		for (uint32_t kv = 0; kv < cache->kv_heads; kv++) {
			kg_cache_part part[KG_CACHE_PARTS];
			uint32_t parts = kg_cache_parts(part, cache, layer, kv, prefix->count);

			for (uint32_t i = 0; i < parts; i++)
				if (!is_sound(prefix->data + prefix->cache_at + part[i].at,
					      &part[i], cache->quantized))
					return kg_fail(KG_ECORRUPT, "%s is damaged", prefix->path);
		}
	return KG_OK;
}

kg_err kg_prefix_take(kg_prefix *prefix, kg_cache *cache,
		      const uint8_t digest[KG_PREFIX_DIGEST_SIZE], uint32_t vocabulary)
{
	const head want = head_of(cache, prefix->count, digest);
	kg_err err;

	KG_ASSERT(cache->memory == NULL);
	if (memcmp(&want, prefix->data, sizeof(want)) != 0)
		return kg_fail(KG_ECONFLICT, "%s is of another model, strategy, seed or context",
			       prefix->path);
	for (uint32_t i = 0; i < prefix->count; i++)
		if (prefix->token[i] >= vocabulary)
			return kg_fail(KG_ECORRUPT, "%s is damaged", prefix->path);
	err = check_numbers(prefix, cache);
	if (err != KG_OK)
		return err;
	cache->mapping = prefix->data;
	cache->mapping_size = prefix->size;
	cache->memory = prefix->data + prefix->cache_at;
	prefix->data = NULL;
	return KG_OK;
}
