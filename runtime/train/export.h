/* SPDX-License-Identifier: MIT */
/* export – the latents of a training state as a model file. */
#ifndef KG_RUNTIME_TRAIN_EXPORT_H
#define KG_RUNTIME_TRAIN_EXPORT_H

#include "base/err.h"
#include "runtime/model.h"
#include "runtime/train/train.h"

/* The latents as a model of floats in memory, with the byte tokenizer and the lessons' prompt.
 * `name` NULL means "nursery". */
KG_NODISCARD kg_err kg_train_export_model(kg_model **out, const kg_train *train, const char *name);

/* Writes the same as a .fairy file of half floats, atomically. */
KG_NODISCARD kg_err kg_train_export_fairy(const kg_train *train, const char *path,
					  const char *name);

#endif
