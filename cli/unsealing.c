/* SPDX-License-Identifier: MIT */
#include "cli/unsealing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "cli/passphrase.h"
#include "cli/printable.h"
#include "identity/keyring.h"
#include "identity/seal.h"
#include "identity/secret.h"
#include "memory/vault.h"

const char *kg_unsealed_name(kg_unsealed state)
{
	static const char *const names[] = {
		[KG_UNSEALED] = "open",
		[KG_UNSEALED_NOT] = "sealed",
		[KG_UNSEALED_GONE] = "erased",
		[KG_UNSEALED_ABSENT] = "absent",
	};

	return names[state];
}

static bool is_for(const kg_entry *entry, const kg_pubkey *key)
{
	for (size_t i = 0; i < entry->sealed.recipient_count; i++)
		if (kg_pubkey_equal(&entry->sealed.recipients[i], key))
			return true;
	return false;
}

/* The key among those of `name`, of any generation up to the one in use, that the content is for:
 * what was sealed for an older key stays readable. KG_ENOTFOUND. */
static kg_err key_for(kg_key **out, const kg_swarm *swarm, const char *name, const kg_entry *entry)
{
	for (uint32_t n = kg_swarm_generation(swarm, name) + 1; n-- > 0;) {
		kg_key *key = NULL;
		kg_err err = kg_swarm_key_at(swarm, name, n, &key);

		if (err != KG_OK)
			return err;
		if (is_for(entry, kg_key_public(key))) {
			*out = key;
			return KG_OK;
		}
		kg_key_free(key);
	}
	return kg_fail(KG_ENOTFOUND, "it is sealed for others");
}

static kg_err open_as(uint8_t *text, size_t *size, const kg_cli *cli, const kg_entry *entry,
		      const kg_buf *sealed, const char *name)
{
	const kg_seal_context context = {.swarm = entry->swarm, .author = entry->agent};
	kg_swarm *swarm = NULL;
	kg_key *key = NULL;
	kg_err err = kg_passphrase_open_swarm(&swarm, cli);

	if (err == KG_OK)
		err = key_for(&key, swarm, name, entry);
	if (err == KG_OK)
		err = kg_seal_open(text, size, sealed->data, sealed->size, &context, key);
	kg_key_free(key);
	kg_swarm_free(swarm);
	return err;
}

/* Whether a name's keys are worth looking at: of a key that the memory knows under that name, or
 * the operator's. So nobody is asked for a passphrase in vain. */
static bool may_be_for(const kg_cli *cli, const kg_reading *reading, const kg_entry *entry,
		       const char *name)
{
	kg_keyring_public public;

	if (strcmp(name, KG_OPERATOR_NAME) == 0 &&
	    kg_keyring_read_public(&public, cli->state_dir) == KG_OK &&
	    is_for(entry, &public.operator_key))
		return true;
	for (size_t i = 0; i < reading->admit.count; i++)
		if (strcmp(reading->admit.chains[i].name, name) == 0 &&
		    is_for(entry, &reading->admit.chains[i].agent))
			return true;
	return false;
}

kg_err kg_unseal(kg_unsealed *state, uint8_t *text, size_t *size, const kg_cli *cli,
		 const kg_reading *reading, const kg_entry *entry, const kg_entry_proof *proof,
		 const char *as)
{
	const char *name = as != NULL ? as : KG_OPERATOR_NAME;
	bool erased = false;
	kg_buf sealed;
	kg_err err;

	*size = 0;
	*state = KG_UNSEALED;
	kg_buf_init(&sealed, KG_ENTRY_SEALED_MAX);
	err = kg_vault_read(reading->store, &sealed, &proof->id);
	if (err == KG_ENOTFOUND) {
		err = kg_vault_is_erased(&erased, reading->store, &proof->id);
		*state = erased ? KG_UNSEALED_GONE : KG_UNSEALED_ABSENT;
	} else if (err == KG_OK) {
		err = kg_vault_check(entry, sealed.data, sealed.size);
		if (err == KG_OK && !may_be_for(cli, reading, entry, name))
			*state = KG_UNSEALED_NOT;
		else if (err == KG_OK)
			err = open_as(text, size, cli, entry, &sealed, name);
		if (err == KG_ENOTFOUND) {
			*state = KG_UNSEALED_NOT;
			err = KG_OK;
		}
	}
	kg_buf_release(&sealed);
	return err;
}

/* ---- telling ---- */

/* What the entry says of its seal is in the document already. */
static kg_err add_json(json_t *document, kg_unsealed state, const char *text, size_t size)
{
	json_t *seal = json_object_get(document, "seal");
	json_t *content = state == KG_UNSEALED ? json_stringn(text, size) : json_null();

	if (json_object_set_new(seal, "state", json_string(kg_unsealed_name(state))) != 0 ||
	    json_object_set_new(seal, "text",
				content != NULL ? content : json_string("not printable")) != 0)
		return kg_fail(KG_ENOMEM, "no memory for sealed content");
	return KG_OK;
}

