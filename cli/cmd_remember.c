/* SPDX-License-Identifier: MIT */
/* remember: one more entry in the collective memory, signed by the operator or as an agent. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/memory_type.h"
#include "cli/passphrase.h"
#include "cli/reading.h"
#include "cli/unsealing.h"
#include "cli/writing.h"
#include "identity/seal.h"
#include "identity/secret.h"

typedef struct {
	const char *type;
	const char *message;
	const char *tags;
	const char *references;
	const char *as;
	const char *to; /* for whom it is sealed beside the operator; NULL with private: nobody */
	bool private;
	bool public; /* as callers of mmogit say it: what is not sealed is */
	bool has_confidence;
	double confidence;
	bool has_level;
	double level;
	bool json;
} options;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"memory-type", required_argument, NULL, 't'},
					      {"message", required_argument, NULL, 'm'},
					      {"public", no_argument, NULL, 'b'},
					      {"tags", required_argument, NULL, 'g'},
					      {"confidence", required_argument, NULL, 'c'},
					      {"consciousness-level", required_argument, NULL, 'l'},
					      {"references", required_argument, NULL, 'r'},
					      {"as", required_argument, NULL, 'a'},
					      {"private", no_argument, NULL, 'p'},
					      {"to", required_argument, NULL, 'o'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	kg_err err = KG_OK;
	int letter;

	*o = (options){0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "t:m:", known, NULL)) != -1 && err == KG_OK) {
		if (letter == 't') {
			o->type = optarg;
		} else if (letter == 'm') {
			o->message = optarg;
		} else if ((letter == 'g' && o->tags != NULL) ||
			   (letter == 'r' && o->references != NULL)) {
			return kg_cli_usage(&kg_cmd_remember, "one list, its parts separated by "
							      "commas, for all tags or references");
		} else if (letter == 'g') {
			o->tags = optarg;
		} else if (letter == 'r') {
			o->references = optarg;
		} else if (letter == 'a') {
			o->as = optarg;
		} else if (letter == 'p') {
			o->private = true;
		} else if (letter == 'o') {
			o->to = optarg;
		} else if (letter == 'j') {
			o->json = true;
		} else if (letter == 'b') {
			o->public = true;
		} else if (letter == 'c') {
			o->has_confidence = true;
			err = kg_cli_double(&o->confidence, "--confidence", optarg, 0, 1);
		} else if (letter == 'l') {
			o->has_level = true;
			err = kg_cli_double(&o->level, "--consciousness-level", optarg, 0, 1);
		} else {
			return kg_cli_unknown(&kg_cmd_remember, known, letter, argv);
		}
	}
	if (err != KG_OK)
		return kg_cli_usage(&kg_cmd_remember, "%s", kg_err_text());
	if (o->message == NULL && optind < argc)
		o->message = argv[optind++];
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_remember, "what is '%s'?", argv[optind]);
	if (o->public && (o->private || o->to != NULL))
		return kg_cli_usage(&kg_cmd_remember, "what is sealed is not --public");
	if (o->private && o->to != NULL)
		return kg_cli_usage(&kg_cmd_remember, "--private is for nobody else, --to is");
	if (o->to != NULL && o->to[0] == '\0')
		return kg_cli_usage(&kg_cmd_remember, "--to names nobody");
	if (o->type == NULL || o->message == NULL)
		return kg_cli_usage(&kg_cmd_remember, "--memory-type and a message are needed");
	return KG_EXIT_YES;
}

/* The types that a person or an agent says; the others have rules of their own. */
static kg_err set_type(kg_entry *entry, const char **tag, const char *name)
{
	kg_err err = kg_memory_type_parse(&entry->type, tag, name);

	if (err != KG_OK)
		return err;
	if (entry->type == KG_ENTRY_BIRTH || entry->type == KG_ENTRY_LINEAGE ||
	    entry->type == KG_ENTRY_CHECKPOINT || entry->type == KG_ENTRY_REVOCATION)
		return kg_fail(KG_EINVAL, "a %s is not remembered by hand", name);
	return KG_OK;
}

