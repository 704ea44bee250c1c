# SPDX-License-Identifier: MIT
kg_test(runtime specimen)
