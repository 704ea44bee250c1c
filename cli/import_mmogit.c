/* SPDX-License-Identifier: MIT */
#include "cli/import_mmogit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/writing.h"
#include "identity/mnemonic.h"
#include "identity/secret.h"
#include "memory/mmogit.h"

enum { BYTES_MAX = 512 << 20 }; /* of all contents */

typedef struct {
	const uint8_t *seed; /* NULL: private messages stay closed */
	kg_mmogit_message *messages;
	size_t count;
	size_t room;
	size_t bytes;
	size_t known;  /* were in the memory before */
	size_t stored; /* new ones */
	size_t refused;
	json_t *refusals; /* NULL: lines on stderr */
} import;

/* ---- reading ---- */

/* One line whatever a file is called. */
static void print_refusal(const char *name, const char *reason, const char *detail)
{
	char line[512];

	(void)snprintf(line, sizeof(line), "%.200s: %s%s%.250s", name, reason,
		       detail[0] != '\0' ? ": " : "", detail);
	for (char *c = line; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	(void)fprintf(stderr, "refused %s\n", line);
}

/* The name of a file need not be UTF-8. */
static json_t *text_of(const char *text)
{
	json_t *value = json_string(text);

	return value != NULL ? value : json_string("?");
}

static void refuse(import *im, const char *name, const char *reason)
{
	const char *detail = kg_err_text();
	size_t length = strlen(reason);

	/* The line of a reason begins with its word. */
	if (strncmp(detail, reason, length) == 0 && strncmp(detail + length, ": ", 2) == 0)
		detail += length + 2;
	im->refused++;
	if (im->refusals == NULL) {
		print_refusal(name, reason, detail);
		return;
	}
	(void)json_array_append_new(im->refusals,
				    json_pack("{s:o, s:s, s:o}", "file", text_of(name), "reason",
					      reason, "detail", text_of(detail)));
}

static kg_err keep(import *im, const kg_mmogit_message *m)
{
	if (im->count == im->room) {
		size_t room = im->room > 0 ? 2 * im->room : 256;
		kg_mmogit_message *grown = realloc(im->messages, room * sizeof(*grown));

		if (grown == NULL)
			return kg_fail(KG_ENOMEM, "no memory for the messages");
		im->messages = grown;
		im->room = room;
	}
	if (im->bytes + m->content.size > BYTES_MAX)
		return kg_fail(KG_EFULL, "more than %d MiB of messages", BYTES_MAX >> 20);
	im->bytes += m->content.size;
	im->messages[im->count++] = *m;
	return KG_OK;
}

static kg_err on_file(void *payload, const char *name, const uint8_t *data, size_t size)
{
	import *im = payload;
	kg_mmogit_message m;
	kg_reason why = KG_REASON_NONE;
	kg_err err = kg_mmogit_parse(&m, &why, data, size, im->seed);

	if (err == KG_ENOMEM)
		return err;
	if (err != KG_OK) {
		refuse(im, name, why != KG_REASON_NONE ? kg_reason_name(why) : "encrypted");
		return KG_OK;
	}
	err = keep(im, &m);
	if (err != KG_OK)
		kg_mmogit_release(&m);
	return err;
}

static int in_time(const void *a, const void *b)
{
	const kg_mmogit_message *x = a;
	const kg_mmogit_message *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return memcmp(x->signature, y->signature, sizeof(x->signature));
}

/* ---- what is there already ---- */

/* Whether the entry of this commit carries the message. Anyone may put a tag on an entry. */
static bool carries(kg_reading *reading, const kg_commit *commit, const kg_mmogit_message *m)
{
	kg_entry_proof proof;
	kg_entry entry;
	kg_buf object;
	bool same = false;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	if (kg_store_read(reading->store, &object, commit) == KG_OK &&
	    kg_entry_open(&entry, &proof, object.data, object.size) == KG_OK) {
		same = entry.has_origin && kg_pubkey_equal(&entry.origin.author, &m->author) &&
		       memcmp(entry.origin.signature, m->signature, sizeof(m->signature)) == 0;
		kg_entry_release(&entry);
	}
	kg_buf_release(&object);
	return same;
}

static kg_err is_known(bool *known, kg_reading *reading, const kg_mmogit_message *m)
{
	char tag[KG_MMOGIT_TAG_SIZE];
	kg_index_filter filter = {.tag = tag, .marked_too = true, .limit = 100};
	kg_index_rows rows = {0};
	kg_err err;

	kg_mmogit_tag(tag, m);
	*known = false;
	err = kg_index_recall(reading->index, &rows, &filter);
	for (size_t i = 0; i < rows.count && !*known; i++)
		*known = carries(reading, &rows.rows[i].proof.commit, m);
	kg_index_rows_release(&rows);
	return err;
}

/* Leaves the messages that are not in the memory, each once. */
static kg_err leave_new(import *im, const kg_cli *cli)
{
	kg_reading reading;
	size_t kept = 0;
	kg_err err = kg_reading_open(&reading, cli);
	bool is_open = err == KG_OK;

	/* There is no memory here yet. */
	if (err == KG_ENOTFOUND)
		err = KG_OK;
	for (size_t i = 0; i < im->count; i++) {
		kg_mmogit_message *m = &im->messages[i];
		bool known = kept > 0 && in_time(m, &im->messages[kept - 1]) == 0;

		if (err == KG_OK && is_open && !known)
			err = is_known(&known, &reading, m);
		im->known += known;
		if (known)
			kg_mmogit_release(m);
		else
			im->messages[kept++] = *m;
	}
	im->count = kept;
	if (is_open)
		kg_reading_close(&reading);
	return err;
}

/* ---- writing ---- */

static kg_err say(import *im, const kg_cli *cli)
{
	kg_entry *entries = calloc(im->count + 1, sizeof(*entries));
	kg_writing *writing = NULL;
	kg_swarm *swarm = NULL;
	size_t made = 0;
	kg_err closed;
	kg_err err = entries != NULL ? kg_passphrase_open_swarm(&swarm, cli)
				     : kg_fail(KG_ENOMEM, "no memory for the entries");

	for (; err == KG_OK && made < im->count; made += err == KG_OK)
		err = kg_mmogit_entry(&entries[made], &im->messages[made]);
	if (err == KG_OK)
		err = kg_writing_open(&writing, cli, swarm);
	if (err == KG_OK)
		err = kg_writing_say_all(writing, &im->stored, entries, made,
					 kg_swarm_operator_key(swarm), KG_OPERATOR_NAME);
	closed = kg_writing_close(writing);
	for (size_t i = 0; i < made; i++)
		kg_entry_release(&entries[i]);
	free(entries);
	kg_swarm_free(swarm);
	return err == KG_OK ? closed : err;
}

static kg_err take_in(import *im, const kg_cli *cli, const char *dir)
{
	kg_err err = kg_mmogit_read(dir, on_file, im);

	if (err != KG_OK)
		return err;
	if (im->count > 0)
		qsort(im->messages, im->count, sizeof(*im->messages), in_time);
	err = leave_new(im, cli);
	return err == KG_OK && im->count > 0 ? say(im, cli) : err;
}

/* ---- the words ---- */

/* The seed of the author whose words these are: the first half of what BIP-39 makes of them. */
static kg_err read_seed(uint8_t **seed, const char *path)
{
	uint8_t entropy[KG_MNEMONIC_ENTROPY_MAX];
	void *made = NULL;
	char *words = NULL;
	size_t size = 0;
	kg_err err = kg_identity_init();

	if (err == KG_OK)
		err = kg_passphrase_read(&words, path);
	if (err == KG_OK)
		err = kg_mnemonic_decode(entropy, &size, words, strlen(words));
	if (err == KG_OK)
		err = kg_secret_new(&made, KG_MNEMONIC_SEED_SIZE);
	if (err == KG_OK)
		err = kg_mnemonic_seed(made, entropy, size, "");
	kg_secret_wipe(entropy, sizeof(entropy));
	kg_secret_free(words);
	if (err != KG_OK) {
		kg_secret_free(made);
		return kg_fail_context(err, "%s", path);
	}
	*seed = made;
	return KG_OK;
}

static void print_result(const import *im)
{
	json_t *document;

	if (im->refusals == NULL) {
		printf("%zu imported, %zu known, %zu refused\n", im->stored, im->known,
		       im->refused);
		return;
	}
	document = json_pack("{s:b, s:I, s:I, s:O}", "ok", im->refused == 0, "imported",
			     (json_int_t)im->stored, "known", (json_int_t)im->known, "refused",
			     im->refusals);
	kg_json_print(document, true);
	json_decref(document);
}

int kg_import_mmogit(const kg_cli *cli, const char *dir, const char *words, bool json)
{
import im = {.refusals = json ? json_array() :NULL };
	uint8_t *seed = NULL;
	kg_err err = words != NULL ? read_seed(&seed, words) : KG_OK;

	im.seed = seed;
	if (err == KG_OK)
		err = take_in(&im, cli, dir);
	kg_secret_free(seed);
	for (size_t i = 0; i < im.count; i++)
		kg_mmogit_release(&im.messages[i]);
	free(im.messages);
	if (err == KG_OK)
		print_result(&im);
	json_decref(im.refusals);
	if (err != KG_OK)
		return kg_cli_trouble("import");
	return im.refused == 0 ? KG_EXIT_YES : KG_EXIT_NO;
}
