/* SPDX-License-Identifier: MIT */
#include "cli/verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/printable.h"

enum { SIGNERS_MAX = 64 << 20 };

bool kg_cli_verdict_ok(const kg_cli_verdict *verdict)
{
	return verdict->verdict.count == 0 && !verdict->verdict.cut;
}

/* Details may quote names of refs and remotes, which can be any bytes. */
static json_t *text_of(const char *text)
{
	json_t *value = json_string(text);

	return value != NULL ? value : json_string("not printable");
}

static json_t *list_findings(const kg_verdict *v)
{
	json_t *findings = json_array();

	for (size_t i = 0; i < v->count; i++) {
		const kg_finding *f = &v->findings[i];

		(void)json_array_append_new(
			findings, json_pack("{s:s, s:s, s:s, s:o, s:s}", "entry", f->entry, "chain",
					    f->chain, "reason", f->reason, "detail",
					    text_of(f->detail), "commit", f->commit));
	}
	return findings;
}

static json_t *list_quarantined(const kg_verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->quarantined_count; i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:s}", "entry",
							    v->quarantined[i].entry, "by",
							    v->quarantined[i].by));
	return list;
}

void kg_cli_verdict_print_json(const kg_cli_verdict *verdict)
{
	const kg_verdict *v = &verdict->verdict;
	char swarm[KG_PUBKEY_TEXT_SIZE];
	json_t *document;

	kg_pubkey_format(swarm, &verdict->swarm);
	document = json_pack(
		"{s:b, s:I, s:o, s:b, s:o, s:s, s:b}", "ok", kg_cli_verdict_ok(verdict), "checked",
		(json_int_t)v->checked, "findings", list_findings(v), "more", v->cut, "quarantined",
		list_quarantined(v), "swarm", swarm, "swarm_known", verdict->swarm_known);
	kg_json_print(document, true);
	json_decref(document);
}

/* One line, whatever a ref or a remote is called. */
static void print_detail(const char *detail)
{
	kg_printable(stdout, detail, strlen(detail));
	putchar('\n');
}

void kg_cli_verdict_print(const kg_cli *cli, const kg_cli_verdict *verdict)
{
	const kg_verdict *v = &verdict->verdict;
	const char *red = cli->colour ? "\033[31m" : "";
	const char *plain = cli->colour ? "\033[0m" : "";
	char swarm[KG_PUBKEY_TEXT_SIZE];

	for (size_t i = 0; i < v->count; i++) {
		const kg_finding *f = &v->findings[i];

		printf("%s%s%s  entry %s  commit %.12s  chain %.12s  ", red, f->reason, plain,
		       f->entry[0] != '\0' ? f->entry : "-", f->commit[0] != '\0' ? f->commit : "-",
		       f->chain[0] != '\0' ? f->chain : "-");
		print_detail(f->detail);
	}
	if (v->cut)
		printf("and more\n");
	for (size_t i = 0; i < v->quarantined_count; i++)
		printf("in quarantine  entry %s  by %s\n", v->quarantined[i].entry,
		       v->quarantined[i].by);
	kg_pubkey_format(swarm, &verdict->swarm);
	if (!verdict->swarm_known)
		printf("swarm %s\n  as the repository itself says: compare it with the key you "
		       "know, or give --swarm\n",
		       swarm);
	printf("%llu entr%s checked, %zu finding%s: %s\n", (unsigned long long)v->checked,
	       v->checked == 1 ? "y" : "ies", v->count, v->count == 1 ? "" : "s",
	       kg_cli_verdict_ok(verdict) ? "everything is as it was signed"
					  : "something is wrong");
}

kg_err kg_cli_verdict_write_signers(const kg_cli_verdict *verdict, const char *path)
{
	const kg_verdict *v = &verdict->verdict;
	kg_buf text;
	kg_err err;

	kg_buf_init(&text, SIGNERS_MAX);
	for (size_t i = 0; i < v->member_count; i++)
		kg_store_put_signer(&text, &v->members[i].agent);
	err = kg_buf_ok(&text);
	if (err == KG_OK)
		err = kg_fs_write(path, kg_buf_text(&text), text.size, 0644);
	kg_buf_release(&text);
	return err;
}
