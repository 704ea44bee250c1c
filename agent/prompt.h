/* SPDX-License-Identifier: MIT */
/*
 * prompt – what the model is given to read: recalled insights, then the question.
 *
 * A model with a template (kg_model_prompt) gets the question between its prefix and suffix, unless
 * the question already begins and ends with them; before it, most relevant first, recalled insights
 * of the same form, one line each ending in the model's stop text. A model without a template gets
 * the question as it is and nothing else: lines of another form would only derail it.
 */
#ifndef KG_AGENT_PROMPT_H
#define KG_AGENT_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/model.h"

enum {
	KG_PROMPT_RECALLED_MAX = 16,
	KG_PROMPT_SIZE_MAX = 64 << 10, /* bytes of a finished prompt */
};

/* Text as one line without control characters: white space runs become one space, both ends are
 * trimmed. Appends to `out`. */
void kg_prompt_line(kg_buf *out, const char *text, size_t size);

/* Whether `text` has the form of the template: prefix … suffix with something between. False
 * without a template. */
bool kg_prompt_is_formed(const kg_model_prompt *form, const char *text, size_t size);

/* Whether `line` can stand before a question: prefix, then somewhere the suffix, then an answer. */
bool kg_prompt_is_lore(const kg_model_prompt *form, const char *line, size_t size);

/*
 * Appends the prompt for `question` to `out`. Of the `count` recalled lines (most relevant first)
 * those that have the form and fit are used, in order; bit i of `*used` says line i was. All of it
 * takes at most `context - max_tokens` tokens, bos included. The question is never cut: KG_EFULL,
 * saying how long it is and how much the model reads. KG_EINVAL for an empty question.
 */
KG_NODISCARD kg_err kg_prompt_build(kg_buf *out, uint32_t *used, const kg_model *model,
				    uint32_t max_tokens, const char *question,
				    const char *const *recalled, uint32_t count);

#endif
