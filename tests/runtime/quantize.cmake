# SPDX-License-Identifier: MIT
kg_test(runtime feedback)
kg_test(runtime calibrate SOURCES toy.c)
kg_test(runtime report SOURCES toy.c)