static kg_err set_message(kg_entry *entry, const char *message)
{
	char *text = NULL;
	kg_err err;

	if (strcmp(message, "-") != 0)
		return kg_entry_set_text(entry, message, strlen(message));
	err = kg_cli_stdin(&text, KG_ENTRY_TEXT_MAX);
	if (err == KG_OK)
		err = kg_entry_set_text(entry, text, strlen(text));
	free(text);
	return err;
}

/* What can be judged without the memory: the rest of a wrong usage. */
static kg_err fill(kg_entry *entry, const options *o)
{
	const char *tag = NULL;
	kg_err err;

	KG_ASSERT(o->type != NULL && o->message != NULL);
	err = set_type(entry, &tag, o->type);
	if (err == KG_OK)
		err = set_message(entry, o->message);
	if (err == KG_OK && entry->text.size == 0)
		err = kg_fail(KG_EINVAL, "the message is empty");
	if (err == KG_OK && o->tags != NULL)
		err = kg_entry_add_tags(entry, o->tags);
	/* It may have been named already. */
	if (err == KG_OK && tag != NULL && !kg_entry_has_tag(entry, tag))
		err = kg_entry_add_tag(entry, tag);
	if (o->has_confidence)
		kg_entry_set_confidence(entry, o->confidence);
	if (o->has_level)
		kg_entry_set_level(entry, o->level);
	return err;
}

static kg_err add_reference(kg_entry *entry, const kg_cli *cli, const char *text)
{
	kg_reading reading;
	kg_entry_proof proof;
	kg_entry_id id;
	kg_pubkey agent;
	uint64_t sequence;
	kg_err err;

	/* A whole id may be one of another swarm. */
	if (strlen(text) == KG_HASH_TEXT_SIZE - 1 && kg_entry_id_parse(&id, text) == KG_OK)
		return kg_entry_add_reference(entry, &id);
	err = kg_reading_open(&reading, cli);
	if (err != KG_OK)
		return err;
	err = kg_index_find(reading.index, &proof, &agent, &sequence, text);
	kg_reading_close(&reading);
	return err == KG_OK ? kg_entry_add_reference(entry, &proof.id) : err;
}

static kg_err add_references(kg_entry *entry, const kg_cli *cli, const char *list)
{
	kg_err err = KG_OK;

	while (err == KG_OK && *list != '\0') {
		char text[KG_HASH_TEXT_SIZE];
		size_t length = strcspn(list, ",");

		if (length == 0 || length >= sizeof(text))
			return kg_fail(KG_EINVAL, "--references: \"%.80s\" is no list of ids",
				       list);
		memcpy(text, list, length);
		text[length] = '\0';
		err = add_reference(entry, cli, text);
		list += length + (list[length] == ',' ? 1 : 0);
	}
	return err;
}

/* The key of an agent that this swarm has certified: a wrong name must not make a new author. */
static kg_err agent_key(kg_key **out, const kg_swarm *swarm, const kg_cli *cli, const char *name)
{
	kg_reading reading;
	kg_pubkey known;
	kg_err err = kg_swarm_agent_key(swarm, name, out);

	if (err == KG_OK)
		err = kg_reading_open(&reading, cli);
	if (err != KG_OK)
		return err;
	if (kg_reading_agent(&reading, &known, name) != KG_OK ||
	    !kg_pubkey_equal(&known, kg_key_public(*out)))
		err = kg_fail(KG_ENOTFOUND, "this swarm has no agent \"%.80s\"", name);
	kg_reading_close(&reading);
	return err;
}

/* What was its text is sealed, and the entry says that. */
static kg_err seal(kg_buf *sealed, kg_entry *entry, const kg_cli *cli, const kg_swarm *swarm,
		   const kg_key *author, const char *to)
{
	const kg_seal_context context = {.swarm = *kg_swarm_id(swarm),
					 .author = *kg_key_public(author)};
	kg_pubkey recipients[KG_ENTRY_RECIPIENTS_MAX];
	uint8_t digest[KG_HASH_SIZE];
	size_t count = 0;
	kg_err err = kg_unsealing_recipients(recipients, &count, cli,
					     kg_key_public(kg_swarm_operator_key(swarm)), to);

	if (err == KG_OK)
		err = kg_seal(sealed, entry->text.data, entry->text.size, &context, recipients,
			      count);
	if (err != KG_OK)
		return err;
	kg_seal_digest(digest, sealed->data, sealed->size);
	kg_secret_wipe(entry->text.data, entry->text.size);
	return kg_entry_set_sealed(entry, digest, sealed->size, recipients, count);
}

