# SPDX-License-Identifier: MIT
kg_test(runtime team)
kg_test(runtime feed SOURCES subject.c toy.c TIMEOUT 240)
kg_test(runtime shared SOURCES subject.c toy.c)
kg_test(runtime prefix SOURCES toy.c)
kg_test(runtime session_memory SOURCES toy.c)
target_link_options(test_runtime_session_memory PRIVATE
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=mmap)
