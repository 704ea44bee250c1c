/* SPDX-License-Identifier: MIT */
#include "tests/memory/scene.h"

void scene_make(scene *s)
{
	kg_memory *memory;

	memset(s, 0, sizeof(*s));
	fixture_make(&s->f);
	memory = fixture_open(&s->f);
	s->first[0] = fixture_say(&s->f, memory, &s->f.agents[0], "one");
	s->second[0] = fixture_say(&s->f, memory, &s->f.agents[1], "uno");
	s->first[1] = fixture_say(&s->f, memory, &s->f.agents[0], "two");
	s->first[2] = fixture_say(&s->f, memory, &s->f.agents[0], "three");
	s->second[1] = fixture_say(&s->f, memory, &s->f.agents[1], "due");
	s->checkpoint = fixture_checkpoint(&s->f, memory);
	s->after = fixture_say(&s->f, memory, &s->f.agents[2], "eins");
	assert_int_equal(kg_memory_settle(memory), KG_OK);
	kg_memory_free(memory);
}

void scene_remove(scene *s)
{
	kg_verdict_release(&s->verdict);
	kg_store_free(s->store);
	fixture_remove(&s->f);
}

void scene_judge(scene *s, const kg_verify_options *options)
{
	kg_verdict_release(&s->verdict);
	kg_store_free(s->store);
	s->store = NULL;
	assert_int_equal(kg_store_open(&s->store, s->f.dir), KG_OK);
	if (kg_verify(&s->verdict, s->store, &s->f.swarm.swarm, options) != KG_OK)
		fail_msg("%s", kg_err_text());
}

void scene_make_loose(const scene *s)
{
	assert_int_equal(fixture_shell(&s->f, NULL,
				       "mkdir packs && mv memory.git/objects/pack/pack-* packs/ &&"
				       " for p in packs/*.pack; do"
				       " git -C memory.git unpack-objects -q < $p || exit 1; done"),
			 0);
}

const char *scene_commit(const kg_commit *commit)
{
	static char text[4][KG_COMMIT_TEXT_SIZE];
	static unsigned next;

	next = (next + 1) % 4;
	kg_commit_format(text[next], commit);
	return text[next];
}

const char *scene_ref(const author *who)
{
	static char text[4][128];
	static unsigned next;
	char hex[KG_PUBKEY_TEXT_SIZE];

	next = (next + 1) % 4;
	kg_pubkey_format(hex, kg_key_public(who->key));
	(void)snprintf(text[next], sizeof(text[next]), KG_STORE_REFS "%s", hex);
	return text[next];
}

kg_commit scene_commit_from(const scene *s, const char *command)
{
	kg_commit commit;
	kg_buf out;

	kg_buf_init(&out, 4096);
	if (fixture_shell(&s->f, &out, "%s", command) != 0)
		fail_msg("%s", kg_buf_text(&out));
	if (out.size != 41)
		fail_msg("%s", kg_buf_text(&out));
	out.data[40] = '\0';
	assert_int_equal(kg_commit_parse(&commit, (const char *)out.data), KG_OK);
	kg_buf_release(&out);
	return commit;
}

kg_commit scene_force(const scene *s, const void *object, size_t size, const char *ref)
{
	char command[1024];
	char path[KG_PATH_SIZE];

	assert_int_equal(kg_path(path, "%s/object", s->f.dir), KG_OK);
	assert_int_equal(kg_fs_write(path, object, size, 0600), KG_OK);
	(void)snprintf(command, sizeof(command),
		       "c=$(git -C memory.git hash-object -w -t commit --literally ../object);"
		       " %s%s %s echo $c",
		       ref != NULL ? "git -C memory.git update-ref " : "", ref != NULL ? ref : "",
		       ref != NULL ? "$c;" : "");
	return scene_commit_from(s, command);
}

kg_commit scene_smuggle(scene *s, author *who, kg_entry *e)
{
	kg_entry_proof proof;
	kg_commit made;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	proof = fixture_sign(&object, who, e, s->f.now_ms + 1000);
	made = scene_force(s, object.data, object.size, scene_ref(who));
	assert_memory_equal(made.bytes, proof.commit.bytes, KG_COMMIT_SIZE);
	kg_buf_release(&object);
	return made;
}
