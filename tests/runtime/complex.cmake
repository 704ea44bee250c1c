# SPDX-License-Identifier: MIT
kg_test(runtime import_ifairy SOURCES hf_files.c TIMEOUT 180)
kg_test(runtime model_complex SOURCES tiny.c)
kg_test(runtime phase)
kg_test(runtime session_complex SOURCES plain_complex.c)
