/* SPDX-License-Identifier: MIT */
#include "identity/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdint.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *region;               /* KG_SECRET_SLOTS slots; NULL before the first use */
static uint8_t runs[KG_SECRET_SLOTS]; /* at the first slot of a secret: slots it takes */
static bool taken[KG_SECRET_SLOTS];
static bool locked;

static kg_err region_make(void)
{
	size_t size = (size_t)KG_SECRET_SLOTS * KG_SECRET_SLOT;

	if (region != NULL)
		return KG_OK;
	if (sodium_init() < 0)
		return kg_fail(KG_EFAIL, "libsodium does not start");
	region = sodium_malloc(size);
	if (region == NULL)
		return kg_fail(KG_ENOMEM, "no guarded memory for secrets");
	/* sodium_malloc does not tell whether its own locking worked; doing it again does. */
	locked = sodium_mlock(region, size) == 0;
	sodium_memzero(region, size);
	return KG_OK;
}

kg_err kg_identity_init(void)
{
	kg_err err;

	pthread_mutex_lock(&mutex);
	err = region_make();
	pthread_mutex_unlock(&mutex);
	return err;
}

bool kg_secret_is_locked(void)
{
	bool is;

	pthread_mutex_lock(&mutex);
	is = locked;
	pthread_mutex_unlock(&mutex);
	return is;
}

/* First slot of the first gap of `count` slots, or -1. */
static int gap_find(size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < KG_SECRET_SLOTS; i++) {
		length = taken[i] ? 0 : length + 1;
		if (length == count)
			return (int)(i + 1 - count);
	}
	return -1;
}

kg_err kg_secret_new(void **out, size_t size)
{
	size_t count = (size + KG_SECRET_SLOT - 1) / KG_SECRET_SLOT;
	kg_err err;
	int at;

	if (size < 1 || size > KG_SECRET_MAX)
		return kg_fail(KG_EINVAL, "a secret of %zu bytes", size);
	pthread_mutex_lock(&mutex);
	err = region_make();
	if (err != KG_OK)
		goto done;
	at = gap_find(count);
	if (at < 0) {
		err = kg_fail(KG_EFULL, "the memory for secrets is used up");
		goto done;
	}
	for (size_t i = 0; i < count; i++)
		taken[(size_t)at + i] = true;
	runs[at] = (uint8_t)count;
	*out = region + (size_t)at * KG_SECRET_SLOT;
done:
	pthread_mutex_unlock(&mutex);
	return err;
}

void kg_secret_free(void *secret)
{
	size_t offset;
	size_t at;

	if (secret == NULL)
		return;
	pthread_mutex_lock(&mutex);
	offset = (size_t)((uint8_t *)secret - region);
	at = offset / KG_SECRET_SLOT;
	KG_ASSERT(region != NULL && offset % KG_SECRET_SLOT == 0 && at < KG_SECRET_SLOTS);
	KG_ASSERT(runs[at] != 0);
	sodium_memzero(secret, (size_t)runs[at] * KG_SECRET_SLOT);
	for (size_t i = 0; i < runs[at]; i++)
		taken[at + i] = false;
	runs[at] = 0;
	pthread_mutex_unlock(&mutex);
}

void kg_secret_wipe(void *data, size_t size)
{
	sodium_memzero(data, size);
}

size_t kg_secret_used(void)
{
	size_t used = 0;

	pthread_mutex_lock(&mutex);
	for (size_t i = 0; i < KG_SECRET_SLOTS; i++)
		used += taken[i] ? 1 : 0;
	pthread_mutex_unlock(&mutex);
	return used;
}
