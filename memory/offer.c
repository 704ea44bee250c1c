/* SPDX-License-Identifier: MIT */
#include "memory/offer.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

void kg_offers_release(kg_offers *offers)
{
	for (size_t i = 0; i < offers->count; i++)
		free(offers->refs[i].name);
	free(offers->refs);
	*offers = (kg_offers){0};
}

/* What follows `prefix` in the name; NULL when the name begins otherwise. */
static const char *after(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(name, prefix, length) == 0 ? name + length : NULL;
}

static bool parse_key(kg_pubkey *key, const char *hex, size_t length)
{
	return length == KG_PUBKEY_TEXT_SIZE - 1 && kg_hex_is(hex, length) &&
	       kg_hex_decode(key->bytes, sizeof(key->bytes), hex) == KG_OK;
}

/* "<agent>/<commit>" of what is offered as a proof. */
static bool parse_proof(kg_pubkey *key, const kg_commit *commit, const char *rest)
{
	char hex[KG_COMMIT_TEXT_SIZE];
	char text[KG_PUBKEY_TEXT_SIZE];
	const char *slash = strchr(rest, '/');

	kg_commit_format(hex, commit);
	if (slash == NULL || slash - rest != KG_PUBKEY_TEXT_SIZE - 1 || strcmp(slash + 1, hex) != 0)
		return false;
	memcpy(text, rest, KG_PUBKEY_TEXT_SIZE - 1);
	text[KG_PUBKEY_TEXT_SIZE - 1] = '\0';
	return parse_key(key, text, KG_PUBKEY_TEXT_SIZE - 1);
}

/* Whether the name is among ours; then the kind, STRAY when it is not formed like one. */
static bool classify(kg_store_ref *ref, const char *name)
{
	const char *rest = after(name, KG_STORE_REFS);

	ref->kind = KG_STORE_STRAY;
	if (rest != NULL) {
		if (parse_key(&ref->agent, rest, strlen(rest)))
			ref->kind = KG_STORE_CHAIN;
		return true;
	}
	rest = after(name, KG_STORE_FORKS);
	if (rest != NULL) {
		if (parse_proof(&ref->agent, &ref->commit, rest))
			ref->kind = KG_STORE_PROOF;
		return true;
	}
	rest = after(name, KG_STORE_EPOCHS);
	if (rest != NULL) {
		if (kg_store_epoch_parse(&ref->agent, &ref->epoch, rest))
			ref->kind = KG_STORE_CHAIN;
		return true;
	}
	rest = after(name, KG_STORE_VAULT);
	if (rest != NULL) {
		if (strlen(rest) == KG_HASH_TEXT_SIZE - 1 &&
		    kg_entry_id_parse(&ref->entry, rest) == KG_OK)
			ref->kind = KG_STORE_SEALED;
		return true;
	}
	return false;
}

/* The name as it is looked at: a clone's copies of its remote's refs are under refs/remotes/<r>/.
 */
static void own_name(char out[KG_OFFER_NAME_MAX + 16], const char *name)
{
	const char *rest = after(name, "refs/remotes/");
	const char *slash = rest != NULL ? strchr(rest, '/') : NULL;
	bool ours = slash != NULL &&
		    (after(slash, "/agents/") != NULL || after(slash, "/epochs/") != NULL ||
		     after(slash, "/forks/") != NULL);

	memcpy(out, ours ? "refs/heads" : "", ours ? sizeof("refs/heads") : 1);
	name = ours ? slash : name;
	memcpy(out + strlen(out), name, strlen(name) + 1);
}

static kg_err check_name(const char *name, size_t length)
{
	if (length == 0 || length > KG_OFFER_NAME_MAX)
		return kg_fail(KG_ECORRUPT, "a ref has a name of %zu bytes", length);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return kg_fail(KG_ECORRUPT, "a ref has a name with control characters");
	return KG_OK;
}

static kg_err append(kg_offers *offers, const kg_store_ref *ref, const char *name)
{
	kg_store_ref *at;

	if (offers->count == KG_OFFERS_MAX)
		return kg_fail(KG_EFULL, "more than %d refs", KG_OFFERS_MAX);
	if ((offers->count & (offers->count - 1)) == 0) {
		size_t room = offers->count == 0 ? 1 : 2 * offers->count;
		kg_store_ref *grown = realloc(offers->refs, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for refs");
		offers->refs = grown;
	}
	at = &offers->refs[offers->count];
	*at = *ref;
	at->name = strdup(name);
	if (at->name == NULL)
		return kg_fail(KG_ENOMEM, "no memory for refs");
	offers->count++;
	return KG_OK;
}

kg_err kg_offers_add(kg_offers *offers, const char *name, size_t length, const kg_commit *commit)
{
	char whole[KG_OFFER_NAME_MAX + 16];
	char given[KG_OFFER_NAME_MAX + 1];
	kg_store_ref ref = {.has_commit = true, .commit = *commit};
	kg_err err = check_name(name, length);

	if (err != KG_OK)
		return err;
	memcpy(given, name, length);
	given[length] = '\0';
	own_name(whole, given);
	if (!classify(&ref, whole)) {
		offers->others++;
		return KG_OK;
	}
	return append(offers, &ref, whole);
}

void kg_offers_put(kg_buf *out, const kg_offers *offers)
{
	kg_buf_printf(out, "%llu\n", (unsigned long long)offers->others);
	for (size_t i = 0; i < offers->count; i++) {
		char hex[KG_COMMIT_TEXT_SIZE];

		kg_commit_format(hex, &offers->refs[i].commit);
		kg_buf_printf(out, "%s %s\n", hex, offers->refs[i].name);
	}
}

kg_err kg_offers_parse(kg_offers *offers, const void *text, size_t size)
{
	const char *at = text;
	const char *end = at + size;
	const char *line = memchr(at, '\n', size);
	kg_offers found = {0};
	kg_err err = KG_OK;

	if (line == NULL)
		return kg_fail(KG_ECORRUPT, "no list of refs");
	for (const char *c = at; c < line && *c >= '0' && *c <= '9'; c++)
		found.others = found.others * 10 + (uint64_t)(*c - '0');
	for (at = line + 1; err == KG_OK && at < end; at = line + 1) {
		char hex[KG_COMMIT_TEXT_SIZE];
		kg_commit commit;

		line = memchr(at, '\n', (size_t)(end - at));
		if (line == NULL || line - at < KG_COMMIT_TEXT_SIZE + 1) {
			err = kg_fail(KG_ECORRUPT, "a list of refs that breaks off");
			break;
		}
		memcpy(hex, at, KG_COMMIT_TEXT_SIZE - 1);
		hex[KG_COMMIT_TEXT_SIZE - 1] = '\0';
		err = kg_commit_parse(&commit, hex);
		at += KG_COMMIT_TEXT_SIZE;
		if (err == KG_OK)
			err = kg_offers_add(&found, at, (size_t)(line - at), &commit);
	}
	if (err != KG_OK) {
		kg_offers_release(&found);
		return err;
	}
	*offers = found;
	return KG_OK;
}
