# SPDX-License-Identifier: MIT
kg_test(runtime format)
kg_test(runtime gguf)
kg_test(runtime tokenizer SOURCES tiny.c)
kg_test(runtime model SOURCES tiny.c)
kg_test(runtime llama2c)
kg_test(runtime nursery)
kg_test(runtime export LIBS kg_train)
