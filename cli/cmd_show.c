/* SPDX-License-Identifier: MIT */
/* show: one entry with everything it says, and the proof that its author said it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
#include "cli/tree.h"
#include "cli/unsealing.h"
#include "identity/sshsig.h"
#include "memory/chain.h"
#include "memory/view.h"

static void print_proof(const kg_entry *e, const kg_entry_proof *proof, bool signature, bool member)
{
	char hex[KG_HASH_TEXT_SIZE];
	char print[KG_SSHSIG_FINGERPRINT_SIZE];

	kg_entry_id_format(hex, &proof->id);
	printf("\nid          %s\n", hex);
	kg_commit_format(hex, &proof->commit);
	printf("commit      %s\n", hex);
	if (proof->has_parent) {
		kg_commit_format(hex, &proof->parent);
		printf("parent      %s\n", hex);
	}
	kg_pubkey_format(hex, &e->agent);
	kg_sshsig_fingerprint(print, &e->agent);
	printf("author      %s\n            %s\n", hex, print);
	printf("signature   %s\n", signature ? "good" : "BAD");
	printf("certified   %s\n", member ? "by the swarm" : "NO");
}

static void print_groups(const kg_entry *e)
{
	char hex[KG_HASH_TEXT_SIZE];

	if (e->has_parts)
		printf("coefficient %.6f quantization awareness\n"
		       "            %.6f complex understanding\n"
		       "            %.6f compression readiness\n"
		       "            %.6f pedagogical capacity\n",
		       e->parts.quantization_awareness, e->parts.complex_understanding,
		       e->parts.compression_readiness, e->parts.pedagogical_capacity);
	for (size_t i = 0; i < e->reference_count; i++) {
		kg_entry_id_format(hex, &e->references[i]);
		printf("refers to   %s\n", hex);
	}
	if (e->has_genome) {
		kg_entry_id id;

		memcpy(id.bytes, e->genome.base_digest, sizeof(id.bytes));
		kg_entry_id_format(hex, &id);
		printf("genome      %s base\n", hex);
		memcpy(id.bytes, e->genome.weights_digest, sizeof(id.bytes));
		kg_entry_id_format(hex, &id);
		printf("            %s weights\n", hex);
		memcpy(id.bytes, e->genome.seed, sizeof(id.bytes));
		kg_entry_id_format(hex, &id);
		printf("            %s seed\n            %s\n", hex, e->genome.strategy);
	}
	if (e->has_sampler)
		printf("sampler     temperature %g, top-k %lu, top-p %g, seed %llu, %lu of %lu "
		       "tokens\n",
		       e->sampler.temperature, (unsigned long)e->sampler.top_k, e->sampler.top_p,
		       (unsigned long long)e->sampler.seed, (unsigned long)e->sampler.tokens,
		       (unsigned long)e->sampler.max_tokens);
}

static void print_heads(const char *what, const kg_entry_head *heads, size_t count)
{
	char hex[KG_HASH_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		kg_pubkey_format(hex, &heads[i].agent);
		printf("%-11s %s #%llu\n", what, hex, (unsigned long long)heads[i].sequence);
	}
}

static void print_members(const char *what, const kg_entry_member *members, size_t count)
{
	char hex[KG_HASH_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		kg_pubkey_format(hex, &members[i].agent);
		printf("%-11s %s %s\n", what, hex, members[i].name);
	}
}

/* What witnesses, rotations, epochs, seals and imports say. */
static void print_kinds(const kg_entry *e)
{
	char hex[KG_HASH_TEXT_SIZE];

	print_heads("head", e->heads, e->head_count);
	print_members("member", e->members, e->member_count);
	print_members("peer", e->peers, e->peer_count);
	print_heads("saw", e->seen, e->seen_count);
	if (e->has_successor) {
		kg_pubkey_format(hex, &e->successor);
		printf("successor   %s\n", hex);
	}
	if (e->has_predecessor)
		print_heads("predecessor", &e->predecessor, 1);
	if (e->has_epoch)
		printf("epoch       %llu, of %llu entries %llu kept and %llu dropped\n",
		       (unsigned long long)e->epoch.number,
		       (unsigned long long)(e->epoch.kept + e->epoch.dropped),
		       (unsigned long long)e->epoch.kept, (unsigned long long)e->epoch.dropped);
	if (e->carried > 0)
		printf("carried     was #%llu in the epoch before\n",
		       (unsigned long long)e->carried);
	if (e->has_origin) {
		kg_pubkey_format(hex, &e->origin.author);
		printf("origin      mmogit, %s by %s\n", e->origin.time, hex);
	}
}

