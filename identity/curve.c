/* SPDX-License-Identifier: MIT */
#include "identity/curve.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/secret.h"

_Static_assert(KG_CURVE_SIZE == crypto_box_PUBLICKEYBYTES, "X25519 public key");
_Static_assert(KG_CURVE_SIZE == crypto_box_SECRETKEYBYTES, "X25519 secret key");

struct kg_curve {
	uint8_t public[KG_CURVE_SIZE];
	uint8_t *secret;
};

/* A pair with room for its secret, not yet filled. */
static kg_err curve_alloc(kg_curve **out)
{
	kg_curve *curve = calloc(1, sizeof(*curve));
	void *secret;
	kg_err err;

	if (curve == NULL)
		return kg_fail(KG_ENOMEM, "no memory for a key");
	err = kg_secret_new(&secret, KG_CURVE_SIZE);
	if (err != KG_OK) {
		free(curve);
		return err;
	}
	curve->secret = secret;
	*out = curve;
	return KG_OK;
}

kg_err kg_curve_new(kg_curve **out, const uint8_t secret[KG_CURVE_SIZE])
{
	kg_err err = curve_alloc(out);

	if (err != KG_OK)
		return err;
	memcpy((*out)->secret, secret, KG_CURVE_SIZE);
	KG_ASSERT(crypto_scalarmult_base((*out)->public, (*out)->secret) == 0);
	return KG_OK;
}

kg_err kg_curve_generate(kg_curve **out)
{
	kg_err err = curve_alloc(out);

	if (err != KG_OK)
		return err;
	randombytes_buf((*out)->secret, KG_CURVE_SIZE);
	KG_ASSERT(crypto_scalarmult_base((*out)->public, (*out)->secret) == 0);
	return KG_OK;
}

void kg_curve_free(kg_curve *curve)
{
	if (curve == NULL)
		return;
	kg_secret_free(curve->secret);
	free(curve);
}

const uint8_t *kg_curve_public(const kg_curve *curve)
{
	return curve->public;
}

const uint8_t *kg_curve_secret(const kg_curve *curve)
{
	return curve->secret;
}
