/* SPDX-License-Identifier: MIT */
/*
 * buf – a growing run of bytes with a stated maximum.
 *
 * Invariant: data[size] == '\0' whenever data is not NULL, so text may be read in place. A failed
 * append sets `failed` once and later appends do nothing: check kg_buf_ok() at the end of a run of
 * appends. Never for secrets: its memory moves and is not wiped.
 */
#ifndef KG_BASE_BUF_H
#define KG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct {
	uint8_t *data;
	size_t size;     /* bytes used */
	size_t room;     /* bytes allocated, without the terminator */
	size_t size_max; /* appends beyond fail with KG_EFULL */
	kg_err failed;   /* first failure of an append */
} kg_buf;

void kg_buf_init(kg_buf *buf, size_t size_max);
void kg_buf_release(kg_buf *buf);

/* Forgets the content and the failure, keeps the memory. */
void kg_buf_clear(kg_buf *buf);

void kg_buf_put(kg_buf *buf, const void *data, size_t size);
void kg_buf_puts(kg_buf *buf, const char *text);
void kg_buf_printf(kg_buf *buf, const char *fmt, ...) KG_PRINTF(2, 3);

/* Fixed-size integers, little-endian. */
void kg_buf_put_u8(kg_buf *buf, uint8_t v);
void kg_buf_put_u32le(kg_buf *buf, uint32_t v);
void kg_buf_put_u64le(kg_buf *buf, uint64_t v);
/* Big-endian length and bytes: the SSH wire form of a string. */
void kg_buf_put_u32be(kg_buf *buf, uint32_t v);

/* Room for `size` more bytes to be written in place; NULL on failure. Then kg_buf_added. */
uint8_t *kg_buf_reserve(kg_buf *buf, size_t size);
void kg_buf_added(kg_buf *buf, size_t size);

/* KG_OK, or the first failure with its message. */
KG_NODISCARD kg_err kg_buf_ok(const kg_buf *buf);

/* The content as text; "" when empty. Borrowed. */
const char *kg_buf_text(const kg_buf *buf);

/* Gives the memory away (to be freed with free()) and leaves the buf empty. */
uint8_t *kg_buf_take(kg_buf *buf, size_t *size);

#endif
