/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "orchestrator/runfile.h"

static void fill(kg_runfile *r, const char *dir)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(kg_runfile_endpoints(r, dir), KG_OK);
	r->pid = getpid();
	r->started_ms = 1234567890123;
	r->agents = 8;
	/* A point of the group: the base point of Ed25519 (RFC 8032). */
	memset(r->swarm.bytes, 0x66, KG_PUBKEY_SIZE);
	r->swarm.bytes[0] = 0x58;
	memset(r->orchestrator.curve, 1, KG_CURVE_SIZE);
	memset(r->keeper.curve, 2, KG_CURVE_SIZE);
	(void)snprintf(r->strategy, sizeof(r->strategy), "fairy2");
	(void)snprintf(r->seed, sizeof(r->seed), "label");
}

static void make(char dir[])
{
	char run[64];

	assert_non_null(mkdtemp(dir));
	(void)snprintf(run, sizeof(run), "%s/run", dir);
	assert_int_equal(mkdir(run, 0700), 0);
}

static void unmake(const char *dir)
{
	char run[64];

	kg_runfile_clean(dir);
	(void)snprintf(run, sizeof(run), "%s/run", dir);
	assert_int_equal(rmdir(run), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_runfile__comes_back_and_is_cleaned(void **state)
{
	char dir[] = "/tmp/kg-run-XXXXXX", path[64];
	kg_runfile r, back;
	struct stat st;

	(void)state;
	make(dir);
	fill(&r, dir);
	assert_int_equal(kg_runfile_read(&back, dir), KG_ENOTFOUND);
	assert_int_equal(kg_runfile_write(&r, dir), KG_OK);
	(void)snprintf(path, sizeof(path), "%s/run/swarm.json", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(kg_runfile_read(&back, dir), KG_OK);
	assert_int_equal(back.pid, getpid());
	assert_string_equal(back.feed_endpoint, r.feed_endpoint);
	assert_string_equal(back.keeper.name, "keeper");
	assert_memory_equal(back.orchestrator.curve, r.orchestrator.curve, KG_CURVE_SIZE);
	assert_memory_equal(&back.swarm, &r.swarm, sizeof(r.swarm));
	assert_false(back.ready);
	kg_runfile_clean(dir);
	assert_int_equal(kg_runfile_read(&back, dir), KG_ENOTFOUND);
	unmake(dir);
}

static void test_runfile__a_dead_process_runs_no_swarm(void **state)
{
	char dir[] = "/tmp/kg-run-XXXXXX";
	kg_runfile r, back;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	make(dir);
	fill(&r, dir);
	r.pid = pid;
	assert_int_equal(kg_runfile_write(&r, dir), KG_OK);
	assert_int_equal(kg_runfile_read(&back, dir), KG_ENOTFOUND);
	unmake(dir);
}

static void test_runfile__cut_anywhere_it_is_corrupt(void **state)
{
	char dir[] = "/tmp/kg-run-XXXXXX", path[64];
	kg_runfile r, back;
	kg_buf buf;

	(void)state;
	make(dir);
	fill(&r, dir);
	assert_int_equal(kg_runfile_write(&r, dir), KG_OK);
	(void)snprintf(path, sizeof(path), "%s/run/swarm.json", dir);
	kg_buf_init(&buf, 65536);
	assert_int_equal(kg_fs_read(&buf, path), KG_OK);
	assert_int_equal(kg_runfile_read(&back, dir), KG_OK);
	for (size_t cut = 0; cut + 1 < buf.size; cut++) {
		FILE *f = fopen(path, "wb");

		assert_non_null(f);
		assert_int_equal(fwrite(buf.data, 1, cut, f), cut);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(kg_runfile_read(&back, dir), KG_ECORRUPT);
	}
	kg_buf_release(&buf);
	unmake(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runfile__comes_back_and_is_cleaned),
		cmocka_unit_test(test_runfile__a_dead_process_runs_no_swarm),
		cmocka_unit_test(test_runfile__cut_anywhere_it_is_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
