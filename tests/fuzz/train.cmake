# SPDX-License-Identifier: MIT
kg_fuzz(train_config LIBS kg_train)
kg_fuzz(train_checkpoint LIBS kg_train)
