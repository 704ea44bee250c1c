/* SPDX-License-Identifier: MIT */
/*
 * err – how failure is told: a code to act on and one line to read.
 *
 * A function that can fail returns a kg_err: 0, or a negative code. The place that knows why sets
 * the thread's message once with kg_fail(); callers pass the code up untouched. Outputs are written
 * only on success.
 */
#ifndef KG_BASE_ERR_H
#define KG_BASE_ERR_H

#include <stdarg.h>

typedef enum {
	KG_OK = 0,
	KG_EFAIL = -1,     /* trouble with no more precise name */
	KG_ENOMEM = -2,    /* no memory */
	KG_EINVAL = -3,    /* the caller's argument is outside what the contract allows */
	KG_ENOTFOUND = -4, /* what was asked for does not exist */
	KG_EEXISTS = -5,   /* what was to be created is already there */
	KG_EBADSIG = -6,   /* a signature or authentication tag does not match */
	KG_EDENIED = -7,   /* not allowed for this key, peer or user */
	KG_ECONFLICT = -8, /* does not continue what is there (parent, sequence, lock held) */
	KG_ETIMEOUT = -9,  /* the deadline passed */
	KG_EFULL = -10,    /* a stated maximum is reached, or the disk is full */
	KG_EIO = -11,      /* the operating system or a peer failed */
	KG_ECORRUPT = -12, /* bytes from outside are not what they claim to be */
} kg_err;

#define KG_NODISCARD         __attribute__((warn_unused_result))
#define KG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Room for one message, terminator included; longer ones are cut. */
enum { KG_ERR_TEXT_MAX = 512 };

/* Sets this thread's message and returns `code`. Never call it with KG_OK. The message is one line:
 * control characters in the arguments show as '?'. */
kg_err kg_fail(kg_err code, const char *fmt, ...) KG_PRINTF(2, 3) __attribute__((cold));

/* The same, with ": <strerror>" appended; KG_EFULL on ENOSPC/EDQUOT/EFBIG, KG_ENOMEM on ENOMEM,
 * KG_ENOTFOUND on ENOENT, KG_EDENIED on EACCES/EPERM, KG_EEXISTS on EEXIST, else KG_EIO. */
kg_err kg_fail_errno(int errnum, const char *fmt, ...) KG_PRINTF(2, 3) __attribute__((cold));

/* Puts "<context>: " before this thread's message; returns `code`. For the rare caller that knows
 * something the failing place cannot (which file, which peer). */
kg_err kg_fail_context(kg_err code, const char *fmt, ...) KG_PRINTF(2, 3) __attribute__((cold));

/* This thread's last message; "" when none. Borrowed until the next kg_fail* on this thread. */
const char *kg_err_text(void);

/* Short stable name of a code ("corrupt", "not_found", …), for logs and messages: one word of
 * lowercase letters and underscores. */
const char *kg_err_name(kg_err code);

/* The code with that name; KG_EFAIL when unknown. */
kg_err kg_err_from_name(const char *name);

/* Exit codes of every command (contract): yes, no, wrong usage, trouble. */
enum { KG_EXIT_YES = 0, KG_EXIT_NO = 1, KG_EXIT_USAGE = 100, KG_EXIT_TROUBLE = 111 };

/* Always on: for what only our own bug can break. Never on bytes from a file, socket or model. */
#define KG_ASSERT(cond) ((cond) ? (void)0 : kg_assert_failed(#cond, __FILE__, __LINE__, __func__))
__attribute__((noreturn, cold)) void kg_assert_failed(const char *cond, const char *file, int line,
						      const char *func);

/* Inner loops: checked in debug builds only. */
#ifdef NDEBUG
# define KG_DASSERT(cond) ((void)0)
#else
# define KG_DASSERT(cond) KG_ASSERT(cond)
#endif

#endif
