# SPDX-License-Identifier: MIT
kg_test(runtime coded)
kg_test(runtime mix)
