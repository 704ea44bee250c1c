/* SPDX-License-Identifier: MIT */
/* show: one entry with everything it says, and the proof that its author said it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/reading.h"
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
	for (size_t i = 0; i < e->head_count; i++) {
		kg_pubkey_format(hex, &e->heads[i].agent);
		printf("head        %s #%llu\n", hex, (unsigned long long)e->heads[i].sequence);
	}
	for (size_t i = 0; i < e->member_count; i++) {
		kg_pubkey_format(hex, &e->members[i].agent);
		printf("member      %s %s\n", hex, e->members[i].name);
	}
}

static kg_err show(kg_cli *cli, kg_reading *reading, const char *text, bool json, const char *as,
		   bool *good)
{
	const kg_admit_chain *chain;
	kg_entry_proof proof;
	kg_entry entry;
	kg_commit commit;
	bool signature = false;
	kg_err err = kg_reading_commit(reading, &commit, text);

	if (err == KG_OK)
		err = kg_chain_read(reading->store, &entry, &proof, &signature, &commit);
	if (err != KG_OK)
		return err;
	chain = kg_admit_find(&reading->admit, &entry.agent);
	*good = signature && chain != NULL && chain->member;
	if (json) {
		json_t *document = kg_view_whole(&entry, &proof, *good);

		if (entry.has_sealed)
			err = kg_unsealing_show(document, cli, reading, &entry, &proof, as);
		if (err == KG_OK)
			kg_json_print(document, true);
		json_decref(document);
	} else {
		kg_reading_print(cli, &entry, &proof, *good, true);
		print_proof(&entry, &proof, signature, chain != NULL && chain->member);
		print_groups(&entry);
		if (entry.has_sealed)
			err = kg_unsealing_show(NULL, cli, reading, &entry, &proof, as);
	}
	kg_entry_release(&entry);
	return err;
}

int kg_cmd_show_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option known[] = {{"json", no_argument, NULL, 'j'},
					      {"as", required_argument, NULL, 'a'},
					      {NULL, 0, NULL, 0}};
	kg_reading reading = {0};
	const char *as = NULL;
	bool json = false;
	bool good = false;
	int letter;
	kg_err err;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (letter == 'j')
			json = true;
		else if (letter == 'a')
			as = optarg;
		else
			return kg_cli_unknown(&kg_cmd_show, known, letter, argv);
	}
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_show, "one entry is needed");
	err = kg_reading_open(&reading, cli);
	if (err == KG_OK)
		err = show(cli, &reading, argv[optind], json, as, &good);
	kg_reading_close(&reading);
	if (err == KG_OK)
		return good ? KG_EXIT_YES : KG_EXIT_NO;
	(void)kg_cli_trouble("show");
	return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}
