/* SPDX-License-Identifier: MIT */
/*
 * processor – what an x86 processor offers and the system lets us use, for the tables of this
 * folder.
 *
 * As the C library found out when the process started: asking again with cpuid costs ten
 * microseconds an instruction in virtual machines. Not its CPU_FEATURE_ACTIVE, which shifts into
 * the sign.
 */
#ifndef KG_RUNTIME_KERNEL_PROCESSOR_H
#define KG_RUNTIME_KERNEL_PROCESSOR_H

#include <stdbool.h>
#include <sys/platform/x86.h>

/* `feature` is x86_cpu_<NAME> of that header: 128 of them in a leaf, 32 in a word of it. */
static inline bool kg_processor_has(unsigned feature)
{
	const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(feature / 128);

	return (leaf->active_array[feature % 128 / 32] >> feature % 32 & 1) != 0;
}

#endif
