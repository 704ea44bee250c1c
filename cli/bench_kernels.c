/* SPDX-License-Identifier: MIT */
/* The kernels alone, on random codes that lie in a cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cli/bench.h"
#include "runtime/kernel.h"

enum { ROWS_MAX = 1536, COLS_MAX = 4096, TURNS = 5 };

static const double turn_s = 0.01;

typedef enum { OF_LINES, OF_PLANE, OF_PHASES } family;

static const struct {
	const char *name;
	family family;
	kg_lines_kind kind; /* of lines */
	uint8_t stages;     /* of a plane */
} kinds[] = {
	{"fairy2", OF_PLANE, 0, 2},
	{"fairy1", OF_PLANE, 0, 1},
	{"phases", OF_PHASES, 0, 0},
	{"int8", OF_LINES, KG_LINES_INT8, 0},
	{"int4", OF_LINES, KG_LINES_INT4, 0},
	{"int2", OF_LINES, KG_LINES_INT2, 0},
	{"ternary", OF_LINES, KG_LINES_TERNARY, 0},
	{"palette4", OF_LINES, KG_LINES_PALETTE4, 0},
	{"palette16", OF_LINES, KG_LINES_PALETTE16, 0},
	{"palette256", OF_LINES, KG_LINES_PALETTE256, 0},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* A real matrix is measured; planes and phases hold it as complex positions of half the sides. */
static const struct {
	uint32_t rows;
	uint32_t cols;
} sizes[] = {{256, 256}, {512, 512}, {ROWS_MAX, COLS_MAX}};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

typedef struct {
	uint8_t *code;
	int8_t *palette;
	int8_t *x;
	int32_t *y;
} room;

/* Everything that a byte of any kind may be: no -128, no ternary code 3. */
static void fill(const room *r, int kind)
{
	bool ternary = kinds[kind].family == OF_LINES && kinds[kind].kind == KG_LINES_TERNARY;
	size_t size = (size_t)ROWS_MAX * COLS_MAX;
	kg_rng rng;

	kg_rng_init_u64(&rng, 1);
	for (size_t i = 0; i < size; i += 8) {
		uint64_t bits = kg_rng_u64(&rng);

		if (ternary)
			bits &= ~(bits >> 1 & UINT64_C(0x5555555555555555));
		memcpy(r->code + i, &bits, 8);
	}
	if (kinds[kind].family == OF_LINES && kinds[kind].kind == KG_LINES_INT8)
		for (size_t i = 0; i < size; i++)
			r->code[i] = r->code[i] == 0x80 ? 0 : r->code[i];
	for (size_t i = 0; i < 4 * (size_t)ROWS_MAX; i++)
		r->palette[i] = (int8_t)((int)(i % 251) - 125);
	for (size_t i = 0; i < (size_t)KG_KERNEL_BATCH * COLS_MAX; i++)
		r->x[i] = (int8_t)((int)kg_rng_below(&rng, 255) - 127);
}

/* Bytes of codes. */
static double code_bytes(int kind, uint32_t rows, uint32_t cols)
{
	double positions = 0.25 * rows * cols;

	if (kinds[kind].family == OF_PHASES)
		return positions / 4.0;
	if (kinds[kind].family == OF_PLANE)
		return kinds[kind].stages == 2 ? positions : positions / 2.0;
	return 4.0 * positions * 4.0 / kg_lines_columns(kinds[kind].kind);
}

static void multiply(int kind, const room *r, int size, uint32_t count)
{
	const kg_kernel *kernel = kg_kernel_current();
	uint32_t rows = sizes[size].rows;
	uint32_t cols = sizes[size].cols;
	bool complex = kinds[kind].family != OF_LINES;
	uint32_t tiles = rows / (complex ? 2 : 1) / KG_TILE_ROWS;
	kg_kernel_job job = {.x = r->x,
			     .x_stride = cols,
			     .y = r->y,
			     .y_stride = (size_t)2 * rows,
			     .count = count,
			     .last = tiles};

	if (kinds[kind].family == OF_PLANE) {
		kg_kernel_plane plane = {.stages = kinds[kind].stages,
					 .tiles = tiles,
					 .lines = cols / 2 / (kinds[kind].stages == 2 ? 4 : 8),
					 .line = r->code};

		if (plane.stages == 2)
			kg_kernel_plane_tables(&plane, 20, 10, 20, 10);
		else
			kg_kernel_plane_tables(&plane, 30, 0, 30, 0);
		kernel->plane(&plane, &job);
	} else if (kinds[kind].family == OF_PHASES) {
		const kg_kernel_phases phases = {
			.tiles = tiles, .lines = cols / 2 / 16, .line = r->code};

		kernel->phases(&phases, &job);
	} else {
		const kg_kernel_lines lines = {.kind = kinds[kind].kind,
					       .tiles = tiles,
					       .lines = cols / kg_lines_columns(kinds[kind].kind),
					       .line = r->code,
					       .palette = r->palette};

		kernel->lines(&lines, &job);
	}
}

static double time_many(int kind, const room *r, int size, uint32_t count, uint32_t times)
{
	double start = kg_bench_cpu();

	for (uint32_t i = 0; i < times; i++)
		multiply(kind, r, size, count);
	return kg_bench_cpu() - start;
}

/* Seconds of one product: the best of some turns, since nothing makes it faster than it is. A turn
 * is long enough for the clock, which takes as long to read as a small product. */
static double time_of(int kind, const room *r, int size, uint32_t count)
{
	uint32_t times = 1;
	double best = time_many(kind, r, size, count, 1);

	while (time_many(kind, r, size, count, times) < turn_s)
		times *= 2;
	for (int turn = 0; turn < TURNS; turn++) {
		double taken = time_many(kind, r, size, count, times) / times;

		if (taken < best)
			best = taken;
	}
	return best;
}

static kg_err measure(kg_bench *bench, int kind, const room *r)
{
	char shape[32];
	kg_bench_row row = {.shape = shape, .format = kinds[kind].name, .threads = 1};
	kg_err err = KG_OK;

	for (int s = 0; s < SIZES && err == KG_OK; s++) {
		uint32_t rows = sizes[s].rows;
		uint32_t cols = sizes[s].cols;

		(void)snprintf(shape, sizeof(shape), "%ux%u", rows, cols);
		row.name = "kernel";
		row.unit = "GB/s";
		row.value = code_bytes(kind, rows, cols) / time_of(kind, r, s, 1) / 1e9;
		err = kg_bench_put(bench, &row);
		if (err == KG_OK)
			err = kg_bench_go_on();
	}
	if (err != KG_OK)
		return err;
	(void)snprintf(shape, sizeof(shape), "%ux%u", sizes[1].rows, sizes[1].cols);
	row.name = "kernel, 64 vectors";
	row.unit = "G MAC/s";
	row.value = (double)KG_KERNEL_BATCH * sizes[1].rows * sizes[1].cols /
		    time_of(kind, r, 1, KG_KERNEL_BATCH) / 1e9;
	return kg_bench_put(bench, &row);
}

kg_err kg_bench_kernels(kg_bench *bench)
{
	room r = {.code = aligned_alloc(64, (size_t)ROWS_MAX * COLS_MAX),
		  .palette = aligned_alloc(64, (size_t)4 * ROWS_MAX),
		  .x = aligned_alloc(64, (size_t)KG_KERNEL_BATCH * COLS_MAX),
		  .y = aligned_alloc(64, (size_t)KG_KERNEL_BATCH * 2 * ROWS_MAX * sizeof(*r.y))};
	kg_err err = KG_OK;

	kg_bench_say("kernels of %s", kg_kernel_current()->name);
	if (r.code == NULL || r.palette == NULL || r.x == NULL || r.y == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for a matrix");
	if (err == KG_OK)
		err = kg_bench_streams(bench);
	for (int k = 0; k < KINDS && err == KG_OK; k++) {
		fill(&r, k);
		err = measure(bench, k, &r);
	}
	free(r.code);
	free(r.palette);
	free(r.x);
	free(r.y);
	return err;
}
