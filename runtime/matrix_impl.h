/* SPDX-License-Identifier: MIT */
/* matrix_impl – what matrix.c, matrix_multiply.c, matrix_phase.c and matrix_visit.c share. */
#ifndef KG_RUNTIME_MATRIX_IMPL_H
#define KG_RUNTIME_MATRIX_IMPL_H

#include "runtime/matrix.h"

/* Where the codes of an int8 or coded matrix lie; where those of a plane do. */
kg_lines kg_matrix__lines(const kg_matrix *matrix);
kg_lines kg_matrix__plane(const kg_matrix *matrix, uint32_t plane);

/* A phase matrix (matrix_phase.c), borrowed where the model has it. KG_EINVAL for other formats. */
KG_NODISCARD kg_err kg_matrix__take_phase(kg_matrix *matrix, const kg_tensor *tensor);
void kg_matrix__multiply_phase(float *y, size_t y_stride, const kg_matrix *matrix,
			       const kg_kernel *kernel, const kg_activation *activation,
			       int32_t *sums, uint32_t first, uint32_t last);
void kg_matrix__visit_phase(const kg_matrix *matrix, kg_visitor *visit, void *context);

#endif
