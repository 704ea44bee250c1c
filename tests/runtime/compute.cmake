# SPDX-License-Identifier: MIT
kg_test(runtime fmath)
kg_test(runtime kernel)
kg_test(runtime sampler)
kg_test(runtime weights SOURCES toy.c)
kg_test(runtime session SOURCES toy.c)
kg_test(runtime evaluate SOURCES toy.c)
