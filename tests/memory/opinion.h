/* SPDX-License-Identifier: MIT */
/* opinion – what each tool says of an entry, or of a repository. */
#ifndef KG_TESTS_MEMORY_OPINION_H
#define KG_TESTS_MEMORY_OPINION_H

#include "tests/memory/scene.h"

/* The reason for which the rules refuse the object as an entry; "-" when they do not, or when it is
 * empty. */
const char *opinion_admission(const scene *s, const kg_buf *object);

/* Whether the keeper's own door takes it in as something new; nothing of it stays. */
bool opinion_keeper(const scene *s, const kg_buf *object);

/* All reasons that verify finds, each once, by name; "-" for none. `witness` may be NULL. */
void opinion_verify(scene *s, const kg_entry_head *witness, char words[256]);

/* What stock git says of a signature: good, bad, unsigned; or error. */
const char *opinion_git(const scene *s, const kg_commit *commit);
const char *opinion_fsck(const scene *s);

#endif
