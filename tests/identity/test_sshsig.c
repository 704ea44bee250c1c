/* SPDX-License-Identifier: MIT */
#include "tests/identity/cmocka_all.h"

#include <sodium.h>
#include <unistd.h>

#include "base/fs.h"
#include "identity/secret.h"
#include "identity/sshsig.h"

/* A commit and what stock git made of it with the key of seed 00..1f (as an OpenSSH file): its id.
 * The tree holds one blob, insight.json. */
#define HEAD                                       \
 "tree d87075a4ae2b286760c871be2b8a958435dc0aeb\n" \
 "author agent <agent@swarm> 1700000000 +0000\n"   \
 "committer agent <agent@swarm> 1700000000 +0000\n"
#define BODY      "\ninsight: hello\n"
#define COMMIT_ID "ff13d3db960a45448f52203409e17bd8dd17ac4f"

static const char payload[] = HEAD BODY;

static kg_key *key_make(void)
{
	uint8_t seed[KG_KEY_SEED_SIZE];
	kg_key *key = NULL;

	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)i;
	assert_int_equal(kg_key_new(&key, seed), KG_OK);
	return key;
}

static void armour_of(char armour[KG_SSHSIG_ARMOUR_SIZE])
{
	kg_key *key = key_make();

	kg_sshsig_sign(armour, key, payload, strlen(payload));
	kg_key_free(key);
}

static kg_err verify(const char *armour, const char *text, bool strict)
{
	kg_pubkey signer;

	return kg_sshsig_verify(&signer, armour, strlen(armour), text, strlen(text), strict);
}

/* The base64 digits between the marker lines. */
static void digits_of(char digits[233], const char *armour)
{
	size_t used = 0;

	for (const char *c = armour + strlen("-----BEGIN SSH SIGNATURE-----"); *c != '-'; c++) {
		if (*c == '\n')
			continue;
		assert_true(used < 232);
		digits[used++] = *c;
	}
	digits[used] = '\0';
	assert_int_equal(used, 232);
}

/* The last line that a command prints, without its newline; its exit status is returned. */
static int command(char out[256], const char *fmt, ...) KG_PRINTF(2, 3);
static int command(char out[256], const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	out[0] = '\0';
	f = popen(line, "r");
	assert_non_null(f);
	while (fgets(out, 256, f) != NULL)
		out[strcspn(out, "\n")] = '\0';
	return pclose(f);
}

static bool have(const char *tool)
{
	char out[256];

	if (command(out, "command -v %s", tool) == 0)
		return true;
	print_message("skipped: no %s on this machine\n", tool);
	return false;
}

static void commit_text(char text[1024], const char *armour)
{
	size_t used = strlen(HEAD "gpgsig ");

	memcpy(text, HEAD "gpgsig ", used + 1);
	for (const char *c = armour; *c != '\0'; c++) {
		text[used++] = *c;
		if (*c == '\n')
			text[used++] = ' ';
	}
	(void)snprintf(text + used, 1024 - used, "\n%s", BODY);
}

static void test_sshsig__commit_has_the_id_that_stock_git_gives(void **state)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	char text[1024];
	char id[256];
	char path[] = "/tmp/kg-sshsig-XXXXXX";
	int fd;

	(void)state;
	if (!have("git"))
		skip();
	armour_of(armour);
	commit_text(text, armour);
	assert_int_equal(strlen(text), 459);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(kg_fs_write_all(fd, text, strlen(text)), KG_OK);
	(void)close(fd);
	assert_int_equal(command(id, "git hash-object -t commit --literally %s", path), 0);
	assert_string_equal(id, COMMIT_ID);
	(void)unlink(path);
}

