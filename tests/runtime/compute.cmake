# SPDX-License-Identifier: MIT
kg_test(runtime fmath)
kg_test(runtime kernel)
