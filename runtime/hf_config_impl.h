/* SPDX-License-Identifier: MIT */
/* hf_config_impl – what hf_config.c and hf_config_ifairy.c share: members of a config.json. */
#ifndef KG_RUNTIME_HF_CONFIG_IMPL_H
#define KG_RUNTIME_HF_CONFIG_IMPL_H

#include "base/json.h"
#include "runtime/hf_config.h"

enum { KG_HF_CONFIG_TEXT_MAX = 64 };

/* NULL for a member that is not there or is null. */
const json_t *kg_hf_config__member(const json_t *object, const char *key);

KG_NODISCARD kg_err kg_hf_config__u32(uint32_t *out, const json_t *object, const char *key);

/* *out keeps its value when the member is not there. */
KG_NODISCARD kg_err kg_hf_config__u32_if(uint32_t *out, const json_t *object, const char *key);
KG_NODISCARD kg_err kg_hf_config__double_if(double *out, const json_t *object, const char *key,
					    double min, double max);
KG_NODISCARD kg_err kg_hf_config__bool_if(bool *out, const json_t *object, const char *key);

/* An id, the first of several, or none. */
KG_NODISCARD kg_err kg_hf_config__id(uint32_t *out, const json_t *object, const char *key);

/* Sizes that all models have; as many key heads as heads, of dim / heads. */
KG_NODISCARD kg_err kg_hf_config__shape(kg_model_config *c, const json_t *object);

/* A config of iFairy, model_type "complexnet". */
KG_NODISCARD kg_err kg_hf_config__ifairy(kg_hf_config *out, json_t *object);

#endif
