# SPDX-License-Identifier: MIT
kg_fuzz(message LIBS kg_bus)
