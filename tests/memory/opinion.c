/* SPDX-License-Identifier: MIT */
#include "tests/memory/opinion.h"

#include "memory/admit.h"
#include "memory/chain.h"

const char *opinion_admission(const scene *s, const kg_buf *object)
{
	const kg_admit_chain *chain;
	kg_reason why = KG_REASON_NONE;
	kg_store *store = NULL;
	kg_entry_proof proof;
	kg_admit admit;
	kg_entry e;
	kg_err err;

	if (object->size == 0)
		return "-";
	err = kg_entry_open(&e, &proof, object->data, object->size);
	if (err != KG_OK)
		return kg_reason_name(kg_reason_of_object(err, object->data, object->size));
	assert_int_equal(kg_store_open(&store, s->f.dir), KG_OK);
	assert_int_equal(kg_admit_init(&admit, &s->f.swarm.swarm, KG_ADMIT_AHEAD_MS), KG_OK);
	assert_int_equal(kg_chain_load(&admit, store), KG_OK);
	chain = kg_admit_find(&admit, &e.agent);
	if (chain != NULL && chain->head.sequence > 0)
		assert_int_equal(kg_chain_epoch(&admit, store, &e.agent), KG_OK);
	err = kg_admit_check(&admit, &e, &proof, s->f.now_ms + 2000, &why);
	assert_int_equal(err, kg_reason_code(why));
	kg_entry_release(&e);
	kg_admit_release(&admit);
	kg_store_free(store);
	return err == KG_OK ? "-" : kg_reason_name(why);
}

bool opinion_keeper(const scene *s, const kg_buf *object)
{
	kg_memory *memory = NULL;
	kg_receipt receipt;
	bool taken;

	/* The keeper writes the list of signers as it should be. */
	assert_int_equal(fixture_shell(&s->f, NULL, "cp allowed_signers enrolled"), 0);
	if (kg_memory_open(&memory, s->f.dir, &s->f.swarm.swarm, NULL, NULL) != KG_OK)
		fail_msg("%s", kg_err_text());
	taken = kg_memory_submit(memory, &receipt, object->data, object->size,
				 s->f.now_ms + 2000) == KG_OK;
	kg_memory_free(memory);
	assert_int_equal(fixture_shell(&s->f, NULL, "mv enrolled allowed_signers"), 0);
	return taken && !receipt.known;
}

static int by_word(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void opinion_verify(scene *s, const kg_entry_head *witness, char words[256])
{
	const kg_verify_options options = {.witness = witness,
					   .witness_count = witness != NULL ? 1 : 0};
	const char *reasons[64];
	size_t count = 0;
	char *at = words;

	scene_judge(s, &options);
	assert_in_range(s->verdict.count, 0, 64);
	for (size_t i = 0; i < s->verdict.count; i++)
		reasons[count++] = s->verdict.findings[i].reason;
	qsort((void *)reasons, count, sizeof(reasons[0]), by_word);
	(void)strcpy(words, count == 0 ? "-" : "");
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(reasons[i], reasons[i - 1]) != 0)
			at += sprintf(at, "%s%s", i > 0 ? " " : "", reasons[i]);
}

/* %G? is what verify-commit found, in one letter; its exit code must agree. */
const char *opinion_git(const scene *s, const kg_commit *commit)
{
	const char *hex = scene_commit(commit);
	const char *word = "error";
	kg_buf out;

	kg_buf_init(&out, 4096);
	if (fixture_shell(&s->f, &out, "git -C memory.git log -1 --format=%%G? %s 2>/dev/null",
			  hex) == 0) {
		switch (kg_buf_text(&out)[0]) {
		case 'G':
			word = "good";
			break;
		case 'U':
			word = "good, unknown key";
			break;
		case 'B':
			word = "bad";
			break;
		case 'N':
			word = "unsigned";
			break;
		default:
			break;
		}
	}
	kg_buf_release(&out);
	assert_int_equal(fixture_shell(&s->f, NULL, "git -C memory.git verify-commit %s", hex) == 0,
			 strcmp(word, "good") == 0);
	return word;
}

const char *opinion_fsck(const scene *s)
{
	return fixture_shell(&s->f, NULL, "git -C memory.git fsck --strict --no-progress") == 0
		       ? "clean"
		       : "error";
}