/* The orders that an entry is under quarantine by. */
static kg_err print_orders(const kg_reading *reading, const kg_entry_id *id)
{
	kg_entry_id orders[8];
	size_t count = 0;
	kg_err err = kg_index_orders(reading->index, orders, &count, id, 8);

	for (size_t i = 0; err == KG_OK && i < count; i++) {
		char hex[KG_HASH_TEXT_SIZE];

		kg_entry_id_format(hex, &orders[i]);
		printf("quarantine  %s\n", hex);
	}
	return err;
}

typedef struct {
	const char *entry;
	const char *as;
	uint64_t depth;
	bool json;
	bool tree;
	bool ascii;
} options;

static kg_err show_json(kg_cli *cli, kg_reading *reading, const options *o, const kg_entry *entry,
			const kg_entry_proof *proof, bool good)
{
	json_t *document = kg_view_whole(entry, proof, good);
	kg_entry_id origin;
	bool marked = false;
	kg_err err = kg_index_mark_of(reading->index, &marked, &origin, &proof->id);

	if (err == KG_OK)
		kg_view_mark(document, marked, &origin, &proof->id);
	if (err == KG_OK && entry->has_sealed)
		err = kg_unsealing_show(document, cli, reading, entry, proof, o->as);
	if (err == KG_OK && o->tree)
		err = kg_tree_put(reading, document, &proof->id, (uint32_t)o->depth);
	if (err == KG_OK)
		kg_json_print(document, true);
	json_decref(document);
	return err;
}

static kg_err show(kg_cli *cli, kg_reading *reading, const options *o, bool *good)
{
	const kg_admit_chain *chain;
	kg_entry_proof proof;
	kg_entry entry;
	kg_commit commit;
	bool signature = false;
	kg_err err = kg_reading_commit(reading, &commit, o->entry);

	if (err == KG_OK)
		err = kg_chain_read(reading->store, &entry, &proof, &signature, &commit);
	if (err != KG_OK)
		return err;
	chain = kg_admit_find(&reading->admit, &entry.agent);
	*good = signature && chain != NULL && chain->member;
	if (o->json) {
		err = show_json(cli, reading, o, &entry, &proof, *good);
	} else {
		kg_reading_print(cli, reading, &entry, &proof, *good, true);
		print_proof(&entry, &proof, signature, chain != NULL && chain->member);
		print_groups(&entry);
		print_kinds(&entry);
		err = print_orders(reading, &proof.id);
		if (err == KG_OK && entry.has_sealed)
			err = kg_unsealing_show(NULL, cli, reading, &entry, &proof, o->as);
		if (err == KG_OK && o->tree)
			err = kg_tree_print(reading, &proof.id, (uint32_t)o->depth, o->ascii);
	}
	kg_entry_release(&entry);
	return err;
}

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{"json", no_argument, NULL, 'j'},  {"as", required_argument, NULL, 'a'},
		{"tree", no_argument, NULL, 't'},  {"depth", required_argument, NULL, 'd'},
		{"ascii", no_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){.depth = 8, .ascii = isatty(STDOUT_FILENO) == 0};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'j')
			o->json = true;
		else if (letter == 'a')
			o->as = optarg;
		else if (letter == 't')
			o->tree = true;
		else if (letter == 'i')
			o->ascii = true;
		else if (letter != 'd')
			return kg_cli_unknown(&kg_cmd_show, known, letter, argv);
		else if (kg_cli_u64(&o->depth, "--depth", optarg, 1, KG_TREE_DEPTH_MAX) != KG_OK)
			return kg_cli_usage(&kg_cmd_show, "%s", kg_err_text());
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_show, "one entry is needed");
	o->entry = argv[optind];
	return KG_EXIT_YES;
}

int kg_cmd_show_run(kg_cli *cli, int argc, char **argv)
{
	kg_reading reading = {0};
	options o;
	bool good = false;
	int code = parse(&o, argc, argv);
	kg_err err;

	if (code != KG_EXIT_YES)
		return code;
	err = kg_reading_open(&reading, cli);
	if (err == KG_OK)
		err = show(cli, &reading, &o, &good);
	kg_reading_close(&reading);
	if (err == KG_OK)
		return good ? KG_EXIT_YES : KG_EXIT_NO;
	(void)kg_cli_trouble("show");
	return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}