static void print(const kg_cli *cli, const kg_reading *reading, const kg_entry *entry,
		  kg_unsealed state, const char *text, size_t size)
{
	const char *bold = cli->colour ? "\033[1m" : "";
	const char *plain = cli->colour ? "\033[0m" : "";
	char hex[KG_PUBKEY_TEXT_SIZE];

	for (size_t i = 0; i < entry->sealed.recipient_count; i++) {
		const kg_admit_chain *chain =
			kg_admit_find(&reading->admit, &entry->sealed.recipients[i]);

		kg_pubkey_format(hex, &entry->sealed.recipients[i]);
		printf("%s %s%s%s\n", i == 0 ? "sealed for " : "           ", hex,
		       chain != NULL && chain->name[0] != '\0' ? " " : "",
		       chain != NULL ? chain->name : "");
	}
	switch (state) {
	case KG_UNSEALED:
		/* Only who sealed it has seen it: nothing was checked before. */
		printf("content     %s", bold);
		kg_printable_lines(stdout, "            ", text, size);
		printf("%s\n", plain);
		break;
	case KG_UNSEALED_NOT:
		printf("content     sealed, not for this key\n");
		break;
	case KG_UNSEALED_GONE:
		printf("content     erased\n");
		break;
	case KG_UNSEALED_ABSENT:
		printf("content     not here\n");
		break;
	}
}

kg_err kg_unsealing_show(json_t *document, const kg_cli *cli, const kg_reading *reading,
			 const kg_entry *entry, const kg_entry_proof *proof, const char *as)
{
	uint8_t *text = malloc(KG_SEAL_TEXT_MAX + 1);
	kg_unsealed state = KG_UNSEALED_NOT;
	size_t size = 0;
	kg_err err;

	if (text == NULL)
		return kg_fail(KG_ENOMEM, "no memory for sealed content");
	err = kg_unseal(&state, text, &size, cli, reading, entry, proof, as);
	if (err == KG_OK && document != NULL)
		err = add_json(document, state, (const char *)text, size);
	else if (err == KG_OK)
		print(cli, reading, entry, state, (const char *)text, size);
	kg_secret_wipe(text, KG_SEAL_TEXT_MAX + 1);
	free(text);
	return err;
}

/* ---- for whom ---- */

static kg_err add(kg_pubkey *recipients, size_t *count, const kg_pubkey *key)
{
	size_t at = 0;

	while (at < *count && memcmp(recipients[at].bytes, key->bytes, KG_PUBKEY_SIZE) < 0)
		at++;
	if (at < *count && kg_pubkey_equal(&recipients[at], key))
		return KG_OK;
	if (*count == KG_ENTRY_RECIPIENTS_MAX)
		return kg_fail(KG_EINVAL, "sealed for at most %d keys, the operator's among them",
			       KG_ENTRY_RECIPIENTS_MAX);
	memmove(recipients + at + 1, recipients + at, (*count - at) * sizeof(*recipients));
	recipients[at] = *key;
	++*count;
	return KG_OK;
}

/* One name or key. A whole key may be anyone's; a name is one that the memory knows. */
static kg_err resolve(kg_pubkey *key, const kg_cli *cli, const char *text)
{
	kg_reading reading;
	kg_err err;

	if (strlen(text) == KG_PUBKEY_TEXT_SIZE - 1 && kg_hex_is(text, KG_PUBKEY_TEXT_SIZE - 1))
		return kg_pubkey_parse(key, text);
	err = kg_reading_open(&reading, cli);
	if (err != KG_OK)
		return err;
	err = kg_reading_agent(&reading, key, text);
	kg_reading_close(&reading);
	return err;
}

kg_err kg_unsealing_recipients(kg_pubkey recipients[KG_ENTRY_RECIPIENTS_MAX], size_t *count,
			       const kg_cli *cli, const kg_pubkey *operator_key, const char *list)
{
	kg_err err;

	*count = 0;
	err = add(recipients, count, operator_key);
	while (err == KG_OK && list != NULL && *list != '\0') {
		char text[KG_PUBKEY_TEXT_SIZE];
		size_t length = strcspn(list, ",");
		kg_pubkey key;

		if (length == 0 || length >= sizeof(text))
			return kg_fail(KG_EINVAL, "\"%.80s\" is no list of names and keys", list);
		memcpy(text, list, length);
		text[length] = '\0';
		err = resolve(&key, cli, text);
		if (err == KG_OK)
			err = add(recipients, count, &key);
		list += length + (list[length] == ',' ? 1 : 0);
	}
	return err;
}
