/* SPDX-License-Identifier: MIT */
/* How fast bytes can be read at all: what no kernel can beat. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/bench.h"
#include "runtime/kernel.h"

/* A cache line, in as few instructions as the target has. */
typedef uint64_t line __attribute__((vector_size(64)));

/* All bytes once, in eight runs of one line each, so that loads do not wait for sums. */
#define READ_ALL(data, size, result)                         \
 do {                                                        \
  const line *at = (const line *)(data);                     \
  line sum[8] = {{0}};                                       \
  for (size_t i = 0; i + 8 <= (size) / sizeof(line); i += 8) \
   for (size_t k = 0; k < 8; k++)                            \
    sum[k] |= at[i + k];                                     \
  for (size_t k = 1; k < 8; k++)                             \
   sum[0] |= sum[k];                                         \
  (result) = sum[0][0] | sum[0][3] | sum[0][5] | sum[0][7];  \
 } while (0)

static uint64_t read_plain(const void *data, size_t size)
{
	uint64_t result;

	READ_ALL(data, size, result);
	return result;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static uint64_t read_512(const void *data, size_t size)
{
	uint64_t result;

	READ_ALL(data, size, result);
	return result;
}

__attribute__((target("avx2"))) static uint64_t read_256(const void *data, size_t size)
{
	uint64_t result;

	READ_ALL(data, size, result);
	return result;
}
#endif

typedef uint64_t reader(const void *data, size_t size);

/* By the kernels that the machine can run, so that only they ask the CPU. */
static reader *choose(void)
{
	reader *best = read_plain;
#if defined(__x86_64__)
	for (uint32_t i = 0; i < kg_kernel_count(); i++) {
		const kg_kernel *kernel = kg_kernel_at(i);

		if (!kernel->usable())
			continue;
		if (strncmp(kernel->name, "avx512", 6) == 0)
			best = read_512;
		else if (strcmp(kernel->name, "avx2") == 0 && best == read_plain)
			best = read_256;
	}
#endif
	return best;
}

kg_err kg_bench_stream(double *out, size_t size)
{
	static const double turn_s = 0.02;
	static const size_t part_size = 8 << 20; /* between looks at the clock */
	reader *read_all = choose();
	volatile uint64_t seen = 0;
	double best = 0.0;
	uint8_t *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	kg_err err = KG_OK;

	if (data == MAP_FAILED)
		return kg_fail(KG_ENOMEM, "no memory to read %zu bytes from", size);
	memset(data, 1, size);
	for (int turn = 0; turn < 8 && err == KG_OK; turn++) {
		double start = kg_bench_cpu();
		double taken;
		size_t bytes = 0;

		do {
			for (size_t part = 0; part < part_size; part += size) {
				seen |= read_all(data, size);
				bytes += size;
			}
			taken = kg_bench_cpu() - start;
		} while (taken < turn_s);
		if ((double)bytes / taken > best)
			best = (double)bytes / taken;
		err = kg_bench_go_on();
	}
	(void)seen;
	(void)munmap(data, size);
	if (err == KG_OK)
		*out = best;
	return err;
}

kg_err kg_bench_streams(kg_bench *bench)
{
	/* In the second-level cache of most machines, in the third, in no cache. */
	static const size_t sizes[] = {512 << 10, 16 << 20, 512 << 20};
	kg_err err = KG_OK;

	kg_bench_say("reading");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && err == KG_OK; i++) {
		char name[32];
		double rate = 0.0;
		kg_bench_row row = {.name = "read stream", .threads = 1, .unit = "GB/s"};

		err = kg_bench_stream(&rate, sizes[i]);
		(void)snprintf(name, sizeof(name), "%.3g MiB", (double)sizes[i] / 1048576.0);
		row.shape = name;
		row.value = rate / 1e9;
		if (err == KG_OK)
			err = kg_bench_put(bench, &row);
	}
	return err;
}
