/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/bench.h"
#include "runtime/kernel.h"

/* The first line of a file, or what stands behind "key:" in it; "" when it cannot be read. */
static void read_line(char *out, size_t room, const char *path, const char *key)
{
	const char *at;
	kg_buf text;

	out[0] = '\0';
	kg_buf_init(&text, 1 << 20);
	if (kg_fs_read(&text, path) == KG_OK) {
		at = key == NULL ? kg_buf_text(&text) : strstr(kg_buf_text(&text), key);
		if (at != NULL && key != NULL) {
			at += strcspn(at, ":\n");
			at += strspn(at, ": \t");
		}
		if (at != NULL)
			(void)snprintf(out, room, "%.*s", (int)strcspn(at, "\n"), at);
	}
	kg_buf_release(&text);
}

static json_t *load(void)
{
	double of[3] = {0.0, 0.0, 0.0};
	int known = getloadavg(of, 3);

	return known < 3 ? json_null() : json_pack("[f, f, f]", of[0], of[1], of[2]);
}

json_t *kg_bench_machine(void)
{
	char cpu[128];
	char governor[32];
	char kernel[128];
	char now[KG_TIME_TEXT_SIZE];
	double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

	read_line(cpu, sizeof(cpu), "/proc/cpuinfo", "model name");
	read_line(governor, sizeof(governor),
		  "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", NULL);
	read_line(kernel, sizeof(kernel), "/proc/sys/kernel/osrelease", NULL);
	kg_clock_format(now, kg_clock_wall_ms());
	return json_pack("{s:s, s:I, s:s, s:s, s:s?, s:o, s:f, s:I, s:I, s:I, s:s}", "cpu",
			 cpu[0] == '\0' ? "unknown" : cpu, "cores",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "kernel",
			 kg_kernel_current()->name, "system", kernel, "governor",
			 governor[0] == '\0' ? NULL : governor, "load", load(), "memory_bytes",
			 memory, "l1_bytes", (json_int_t)sysconf(_SC_LEVEL1_DCACHE_SIZE),
			 "l2_bytes", (json_int_t)sysconf(_SC_LEVEL2_CACHE_SIZE), "l3_bytes",
			 (json_int_t)sysconf(_SC_LEVEL3_CACHE_SIZE), "time", now);
}
