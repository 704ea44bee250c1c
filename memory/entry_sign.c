/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "identity/sshsig.h"
#include "memory/entry_impl.h"

/* Lines of the armour after the first; each is indented by one space in a commit. */
enum { FOLDS = 5, SIGNATURE_SIZE = 7 + KG_SSHSIG_ARMOUR_LENGTH + FOLDS + 1 };

static const char signature_key[] = "gpgsig ";

static void put_signature(kg_buf *out, const char *armour)
{
	kg_buf_puts(out, signature_key);
	for (const char *at = armour; *at != '\0'; at++) {
		kg_buf_put_u8(out, (uint8_t)*at);
		if (*at == '\n')
			kg_buf_put_u8(out, ' ');
	}
	kg_buf_put_u8(out, '\n');
}

static kg_err unfold(char armour[KG_SSHSIG_ARMOUR_SIZE], const char *folded)
{
	size_t length = 0;

	for (size_t i = sizeof(signature_key) - 1; i < SIGNATURE_SIZE - 1; i++) {
		if (length == KG_SSHSIG_ARMOUR_LENGTH)
			return kg_fail(KG_ECORRUPT, "signature is not folded as git folds it");
		armour[length++] = folded[i];
		if (folded[i] == '\n' && folded[++i] != ' ')
			return kg_fail(KG_ECORRUPT, "signature is not folded as git folds it");
	}
	armour[length] = '\0';
	if (length != KG_SSHSIG_ARMOUR_LENGTH || folded[SIGNATURE_SIZE - 1] != '\n')
		return kg_fail(KG_ECORRUPT, "signature is not folded as git folds it");
	return KG_OK;
}

kg_err kg_entry_sign(kg_buf *object, kg_entry_proof *proof, const kg_entry *entry,
		     const kg_key *key, const kg_commit *parent)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	size_t start = object->size;
	const char *header;
	const char *message;
	kg_entry_proof made = {0};
	kg_entry__places places;
	kg_buf payload;
	kg_err err;

	if (!kg_pubkey_equal(&entry->agent, kg_key_public(key)))
		return kg_fail(KG_EINVAL, "the entry names another key than the one that signs");
	kg_buf_init(&payload, KG_ENTRY_OBJECT_MAX - SIGNATURE_SIZE);
	err = kg_entry__encode(&payload, &places, entry, parent);
	if (err != KG_OK)
		goto done;
	kg_sshsig_sign(armour, key, payload.data, payload.size);
	header = kg_buf_text(&payload);
	message = kg_entry__blank(header, payload.size);
	KG_ASSERT(message != NULL);
	message++; /* the header ends with a newline, then comes the signature */
	kg_buf_put(object, header, (size_t)(message - header));
	put_signature(object, armour);
	kg_buf_put(object, message, payload.size - (size_t)(message - header));
	err = kg_buf_ok(object);
	if (err != KG_OK || proof == NULL)
		goto done;
	kg_entry__id(&made.id, payload.data, payload.size, &places);
	kg_commit_id(&made.commit, object->data + start, object->size - start);
	made.has_parent = parent != NULL;
	if (parent != NULL)
		made.parent = *parent;
	*proof = made;
done:
	kg_buf_release(&payload);
	return err;
}

/* Splits the object into the signed bytes and the armour. */
static kg_err split(kg_buf *payload, char armour[KG_SSHSIG_ARMOUR_SIZE], const void *object,
		    size_t size)
{
	const char *bytes = object;
	const char *signature =
		size > 0 && size <= KG_ENTRY_OBJECT_MAX ? kg_entry__blank(object, size) : NULL;
	kg_err err;

	if (signature == NULL || signature + 1 - bytes < SIGNATURE_SIZE)
		return kg_fail(KG_ECORRUPT, "not an entry: no header of a signed commit");
	signature += 1 - SIGNATURE_SIZE;
	if (memcmp(signature, signature_key, sizeof(signature_key) - 1) != 0 ||
	    (signature > bytes && signature[-1] != '\n'))
		return kg_fail(KG_ECORRUPT, "not an entry: no signature of the usual form");
	err = unfold(armour, signature);
	if (err != KG_OK)
		return err;
	(void)kg_buf_reserve(payload, size); /* both pieces in one */
	kg_buf_put(payload, object, (size_t)(signature - bytes));
	kg_buf_put(payload, signature + SIGNATURE_SIZE,
		   size - SIGNATURE_SIZE - (size_t)(signature - bytes));
	return kg_buf_ok(payload);
}

static kg_err open_object(kg_entry *entry, kg_entry_proof *proof, const void *object, size_t size,
			  bool believe)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	kg_entry_proof found;
	kg_pubkey signer;
	kg_entry e;
	kg_buf payload;
	kg_err err;

	kg_buf_init(&payload, KG_ENTRY_OBJECT_MAX);
	err = split(&payload, armour, object, size);
	if (err == KG_OK && !believe)
		err = kg_sshsig_verify(&signer, armour, KG_SSHSIG_ARMOUR_LENGTH, payload.data,
				       payload.size, true);
	if (err == KG_OK)
		err = kg_entry_decode(&e, &found, payload.data, payload.size);
	if (err == KG_OK && !believe && !kg_pubkey_equal(&signer, &e.agent)) {
		kg_entry_release(&e);
		err = kg_fail(KG_EBADSIG, "signed by another key than the one it names");
	}
	kg_buf_release(&payload);
	if (err != KG_OK)
		return err;
	kg_commit_id(&found.commit, object, size);
	*entry = e;
	*proof = found;
	return KG_OK;
}

kg_err kg_entry_open(kg_entry *entry, kg_entry_proof *proof, const void *object, size_t size)
{
	return open_object(entry, proof, object, size, false);
}

kg_err kg_entry_open_unverified(kg_entry *entry, kg_entry_proof *proof, const void *object,
				size_t size)
{
	return open_object(entry, proof, object, size, true);
}
