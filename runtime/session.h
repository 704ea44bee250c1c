/* SPDX-License-Identifier: MIT */
/*
 * session – one run through a model: its cache of keys and values, and the way from tokens to the
 * logits of the next.
 *
 * A step is the Llama block: RMSNorm, attention with interleaved RoPE over shared key heads (with
 * biases, normed queries and keys or stretched frequencies where the model has them), RMSNorm,
 * SwiGLU, two residual additions. Under narrow strategies the input of every matrix is
 * int8 with one scale per vector, and keys, values and queries are int8 with one scale per head
 * and token; under f32 and f16 all of it is float. docs/math.md gives the order of every sum: the
 * same tokens give the same logits in every bit with every kernel, with any number of threads, and
 * whether they come one by one or many at once.
 *
 * All memory is taken at new; nothing is allocated later. Pages of cache and buffers are touched as
 * they are used. Uses the kernel that is current at new. One thread at a time; the helpers of a
 * session with several threads sleep between calls.
 */
#ifndef KG_RUNTIME_SESSION_H
#define KG_RUNTIME_SESSION_H

#include "runtime/prefix.h"
#include "runtime/weights.h"

typedef struct kg_session kg_session;

typedef struct {
	uint32_t context;      /* positions, at most the model's; 0 = the model's */
	uint32_t batch;        /* tokens taken through a layer at once, at most 64; 0 = 32, or 64
				* with several threads */
	uint32_t threads;      /* that share the work, the caller's among them, at most 64; 0 = 1 */
	const char *prefix;    /* a file of kg_session_save to begin from, or NULL */
	const uint8_t *digest; /* with prefix: KG_PREFIX_DIGEST_SIZE bytes */
} kg_session_options;

/* `options` NULL: all defaults. Borrows the weights. With a prefix the session stands behind its
 * tokens, and its context is the file's: KG_ECONFLICT for a file of other weights or another
 * context than asked for, KG_ECORRUPT for one that is damaged, and the errors of opening it.
 * KG_EINVAL, KG_ENOMEM. */
KG_NODISCARD kg_err kg_session_new(kg_session **out, const kg_weights *weights,
				   const kg_session_options *options);
void kg_session_free(kg_session *session);

/* Takes `token` in at the current position. `logits`, vocabulary floats for the token after it, or
 * NULL where nobody will look (saves the head). KG_EINVAL for a token outside the vocabulary,
 * KG_EFULL when the context is full; the session is unchanged then. */
KG_NODISCARD kg_err kg_session_step(kg_session *session, uint32_t token, float *logits);

/* Takes `n` tokens in, several at once; `logits` are those after the last, or NULL. KG_EINVAL for a
 * token outside the vocabulary, KG_EFULL when they do not all fit; the session is unchanged then.
 * Of no tokens, nothing happens. */
KG_NODISCARD kg_err kg_session_feed(kg_session *session, const uint32_t *tokens, size_t n,
				    float *logits);

/* The logits after tokens[index], until it returns. An error ends the reading. */
typedef kg_err kg_session_reader(void *context, size_t index, const float *logits);

/* Takes tokens in as kg_session_feed does and shows `reader` the logits after each from
 * tokens[from] on, in order. When the reader gives an error the session stands behind the token it
 * was shown last, and the error is passed on. */
KG_NODISCARD kg_err kg_session_read(kg_session *session, const uint32_t *tokens, size_t n,
				    size_t from, kg_session_reader *reader, void *context);

/* The same with what the head takes in, kg_session_width floats: the stream behind the last layer,
 * normed. They stand for what the model has made of the text up to that token, and are the same in
 * every bit with every kernel, number of threads and batch. */
KG_NODISCARD kg_err kg_session_read_hidden(kg_session *session, const uint32_t *tokens, size_t n,
					   size_t from, kg_session_reader *reader, void *context);

/* The `n` floats that a product of `layer` takes in, of one token. */
typedef void kg_session_observer(void *context, uint32_t layer, kg_tensor_role role, const float *x,
				 uint32_t n);

/*
 * From here on `observer` (NULL: nobody) sees the inputs of every token's products before they are
 * quantized, under the role of the first matrix that takes them: attention's q (k and v take the
 * same) and output, the gate (up takes the same) and down. The tokens of one layer and role come in
 * their order.
 */
void kg_session_observe(kg_session *session, kg_session_observer *observer, void *context);

/* Back to `position` <= the current one: what came later is forgotten. */
void kg_session_rewind(kg_session *session, uint32_t position);

/* Writes what has been taken in to a file that sessions of the same weights can begin from, whole
 * or not at all. `digest` is the caller's word on what the weights are. KG_EINVAL when nothing has
 * been taken in or its numbers overflow, KG_ENOMEM, KG_EIO, KG_EFULL. */
KG_NODISCARD kg_err kg_session_save(const kg_session *session, const char *path,
				    const uint8_t digest[KG_PREFIX_DIGEST_SIZE]);

/* Tokens taken in so far; which; most that fit. */
uint32_t kg_session_position(const kg_session *session);
const uint32_t *kg_session_tokens(const kg_session *session);
uint32_t kg_session_context(const kg_session *session);

const kg_weights *kg_session_weights(const kg_session *session);
uint32_t kg_session_vocabulary(const kg_session *session);

/* Floats of the stream: dim, of a complex model twice that. */
uint32_t kg_session_width(const kg_session *session);

/* Bytes of cache and buffers when every position has been used. */
size_t kg_session_bytes(const kg_session *session);

#endif
