/* SPDX-License-Identifier: MIT */
/* sync: exchanges memory with another repository. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/printable.h"
#include "cli/syncing.h"

typedef struct {
	kg_syncing_options exchange;
	kg_pubkey trust;
	const char *remote;
	const char *name;
	bool json;
} options;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"name", required_argument, NULL, 'n'},
					      {"pull", no_argument, NULL, 'l'},
					      {"push", no_argument, NULL, 's'},
					      {"forgive", no_argument, NULL, 'f'},
					      {"trust", required_argument, NULL, 't'},
					      {"json", no_argument, NULL, 'j'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'n') {
			o->name = optarg;
		} else if (letter == 'l') {
			o->exchange.no_push = true;
		} else if (letter == 's') {
			o->exchange.no_pull = true;
		} else if (letter == 'f') {
			o->exchange.forgive = true;
		} else if (letter == 'j') {
			o->json = true;
		} else if (letter == 't') {
			if (kg_pubkey_parse(&o->trust, optarg) != KG_OK)
				return kg_cli_usage(&kg_cmd_sync, "--trust: %s", kg_err_text());
			o->exchange.trust = &o->trust;
		} else {
			return kg_cli_unknown(&kg_cmd_sync, known, letter, argv);
		}
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_sync, "one remote is needed: a url, a path or a name");
	if (o->exchange.no_pull && o->exchange.no_push)
		return kg_cli_usage(&kg_cmd_sync, "--pull and --push together leave nothing to do");
	if (o->name != NULL && kg_incoming_name_check(o->name) != KG_OK)
		return kg_cli_usage(&kg_cmd_sync, "--name: %s", kg_err_text());
	o->remote = argv[optind];
	return KG_EXIT_YES;
}

static void print_json(const kg_syncing *x, bool ok)
{
	char url[KG_REMOTE_URL_MAX + 1];
	json_t *shown;
	json_t *document;

	kg_remote_show_url(url, x->remote.url);
	shown = json_string(url);
	document = json_pack(
		"{s:b, s:s, s:o, s:s, s:s, s:s, s:I, s:O}", "ok", ok, "remote", x->remote.name,
		"url", shown != NULL ? shown : json_string("not printable"), "state",
		x->remote.bad ? "quarantined" : "good", "reason", x->remote.reason, "detail",
		x->remote.detail, "pushed", (json_int_t)x->pushed, "not_pushed", x->not_pushed);
	if (document == NULL)
		return;
	kg_taking_put_json(document, &x->taking);
	kg_json_print(document, true);
	json_decref(document);
}

static void print_not_pushed(const kg_syncing *x)
{
	size_t i;
	json_t *item;

	json_array_foreach(x->not_pushed, i, item)
	{
		const char *why = json_string_value(json_object_get(item, "why"));

		(void)fprintf(stderr, "not pushed  %s\n    ",
			      json_string_value(json_object_get(item, "ref")));
		kg_printable(stderr, why, strlen(why));
		(void)fputc('\n', stderr);
	}
	if (x->is_memory)
		(void)fprintf(stderr,
			      "%s is a swarm's own memory, which only that swarm writes: it "
			      "takes what is ours by its own sync\n",
			      x->remote.name);
}

static void print_plain(const kg_syncing *x)
{
	const kg_judgement *j = &x->taking.judged;

	printf("%s: %llu new entr%s taken", x->remote.name, (unsigned long long)x->taking.taken,
	       x->taking.taken == 1 ? "y" : "ies");
	if (x->taking.proofs > 0)
		printf(", %llu proofs of forks kept", (unsigned long long)x->taking.proofs);
	if (x->taking.sealed > 0)
		printf(", %llu sealed content%s", (unsigned long long)x->taking.sealed,
		       x->taking.sealed == 1 ? "" : "s");
	printf("; %llu chain%s pushed\n", (unsigned long long)x->pushed, x->pushed == 1 ? "" : "s");
	for (size_t i = 0; i < j->stranger_count; i++) {
		char hex[KG_PUBKEY_TEXT_SIZE];

		kg_pubkey_format(hex, &j->strangers[i]);
		(void)fprintf(stderr, "left alone: the swarm %s, which is not believed here\n",
			      hex);
	}
}

/* One line why nothing more is done with it. */
static void print_bad(const kg_syncing *x)
{
	char time[KG_TIME_TEXT_SIZE];

	kg_clock_format(time, x->remote.time_ms);
	(void)fprintf(stderr, "kindergarten: sync: %s %s %s: ", x->remote.name,
		      x->was_bad ? "is in quarantine since" : "was put in quarantine at", time);
	kg_printable(stderr, x->remote.reason, strlen(x->remote.reason));
	(void)fputs(": ", stderr);
	kg_printable(stderr, x->remote.detail, strlen(x->remote.detail));
	(void)fprintf(stderr, " (kindergarten sync %s --forgive tries again)\n", x->remote.name);
}

int kg_cmd_sync_run(kg_cli *cli, int argc, char **argv)
{
	kg_syncing x;
	options o;
	int code = parse(&o, argc, argv);
	bool ok;
	kg_err err;

	if (code != KG_EXIT_YES)
		return code;
	err = kg_syncing_run(&x, cli, o.remote, o.name, &o.exchange);
	if (err != KG_OK) {
		code = kg_cli_trouble("sync");
		kg_syncing_release(&x);
		return code;
	}
	ok = !x.remote.bad && !x.is_foreign && x.taking.refused == 0 &&
	     json_array_size(x.not_pushed) == 0;
	if (o.json)
		print_json(&x, ok);
	else if (!x.was_bad && !x.is_foreign)
		print_plain(&x);
	kg_taking_print_findings(&x.taking);
	print_not_pushed(&x);
	if (x.is_foreign)
		kg_taking_refuse_stranger(&x.taking, "sync", x.remote.name);
	if (x.remote.bad)
		print_bad(&x);
	kg_syncing_release(&x);
	return ok ? KG_EXIT_YES : KG_EXIT_NO;
}
