# SPDX-License-Identifier: MIT
kg_test(runtime train LIBS kg_train)
