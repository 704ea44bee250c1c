# SPDX-License-Identifier: MIT
kg_fuzz(bundle LIBS kg_memory)
kg_fuzz(claims LIBS kg_memory)
kg_fuzz(entry LIBS kg_memory)
kg_fuzz(journal LIBS kg_memory)
kg_fuzz(mmogit LIBS kg_memory)
kg_fuzz(query LIBS kg_memory)
# Writes the seeds of bundle; not part of a build.
add_executable(corpus_bundle EXCLUDE_FROM_ALL corpus_bundle.c)
target_link_libraries(corpus_bundle PRIVATE kg_memory)