static void test_sshsig__stock_git_verifies_and_refuses(void **state)
{
	char dir[] = "/tmp/kg-sshsig-XXXXXX";
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	char signers[KG_SSHSIG_SIGNERS_SIZE];
	char text[1024];
	char path[KG_PATH_SIZE];
	char out[256];
	kg_key *key = key_make();
	const char *const variants[] = {"insight: hello", "insight: hellO"};

	(void)state;
	if (!have("git") || !have("ssh-keygen")) {
		kg_key_free(key);
		skip();
	}
	assert_non_null(mkdtemp(dir));
	assert_int_equal(kg_sshsig_signers(signers, "agent@swarm", kg_key_public(key)), KG_OK);
	assert_int_equal(kg_path(path, "%s/signers", dir), KG_OK);
	assert_int_equal(kg_fs_write(path, signers, strlen(signers), 0600), KG_OK);
	kg_sshsig_sign(armour, key, payload, strlen(payload));
	kg_key_free(key);
	assert_int_equal(command(out, "git init -q --bare %s/r", dir), 0);
	assert_int_equal(command(out,
				 "cd %s/r && echo '{\"insight\":\"hello\"}' | git hash-object -w "
				 "--stdin | sed 's/.*/100644 blob &\\tinsight.json/' | git mktree",
				 dir),
			 0);
	assert_string_equal(out, "d87075a4ae2b286760c871be2b8a958435dc0aeb");
	for (int changed = 0; changed < 2; changed++) {
		char *body;

		commit_text(text, armour);
		body = strstr(text, variants[0]);
		assert_non_null(body);
		memcpy(body, variants[changed], strlen(variants[changed]));
		assert_int_equal(kg_path(path, "%s/commit", dir), KG_OK);
		assert_int_equal(kg_fs_write(path, text, strlen(text), 0600), KG_OK);
		assert_int_equal(command(out, "git -C %s/r hash-object -t commit -w %s", dir, path),
				 0);
		assert_int_equal(strcmp(out, COMMIT_ID) == 0, !changed);
		assert_int_equal(command(text,
					 "git -C %s/r -c gpg.ssh.allowedSignersFile=%s/signers "
					 "verify-commit %s 2>&1",
					 dir, dir, out) == 0,
				 !changed);
	}
	assert_int_equal(command(out, "rm -r %s", dir), 0);
}

static void test_sshsig__ssh_keygen_knows_the_fingerprint(void **state)
{
	char print[KG_SSHSIG_FINGERPRINT_SIZE];
	char public[KG_SSHSIG_PUBLIC_SIZE];
	char out[256];
	kg_key *key = key_make();

	(void)state;
	kg_sshsig_fingerprint(print, kg_key_public(key));
	assert_string_equal(print, "SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg");
	kg_sshsig_public(public, kg_key_public(key));
	assert_int_equal(strlen(public), KG_SSHSIG_PUBLIC_SIZE - 1);
	kg_key_free(key);
	if (!have("ssh-keygen"))
		skip();
	assert_int_equal(command(out, "echo '%s' | ssh-keygen -l -f -", public), 0);
	assert_non_null(strstr(out, print));
}

static void test_sshsig__verify_finds_the_signer(void **state)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	kg_key *key = key_make();
	kg_pubkey signer;

	(void)state;
	kg_sshsig_sign(armour, key, payload, strlen(payload));
	assert_int_equal(strlen(armour), KG_SSHSIG_ARMOUR_LENGTH);
	assert_int_equal(
		kg_sshsig_verify(&signer, armour, strlen(armour), payload, strlen(payload), true),
		KG_OK);
	assert_true(kg_pubkey_equal(&signer, kg_key_public(key)));
	assert_int_equal(verify(armour, HEAD "\ninsight: hellO\n", true), KG_EBADSIG);
	assert_int_equal(verify(armour, "", true), KG_EBADSIG);
	kg_sshsig_sign(armour, key, "", 0);
	assert_int_equal(verify(armour, "", true), KG_OK);
	kg_key_free(key);
}

/* Any changed character: never good, whichever of the reasons it is. */
static void test_sshsig__one_changed_character_is_refused(void **state)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];

	(void)state;
	armour_of(armour);
	for (size_t i = 0; i < KG_SSHSIG_ARMOUR_LENGTH; i++) {
		char was = armour[i];

		armour[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(verify(armour, payload, true), KG_OK);
		assert_int_not_equal(verify(armour, payload, false), KG_OK);
		armour[i] = was;
	}
	assert_int_equal(verify(armour, payload, true), KG_OK);
}

static void test_sshsig__every_truncation_is_corrupt(void **state)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];

	(void)state;
	armour_of(armour);
	for (size_t n = 0; n < KG_SSHSIG_ARMOUR_LENGTH; n++) {
		kg_pubkey signer;
		char *part = malloc(n + 1); /* own block: a sanitizer sees overreads */

		assert_non_null(part);
		memcpy(part, armour, n);
		assert_int_equal(kg_sshsig_verify(&signer, part, n, payload, strlen(payload), true),
				 KG_ECORRUPT);
		assert_int_equal(
			kg_sshsig_verify(&signer, part, n, payload, strlen(payload), false),
			KG_ECORRUPT);
		free(part);
	}
}

