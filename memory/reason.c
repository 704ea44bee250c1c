/* SPDX-License-Identifier: MIT */
#include "memory/reason.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "identity/sshsig.h"
#include "memory/entry.h"
#include "memory/quote.h"

static const struct {
	const char *word;
	kg_err code;
} reasons[KG_REASONS] = {
	[KG_REASON_NONE] = {"", KG_OK},
	[KG_REASON_BAD_SIGNATURE] = {"bad_signature", KG_EBADSIG},
	[KG_REASON_UNSIGNED] = {"unsigned", KG_ECORRUPT},
	[KG_REASON_WEAK_KEY] = {"weak_key", KG_EDENIED},
	[KG_REASON_MALFORMED] = {"malformed", KG_ECORRUPT},
	[KG_REASON_OVERSIZE] = {"oversize", KG_ECORRUPT},
	[KG_REASON_NOT_UTF8] = {"not_utf8", KG_ECORRUPT},
	[KG_REASON_BAD_ARMOUR] = {"bad_armour", KG_ECORRUPT},
	[KG_REASON_UNREADABLE] = {"unreadable", KG_ECORRUPT},
	[KG_REASON_MISSING] = {"missing", KG_ENOTFOUND},
	[KG_REASON_DAMAGED] = {"damaged", KG_ECORRUPT},
	[KG_REASON_UNKNOWN_KEY] = {"unknown_key", KG_EDENIED},
	[KG_REASON_WRONG_NAME] = {"wrong_name", KG_EDENIED},
	[KG_REASON_WRONG_SWARM] = {"wrong_swarm", KG_EDENIED},
	[KG_REASON_WRONG_CHAIN] = {"wrong_chain", KG_EDENIED},
	[KG_REASON_REVOKED] = {"revoked", KG_EDENIED},
	[KG_REASON_BAD_REVOCATION] = {"bad_revocation", KG_EDENIED},
	[KG_REASON_NO_AUTHORITY] = {"no_authority", KG_EDENIED},
	[KG_REASON_SEQUENCE_GAP] = {"sequence_gap", KG_ECONFLICT},
	[KG_REASON_WRONG_PARENT] = {"wrong_parent", KG_ECONFLICT},
	[KG_REASON_TIME_ORDER] = {"time_order", KG_ECONFLICT},
	[KG_REASON_CLOCK_AHEAD] = {"clock_ahead", KG_EINVAL},
	[KG_REASON_CLOSED] = {"closed", KG_EDENIED},
	[KG_REASON_BAD_SUCCESSION] = {"bad_succession", KG_ECONFLICT},
	[KG_REASON_FORKED] = {"forked", KG_ECONFLICT},
	[KG_REASON_BAD_PROOF] = {"bad_proof", KG_ECORRUPT},
	[KG_REASON_DUPLICATE] = {"duplicate", KG_EEXISTS},
	[KG_REASON_BAD_EPOCH] = {"bad_epoch", KG_ECONFLICT},
	[KG_REASON_BAD_CLAIM] = {"bad_claim", KG_ECONFLICT},
	[KG_REASON_SEEN_MISSING] = {"seen_missing", KG_ENOTFOUND},
	[KG_REASON_TRUNCATED] = {"truncated", KG_ENOTFOUND},
	[KG_REASON_REPLACED] = {"replaced", KG_ECONFLICT},
	[KG_REASON_ROLLED_BACK] = {"rolled_back", KG_ENOTFOUND},
	[KG_REASON_OFF_CHAIN] = {"off_chain", KG_ENOTFOUND},
	[KG_REASON_STRAY_REF] = {"stray_ref", KG_EINVAL},
	[KG_REASON_SEALED_MISMATCH] = {"sealed_mismatch", KG_ECORRUPT},
	[KG_REASON_BAD_ORIGIN] = {"bad_origin", KG_EBADSIG},
	[KG_REASON_BAD_REMOTE] = {"bad_remote", KG_EDENIED},
};

