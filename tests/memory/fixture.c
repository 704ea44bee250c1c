/* SPDX-License-Identifier: MIT */
#include "tests/memory/fixture.h"

#include <unistd.h>

kg_key *fixture_key(uint8_t byte)
{
	uint8_t seed[KG_KEY_SEED_SIZE];
	kg_key *key = NULL;

	memset(seed, byte, sizeof(seed));
	assert_int_equal(kg_key_new(&key, seed), KG_OK);
	return key;
}

void fixture_make(fixture *f)
{
	const char *temp = getenv("TMPDIR");

	memset(f, 0, sizeof(*f));
	assert_int_equal(kg_identity_init(), KG_OK);
	assert_int_equal(kg_path(f->dir, "%s/kg-memory-XXXXXX", temp != NULL ? temp : "/tmp"),
			 KG_OK);
	assert_non_null(mkdtemp(f->dir));
	f->now_ms = (int64_t)FIXTURE_NOW * 1000;
	f->swarm.key = fixture_key(100);
	f->swarm.swarm = *kg_key_public(f->swarm.key);
	(void)strcpy(f->swarm.name, KG_SWARM_NAME);
	for (int i = 0; i < 3; i++) {
		f->agents[i].key = fixture_key((uint8_t)(i + 1));
		f->agents[i].swarm = f->swarm.swarm;
		(void)snprintf(f->agents[i].name, sizeof(f->agents[i].name), "agent-%d", i);
	}
}

void fixture_remove(fixture *f)
{
	assert_int_equal(fixture_shell(f, NULL, "rm -rf '%s'", f->dir), 0);
	kg_key_free(f->swarm.key);
	for (int i = 0; i < 3; i++)
		kg_key_free(f->agents[i].key);
}

kg_entry_proof fixture_sign(kg_buf *object, author *who, kg_entry *entry, int64_t now_ms)
{
	kg_entry_proof proof;

	assert_int_equal(
		kg_entry_place(entry, &who->swarm, who->key, who->name, &who->head, now_ms), KG_OK);
	assert_int_equal(kg_entry_sign(object, &proof, entry, who->key,
				       who->head.sequence > 0 ? &who->head.commit : NULL),
			 KG_OK);
	who->head =
		(kg_chain_head){entry->sequence, entry->time_ms, entry->time_counter, proof.commit};
	return proof;
}

kg_entry_proof fixture_insight(kg_buf *object, author *who, const char *text, int64_t now_ms)
{
	kg_entry_proof proof;
	kg_entry e;

	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_text(&e, text, strlen(text)), KG_OK);
	assert_int_equal(kg_entry_add_tag(&e, "test"), KG_OK);
	kg_entry_set_confidence(&e, 0.9);
	kg_entry_set_level(&e, 0.8);
	proof = fixture_sign(object, who, &e, now_ms);
	kg_entry_release(&e);
	return proof;
}

static kg_receipt submit(fixture *f, kg_memory *memory, const kg_buf *object)
{
	kg_receipt receipt = {0};

	if (kg_memory_submit(memory, &receipt, object->data, object->size, f->now_ms) != KG_OK)
		fail_msg("submit: %s", kg_err_text());
	assert_int_equal(kg_memory_commit(memory), KG_OK);
	assert_int_equal(kg_memory_flush(memory), KG_OK);
	return receipt;
}

kg_receipt fixture_say(fixture *f, kg_memory *memory, author *who, const char *text)
{
	kg_receipt receipt;
	kg_buf object;

	f->now_ms += 1000;
	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	(void)fixture_insight(&object, who, text, f->now_ms);
	receipt = submit(f, memory, &object);
	kg_buf_release(&object);
	return receipt;
}

static kg_receipt submit_swarm(fixture *f, kg_memory *memory, kg_entry *e)
{
	kg_entry_proof proof;
	kg_receipt receipt;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	assert_int_equal(kg_entry_sign(&object, &proof, e, f->swarm.key,
				       f->swarm.head.sequence > 0 ? &f->swarm.head.commit : NULL),
			 KG_OK);
	f->swarm.head = (kg_chain_head){e->sequence, e->time_ms, e->time_counter, proof.commit};
	receipt = submit(f, memory, &object);
	kg_buf_release(&object);
	kg_entry_release(e);
	return receipt;
}

kg_receipt fixture_checkpoint(fixture *f, kg_memory *memory)
{
	kg_entry_head *heads = NULL;
	size_t count = 0;
	kg_entry e;

	f->now_ms += 1000;
	assert_int_equal(kg_memory_heads(memory, &heads, &count, false), KG_OK);
	assert_int_equal(
		kg_checkpoint_make(&e, f->swarm.key, &f->swarm.head, heads, count, f->now_ms),
		KG_OK);
	free(heads);
	return submit_swarm(f, memory, &e);
}

kg_memory *fixture_open(fixture *f)
{
	kg_entry_member members[3];
	kg_memory *memory = NULL;
	kg_entry e;

	if (kg_memory_open(&memory, f->dir, &f->swarm.swarm, NULL, NULL) != KG_OK)
		fail_msg("open: %s", kg_err_text());
	if (f->swarm.head.sequence > 0)
		return memory;
	memset(members, 0, sizeof(members));
	for (int i = 0; i < 3; i++) {
		members[i].agent = *kg_key_public(f->agents[i].key);
		memcpy(members[i].name, f->agents[i].name, sizeof(members[i].name));
	}
	assert_int_equal(
		kg_membership_make(&e, f->swarm.key, &f->swarm.head, members, 3, f->now_ms), KG_OK);
	(void)submit_swarm(f, memory, &e);
	return memory;
}

int fixture_shell(const fixture *f, kg_buf *out, const char *fmt, ...)
{
	char command[4096];
	char whole[KG_PATH_SIZE + 4200];
	char part[4096];
	va_list ap;
	FILE *pipe;
	size_t got;

	va_start(ap, fmt);
	assert_in_range(vsnprintf(command, sizeof(command), fmt, ap), 1, sizeof(command) - 1);
	va_end(ap);
	(void)snprintf(whole, sizeof(whole), "cd '%s' && { %s; } 2>&1", f->dir, command);
	pipe = popen(whole, "re");
	assert_non_null(pipe);
	while ((got = fread(part, 1, sizeof(part), pipe)) > 0)
		if (out != NULL)
			kg_buf_put(out, part, got);
	return WEXITSTATUS(pclose(pipe));
}

void fixture_limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
