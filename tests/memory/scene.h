/* SPDX-License-Identifier: MIT */
/*
 * scene – an honest memory on disk, and hands that reach into its repository past the keeper.
 *
 * Three entries of agent-0, two of agent-1, a checkpoint that names both chains, and one entry of
 * agent-2 after it.
 */
#ifndef KG_TESTS_MEMORY_SCENE_H
#define KG_TESTS_MEMORY_SCENE_H

#include "tests/memory/fixture.h"

#include "memory/verify.h"

typedef struct {
	fixture f;
	kg_receipt first[3];
	kg_receipt second[2];
	kg_receipt checkpoint;
	kg_receipt after;
	kg_store *store;
	kg_verdict verdict;
} scene;

void scene_make(scene *s);
void scene_remove(scene *s);

/* The verdict on what is there now. */
void scene_judge(scene *s, const kg_verify_options *options);

/* Every object in a file of its own, as stock git may have it too. */
void scene_make_loose(const scene *s);

/* Borrowed, until the fourth call after. */
const char *scene_commit(const kg_commit *commit);
const char *scene_ref(const author *who);

/* The output of a shell command that prints one commit. */
kg_commit scene_commit_from(const scene *s, const char *command);

/* Writes a commit object with stock git and points `ref` to it; NULL: no ref. */
kg_commit scene_force(const scene *s, const void *object, size_t size, const char *ref);

/* Signs an entry as the next of an author and forces it on its chain. */
kg_commit scene_smuggle(scene *s, author *who, kg_entry *e);

#endif
