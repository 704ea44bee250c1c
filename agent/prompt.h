/* SPDX-License-Identifier: MIT */
/*
 * prompt – what the model is given to read: recalled insights, then the question.
 *
 * A model with a template (kg_model_prompt) gets the question between its prefix and suffix, unless
 * the question already begins and ends with them; before it, most relevant first, recalled insights
 * of the same form, one line each ending in the model's stop text. A model without a template gets
 * the question as it is and nothing else: lines of another form would only derail it. Where such a
 * model has a template of conversations that is known (runtime/chat.h), it reads the question as
 * the first message of one; the template belongs to the reading, the prompt stays the bare
 * question.
 */
#ifndef KG_AGENT_PROMPT_H
#define KG_AGENT_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/chat.h"
#include "runtime/model.h"

enum {
	KG_PROMPT_RECALLED_MAX = 16,
	KG_PROMPT_SIZE_MAX = 64 << 10, /* bytes of a finished prompt */
};

/* Text as one line without control characters: white space runs become one space, both ends are
 * trimmed. Appends to `out`. */
void kg_prompt_line(kg_buf *out, const char *text, size_t size);

/* Whether there is a form: a prefix and a suffix that are not empty. */
bool kg_prompt_has_form(const kg_model_prompt *form);

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

/* Whether the model reads prompts as conversations, and which: it has no form, and a template that
 * is known. */
bool kg_prompt_is_chat(kg_chat *out, const kg_model *model);

/* Ids of a finished prompt as the model reads it, free(*ids); with `answer`, which is not NULL
 * then, of both and what ends the answer. Codes of kg_tokenizer_encode. */
KG_NODISCARD kg_err kg_prompt_encode(const kg_model *model, const void *prompt, size_t size,
				     const void *answer, size_t answer_size, uint32_t **ids,
				     size_t *count);

/* What ends an answer of the model, which its bos and eos do anyway. Borrows the model. */
typedef struct {
	const char *stop; /* a text; NULL: none */
	uint32_t token;   /* or KG_TOKENIZER_NONE */
} kg_prompt_end;

kg_prompt_end kg_prompt_get_end(const kg_model *model);

#endif
