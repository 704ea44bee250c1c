/* SPDX-License-Identifier: MIT */
/* What is found, as it is told. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/verify_impl.h"

static void name_finding(const kg_verify_judge *j, kg_finding *f, const kg_verify_spotted *at)
{
	const kg_verify_options *o = j->options;
	kg_entry_id id;

	kg_commit_format(f->commit, at->commit);
	if (o->name != NULL && o->name(o->payload, &id, at->agent, at->sequence, at->commit))
		kg_entry_id_format(f->entry, &id);
	else if (at->id != NULL)
		kg_entry_id_format(f->entry, at->id);
	else
		kg_commit_format(f->entry, at->commit);
}

/* Room for one more finding; NULL when there are too many, or no memory for it. */
static kg_finding *add_finding(kg_verdict *v, kg_reason reason)
{
	kg_finding *f;

	if (v->count == KG_VERIFY_FINDINGS_MAX) {
		v->cut = true;
		return NULL;
	}
	if ((v->count & (v->count - 1)) == 0) {
		f = realloc(v->findings, (v->count == 0 ? 1 : 2 * v->count) * sizeof(*f));
		if (f == NULL) {
			v->cut = true;
			return NULL;
		}
		v->findings = f;
	}
	f = &v->findings[v->count++];
	memset(f, 0, sizeof(*f));
	f->reason = kg_reason_name(reason);
	return f;
}

void kg_verify__find(kg_verify_judge *j, const kg_verify_spotted *at, kg_reason reason,
		     const char *fmt, ...)
{
	const kg_verify_options *o = j->options;
	const kg_admit_chain *known = kg_admit_find(&j->admit, at->agent);
	kg_finding *f;
	va_list ap;
	int length;

	if (o->commit != NULL && memcmp(o->commit->bytes, at->commit->bytes, KG_COMMIT_SIZE) != 0)
		return;
	f = add_finding(j->verdict, reason);
	if (f == NULL)
		return;
	kg_pubkey_format(f->chain, at->agent);
	name_finding(j, f, at);
	length = snprintf(f->detail, sizeof(f->detail), "%s entry %llu: ",
			  known != NULL && known->name[0] != '\0' ? known->name : "?",
			  (unsigned long long)at->sequence);
	if (length < 0 || (size_t)length >= sizeof(f->detail))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(f->detail + length, sizeof(f->detail) - (size_t)length, fmt, ap);
	va_end(ap);
}

void kg_verify__find_ref(kg_verify_judge *j, const kg_pubkey *agent, kg_reason reason,
			 const char *fmt, ...)
{
	kg_finding *f;
	va_list ap;

	if (j->options->commit != NULL)
		return;
	f = add_finding(j->verdict, reason);
	if (f == NULL)
		return;
	if (agent != NULL)
		kg_pubkey_format(f->chain, agent);
	va_start(ap, fmt);
	(void)vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

void kg_verdict_add(kg_verdict *verdict, kg_reason reason, const char *chain, const char *commit,
		    const char *detail)
{
	kg_finding *f = add_finding(verdict, reason);

	if (f == NULL)
		return;
	(void)snprintf(f->chain, sizeof(f->chain), "%s", chain);
	(void)snprintf(f->commit, sizeof(f->commit), "%s", commit);
	(void)snprintf(f->detail, sizeof(f->detail), "%s", detail);
}
