# SPDX-License-Identifier: MIT
kg_test(runtime fmath)
kg_test(runtime kernel)
kg_test(runtime kernel_float)
kg_test(runtime sampler)
kg_test(runtime weights SOURCES toy.c)
kg_test(runtime session SOURCES toy.c)
kg_test(runtime evaluate SOURCES toy.c)
# Not a test by itself: script/arm64 compares what it prints on two machines.
add_executable(print_logits print_logits.c plain_complex.c toy.c)
target_link_libraries(print_logits PRIVATE kg_runtime)
