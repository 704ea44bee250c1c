# SPDX-License-Identifier: MIT
kg_fuzz(speech LIBS kg_agent)
kg_fuzz(genome LIBS kg_agent)
kg_fuzz(outbox LIBS kg_agent)
