/* SPDX-License-Identifier: MIT */
/* forgery – signed commits taken apart and put together again, byte by byte. */
#ifndef KG_TESTS_MEMORY_FORGERY_H
#define KG_TESTS_MEMORY_FORGERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "identity/key.h"

/* The first place of `from`; the test fails where there is none. */
void forgery_replace(kg_buf *bytes, const char *from, const void *to, size_t to_size);

/* Takes the signature out of a commit. */
void forgery_strip(kg_buf *object);

/* Puts an armour where git has it, lines folded. */
void forgery_put_armour(kg_buf *object, const char *armour);

/* Signs a commit without a signature. */
void forgery_sign(kg_buf *payload, const kg_key *key);

/* Four bytes of length, and the bytes. */
void forgery_put_string(kg_buf *out, const void *data, size_t size);

/* An armour from its parts (OpenSSH PROTOCOL.sshsig), of any namespace, by any key. */
void forgery_armour(char armour[512], const char *space, const uint8_t key[32],
		    const uint8_t signature[64]);

#endif
