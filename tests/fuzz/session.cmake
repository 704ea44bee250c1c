# SPDX-License-Identifier: MIT
kg_fuzz(prefix LIBS kg_runtime)
target_sources(fuzz_prefix PRIVATE ../runtime/tiny.c)
