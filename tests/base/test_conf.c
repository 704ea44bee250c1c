/* SPDX-License-Identifier: MIT */
#include "base/conf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

static int fresh(void **state)
{
	kg_conf *conf = NULL;

	if (kg_conf_new(&conf) != KG_OK)
		return -1;
	*state = conf;
	return 0;
}

static int done(void **state)
{
	kg_conf_free(*state);
	return 0;
}

static kg_err parse(kg_conf *conf, const char *text)
{
	return kg_conf_parse(conf, text, strlen(text), "x.conf");
}

/* The text is refused, its message begins with the place and contains `why`, nothing changes. */
static void refused(kg_conf *conf, const char *text, const char *place, const char *why)
{
	assert_int_equal(parse(conf, text), KG_EINVAL);
	assert_memory_equal(kg_err_text(), place, strlen(place));
	if (strstr(kg_err_text(), why) == NULL)
		fail_msg("'%s' does not contain '%s'", kg_err_text(), why);
	for (const kg_conf_key *k = kg_conf_keys; k->key != NULL; k++) {
		assert_string_equal(kg_conf_value(conf, k->key), k->preset);
		assert_int_equal(kg_conf_origin_of(conf, k->key), KG_FROM_DEFAULT);
	}
}

static void test_conf__starts_with_the_defaults(void **state)
{
	kg_conf *conf = *state;

	for (const kg_conf_key *k = kg_conf_keys; k->key != NULL; k++) {
		assert_string_equal(kg_conf_value(conf, k->key), k->preset);
		assert_int_equal(kg_conf_origin_of(conf, k->key), KG_FROM_DEFAULT);
		assert_non_null(strchr(k->key, '.'));
		assert_true(strlen(k->about) > 0);
	}
	assert_int_equal(kg_conf_int(conf, "agent.learn_limit"), 3);
	assert_true(kg_conf_double(conf, "agent.share_capacity") == 0.8);
	assert_string_equal(kg_conf_text(conf, "log.level"), "info");
}

static void test_conf__reads_a_file(void **state)
{
	kg_conf *conf = *state;

	assert_int_equal(parse(conf, "# a comment\n"
				     "; another\n"
				     "\n"
				     "[log]\r\n"
				     "level = debug\r\n"
				     "[agent]\n"
				     "  learn_hours=1.5\n"
				     "\tlearn_limit =  16\n"
				     "  # indented\n"
				     "learn_tag=seen = heard"),
			 KG_OK);
	assert_string_equal(kg_conf_text(conf, "log.level"), "debug");
	assert_true(kg_conf_double(conf, "agent.learn_hours") == 1.5);
	assert_int_equal(kg_conf_int(conf, "agent.learn_limit"), 16);
	assert_string_equal(kg_conf_text(conf, "agent.learn_tag"), "seen = heard");
	assert_int_equal(kg_conf_origin_of(conf, "agent.learn_tag"), KG_FROM_FILE);
	assert_int_equal(kg_conf_origin_of(conf, "agent.learn_step"), KG_FROM_DEFAULT);
	assert_int_equal(parse(conf, ""), KG_OK);
	assert_string_equal(kg_conf_text(conf, "log.level"), "debug");
}

static void test_conf__bad_lines_are_named(void **state)
{
	kg_conf *conf = *state;

	refused(conf, "[log]\nlevel = warn\nlevle = info\n", "x.conf:3: ", "log.levle");
	refused(conf, "level = warn\n", "x.conf:1: ", "'level'");
	refused(conf, "[nothing]\nlevel = warn\n", "x.conf:2: ", "nothing.level");
	refused(conf, "[agent]\n\nlearn_hours = soon\n", "x.conf:3: ", "not a number");
	refused(conf, "[agent]\nlearn_limit = 1.5\n", "x.conf:2: ", "not a whole number");
	refused(conf, "[agent]\nlearn_limit =\n", "x.conf:2: ", "not a whole number");
	refused(conf, "[agent]\nlearn_hours = 1 day\n", "x.conf:2: ", "not a number");
	refused(conf, "[agent]\nlearn_hours = nan\n", "x.conf:2: ", "outside");
	refused(conf, "[agent]\nlearn_limit = 99999999999999999999\n", "x.conf:2: ", "");
	refused(conf, "[agent]\nlearn_tag =\n", "x.conf:2: ", "1 to 40");
	refused(conf, "[log]\nlevel\n", "x.conf:2: ", "key = value");
	refused(conf, "[log\nlevel = warn\n", "x.conf:1: ", "");
}

