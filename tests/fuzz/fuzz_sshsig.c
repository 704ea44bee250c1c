/* SPDX-License-Identifier: MIT */
/* Armour, and behind the first zero byte the payload. Nobody forges a signature here: what verifies
 * strictly is what the corpus holds, and it verifies loosely too. */
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "identity/sshsig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *armour = (const char *)data;
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	size_t length = zero != NULL ? (size_t)(zero - data) : size;
	const uint8_t *payload = zero != NULL ? zero + 1 : data + size;
	size_t payload_size = zero != NULL ? size - length - 1 : 0;
	char text[KG_SSHSIG_SIGNERS_SIZE];
	kg_pubkey strict;
	kg_pubkey loose;

	if (kg_sshsig_verify(&strict, armour, length, payload, payload_size, true) == KG_OK) {
		KG_ASSERT(kg_sshsig_verify(&loose, armour, length, payload, payload_size, false) ==
			  KG_OK);
		KG_ASSERT(kg_pubkey_equal(&strict, &loose));
		KG_ASSERT(kg_pubkey_check(&strict) == KG_OK);
	}
	if (zero != NULL) {
		memset(&strict, 9, sizeof(strict));
		if (kg_sshsig_signers(text, armour, &strict) == KG_OK)
			KG_ASSERT(strchr(text, '\n') == NULL);
	}
	return 0;
}
