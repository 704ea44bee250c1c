/* SPDX-License-Identifier: MIT */
/*
 * bench – what the parts of the `bench` command share: what was asked for, the rows that came out,
 * subjects to be measured, processes to be measured.
 *
 * Time is that of a process by its own clock: tokens per CPU-second are what an idle core gives per
 * second, and hardly move with what else the machine does. Medians of rounds in which all that is
 * to be compared takes turns.
 */
#ifndef KG_CLI_BENCH_H
#define KG_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/command.h"
#include "runtime/model.h"
#include "runtime/specimen.h"

enum {
	KG_BENCH_SUBJECTS_MAX = 32,
	KG_BENCH_FORMATS_MAX = 16,
	KG_BENCH_ROUNDS_MAX = 99,
	KG_BENCH_DECODE = 64,  /* tokens of a decode round */
	KG_BENCH_PROMPT = 256, /* tokens of a prompt round, and of a context that was used */
	KG_BENCH_ARGUMENTS_MAX = 20,
};

/* What can be measured, as bits. */
typedef enum {
	KG_BENCH_SPEED = 1,
	KG_BENCH_START = 2,
	KG_BENCH_MEMORY = 4,
	KG_BENCH_SWARM = 8,
	KG_BENCH_KERNELS = 16,
	KG_BENCH_ENTRIES = 32,
	KG_BENCH_READY = 64,
} kg_bench_part;

/* A model file to be measured: a specimen made for it, or the user's own. */
typedef struct {
	const char *shape;             /* its name in rows */
	const kg_specimen_shape *made; /* NULL for a file of the user */
	char path[KG_PATH_SIZE];       /* "nursery": the embedded model */
	kg_strategy strategy;          /* what it is measured as */
	bool derived;                  /* the strategy is not the file's own */
	const char *peer_model;        /* what the peer runs beside it, or NULL */
} kg_bench_subject;

typedef struct {
	kg_bench_subject subjects[KG_BENCH_SUBJECTS_MAX]; /* those of one shape in a row */
	uint32_t subjects_count;
	unsigned parts;
	uint32_t threads;
	uint32_t rounds;
	uint32_t spawns;
	uint64_t entries; /* of the large memory */
	const char *keep; /* where it is made and stays, or NULL */
	bool json;
	const char *peer;           /* path of llama-bench, or NULL */
	char program[KG_PATH_SIZE]; /* kindergarten itself */
	char dir[KG_PATH_SIZE];     /* temporary; of this run */
	json_t *rows;
	bool titled;
} kg_bench;

/* One result. Zero or NULL means that there is no such thing. */
typedef struct {
	const char *name;
	const char *shape;
	const char *format;
	uint32_t threads;
	double value;
	const char *unit;
	const char *ratio_to;
	double ratio;
	double wall; /* the same per second of wall-clock time */
	double low;  /* least and greatest of the rounds */
	double high;
	double share;     /* of what reading the bytes alone would allow */
	const char *note; /* for the table */
} kg_bench_row;

/* Keeps a row, and prints it where no JSON is wanted. KG_ENOMEM, KG_EIO. */
KG_NODISCARD kg_err kg_bench_put(kg_bench *bench, const kg_bench_row *row);

/* Says on stderr what is being done. */
void kg_bench_say(const char *fmt, ...) KG_PRINTF(1, 2);

/* Whether the user wants it to end; KG_EFAIL saying so when it does. */
KG_NODISCARD kg_err kg_bench_go_on(void);

/* The middle one of n >= 1 values, which are sorted. */
double kg_bench_median(double *values, size_t n);

/* Seconds of CPU of this process, threads included, and of the wall-clock. */
double kg_bench_cpu(void);
double kg_bench_wall(void);

/* bench_machine.c: {"cpu", "cores", …}. NULL when there is no memory. */
json_t *kg_bench_machine(void);

/* bench_stream.c: bytes per second that one thread reads from a working set of `size`. */
KG_NODISCARD kg_err kg_bench_stream(double *out, size_t size);

/* The same for a few sizes, as rows. */
KG_NODISCARD kg_err kg_bench_streams(kg_bench *bench);

/* The parts, each a file of its own. */
KG_NODISCARD kg_err kg_bench_speed(kg_bench *bench);
KG_NODISCARD kg_err kg_bench_start(kg_bench *bench);
KG_NODISCARD kg_err kg_bench_footprint(kg_bench *bench);
KG_NODISCARD kg_err kg_bench_swarm(kg_bench *bench);
KG_NODISCARD kg_err kg_bench_kernels(kg_bench *bench);
KG_NODISCARD kg_err kg_bench_entries(kg_bench *bench);
KG_NODISCARD kg_err kg_bench_ready(kg_bench *bench);

/* bench_text.c: a text of words of the vocabulary whose ids are `count` at least, bos included;
 * free(*text). */
KG_NODISCARD kg_err kg_bench_text(char **text, const kg_tokenizer *tokenizer, size_t count);

/*
 * bench_peer.c: the peer's tokens per second on its model. A round is the CPU time of `extra` more
 * repetitions within one process: two runs, of which the first is taken off the second, so that
 * start and loading cancel out.
 */
typedef struct {
	double tokens_per_cpu_s;
	double tokens_per_s; /* as the peer says */
	char format[64];     /* as the peer says */
	double parameters;
	double seconds; /* of one repetition, about */
} kg_bench_peer_round;

KG_NODISCARD kg_err kg_bench_peer_run(kg_bench_peer_round *out, const kg_bench *bench,
				      const char *model, bool prompt, uint32_t extra);

/* bench_child.c: processes. */
typedef struct {
	pid_t pid;
	int out;        /* read end of its stdout, or -1 */
	double started; /* kg_bench_wall */
	char errors[KG_PATH_SIZE];
	const char *what; /* borrowed: argv[0] */
} kg_bench_child;

typedef struct {
	double wall_s;  /* from spawn to end */
	double first_s; /* from spawn to the first byte behind those skipped */
	double cpu_s;
	double rss_bytes; /* greatest */
} kg_bench_usage;

/* The form of a command line that execv takes. */
void kg_bench_arguments(char *out[KG_BENCH_ARGUMENTS_MAX], const char *const argv[]);

/* Starts argv[0], a path; stdout is discarded unless `listen`. */
KG_NODISCARD kg_err kg_bench_child_start(kg_bench_child *child, const kg_bench *bench,
					 const char *const argv[], bool listen);

/* Reads what it says into `out` (NULL: nowhere), then waits for it. Anything but exit code 0 is
 * KG_EIO with the last line of its stderr. Ends the child when the user wants to stop. */
KG_NODISCARD kg_err kg_bench_child_wait(kg_bench_usage *usage, kg_bench_child *child, kg_buf *out,
					size_t skip);

/* Ends and reaps a child that is not waited for. */
void kg_bench_child_kill(kg_bench_child *child);

/* The command line that generates `tokens` tokens from `subject` after `prompt`; ends with NULL. */
typedef struct {
	const char *argv[KG_BENCH_ARGUMENTS_MAX];
	char tokens[32];
	char threads[32];
} kg_bench_command;
void kg_bench_generate(kg_bench_command *out, const kg_bench *bench,
		       const kg_bench_subject *subject, const char *prompt, uint32_t tokens,
		       uint32_t threads);

#endif
