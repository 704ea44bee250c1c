/* SPDX-License-Identifier: MIT */
/*
 * A run on disk: header, latents, both Adam moments, FNV-1a 64 of all before. Little-endian, as
 * the floats of every machine this is built for. The phase follows from the step.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/train/train_impl.h"

typedef struct {
	char magic[8];
	uint64_t digest; /* of shape and strategy */
	uint64_t parameters;
	uint64_t step;
	uint64_t lesson_tokens;
	uint64_t text_tokens;
	uint64_t rng[4];
} header;

_Static_assert(sizeof(header) == 80, "the header has no holes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "checkpoints are written as they lie");

static const char magic[8] = {'K', 'G', 'T', 'R', 'A', 'I', 'N', '1'};

static uint64_t fnv1a(uint64_t h, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * 0x100000001b3ULL;
	return h;
}

static size_t file_size(const kg_train *train)
{
	return sizeof(header) + 3 * train->parameters * sizeof(float) + sizeof(uint64_t);
}

static uint8_t *encode(const kg_train *train)
{
	size_t part = train->parameters * sizeof(float);
	size_t size = file_size(train);
	uint8_t *bytes = malloc(size);
	header head = {
		.digest = kg_train__digest(&train->config),
		.parameters = train->parameters,
		.step = train->step,
		.lesson_tokens = train->lesson_tokens,
		.text_tokens = train->text_tokens,
	};
	uint64_t sum;

	if (bytes == NULL)
		return NULL;
	memcpy(head.magic, magic, sizeof(magic));
	memcpy(head.rng, train->rng.s, sizeof(head.rng));
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), train->latent, part);
	memcpy(bytes + sizeof(head) + part, train->moment1, part);
	memcpy(bytes + sizeof(head) + 2 * part, train->moment2, part);
	sum = fnv1a(0xcbf29ce484222325ULL, bytes, size - sizeof(sum));
	memcpy(bytes + size - sizeof(sum), &sum, sizeof(sum));
	return bytes;
}

static kg_err write_all(int fd, const uint8_t *bytes, size_t size, const char *path)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kg_fail_errno(errno, "checkpoint %s", path);
		bytes += n;
		size -= (size_t)n;
	}
	if (fsync(fd) != 0)
		return kg_fail_errno(errno, "checkpoint %s", path);
	return KG_OK;
}

kg_err kg_train_save(const kg_train *train, const char *path)
{
	char beside[4096];
	uint8_t *bytes = NULL;
	kg_err err;
	int fd;

	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return kg_fail(KG_EINVAL, "checkpoint: the path is too long");
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return kg_fail_errno(errno, "checkpoint %s", beside);
	bytes = encode(train);
	err = bytes == NULL ? kg_fail(KG_ENOMEM, "checkpoint %s: no memory", path)
			    : write_all(fd, bytes, file_size(train), beside);
	free(bytes);
	if (close(fd) != 0 && err == KG_OK)
		err = kg_fail_errno(errno, "checkpoint %s", beside);
	if (err == KG_OK && rename(beside, path) != 0)
		err = kg_fail_errno(errno, "checkpoint %s", path);
	if (err != KG_OK)
		unlink(beside);
	return err;
}

static kg_err check_numbers(const uint8_t *bytes, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++) {
		float number;

		memcpy(&number, bytes + i * sizeof(number), sizeof(number));
		if (!isfinite(number))
			return kg_fail(KG_ECORRUPT, "checkpoint %s: number %zu is not finite", path,
				       i);
	}
	return KG_OK;
}

static kg_err check(const kg_train *train, const uint8_t *bytes, size_t size, const char *path)
{
	header head;
	uint64_t sum;

	if (size < sizeof(head))
		return kg_fail(KG_ECORRUPT, "checkpoint %s: cut after %zu bytes", path, size);
	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(magic)) != 0)
		return kg_fail(KG_ECORRUPT, "%s is not a checkpoint", path);
	if (head.digest != kg_train__digest(&train->config) || head.parameters != train->parameters)
		return kg_fail(KG_ECONFLICT,
			       "checkpoint %s belongs to a model of another shape or strategy",
			       path);
	if (size != file_size(train))
		return kg_fail(KG_ECORRUPT, "checkpoint %s: %zu bytes instead of %zu", path, size,
			       file_size(train));
	memcpy(&sum, bytes + size - sizeof(sum), sizeof(sum));
	if (sum != fnv1a(0xcbf29ce484222325ULL, bytes, size - sizeof(sum)) ||
	    (head.rng[0] | head.rng[1] | head.rng[2] | head.rng[3]) == 0)
		return kg_fail(KG_ECORRUPT, "checkpoint %s: its checksum does not match", path);
	return check_numbers(bytes + sizeof(head), 3 * train->parameters, path);
}

static void restore(kg_train *train, const uint8_t *bytes)
{
	size_t part = train->parameters * sizeof(float);
	header head;

	memcpy(&head, bytes, sizeof(head));
	train->step = head.step;
	train->lesson_tokens = head.lesson_tokens;
	train->text_tokens = head.text_tokens;
	memcpy(train->rng.s, head.rng, sizeof(head.rng));
	memcpy(train->latent, bytes + sizeof(head), part);
	memcpy(train->moment1, bytes + sizeof(head) + part, part);
	memcpy(train->moment2, bytes + sizeof(head) + 2 * part, part);
}

kg_err kg_train_load(kg_train *train, const char *path)
{
	size_t room = file_size(train) + 1; /* one more shows a file that goes on */
	uint8_t *bytes = NULL;
	FILE *file = fopen(path, "rbe");
	size_t size;
	kg_err err;

	if (file == NULL)
		return kg_fail_errno(errno, "checkpoint %s", path);
	bytes = malloc(room);
	if (bytes == NULL) {
		err = kg_fail(KG_ENOMEM, "checkpoint %s: no memory", path);
		goto done;
	}
	size = fread(bytes, 1, room, file);
	if (ferror(file)) {
		err = kg_fail(KG_EIO, "checkpoint %s: cannot read", path);
		goto done;
	}
	err = check(train, bytes, size, path);
	if (err == KG_OK)
		restore(train, bytes);
done:
	free(bytes);
	fclose(file);
	return err;
}
