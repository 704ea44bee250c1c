# SPDX-License-Identifier: MIT
if(TARGET kg_train)
	kg_test(runtime train LIBS kg_train)
	kg_test(runtime train_math LIBS kg_train)
endif()
