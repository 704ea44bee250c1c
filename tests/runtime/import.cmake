# SPDX-License-Identifier: MIT
kg_test(runtime ggml_blocks)
