/* SPDX-License-Identifier: MIT */
/* cmocka_all – cmocka with the headers that it wants before itself. */
#ifndef KG_TESTS_IDENTITY_CMOCKA_ALL_H
#define KG_TESTS_IDENTITY_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

/* The bytes of a hexadecimal constant. */
static inline void from_hex(uint8_t *out, size_t size, const char *hex)
{
	assert_int_equal(kg_hex_decode(out, size, hex), KG_OK);
}

#endif
