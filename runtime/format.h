/* SPDX-License-Identifier: MIT */
/*
 * format – how numbers of a tensor are stored, and the strategy that gives every tensor its format.
 *
 * A strategy is named by the format of the linear matrices. The embedding and the head follow:
 * themselves for f32 and f16, int8 under everything narrower. Norm gains are always f32.
 */
#ifndef KG_RUNTIME_FORMAT_H
#define KG_RUNTIME_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum {
	KG_FORMAT_F32,
	KG_FORMAT_F16,
	KG_FORMAT_INT8,   /* -127..127 times one float per row */
	KG_FORMAT_FAIRY1, /* runtime/fairy.h with 1, 2, 3 stages */
	KG_FORMAT_FAIRY2,
	KG_FORMAT_FAIRY3,
	KG_FORMAT_INT4, /* -7..7 per row; in memory only */
	KG_FORMAT_INT2, /* -1..1 per row; in memory only */
	KG_FORMAT_COUNT,
} kg_format;

/* "f32", "f16", "int8", "fairy1", "fairy2", "fairy3", "int4", "int2". */
const char *kg_format_name(kg_format format);

/* The format of that name; "fairyx2" and "fairy×2" mean "fairy2". KG_EINVAL with the list. */
KG_NODISCARD kg_err kg_format_parse(kg_format *out, const char *name);

/* 1..3 for fairy formats, 0 for the others. */
uint32_t kg_format_stages(kg_format format);

/* The greatest integer of a per-row grid: 127, 7, 1; 0 for the other formats. */
int kg_format_grid_max(kg_format format);

typedef struct {
	kg_format linear; /* the seven matrices of every layer */
	kg_format table;  /* embedding and head */
} kg_strategy;

kg_strategy kg_strategy_of(kg_format linear);
KG_NODISCARD kg_err kg_strategy_parse(kg_strategy *out, const char *name);
const char *kg_strategy_name(kg_strategy strategy);

/* One step narrower: fairy3 > fairy2 > fairy1, int8 > int4 > int2; KG_ENOTFOUND for the others. */
KG_NODISCARD kg_err kg_strategy_narrower(kg_strategy *out, kg_strategy strategy);

/*
 * One row on a symmetric grid -grid_max..grid_max: scale = max|row| / grid_max in float, each value
 * rounded half to even after a float division by the scale. A row whose scale is zero gets scale 0
 * and zeros. KG_EINVAL when a value is not finite.
 */
KG_NODISCARD kg_err kg_grid_quantize(int8_t *out, float *scale, const float *row, size_t n,
				     int grid_max);

#endif
