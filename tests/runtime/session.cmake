# SPDX-License-Identifier: MIT
kg_test(runtime team)
kg_test(runtime feed SOURCES toy.c)
kg_test(runtime prefix SOURCES toy.c)