static void test_conf__ranges_end_where_the_table_says(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{"[agent]\nlearn_limit = -1", false}, {"[agent]\nlearn_limit = 0", true},
		{"[agent]\nlearn_limit = 16", true},  {"[agent]\nlearn_limit = 17", false},
		{"[agent]\nlearn_step = 1", true},    {"[agent]\nlearn_step = 1.0000001", false},
		{"[agent]\nlearn_step = 0", true},    {"[agent]\nlearn_step = -0.0000001", false},
	};
	char text[64] = "[agent]\nlearn_tag = ";
	size_t used = strlen(text);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(parse(*state, cases[i].text), cases[i].ok ? KG_OK : KG_EINVAL);
	for (size_t length = 39; length <= 41; length++) {
		memset(text + used, 't', length);
		text[used + length] = '\0';
		assert_int_equal(parse(*state, text), length <= 40 ? KG_OK : KG_EINVAL);
	}
}

static void test_conf__a_line_may_be_as_long_as_its_value(void **state)
{
	char text[8192] = "[swarm]\nmodel = ";
	size_t used = strlen(text);
	double max = 0;

	for (const kg_conf_key *k = kg_conf_keys; k->key != NULL; k++)
		if (strcmp(k->key, "swarm.model") == 0)
			max = k->max;
	memset(text + used, 'w', (size_t)max);
	assert_int_equal(parse(*state, text), KG_OK);
	assert_int_equal(strlen(kg_conf_text(*state, "swarm.model")), (size_t)max);
	strcat(text, "w");
	assert_int_equal(parse(*state, text), KG_EINVAL);
	assert_memory_equal(kg_err_text(), "x.conf:2: swarm.model", 21);
}

static void test_conf__a_long_key_is_unknown(void **state)
{
	char text[2048] = "[log]\nlevel";
	size_t used = strlen(text);

	memset(text + used, 'l', 1000);
	strcat(text, " = warn\n");
	refused(*state, text, "x.conf:2: ", "there is no setting");
	memset(text, '[', 1000);
	strcpy(text + 1000, "]\nlevel = warn\n");
	refused(*state, text, "x.conf:2: ", "there is no setting");
}

static void test_conf__file_has_a_limit(void **state)
{
	char *text = malloc(KG_CONF_FILE_MAX + 1);

	assert_non_null(text);
	memset(text, '\n', KG_CONF_FILE_MAX + 1);
	assert_int_equal(kg_conf_parse(*state, text, KG_CONF_FILE_MAX, "x"), KG_OK);
	assert_int_equal(kg_conf_parse(*state, text, KG_CONF_FILE_MAX + 1, "x"), KG_EFULL);
	free(text);
}

static void test_conf__a_nul_byte_is_refused(void **state)
{
	static const char text[] = "[log]\nlevel = warn\n\0[agent]\n";

	assert_int_equal(kg_conf_parse(*state, text, sizeof(text) - 1, "x.conf"), KG_EINVAL);
	assert_string_equal(kg_conf_text(*state, "log.level"), "info");
}

static void test_conf__cut_anywhere_it_reads_or_refuses(void **state)
{
	static const char whole[] =
		"[log]\nlevel = warn\n[agent]\nlearn_tag = a\nlearn_hours = 2.5\n"
		"learn_limit = 4\n# end\n";

	for (size_t cut = 0; cut < sizeof(whole); cut++) {
		char *part = malloc(cut + 1);
		kg_conf *conf = NULL;
		kg_err err;

		assert_non_null(part);
		memcpy(part, whole, cut);
		assert_int_equal(kg_conf_new(&conf), KG_OK);
		err = kg_conf_parse(conf, part, cut < sizeof(whole) - 1 ? cut : cut - 1, "cut");
		assert_true(err == KG_OK || err == KG_EINVAL);
		if (err != KG_OK)
			assert_string_equal(kg_conf_text(conf, "log.level"), "info");
		kg_conf_free(conf);
		free(part);
	}
	(void)state;
}

