/* SPDX-License-Identifier: MIT */
#include "memory/claims.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

enum {
	DIGITS_MAX = 19,
	LINE_MAX_SIZE = KG_PUBKEY_TEXT_SIZE + DIGITS_MAX + 1 + KG_COMMIT_TEXT_SIZE,
	FILE_MAX = KG_CLAIMS_MAX * LINE_MAX_SIZE
};

/* "<key> <sequence> <commit>" without the end of the line. */
static bool parse_line(kg_entry_head *claim, const char *line, size_t size)
{
	char text[LINE_MAX_SIZE + 1];
	char *commit;
	char *digits = text + KG_PUBKEY_TEXT_SIZE;

	if (size > LINE_MAX_SIZE || size < KG_PUBKEY_TEXT_SIZE + 1 + KG_COMMIT_TEXT_SIZE)
		return false;
	memcpy(text, line, size);
	text[size] = '\0';
	if (strlen(text) != size || text[KG_PUBKEY_TEXT_SIZE - 1] != ' ')
		return false;
	text[KG_PUBKEY_TEXT_SIZE - 1] = '\0';
	commit = text + size - (KG_COMMIT_TEXT_SIZE - 1);
	if (commit[-1] != ' ' || commit - 1 - digits > DIGITS_MAX || digits[0] < '1')
		return false;
	commit[-1] = '\0';
	claim->sequence = 0;
	for (; *digits >= '0' && *digits <= '9'; digits++)
		claim->sequence = claim->sequence * 10 + (uint64_t)(*digits - '0');
	return *digits == '\0' && claim->sequence <= INT64_MAX &&
	       kg_pubkey_parse(&claim->agent, text) == KG_OK &&
	       kg_commit_parse(&claim->commit, commit) == KG_OK;
}

kg_err kg_claims_parse(kg_entry_head *claims, size_t *count, const char *text, size_t size)
{
	size_t n = 0;

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t length;

		if (end == NULL || n == KG_CLAIMS_MAX)
			return kg_fail(KG_ECORRUPT, "witness: line %zu has no end", n + 1);
		length = (size_t)(end - text);
		if (!parse_line(&claims[n], text, length) ||
		    (n > 0 &&
		     memcmp(claims[n - 1].agent.bytes, claims[n].agent.bytes, KG_PUBKEY_SIZE) >= 0))
			return kg_fail(KG_ECORRUPT, "witness: line %zu is no claim", n + 1);
		n++;
		text += length + 1;
		size -= length + 1;
	}
	*count = n;
	return KG_OK;
}

kg_err kg_claims_read(kg_entry_head **claims, size_t *count, const char *state_dir)
{
	kg_entry_head *found = calloc(KG_CLAIMS_MAX, sizeof(*found));
	char path[KG_PATH_SIZE];
	size_t n = 0;
	kg_buf text;
	kg_err err = kg_path(path, "%s/witness", state_dir);

	kg_buf_init(&text, FILE_MAX);
	if (found == NULL)
		err = kg_fail(KG_ENOMEM, "no memory for claims");
	if (err == KG_OK)
		err = kg_fs_read(&text, path);
	if (err == KG_OK)
		err = kg_claims_parse(found, &n, kg_buf_text(&text), text.size);
	else if (err == KG_ENOTFOUND)
		err = KG_OK;
	else if (err == KG_EFULL)
		err = kg_fail(KG_ECORRUPT, "witness: larger than it can be");
	kg_buf_release(&text);
	if (err != KG_OK) {
		free(found);
		return err;
	}
	*claims = found;
	*count = n;
	return KG_OK;
}

/* Whether the chain that ends with `end` goes on from `earlier`; a chain that cannot be read down
 * to there does not. */
static bool goes_on_from(kg_store *store, const kg_entry_head *end, const kg_entry_head *earlier)
{
	kg_entry_proof proof = {.has_parent = true, .parent = end->commit};
	uint64_t sequence = UINT64_MAX;
	kg_err err = KG_OK;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	while (err == KG_OK && sequence > earlier->sequence && proof.has_parent) {
		kg_commit at = proof.parent;
		kg_entry e;

		kg_buf_clear(&object);
		err = kg_store_read(store, &object, &at);
		if (err == KG_OK)
			err = kg_entry_open_unverified(&e, &proof, object.data, object.size);
		if (err != KG_OK)
			break;
		sequence = e.sequence;
		proof.commit = at;
		kg_entry_release(&e);
	}
	kg_buf_release(&object);
	return err == KG_OK && sequence == earlier->sequence &&
	       memcmp(proof.commit.bytes, earlier->commit.bytes, KG_COMMIT_SIZE) == 0;
}

/* Puts it in its place, or in place of that swarm's; `*news` false: that one stays. */
static kg_err place(kg_entry_head *claims, size_t *count, kg_store *store,
		    const kg_entry_head *claim, bool *news)
{
	size_t at = 0;

	while (at < *count &&
	       memcmp(claims[at].agent.bytes, claim->agent.bytes, KG_PUBKEY_SIZE) < 0)
		at++;
	if (at == *count || !kg_pubkey_equal(&claims[at].agent, &claim->agent)) {
		if (*count == KG_CLAIMS_MAX)
			return kg_fail(KG_EFULL, "witness: more than %d swarms", KG_CLAIMS_MAX);
		memmove(claims + at + 1, claims + at, (*count - at) * sizeof(*claims));
		claims[at] = (kg_entry_head){.agent = claim->agent};
		++*count;
	}
	*news = claims[at].sequence < claim->sequence &&
		(claims[at].sequence == 0 || goes_on_from(store, claim, &claims[at]));
	if (*news)
		claims[at] = *claim;
	return KG_OK;
}

kg_err kg_claims_put(const char *state_dir, kg_store *store, const kg_entry_head *claim)
{
	kg_entry_head *claims = NULL;
	char path[KG_PATH_SIZE];
	size_t count = 0;
	bool news = false;
	kg_buf text;
	kg_err err = kg_claims_read(&claims, &count, state_dir);

	if (err == KG_ECORRUPT) {
		claims = calloc(1, sizeof(*claims));
		err = claims != NULL ? KG_OK : kg_fail(KG_ENOMEM, "no memory for claims");
	}
	if (err == KG_OK)
		err = place(claims, &count, store, claim, &news);
	if (err == KG_OK)
		err = kg_path(path, "%s/witness", state_dir);
	kg_buf_init(&text, FILE_MAX);
	for (size_t i = 0; err == KG_OK && i < count; i++) {
		char key[KG_PUBKEY_TEXT_SIZE];
		char commit[KG_COMMIT_TEXT_SIZE];

		kg_pubkey_format(key, &claims[i].agent);
		kg_commit_format(commit, &claims[i].commit);
		kg_buf_printf(&text, "%s %llu %s\n", key, (unsigned long long)claims[i].sequence,
			      commit);
	}
	if (err == KG_OK)
		err = kg_buf_ok(&text);
	if (err == KG_OK && news)
		err = kg_fs_write(path, text.data, text.size, 0600);
	kg_buf_release(&text);
	free(claims);
	return err;
}
