/* SPDX-License-Identifier: MIT */
/*
 * author – the right to sign as someone: one process at a time.
 *
 * Two processes that sign with one key would sooner or later sign two entries for one place of a
 * chain, which is what a forger looks like. Whoever signs holds <state>/run/author-<name>.lock from
 * before it asks where the chain ends until what it signed is stored; an agent holds it for life.
 */
#ifndef KG_IDENTITY_AUTHOR_H
#define KG_IDENTITY_AUTHOR_H

#include "base/err.h"

/* Close `*fd` to give it back; the end of the process does so too. KG_ECONFLICT at once when
 * another process holds it: it is named. */
KG_NODISCARD kg_err kg_author_lock(int *fd, const char *state_dir, const char *name);

#endif