/* The same blob in lines of another length, or with a newline behind. */
static void test_sshsig__rewrapped_twins_are_good_but_not_strict(void **state)
{
	static const size_t widths[] = {232, 76, 64, 1};
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	char flat[233];
	char twin[1200];

	(void)state;
	armour_of(armour);
	digits_of(flat, armour);
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		size_t used =
			(size_t)snprintf(twin, sizeof(twin), "-----BEGIN SSH SIGNATURE-----\n");

		for (size_t k = 0; k < 232; k++) {
			if (k > 0 && k % widths[i] == 0)
				twin[used++] = '\n';
			twin[used++] = flat[k];
		}
		(void)snprintf(twin + used, sizeof(twin) - used, "\n-----END SSH SIGNATURE-----");
		assert_int_equal(verify(twin, payload, false), KG_OK);
		assert_int_equal(verify(twin, payload, true), KG_ECORRUPT);
	}
	(void)snprintf(twin, sizeof(twin), "%s\n", armour);
	assert_int_equal(verify(twin, payload, false), KG_OK);
	assert_int_equal(verify(twin, payload, true), KG_ECORRUPT);
}

/* A well-formed armour of a key that anybody can sign for. */
static void test_sshsig__low_order_signer_is_denied(void **state)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	char base64[240];
	char twin[400];
	uint8_t blob[180];
	size_t size = sizeof(blob);

	(void)state;
	armour_of(armour);
	digits_of(base64, armour);
	assert_int_equal(kg_base64_decode(blob, &size, base64, 232), KG_OK);
	assert_int_equal(size, KG_SSHSIG_BLOB_SIZE);
	memset(blob + 33, 0, 32);
	memset(blob + 109, 0, 64);
	blob[109] = 1;
	kg_base64_encode(base64, blob, size);
	(void)snprintf(twin, sizeof(twin),
		       "-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----", base64);
	for (int c = 'a'; c <= 'z'; c++)
		assert_int_equal(verify(twin, (const char[]){(char)c, '\0'}, false), KG_EDENIED);
}

static void test_sshsig__principals_are_plain_words(void **state)
{
	static const char *const bad[] = {"",    "a b", "*",    "a*",   "a?", "!a",
					  "a,b", "a\"", "a\tb", "a\nb", "#a", "ä"};
	char long_name[KG_SSHSIG_PRINCIPAL_MAX + 2];
	char text[KG_SSHSIG_SIGNERS_SIZE];
	kg_key *key = key_make();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kg_sshsig_signers(text, bad[i], kg_key_public(key)), KG_EINVAL);
	assert_int_equal(kg_sshsig_signers(text, "agent-0@swarm", kg_key_public(key)), KG_OK);
	assert_int_equal(
		strncmp(text, "agent-0@swarm namespaces=\"git\" ssh-ed25519 AAAAC3NzaC1l", 55), 0);
	memset(long_name, 'x', sizeof(long_name));
	long_name[KG_SSHSIG_PRINCIPAL_MAX + 1] = '\0';
	assert_int_equal(kg_sshsig_signers(text, long_name, kg_key_public(key)), KG_EINVAL);
	long_name[KG_SSHSIG_PRINCIPAL_MAX] = '\0';
	assert_int_equal(kg_sshsig_signers(text, long_name, kg_key_public(key)), KG_OK);
	assert_int_equal(strlen(text), KG_SSHSIG_SIGNERS_SIZE - 1);
	kg_key_free(key);
}

static int nothing_left(void **state)
{
	(void)state;
	return kg_secret_used() == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sshsig__commit_has_the_id_that_stock_git_gives),
		cmocka_unit_test(test_sshsig__stock_git_verifies_and_refuses),
		cmocka_unit_test(test_sshsig__ssh_keygen_knows_the_fingerprint),
		cmocka_unit_test(test_sshsig__verify_finds_the_signer),
		cmocka_unit_test(test_sshsig__one_changed_character_is_refused),
		cmocka_unit_test(test_sshsig__every_truncation_is_corrupt),
		cmocka_unit_test(test_sshsig__rewrapped_twins_are_good_but_not_strict),
		cmocka_unit_test(test_sshsig__low_order_signer_is_denied),
		cmocka_unit_test(test_sshsig__principals_are_plain_words),
	};

	return cmocka_run_group_tests(tests, NULL, nothing_left);
}
