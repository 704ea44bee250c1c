# SPDX-License-Identifier: MIT
kg_fuzz(hf_config LIBS kg_runtime)
kg_fuzz(import_gguf LIBS kg_runtime)
kg_fuzz(import_hf LIBS kg_runtime)
kg_fuzz(llama2c LIBS kg_runtime)
kg_fuzz(model LIBS kg_runtime)
kg_fuzz(safetensors LIBS kg_runtime)
kg_fuzz(tokenizer LIBS kg_runtime)
# Writes the seeds of these; not part of a build.
add_executable(corpus_runtime EXCLUDE_FROM_ALL corpus_runtime.c ../runtime/tiny.c)
target_link_libraries(corpus_runtime PRIVATE kg_runtime)
