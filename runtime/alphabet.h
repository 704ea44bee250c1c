/* SPDX-License-Identifier: MIT */
/*
 * alphabet – the printable letters that byte-level vocabularies write bytes as.
 *
 * GPT-2's table: the visible characters of Latin-1 stand for themselves, the 68 other bytes, in
 * ascending order, for U+0100 and up: a space is U+0120.
 */
#ifndef KG_RUNTIME_ALPHABET_H
#define KG_RUNTIME_ALPHABET_H

#include <stddef.h>
#include <stdint.h>

enum { KG_ALPHABET_LETTER_MAX = 2 }; /* bytes of a letter in UTF-8 */

/* Writes the letters of `size` bytes to `to`, which has room for twice as many; returns how many
 * bytes were written. */
size_t kg_alphabet_encode(char *to, const void *bytes, size_t size);

/* The bytes that letters stand for, into room for `size`; returns how many. What is no letter of
 * the alphabet is copied as it is: hand-made tokens have spaces and other scripts in them. */
size_t kg_alphabet_decode(char *to, const char *letters, size_t size);

#endif
