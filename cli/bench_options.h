/* SPDX-License-Identifier: MIT */
/* bench_options – what the command line of bench asks for. */
#ifndef KG_CLI_BENCH_OPTIONS_H
#define KG_CLI_BENCH_OPTIONS_H

#include "cli/bench.h"

enum {
	KG_BENCH_SHAPES_MAX = 16,
	KG_BENCH_THREADS_MAX = 64,
	KG_BENCH_ENTRIES_DEFAULT = 20000,
	KG_BENCH_ENTRIES_MAX = 10000000
};

typedef struct {
	const kg_specimen_shape *shapes[KG_BENCH_SHAPES_MAX];
	uint32_t shapes_count;
	kg_strategy formats[KG_BENCH_FORMATS_MAX];
	uint32_t formats_count; /* 0: what each shape is made for, or the model is */
	const char *model;      /* instead of shapes, or NULL */
	unsigned parts;         /* kg_bench_part bits */
	uint32_t threads;
	uint32_t rounds;
	uint64_t entries; /* of the large memory */
	const char *keep; /* where it stays, or NULL */
	const char *peer; /* or NULL */
	const char *peer_models[KG_BENCH_SHAPES_MAX];
	uint32_t peer_models_count;
	const kg_specimen_shape *gguf; /* to be written and nothing else, or NULL */
	const char *output;
	bool all;
	bool json;
} kg_bench_options;

/* KG_EXIT_YES to go on, else the exit code; the reason was told. */
int kg_bench_parse(kg_bench_options *options, int argc, char **argv);

#endif
