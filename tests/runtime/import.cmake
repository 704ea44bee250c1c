# SPDX-License-Identifier: MIT
kg_test(runtime ggml_blocks)
kg_test(runtime hf_config)
kg_test(runtime rotary)
kg_test(runtime safetensors)
kg_test(runtime import_gguf SOURCES tiny.c toy.c)
kg_test(runtime export_gguf SOURCES tiny.c toy.c)
kg_test(runtime import_hf SOURCES hf_files.c TIMEOUT 180)
