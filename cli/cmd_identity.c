/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "identity/keyring.h"
#include "identity/mnemonic.h"
#include "identity/secret.h"
#include "identity/sshsig.h"

enum { AGENTS_DEFAULT = 8, AGENTS_MAX = 10000 };

typedef struct {
	const char *passphrase_file; /* NULL: none asked for */
	bool ask;                    /* for a new passphrase, on the terminal */
	bool plain;                  /* whatever the settings say */
	bool json;
	uint64_t agents;
} options;

/* An exit code; KG_EXIT_YES to go on. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"passphrase", no_argument, NULL, 'a'},
					      {"passphrase-file", required_argument, NULL, 'f'},
					      {"no-passphrase", no_argument, NULL, 'p'},
					      {"json", no_argument, NULL, 'j'},
					      {"agents", required_argument, NULL, 'n'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*o = (options){.agents = AGENTS_DEFAULT};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "n:", known, NULL)) != -1) {
		if (letter == 'a')
			o->ask = true;
		else if (letter == 'f')
			o->passphrase_file = optarg;
		else if (letter == 'p')
			o->plain = true;
		else if (letter == 'j')
			o->json = true;
		else if (letter != 'n')
			return kg_cli_unknown(&kg_cmd_identity, known, letter, argv);
		else if (kg_cli_u64(&o->agents, "-n", optarg, 1, AGENTS_MAX) != KG_OK)
			return kg_cli_usage(&kg_cmd_identity, "%s", kg_err_text());
	}
	if (o->ask + o->plain + (o->passphrase_file != NULL) > 1)
		return kg_cli_usage(&kg_cmd_identity, "--passphrase, --passphrase-file and "
						      "--no-passphrase exclude each other");
	if (optind + 1 != argc)
		return kg_cli_usage(&kg_cmd_identity, "expected new, show, recover or agents");
	return KG_EXIT_YES;
}

/* The passphrase for a key file to be written; NULL for a plain one. */
static kg_err passphrase_choose(char **out, const kg_cli *cli, const options *o)
{
	const char *path = o->passphrase_file;

	*out = NULL;
	/* A passphrase that the settings name is the one that every later command will try. */
	if (path == NULL && !o->plain)
		path = kg_conf_text(cli->conf, "identity.passphrase_file");
	if (o->ask && (path == NULL || path[0] == '\0'))
		return kg_passphrase_ask(out, true);
	return path == NULL || path[0] == '\0' ? KG_OK : kg_passphrase_read(out, path);
}

static kg_err create(const kg_cli *cli, const options *o, const uint8_t *entropy, size_t size)
{
	char *passphrase;
	kg_err err = passphrase_choose(&passphrase, cli, o);

	if (err != KG_OK)
		return err;
	err = kg_keyring_create(cli->state_dir, entropy, size, passphrase);
	kg_secret_free(passphrase);
	if (err == KG_OK && !kg_secret_is_locked())
		(void)fprintf(stderr, "kindergarten: identity: memory could not be locked: "
				      "secrets may reach the swap device (raise ulimit -l)\n");
	return err;
}

/* Words and ids. By hand, so that no library's buffer keeps the words. */
static kg_err created_print(const kg_cli *cli, const options *o, const char *words)
{
	kg_keyring_public public;
	char swarm[KG_PUBKEY_TEXT_SIZE];
	char operator_key[KG_PUBKEY_TEXT_SIZE];
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err != KG_OK)
		return err;
	kg_pubkey_format(swarm, &public.swarm);
	kg_pubkey_format(operator_key, &public.operator_key);
	if (o->json) {
		printf("{\"swarm\":\"%s\",\"operator\":\"%s\"", swarm, operator_key);
		if (words != NULL)
			printf(",\"words\":\"%s\"", words);
		printf("}\n");
	} else if (words != NULL) {
		printf("%s\n", words);
	}
	if (fflush(stdout) != 0 || ferror(stdout) != 0)
		return kg_fail(KG_EIO, "the identity is made, but standard output failed");
	if (words != NULL)
		(void)fprintf(stderr,
			      "These words are the swarm. They are shown this once: write them "
			      "down and keep\nthem where nobody else looks. "
			      "`identity recover` makes everything from them.\n");
	if (!o->json)
		(void)fprintf(stderr, "swarm %s\n", swarm);
	return KG_OK;
}

static int run_new(const kg_cli *cli, const options *o)
{
	void *entropy = NULL;
	void *words = NULL;
	kg_err err = kg_secret_new(&entropy, KG_MNEMONIC_ENTROPY_MAX);

	if (err == KG_OK)
		err = kg_secret_new(&words, KG_MNEMONIC_SIZE);
	if (err == KG_OK)
		err = kg_mnemonic_generate(entropy);
	if (err == KG_OK)
		err = kg_mnemonic_encode(words, entropy, KG_MNEMONIC_ENTROPY_MAX);
	if (err == KG_OK)
		err = create(cli, o, entropy, KG_MNEMONIC_ENTROPY_MAX);
	if (err == KG_OK) {
		/* The words must not stay behind in the buffer of stdout. */
		(void)setvbuf(stdout, NULL, _IONBF, 0);
		err = created_print(cli, o, words);
	}
	kg_secret_free(words);
	kg_secret_free(entropy);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("identity new");
}

static int run_recover(const kg_cli *cli, const options *o)
{
	char *text = NULL;
	void *entropy = NULL;
	size_t size;
	kg_err err;

	if (isatty(STDIN_FILENO))
		(void)fprintf(stderr, "the words, then Ctrl-D:\n");
	err = kg_cli_stdin(&text, KG_MNEMONIC_TEXT_MAX);
	if (err == KG_OK)
		err = kg_secret_new(&entropy, KG_MNEMONIC_ENTROPY_MAX);
	if (err == KG_OK)
		err = kg_mnemonic_decode(entropy, &size, text, strlen(text));
	if (err == KG_OK)
		err = create(cli, o, entropy, size);
	if (err == KG_OK)
		err = created_print(cli, o, NULL);
	kg_secret_free(entropy);
	if (text != NULL)
		kg_secret_wipe(text, strlen(text));
	free(text);
	return err == KG_OK ? KG_EXIT_YES : kg_cli_trouble("identity recover");
}

