# SPDX-License-Identifier: MIT
kg_fuzz(chat LIBS kg_runtime)
kg_fuzz(tokenizer_bpe LIBS kg_runtime)
kg_fuzz(tokenizer_json LIBS kg_runtime)
kg_fuzz(tokenizer_sentencepiece LIBS kg_runtime)
