/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/launch.h"

static void fill(kg_launch *l, kg_member members[2])
{
	static const uint8_t seed[KG_KEY_SEED_SIZE] = {1, 2, 3};
	static const uint8_t curve[KG_CURVE_SIZE] = {4, 5, 6};

	memset(l, 0, sizeof(*l));
	memset(members, 0, 2 * sizeof(*members));
	(void)snprintf(l->role, sizeof(l->role), "agent");
	(void)snprintf(l->name, sizeof(l->name), "agent-3");
	l->parent_pid = 4711;
	(void)snprintf(l->state_dir, sizeof(l->state_dir), "/somewhere/w\xc3\xa4re");
	memset(l->swarm.bytes, 0xab, KG_PUBKEY_SIZE);
	memset(l->operator_key.bytes, 0xac, KG_PUBKEY_SIZE);
	assert_int_equal(kg_key_new(&l->key, seed), KG_OK);
	assert_int_equal(kg_curve_new(&l->curve, curve), KG_OK);
	memset(l->orchestrator.curve, 0x11, KG_CURVE_SIZE);
	memset(l->keeper.curve, 0x22, KG_CURVE_SIZE);
	(void)snprintf(l->orchestrator_endpoint, KG_ENDPOINT_SIZE, "ipc:///a");
	(void)snprintf(l->keeper_endpoint, KG_ENDPOINT_SIZE, "ipc:///b");
	(void)snprintf(l->feed_in_endpoint, KG_ENDPOINT_SIZE, "ipc:///c");
	(void)snprintf(l->feed_endpoint, KG_ENDPOINT_SIZE, "ipc:///d");
	(void)snprintf(l->strategy, sizeof(l->strategy), "fairy2");
	(void)snprintf(l->genome_label, sizeof(l->genome_label), "kindergarten/agent-3");
	(void)snprintf(members[0].peer.name, KG_NAME_SIZE, "operator");
	members[0].peer.curve[31] = 9;
	members[1].key.bytes[0] = 8;
	(void)snprintf(members[1].peer.name, KG_NAME_SIZE, "agent-0");
	l->members = members;
	l->member_count = 2;
	assert_int_equal(kg_conf_new(&l->conf), KG_OK);
	assert_int_equal(kg_conf_set(l->conf, "log.level", "debug", KG_FROM_OPTION), KG_OK);
}

static void drain(kg_launch *l)
{
	kg_key_free(l->key);
	kg_curve_free(l->curve);
	kg_conf_free(l->conf);
}

/* The document of `l` as bytes; its size. */
static size_t document(const kg_launch *l, uint8_t *out, size_t room)
{
	int ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(kg_launch_write(l, ends[1]), KG_OK);
	assert_int_equal(close(ends[1]), 0);
	n = read(ends[0], out, room);
	assert_true(n > KG_LAUNCH_SECRETS_SIZE && (size_t)n < room);
	assert_int_equal(close(ends[0]), 0);
	return (size_t)n;
}

static kg_err read_bytes(kg_launch **out, const uint8_t *data, size_t size)
{
	int ends[2];
	kg_err err;

	assert_int_equal(pipe(ends), 0);
	assert_true(write(ends[1], data, size) == (ssize_t)size);
	assert_int_equal(close(ends[1]), 0);
	err = kg_launch_read(out, ends[0]);
	assert_int_equal(close(ends[0]), 0);
	return err;
}

static void test_launch__everything_comes_back(void **state)
{
	static uint8_t bytes[32 << 10];
	kg_member members[2];
	kg_launch l;
	kg_launch *back;

	(void)state;
	fill(&l, members);
	assert_int_equal(read_bytes(&back, bytes, document(&l, bytes, sizeof(bytes))), KG_OK);
	assert_string_equal(back->role, "agent");
	assert_string_equal(back->name, "agent-3");
	assert_int_equal(back->parent_pid, 4711);
	assert_string_equal(back->state_dir, l.state_dir);
	assert_memory_equal(&back->swarm, &l.swarm, sizeof(l.swarm));
	assert_true(kg_pubkey_equal(kg_key_public(back->key), kg_key_public(l.key)));
	assert_memory_equal(kg_curve_public(back->curve), kg_curve_public(l.curve), KG_CURVE_SIZE);
	assert_string_equal(back->keeper.name, "keeper");
	assert_memory_equal(back->keeper.curve, l.keeper.curve, KG_CURVE_SIZE);
	assert_string_equal(back->feed_endpoint, "ipc:///d");
	assert_string_equal(back->model, "");
	assert_string_equal(back->genome_label, "kindergarten/agent-3");
	assert_int_equal(back->member_count, 2);
	assert_memory_equal(back->members, members, sizeof(members));
	assert_string_equal(kg_conf_text(back->conf, "log.level"), "debug");
	kg_launch_free(back);
	drain(&l);
}

static void test_launch__cut_anywhere_it_is_refused(void **state)
{
	static uint8_t bytes[32 << 10];
	kg_member members[2];
	kg_launch *back;
	kg_launch l;
	size_t size;

	(void)state;
	fill(&l, members);
	size = document(&l, bytes, sizeof(bytes));
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(read_bytes(&back, bytes, cut), KG_ECORRUPT);
	bytes[0] ^= 1;
	assert_int_equal(read_bytes(&back, bytes, size), KG_ECORRUPT);
	bytes[0] ^= 1;
	bytes[11] = 0x7f; /* two gigabytes of JSON */
	assert_int_equal(read_bytes(&back, bytes, size), KG_EFULL);
	drain(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launch__everything_comes_back),
		cmocka_unit_test(test_launch__cut_anywhere_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
