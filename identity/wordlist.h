/* SPDX-License-Identifier: MIT */
/* wordlist – the 2048 English words of BIP-39, in order. */
#ifndef KG_IDENTITY_WORDLIST_H
#define KG_IDENTITY_WORDLIST_H

enum { KG_WORDLIST_COUNT = 2048, KG_WORD_MAX = 8 }; /* a word has 3..8 lowercase letters */

extern const char kg_wordlist[KG_WORDLIST_COUNT][KG_WORD_MAX + 1];

/* The index of `word`, or -1. */
int kg_wordlist_find(const char *word);

#endif