const char *kg_reason_name(kg_reason reason)
{
	KG_ASSERT((unsigned)reason < KG_REASONS);
	return reasons[reason].word;
}

kg_err kg_reason_code(kg_reason reason)
{
	KG_ASSERT((unsigned)reason < KG_REASONS);
	return reasons[reason].code;
}

kg_err kg_reason_fail(kg_reason *why, kg_reason reason, const char *fmt, ...)
{
	char text[KG_ERR_TEXT_MAX];
	va_list ap;

	KG_ASSERT(reason != KG_REASON_NONE);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (why != NULL)
		*why = reason;
	return kg_fail(kg_reason_code(reason), "%s: %s", kg_reason_name(reason), text);
}

/* Where the signature stands in the header of a commit, in whatever form: from its key to the end
 * of its last line. */
static const char *find_signature(size_t *length, const char *bytes, size_t size)
{
	static const char key[] = "\ngpgsig ";
	const char *header = size > 0 ? memmem(bytes, size, "\n\n", 2) : NULL;
	const char *start =
		header != NULL ? memmem(bytes, (size_t)(header - bytes) + 1, key, sizeof(key) - 1)
			       : NULL;
	const char *end;

	if (start == NULL)
		return NULL;
	start++;
	end = memchr(start, '\n', size - (size_t)(start - bytes));
	while (end < header && end[1] == ' ')
		end = memchr(end + 1, '\n', size - (size_t)(end + 1 - bytes));
	*length = (size_t)(end + 1 - start);
	return start;
}

/* What an object is whose signature, taken out in whatever form it has, leaves an entry or not. */
static kg_reason reason_of_parts(const char *bytes, size_t size, const char *signature,
				 size_t length)
{
	static const size_t key_length = 7;
	kg_reason reason = KG_REASON_MALFORMED;
	kg_entry_proof proof;
	kg_pubkey signer;
	kg_entry entry;
	kg_buf armour;
	kg_buf payload;

	kg_buf_init(&armour, KG_SSHSIG_TEXT_MAX);
	kg_buf_init(&payload, KG_ENTRY_OBJECT_MAX);
	for (size_t i = key_length; i < length - 1; i++) {
		kg_buf_put_u8(&armour, (uint8_t)signature[i]);
		if (signature[i] == '\n')
			i++; /* git's fold */
	}
	kg_buf_put(&payload, bytes, (size_t)(signature - bytes));
	kg_buf_put(&payload, signature + length, size - length - (size_t)(signature - bytes));
	if (kg_entry_decode(&entry, &proof, payload.data, payload.size) == KG_OK) {
		kg_err err = kg_sshsig_verify(&signer, kg_buf_text(&armour), armour.size,
					      payload.data, payload.size, false);

		/* Of another kind, or another namespace: no form of an entry at all. */
		if (err != KG_ECORRUPT)
			reason = err == KG_OK        ? KG_REASON_BAD_ARMOUR
				 : err == KG_EDENIED ? KG_REASON_WEAK_KEY
						     : KG_REASON_BAD_SIGNATURE;
		kg_entry_release(&entry);
	}
	kg_buf_release(&armour);
	kg_buf_release(&payload);
	return reason;
}

static bool is_utf8(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size;) {
		uint32_t point;
		size_t step = kg_utf8_step(&point, bytes + i, size - i);

		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

kg_reason kg_reason_of_object(kg_err err, const void *object, size_t size)
{
	const char *signature;
	size_t length = 0;

	if (err == KG_EBADSIG)
		return KG_REASON_BAD_SIGNATURE;
	if (err == KG_EDENIED)
		return KG_REASON_WEAK_KEY;
	if (err != KG_ECORRUPT)
		return KG_REASON_NONE;
	if (size > KG_ENTRY_OBJECT_MAX)
		return KG_REASON_OVERSIZE;
	signature = find_signature(&length, object, size);
	if (signature == NULL)
		return KG_REASON_UNSIGNED;
	if (!is_utf8(object, size))
		return KG_REASON_NOT_UTF8;
	return reason_of_parts(object, size, signature, length);
}
