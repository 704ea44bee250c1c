# SPDX-License-Identifier: MIT
kg_fuzz(conf LIBS kg_base)
kg_fuzz(json LIBS kg_base)
