/* SPDX-License-Identifier: MIT */
#include "runtime/kernel.h"

#include <stdio.h>
#include <string.h>

#include "runtime/kernel/tables.h"

/* Weakest first, strongest last. */
static const kg_kernel *const kernels[] = {
	&kg_kernel_scalar,
#ifdef __x86_64__
	&kg_kernel_avx2,   &kg_kernel_avx512vnni, &kg_kernel_avx512vbmi,
#endif
#ifdef __aarch64__
	&kg_kernel_neon,
#endif
};

enum { KERNEL_COUNT = sizeof(kernels) / sizeof(kernels[0]) };

/* The one process-wide choice, written once at start before any thread. */
static const kg_kernel *current;

uint32_t kg_kernel_count(void)
{
	return KERNEL_COUNT;
}

const kg_kernel *kg_kernel_at(uint32_t index)
{
	KG_ASSERT(index < KERNEL_COUNT);
	return kernels[index];
}

static kg_err unknown(const char *want)
{
	char names[128] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < KERNEL_COUNT && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, " %s",
					 kernels[i]->name);
	return kg_fail(KG_EINVAL, "no kernel '%.32s'; this build has:%s", want, names);
}

kg_err kg_kernel_pick(const kg_kernel **out, const char *want)
{
	if (want == NULL || want[0] == '\0') {
		uint32_t i = KERNEL_COUNT - 1;

		while (i > 0 && !kernels[i]->usable())
			i--;
		*out = kernels[i];
		return KG_OK;
	}
	for (uint32_t i = 0; i < KERNEL_COUNT; i++) {
		if (strcmp(kernels[i]->name, want) != 0)
			continue;
		if (!kernels[i]->usable())
			return kg_fail(KG_EINVAL, "kernel %s: this machine cannot run it", want);
		*out = kernels[i];
		return KG_OK;
	}
	return unknown(want);
}

kg_err kg_kernel_set(const char *want)
{
	return kg_kernel_pick(&current, want);
}

const kg_kernel *kg_kernel_current(void)
{
	const kg_kernel *strongest = current;

	if (strongest == NULL && kg_kernel_pick(&strongest, NULL) != KG_OK)
		strongest = &kg_kernel_scalar;
	return strongest;
}

/* Bit 0 makes `first` negative, bit 1 `second`. */
static int signed_sum(int bits, int first, int second)
{
	return ((bits & 1) != 0 ? -first : first) + ((bits & 2) != 0 ? -second : second);
}

void kg_kernel_plane_tables(kg_kernel_plane *plane, uint8_t u0, uint8_t u1, uint8_t w0, uint8_t w1)
{
	int offset = u0 + u1 + w0 + w1;

	KG_ASSERT(offset <= 64 && (plane->stages == 2 || (plane->stages == 1 && u1 + w1 == 0)));
	plane->offset = (uint8_t)offset;
	for (int x = 0; x < 16; x++) {
		/* Two stages: x is the sign bits of what the table is about. One: sign bits of U
		 * and W, then their axis bits; Q is negative iff sign, P iff sign xor axis. */
		bool one = plane->stages == 1;
		int p = one ? x ^ x >> 2 : x;
		int u_p = one ? signed_sum(p & 1, u0, 0) : signed_sum(x, u0, u1);
		int w_p = one ? signed_sum(p >> 1 & 1, w0, 0) : signed_sum(x >> 2, w0, w1);
		int u_q = one ? signed_sum(x & 1, u0, 0) : u_p;
		int w_q = one ? signed_sum(x >> 1 & 1, w0, 0) : w_p;

		plane->table[0][x] = (uint8_t)(offset + u_p + w_p);
		plane->table[1][x] = (uint8_t)(offset + w_q - u_q);
		plane->table[2][x] = (uint8_t)(offset + u_q + w_q);
		plane->table[3][x] = (uint8_t)(offset + u_p - w_p);
	}
}
