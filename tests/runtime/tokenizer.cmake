# SPDX-License-Identifier: MIT
kg_test(runtime alphabet)
kg_test(runtime chat)
kg_test(runtime merges)
kg_test(runtime nfc)
kg_test(runtime pretokenizer SOURCES naive_words.c LIBS PkgConfig::UTF8PROC)
kg_test(runtime tokenizer_bpe SOURCES learned.c naive_words.c LIBS PkgConfig::UTF8PROC)
kg_test(runtime tokenizer_json SOURCES learned.c naive_words.c LIBS PkgConfig::UTF8PROC)
kg_test(runtime vocabulary)