static int run_show(const kg_cli *cli, const options *o)
{
	kg_keyring_public public;
	char swarm[KG_PUBKEY_TEXT_SIZE];
	char operator_key[KG_PUBKEY_TEXT_SIZE];
	char swarm_print[KG_SSHSIG_FINGERPRINT_SIZE];
	char operator_print[KG_SSHSIG_FINGERPRINT_SIZE];
	const char *secret;
	bool sealed = false;
	kg_err err = kg_keyring_read_public(&public, cli->state_dir);

	if (err != KG_OK) {
		(void)kg_cli_trouble("identity show");
		return err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
	}
	err = kg_keyring_probe(cli->state_dir, &sealed);
	if (err != KG_OK && err != KG_ENOTFOUND)
		return kg_cli_trouble("identity show");
	secret = err == KG_ENOTFOUND ? "absent" : sealed ? "sealed" : "plain";
	kg_pubkey_format(swarm, &public.swarm);
	kg_pubkey_format(operator_key, &public.operator_key);
	kg_sshsig_fingerprint(swarm_print, &public.swarm);
	kg_sshsig_fingerprint(operator_print, &public.operator_key);
	if (o->json) {
		json_t *doc = json_pack("{s:s, s:s, s:s, s:s, s:s}", "swarm", swarm, "fingerprint",
					swarm_print, "operator", operator_key,
					"operator_fingerprint", operator_print, "secret", secret);

		kg_json_print(doc, false);
		json_decref(doc);
	} else {
		printf("swarm     %s\n          %s\noperator  %s\n          %s\nsecret    %s\n",
		       swarm, swarm_print, operator_key, operator_print, secret);
	}
	return KG_EXIT_YES;
}

/* The keys of `name` that were given up, each with the one that it named. */
static kg_err earlier_of(json_t **out, const kg_swarm *swarm, const char *name)
{
	json_t *list = json_array();
	char hex[2][KG_PUBKEY_TEXT_SIZE];

	for (uint32_t n = 0; n <= kg_swarm_generation(swarm, name); n++) {
		kg_key *key = NULL;
		kg_err err = kg_swarm_key_at(swarm, name, n, &key);

		if (err != KG_OK) {
			json_decref(list);
			return err;
		}
		kg_pubkey_format(hex[n % 2], kg_key_public(key));
		kg_key_free(key);
		if (n > 0)
			(void)json_array_append_new(list,
						    json_pack("{s:s, s:s}", "key", hex[(n + 1) % 2],
							      "successor", hex[n % 2]));
	}
	*out = list;
	return KG_OK;
}

/* Name, key, fingerprint and generation of an agent, or of the operator, printed or added to
 * `list`. */
static kg_err agent_print(const kg_swarm *swarm, const char *name, json_t *list)
{
	uint32_t generation = kg_swarm_generation(swarm, name);
	char hex[KG_PUBKEY_TEXT_SIZE];
	char print[KG_SSHSIG_FINGERPRINT_SIZE];
	json_t *earlier = NULL;
	kg_key *key;
	kg_err err = kg_swarm_key_at(swarm, name, generation, &key);

	if (err != KG_OK)
		return err;
	kg_pubkey_format(hex, kg_key_public(key));
	kg_sshsig_fingerprint(print, kg_key_public(key));
	kg_key_free(key);
	err = earlier_of(&earlier, swarm, name);
	if (err != KG_OK)
		return err;
	if (list != NULL) {
		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:O}", "name",
							    name, "key", hex, "fingerprint", print,
							    "generation", (json_int_t)generation,
							    "earlier", earlier));
	} else {
		printf("%-12s %s", name, hex);
		if (generation > 0)
			printf("  generation %lu, after %s", (unsigned long)generation,
			       json_string_value(json_object_get(
				       json_array_get(earlier, generation - 1), "key")));
		printf("\n");
	}
	json_decref(earlier);
	return KG_OK;
}

static int run_agents(const kg_cli *cli, const options *o)
{
	kg_swarm *swarm = NULL;
	json_t *list = o->json ? json_array() : NULL;
	kg_err err = kg_passphrase_open_swarm(&swarm, cli);

	for (uint64_t n = 0; err == KG_OK && n < o->agents; n++) {
		char name[KG_NAME_SIZE];

		(void)snprintf(name, sizeof(name), "agent-%llu", (unsigned long long)n);
		err = agent_print(swarm, name, list);
	}
	if (err == KG_OK && o->json) {
		json_t *doc = json_pack("{s:O}", "agents", list);

		kg_json_print(doc, false);
		json_decref(doc);
	}
	json_decref(list);
	kg_swarm_free(swarm);
	if (err != KG_OK)
		(void)kg_cli_trouble("identity agents");
	return err == KG_OK ? KG_EXIT_YES : err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}

int kg_cmd_identity_run(kg_cli *cli, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const kg_cli *cli, const options *o);
	} verbs[] = {{"new", run_new},
		     {"show", run_show},
		     {"recover", run_recover},
		     {"agents", run_agents}};
	options o;
	int code = parse(&o, argc, argv);

	if (code != KG_EXIT_YES)
		return code;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0)
			return verbs[i].run(cli, &o);
	return kg_cli_usage(&kg_cmd_identity, "'%s' is not new, show, recover or agents",
			    argv[optind]);
}
