/* SPDX-License-Identifier: MIT */
/*
 * format – how numbers of a tensor are stored, and the strategy that gives every tensor its format.
 *
 * A uniform strategy is named by the format of the linear matrices. The embedding and the head
 * follow: themselves for f32 and f16, int8 under everything narrower. Norm gains are always f32.
 *
 * A mix gives every class of matrices its own format:
 *
 *     mix:CLASS=FORMAT,...,*=FORMAT
 *
 * CLASS is attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down (each in all layers) or
 * table (embedding and head; f32, f16, int4 or int8, which is what it is when not named); * is the
 * rest and comes last. The matrices of a layer are int8 or narrower. At most KG_STRATEGY_NAME_MAX
 * bytes.
 *
 * phase is for the matrices of complex models (KG_ARCHITECTURE_IFAIRY), all of them, and for no
 * others: phase, or a mix with a table and *=phase.
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
	KG_FORMAT_INT4, /* runtime/coded.h from here on */
	KG_FORMAT_INT2,
	KG_FORMAT_TERNARY,
	KG_FORMAT_PALETTE4,
	KG_FORMAT_PALETTE16,
	KG_FORMAT_PALETTE256,
	KG_FORMAT_PHASE, /* runtime/phase.h; not for real matrices */
	KG_FORMAT_COUNT,
} kg_format;

/* "f32", "f16", "int8", "fairy1", "fairy2", "fairy3", "int4", "int2", "ternary", "palette4",
 * "palette16", "palette256", "phase". */
const char *kg_format_name(kg_format format);

/* The format of that name; "fairyx2" and "fairy×2" mean "fairy2". KG_EINVAL with the list. */
KG_NODISCARD kg_err kg_format_parse(kg_format *out, const char *name);

/* 1..3 for fairy formats, 0 for the others. */
uint32_t kg_format_stages(kg_format format);

/* Whether runtime/coded.h defines it. */
bool kg_format_is_coded(kg_format format);

/* The greatest integer of int8. */
enum { KG_INT8_MAX = 127 };

/* The matrices of a layer, in the order of a mix's name. */
enum { KG_STRATEGY_CLASSES = 7, KG_STRATEGY_NAME_MAX = 120 };

typedef struct {
	kg_format linear; /* the matrices of every layer; of a mix those it does not name */
	kg_format table;  /* embedding and head */
	kg_format class[KG_STRATEGY_CLASSES];
	char name[KG_STRATEGY_NAME_MAX + 1];
} kg_strategy;

kg_strategy kg_strategy_of(kg_format linear);

/* A format's name or a mix. KG_EINVAL saying what is wrong. */
KG_NODISCARD kg_err kg_strategy_parse(kg_strategy *out, const char *name);

/* The one spelling of it, which parses to the same strategy: classes in the order above without
 * those that are as the rest, a table that is not int8; a mix of one format is that format. */
const char *kg_strategy_name(const kg_strategy *strategy);
bool kg_strategy_same(const kg_strategy *a, const kg_strategy *b);

/* Whether any matrix is fairy, so that a seed makes a difference. */
bool kg_strategy_is_paired(const kg_strategy *strategy);

/* The strategy of a complex model with such tables: phase, or mix:table=TABLE,*=phase. */
kg_strategy kg_strategy_of_phase(kg_format table);

/* Whether the matrices of layers are phase: all are, or none. */
bool kg_strategy_is_phase(const kg_strategy *strategy);

/* One step narrower: fairy3 > fairy2 > fairy1, int8 > int4 > int2, palette256 > palette16 >
 * palette4; KG_ENOTFOUND for the others. */
KG_NODISCARD kg_err kg_strategy_narrower(kg_strategy *out, const kg_strategy *strategy);

/*
 * One row on a symmetric grid -grid_max..grid_max: scale = max|row| / grid_max in float, each value
 * rounded half to even after a float division by the scale. A row whose scale is zero gets scale 0
 * and zeros. KG_EINVAL when a value is not finite.
 */
KG_NODISCARD kg_err kg_grid_quantize(int8_t *out, float *scale, const float *row, size_t n,
				     int grid_max);

#endif
