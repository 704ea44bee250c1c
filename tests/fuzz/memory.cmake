# SPDX-License-Identifier: MIT
kg_fuzz(entry LIBS kg_memory)
kg_fuzz(journal LIBS kg_memory)
kg_fuzz(mmogit LIBS kg_memory)
