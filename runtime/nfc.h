/* SPDX-License-Identifier: MIT */
/*
 * nfc – text in the composed form of Unicode (UAX #15): "e" and a combining acute become "é".
 *
 * Bytes that are not UTF-8 stay as they are, and what stands on both sides of them is composed on
 * its own.
 */
#ifndef KG_RUNTIME_NFC_H
#define KG_RUNTIME_NFC_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Combining marks in a row at most: putting them in order takes the square of their number. */
enum { KG_NFC_MARKS_MAX = 1024 };

/* Appends the composed form. KG_EINVAL for more marks in a row than that, KG_EFULL beyond the
 * buffer's maximum, KG_ENOMEM. */
KG_NODISCARD kg_err kg_nfc_put(kg_buf *out, const char *text, size_t size);

#endif