static void test_conf__the_environment_is_stronger_than_the_file(void **state)
{
	kg_conf *conf = *state;

	assert_int_equal(parse(conf, "[agent]\nlearn_limit = 2\n"), KG_OK);
	assert_int_equal(setenv("KINDERGARTEN_AGENT_LEARN_LIMIT", "5", 1), 0);
	assert_int_equal(kg_conf_environment(conf), KG_OK);
	assert_int_equal(kg_conf_int(conf, "agent.learn_limit"), 5);
	assert_int_equal(kg_conf_origin_of(conf, "agent.learn_limit"), KG_FROM_ENVIRONMENT);
	assert_int_equal(setenv("KINDERGARTEN_AGENT_LEARN_LIMIT", "17", 1), 0);
	assert_int_equal(kg_conf_environment(conf), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "KINDERGARTEN_AGENT_LEARN_LIMIT"));
	assert_int_equal(unsetenv("KINDERGARTEN_AGENT_LEARN_LIMIT"), 0);
}

static void test_conf__a_setting_may_have_a_second_variable(void **state)
{
	kg_conf *conf = *state;

	assert_int_equal(setenv("KINDERGARTEN_KERNEL", "scalar", 1), 0);
	assert_int_equal(kg_conf_environment(conf), KG_OK);
	assert_string_equal(kg_conf_text(conf, "runtime.kernel"), "scalar");
	assert_int_equal(setenv("KINDERGARTEN_RUNTIME_KERNEL", "avx2", 1), 0);
	assert_int_equal(kg_conf_environment(conf), KG_OK);
	assert_string_equal(kg_conf_text(conf, "runtime.kernel"), "avx2");
	assert_int_equal(unsetenv("KINDERGARTEN_KERNEL"), 0);
	assert_int_equal(unsetenv("KINDERGARTEN_RUNTIME_KERNEL"), 0);
}

static void test_conf__options_are_set_one_by_one(void **state)
{
	kg_conf *conf = *state;

	assert_int_equal(kg_conf_set(conf, "log.level", "error", KG_FROM_OPTION), KG_OK);
	assert_int_equal(kg_conf_origin_of(conf, "log.level"), KG_FROM_OPTION);
	assert_string_equal(kg_conf_origin_name(KG_FROM_OPTION), "option");
	assert_int_equal(kg_conf_set(conf, "log.colour", "x", KG_FROM_OPTION), KG_ENOTFOUND);
	assert_int_equal(kg_conf_set(conf, "agent.learn_step", "2", KG_FROM_OPTION), KG_EINVAL);
	assert_string_equal(kg_conf_value(conf, "agent.learn_step"), "0.01");
}

static void test_conf__loads_from_disk(void **state)
{
	char dir[] = "/tmp/kg-conf-XXXXXX";
	char path[KG_PATH_SIZE];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(kg_path(path, "%s/k.conf", dir), KG_OK);
	assert_int_equal(kg_conf_load(*state, path, false), KG_OK);
	assert_int_equal(kg_conf_load(*state, path, true), KG_ENOTFOUND);
	assert_int_equal(kg_fs_write(path, "[log]\nlevel = warn\n", 19, 0600), KG_OK);
	assert_int_equal(kg_conf_load(*state, path, true), KG_OK);
	assert_string_equal(kg_conf_text(*state, "log.level"), "warn");
	assert_int_equal(kg_fs_write(path, "[log]\nbad = warn\n", 17, 0600), KG_OK);
	assert_int_equal(kg_conf_load(*state, path, false), KG_EINVAL);
	assert_non_null(strstr(kg_err_text(), "/k.conf:2: "));
	assert_int_equal(kg_conf_load(*state, dir, false), KG_EIO);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

#define WITH_CONF(f) cmocka_unit_test_setup_teardown(f, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CONF(test_conf__starts_with_the_defaults),
		WITH_CONF(test_conf__reads_a_file),
		WITH_CONF(test_conf__bad_lines_are_named),
		WITH_CONF(test_conf__ranges_end_where_the_table_says),
		WITH_CONF(test_conf__a_line_may_be_as_long_as_its_value),
		WITH_CONF(test_conf__a_long_key_is_unknown),
		WITH_CONF(test_conf__file_has_a_limit),
		WITH_CONF(test_conf__a_nul_byte_is_refused),
		WITH_CONF(test_conf__cut_anywhere_it_reads_or_refuses),
		WITH_CONF(test_conf__the_environment_is_stronger_than_the_file),
		WITH_CONF(test_conf__a_setting_may_have_a_second_variable),
		WITH_CONF(test_conf__options_are_set_one_by_one),
		WITH_CONF(test_conf__loads_from_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