static kg_err say(kg_receipt *receipt, kg_entry *entry, const kg_cli *cli, const options *o)
{
	kg_writing *writing = NULL;
	kg_swarm *swarm = NULL;
	kg_key *agent = NULL;
	kg_buf sealed;
	char why[KG_ERR_TEXT_MAX];
	kg_err closed;
	kg_err err = kg_passphrase_open_swarm(&swarm, cli);

	kg_buf_init(&sealed, KG_SEAL_SIZE_MAX);
	if (err == KG_OK && o->as != NULL && strcmp(o->as, "operator") != 0)
		err = agent_key(&agent, swarm, cli, o->as);
	if (err == KG_OK && (o->private || o->to != NULL))
		err = seal(&sealed, entry, cli, swarm,
			   agent != NULL ? agent : kg_swarm_operator_key(swarm), o->to);
	if (err == KG_OK)
		err = kg_writing_open(&writing, cli, swarm);
	if (err == KG_OK && sealed.size > 0)
		kg_writing_seal(writing, sealed.data, sealed.size);
	if (err == KG_OK)
		err = kg_writing_say(writing, receipt, entry,
				     agent != NULL ? agent : kg_swarm_operator_key(swarm),
				     agent != NULL ? o->as : "operator");
	(void)snprintf(why, sizeof(why), "%s", err == KG_OK ? "" : kg_err_text());
	closed = kg_writing_close(writing);
	if (err != KG_OK)
		err = kg_fail(err, "%s", why); /* and not what came of that */
	else if (closed != KG_OK)
		err = kg_fail_context(closed,
				      "the entry is kept and need not be said again, but is "
				      "not in git yet");
	kg_buf_release(&sealed);
	kg_key_free(agent);
	kg_swarm_free(swarm);
	return err;
}

static void print_receipt(const kg_receipt *r, const char *author, bool json)
{
	char id[KG_HASH_TEXT_SIZE];
	char commit[KG_COMMIT_TEXT_SIZE];
	char agent[KG_PUBKEY_TEXT_SIZE];
	char time[KG_TIME_TEXT_SIZE];

	kg_entry_id_format(id, &r->id);
	kg_commit_format(commit, &r->commit);
	kg_pubkey_format(agent, &r->agent);
	kg_clock_format(time, r->time_ms);
	if (json) {
		json_t *document =
			json_pack("{s:s, s:s, s:s, s:I, s:s}", "id", id, "commit", commit, "agent",
				  agent, "sequence", (json_int_t)r->sequence, "time", time);

		kg_json_print(document, false);
		json_decref(document);
		return;
	}
	printf("%s\n%s #%llu, commit %.12s, %s\n", id, author, (unsigned long long)r->sequence,
	       commit, time);
}

int kg_cmd_remember_run(kg_cli *cli, int argc, char **argv)
{
	kg_receipt receipt;
	kg_entry entry;
	options o;
	int code = parse(&o, argc, argv);
	kg_err err;

	if (code != KG_EXIT_YES)
		return code;
	kg_entry_init(&entry, KG_ENTRY_OBSERVATION);
	err = fill(&entry, &o);
	if (err != KG_OK) {
		code = err == KG_EINVAL || err == KG_EFULL
			       ? kg_cli_usage(&kg_cmd_remember, "%s", kg_err_text())
			       : kg_cli_trouble("remember");
		kg_entry_release(&entry);
		return code;
	}
	if (o.references != NULL)
		err = add_references(&entry, cli, o.references);
	if (err == KG_OK)
		err = say(&receipt, &entry, cli, &o);
	if (err == KG_OK)
		print_receipt(&receipt, o.as != NULL ? o.as : KG_OPERATOR_NAME, o.json);
	kg_entry_release(&entry);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("remember");
}
