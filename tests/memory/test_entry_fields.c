/* SPDX-License-Identifier: MIT */
/* The optional fields of an entry: each comes back, has one form, and leaves the id alone that only
 * says where the entry stands. */
#include "tests/memory/fixture.h"

enum { NOW_OFFSET = 123, LINES_MAX = 64 };

static const int64_t now = (int64_t)FIXTURE_NOW * 1000 + NOW_OFFSET;

/* Keys of these tests: agent-0, the swarm, and ten others, made once. */
static kg_key *agent;
static kg_key *swarm;
static kg_pubkey others[20];

static kg_commit commit_of(uint8_t byte)
{
	kg_commit commit;

	memset(commit.bytes, byte, sizeof(commit.bytes));
	return commit;
}

static kg_entry_head head_of(size_t other, uint64_t sequence, uint8_t byte)
{
	return (kg_entry_head){others[other], sequence, commit_of(byte)};
}

static void text(kg_entry *e, const char *words)
{
	assert_int_equal(kg_entry_set_text(e, words, strlen(words)), KG_OK);
}

/* ---- one entry of every kind; each is placed by the caller ---- */

static void make_seen(kg_entry *e)
{
	kg_entry_init(e, KG_ENTRY_INSIGHT);
	text(e, "Peer: not a field\n\nSequence: 7\nCarried: 2");
	for (size_t i = 0; i < KG_ENTRY_SEEN_MAX; i++) {
		kg_chain_head head = {.sequence = i + 1, .commit = commit_of((uint8_t)i)};

		assert_int_equal(kg_entry_add_seen(e, &others[i], &head), KG_OK);
	}
	assert_int_equal(kg_entry_add_tag(e, "a"), KG_OK);
}

static void make_sealed(kg_entry *e)
{
	uint8_t digest[KG_HASH_SIZE];

	memset(digest, 0xcd, sizeof(digest));
	kg_entry_init(e, KG_ENTRY_REFLECTION);
	assert_int_equal(kg_entry_set_sealed(e, digest, KG_ENTRY_SEALED_MAX, others,
					     KG_ENTRY_RECIPIENTS_MAX),
			 KG_OK);
}

static void make_origin(kg_entry *e)
{
	uint8_t signature[KG_SIGNATURE_SIZE];

	memset(signature, 0xef, sizeof(signature));
	kg_entry_init(e, KG_ENTRY_OBSERVATION);
	text(e, "Hello, sovereign world!");
	assert_int_equal(kg_entry_set_origin(e, &others[0], "2025-08-27T15:30:45.123456789+00:00",
					     signature, "Hello,\n\"sovereign\" \xff world!", 27),
			 KG_OK);
}

static void make_successor(kg_entry *e)
{
	kg_entry_init(e, KG_ENTRY_LINEAGE);
	assert_int_equal(kg_entry_set_successor(e, &others[0]), KG_OK);
}

static void make_predecessor(kg_entry *e)
{
	kg_chain_head last = {.sequence = 17, .commit = commit_of(9)};

	kg_entry_init(e, KG_ENTRY_LINEAGE);
	assert_int_equal(kg_entry_set_predecessor(e, &others[0], &last), KG_OK);
}

static void make_epoch(kg_entry *e)
{
	kg_entry_epoch epoch = {.number = 2, .kept = 3, .dropped = 4};

	epoch.old = (kg_entry_head){*kg_key_public(agent), 9, commit_of(0x11)};
	memset(epoch.digest, 0x77, sizeof(epoch.digest));
	kg_entry_init(e, KG_ENTRY_LINEAGE);
	text(e, "a root");
	assert_int_equal(kg_entry_set_epoch(e, &epoch), KG_OK);
}

static void make_peers(kg_entry *e)
{
	kg_entry_init(e, KG_ENTRY_LINEAGE);
	assert_int_equal(kg_entry_add_member(e, &others[3], "agent-3"), KG_OK);
	assert_int_equal(kg_entry_add_member(e, &others[2], "agent-2"), KG_OK);
	for (size_t i = 4; i < 8; i++)
		assert_int_equal(kg_entry_add_peer(e, &others[i], "next-door"), KG_OK);
}

static void make_revocation(kg_entry *e)
{
	kg_entry_head head = head_of(1, 5, 0x44);

	kg_entry_init(e, KG_ENTRY_REVOCATION);
	assert_int_equal(kg_entry_add_head(e, &head), KG_OK);
}

static void make_revocation_of_all(kg_entry *e)
{
	kg_entry_head head = head_of(1, 0, 0);

	kg_entry_init(e, KG_ENTRY_REVOCATION);
	assert_int_equal(kg_entry_add_head(e, &head), KG_OK);
}

static void make_quarantine(kg_entry *e)
{
	kg_entry_id id;

	memset(id.bytes, 0x12, sizeof(id.bytes));
	kg_entry_init(e, KG_ENTRY_REVOCATION);
	text(e, "These are not so.");
	assert_int_equal(kg_entry_add_reference(e, &id), KG_OK);
	id.bytes[0]++;
	assert_int_equal(kg_entry_add_reference(e, &id), KG_OK);
}

static void make_checkpoint(kg_entry *e)
{
	kg_entry_init(e, KG_ENTRY_CHECKPOINT);
	for (size_t i = 5; i-- > 0;) {
		kg_entry_head head = head_of(i, i + 1, (uint8_t)i);

		assert_int_equal(kg_entry_add_head(e, &head), KG_OK);
	}
}

typedef struct {
	const char *what;
	void (*make)(kg_entry *e);
	uint64_t sequence;
	uint64_t carried;
	bool by_swarm;
} kind;

static const kind kinds[] = {
	{"seen", make_seen, 7, 0, false},
	{"seen, carried over", make_seen, 9, 3, false},
	{"sealed", make_sealed, 1, 0, false},
	{"origin", make_origin, 2, 0, false},
	{"successor", make_successor, 18, 0, false},
	{"predecessor", make_predecessor, 1, 0, false},
	{"predecessor, carried over", make_predecessor, 11, 1, false},
	{"epoch", make_epoch, 10, 0, false},
	{"peers", make_peers, 3, 0, true},
	{"revocation", make_revocation, 4, 0, true},
	{"revocation of all", make_revocation_of_all, 4, 0, true},
	{"quarantine", make_quarantine, 4, 0, false},
	{"checkpoint", make_checkpoint, 5, 0, true},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Makes one, places it and writes its signed bytes. */
static void encode_kind(const kind *k, kg_entry *e, kg_buf *payload)
{
	kg_commit parent = commit_of(0x11);
	kg_chain_head previous = {.sequence = (k->carried > 0 ? k->carried : k->sequence) - 1};

	k->make(e);
	assert_int_equal(kg_entry_place(e, kg_key_public(swarm), k->by_swarm ? swarm : agent,
					k->by_swarm ? KG_SWARM_NAME : "agent-0", &previous, now),
			 KG_OK);
	if (k->carried > 0)
		assert_int_equal(kg_entry_carry(e, k->sequence), KG_OK);
	kg_buf_init(payload, KG_ENTRY_OBJECT_MAX);
	if (kg_entry_encode(payload, e, k->sequence > 1 && !e->has_epoch ? &parent : NULL) != KG_OK)
		fail_msg("%s: %s", k->what, kg_err_text());
}

static void assert_bytes(const kg_entry_bytes *a, const kg_entry_bytes *b)
{
	assert_int_equal(a->size, b->size);
	if (a->size > 0)
		assert_memory_equal(a->data, b->data, a->size);
}

static void assert_heads(const kg_entry_head *a, const kg_entry_head *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(kg_pubkey_equal(&a[i].agent, &b[i].agent));
		assert_int_equal(a[i].sequence, b[i].sequence);
		assert_memory_equal(a[i].commit.bytes, b[i].commit.bytes, KG_COMMIT_SIZE);
	}
}

static void assert_names(const kg_entry_member *a, const kg_entry_member *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(kg_pubkey_equal(&a[i].agent, &b[i].agent));
		assert_string_equal(a[i].name, b[i].name);
	}
}

static void assert_same(const kg_entry *a, const kg_entry *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->sequence, b->sequence);
	assert_int_equal(a->carried, b->carried);
	assert_bytes(&a->text, &b->text);
	assert_int_equal(a->seen_count, b->seen_count);
	assert_heads(a->seen, b->seen, a->seen_count);
	assert_int_equal(a->head_count, b->head_count);
	assert_heads(a->heads, b->heads, a->head_count);
	assert_int_equal(a->member_count, b->member_count);
	assert_names(a->members, b->members, a->member_count);
	assert_int_equal(a->peer_count, b->peer_count);
	assert_names(a->peers, b->peers, a->peer_count);
	assert_int_equal(a->has_origin, b->has_origin);
	assert_memory_equal(&a->origin.author, &b->origin.author, KG_PUBKEY_SIZE);
	assert_string_equal(a->origin.time, b->origin.time);
	assert_memory_equal(a->origin.signature, b->origin.signature, KG_SIGNATURE_SIZE);
	assert_bytes(&a->origin.content, &b->origin.content);
	assert_int_equal(a->has_sealed, b->has_sealed);
	assert_int_equal(a->sealed.size, b->sealed.size);
	assert_int_equal(a->sealed.recipient_count, b->sealed.recipient_count);
	assert_memory_equal(a->sealed.digest, b->sealed.digest, KG_HASH_SIZE);
	assert_memory_equal(a->sealed.recipients, b->sealed.recipients,
			    sizeof(a->sealed.recipients));
	assert_int_equal(a->has_successor, b->has_successor);
	assert_memory_equal(&a->successor, &b->successor, KG_PUBKEY_SIZE);
	assert_int_equal(a->has_predecessor, b->has_predecessor);
	assert_heads(&a->predecessor, &b->predecessor, 1);
	assert_int_equal(a->has_epoch, b->has_epoch);
	assert_int_equal(a->epoch.number, b->epoch.number);
	assert_heads(&a->epoch.old, &b->epoch.old, 1);
	assert_int_equal(a->epoch.kept, b->epoch.kept);
	assert_int_equal(a->epoch.dropped, b->epoch.dropped);
	assert_memory_equal(a->epoch.digest, b->epoch.digest, KG_HASH_SIZE);
}

static void test_entry_fields__every_field_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		kg_entry_proof proof;
		kg_buf payload;
		kg_entry back;
		kg_entry e;

		encode_kind(&kinds[i], &e, &payload);
		if (kg_entry_decode(&back, &proof, payload.data, payload.size) != KG_OK)
			fail_msg("%s: %s", kinds[i].what, kg_err_text());
		assert_same(&back, &e);
		kg_entry_release(&back);
		kg_entry_release(&e);
		kg_buf_release(&payload);
	}
}

/* ---- one form ---- */

/* What was changed is no entry, or it is another one and this is its one form. */
static bool is_one_form(const char *bytes, size_t size)
{
	kg_entry_proof proof;
	kg_buf again;
	kg_entry e;
	bool same;

	if (kg_entry_decode(&e, &proof, bytes, size) != KG_OK)
		return true;
	kg_buf_init(&again, KG_ENTRY_OBJECT_MAX);
	same = kg_entry_encode(&again, &e, proof.has_parent ? &proof.parent : NULL) == KG_OK &&
	       again.size == size && memcmp(again.data, bytes, size) == 0;
	kg_buf_release(&again);
	kg_entry_release(&e);
	return same;
}

static bool is_entry(const kg_buf *payload)
{
	kg_entry_proof proof;
	kg_entry e;

	if (kg_entry_decode(&e, &proof, payload->data, payload->size) != KG_OK)
		return false;
	kg_entry_release(&e);
	return true;
}

/* The lines of the last paragraph. */
static size_t split_fields(const char *lines[LINES_MAX + 1], const kg_buf *payload)
{
	const char *at = kg_buf_text(payload);
	const char *end = at + payload->size;
	size_t count = 0;

	for (const char *next = at; (next = strstr(next, "\n\n")) != NULL; next++)
		at = next + 2;
	while (at < end) {
		assert_true(count < LINES_MAX);
		lines[count++] = at;
		at = strchr(at, '\n') + 1;
	}
	lines[count] = end;
	return count;
}

/* All before the fields, then the fields in this order. */
static void join_fields(kg_buf *out, const kg_buf *payload, const char *const lines[],
			const size_t *order, size_t count)
{
	kg_buf_clear(out);
	kg_buf_put(out, payload->data, (size_t)(lines[0] - kg_buf_text(payload)));
	for (size_t i = 0; i < count; i++)
		kg_buf_put(out, lines[order[i]],
			   (size_t)(strchr(lines[order[i]], '\n') + 1 - lines[order[i]]));
	assert_int_equal(kg_buf_ok(out), KG_OK);
}

static bool is_reference(const char *line)
{
	return strncmp(line, "Reference: ", 11) == 0;
}

/* References are in the order in which their author gave them, and may be repeated. */
static void test_entry_fields__no_other_order_is_an_entry(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		const char *lines[LINES_MAX + 1];
		size_t order[LINES_MAX + 1];
		kg_buf payload;
		kg_buf changed;
		kg_entry e;
		size_t count;

		encode_kind(&kinds[k], &e, &payload);
		kg_buf_init(&changed, KG_ENTRY_OBJECT_MAX);
		count = split_fields(lines, &payload);
		for (size_t i = 0; i < count; i++)
			order[i] = i;
		join_fields(&changed, &payload, lines, order, count);
		assert_true(is_entry(&changed));
		for (size_t a = 0; a < count; a++) {
			for (size_t b = a + 1; b < count; b++) {
				order[a] = b;
				order[b] = a;
				join_fields(&changed, &payload, lines, order, count);
				order[a] = a;
				order[b] = b;
				if (is_reference(lines[a]) && is_reference(lines[b]))
					continue;
				if (is_entry(&changed))
					fail_msg("%s: lines %zu and %zu", kinds[k].what, a, b);
			}
		}
		kg_entry_release(&e);
		kg_buf_release(&payload);
		kg_buf_release(&changed);
	}
}

static void test_entry_fields__no_line_is_said_twice(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		const char *lines[LINES_MAX + 1];
		size_t order[LINES_MAX + 2];
		kg_buf payload;
		kg_buf changed;
		kg_entry e;
		size_t count;

		encode_kind(&kinds[k], &e, &payload);
		kg_buf_init(&changed, KG_ENTRY_OBJECT_MAX);
		count = split_fields(lines, &payload);
		for (size_t twice = 0; twice < count; twice++) {
			for (size_t i = 0; i <= count; i++)
				order[i] = i <= twice ? i : i - 1;
			join_fields(&changed, &payload, lines, order, count + 1);
			if (!is_reference(lines[twice]) && is_entry(&changed))
				fail_msg("%s: line %zu twice", kinds[k].what, twice);
		}
		kg_entry_release(&e);
		kg_buf_release(&payload);
		kg_buf_release(&changed);
	}
}

/* Whole lines fewer can be an entry; nothing else that is shorter. */
static void test_entry_fields__no_part_is_an_entry_but_whole_lines(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		const char *lines[LINES_MAX + 1];
		kg_buf payload;
		kg_buf changed;
		kg_entry e;
		size_t count;

		encode_kind(&kinds[k], &e, &payload);
		kg_buf_init(&changed, KG_ENTRY_OBJECT_MAX);
		count = split_fields(lines, &payload);
		for (size_t size = 0; size < payload.size; size++) {
			kg_buf_clear(&changed);
			kg_buf_put(&changed, payload.data, size);
			if (size > 0 && payload.data[size - 1] == '\n' &&
			    kg_buf_text(&payload) + size > lines[0])
				assert_true(is_one_form(kg_buf_text(&changed), size));
			else if (is_entry(&changed))
				fail_msg("%s: %zu bytes", kinds[k].what, size);
		}
		for (size_t gone = 0; gone < count; gone++) {
			size_t order[LINES_MAX];

			for (size_t i = 0; i + 1 < count; i++)
				order[i] = i < gone ? i : i + 1;
			join_fields(&changed, &payload, lines, order, count - 1);
			assert_true(is_one_form(kg_buf_text(&changed), changed.size));
		}
		kg_entry_release(&e);
		kg_buf_release(&payload);
		kg_buf_release(&changed);
	}
}

static void test_entry_fields__every_byte_counts(void **state)
{
	static const char put[] = "0 :\n9a\x7f\xff";

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		kg_buf payload;
		kg_entry e;

		encode_kind(&kinds[k], &e, &payload);
		for (size_t i = 0; i < payload.size; i++) {
			uint8_t was = payload.data[i];

			for (size_t n = 0; n < sizeof(put); n++) {
				payload.data[i] = (uint8_t)put[n];
				if (!is_one_form(kg_buf_text(&payload), payload.size))
					fail_msg("%s: byte %zu", kinds[k].what, i);
			}
			payload.data[i] = was;
		}
		kg_entry_release(&e);
		kg_buf_release(&payload);
	}
}

/* ---- what does not go together ---- */

static const struct {
	const char *what;
	const char *from;
	const char *to;
} wrong[] = {
	{"seen", "Sequence: 7\nTime", "Sequence: 007\nTime"},
	{"seen", "\nTags: a", "\nCarried: 0\nTags: a"},
	{"seen", "\nTags: a", "\nCarried: 7\nTags: a"},
	{"seen", "\nTags: a", "\nCarried: 08\nTags: a"},
	{"seen", " 1 00000000", " 0 00000000"},
	{"seen", " 1 00000000", " 9223372036854775808 00000000"},
	{"seen", " 1 00000000", "  1 00000000"},
	{"seen", " 1 00000000", " 1  00000000"},
	{"seen", " 1 00000000", " 1 0000000"},
	{"seen", "Seen: ", "seen: "},
	{"sealed", "is sealed.\n\nK", "is sealed!\n\nK"},
	{"sealed", " 1048576\n", " 1048577\n"},
	{"sealed", " 1048576\n", " 0\n"},
	{"sealed", " 1048576\n", "\n"},
	{"sealed", " 1048576\n", " 1048576 \n"},
	{"sealed", "Sealed: c", "Sealed: C"},
	{"origin", "mmogit", "mmogit2"},
	{"origin", "T15:30", "t15:30"},
	{"origin", ".123456789+", ".1234567890+"},
	{"origin", ".123456789+", ".+"},
	{"origin", "+00:00\n", "+0000\n"},
	{"origin", "+00:00\n", "\n"},
	{"origin", "\\xff world", "\xef\xbf\xbd world\\"},
	{"origin", "Origin-Content: \"Hello", "Origin-Content: \"\\u0048ello"},
	{"successor", "lineage:", "insight:"},
	{"predecessor", "lineage:", "insight:"},
	{"predecessor", " 17 ", " 0 "},
	{"predecessor", " 17 ", " 17 17 "},
	{"predecessor, carried over", "Carried: 1\n", ""},
	{"epoch", "lineage:", "insight:"},
	{"epoch", "Epoch: 2", "Epoch: 0"},
	{"epoch", "Epoch: 2", "Epoch: 10"},
	{"epoch", "Epoch: 2 9 ", "Epoch: 2 8 "},
	{"epoch", "Epoch: 2 9 ", "Epoch: 2 10 "},
	{"epoch", "Epoch: 2 9 ", "Epoch: 2 "},
	{"epoch", " 3 4 ", " 0 0 "},
	{"epoch", " 3 4 ", " 6 4 "},
	{"epoch", " 3 4 ", " 9223372036854775807 9223372036854775807 "},
	{"epoch", "\nauthor", "\nparent 1111111111111111111111111111111111111111\nauthor"},
	{"epoch", "Sequence: 10", "Sequence: 1"},
	{"peers", "Peer: ", "Member: "},
	{"peers", " next-door", " Next-Door"},
	{"peers", " next-door", " next door"},
	{"peers", "lineage:", "insight:"},
	{"revocation", " 5 4444", " 0 4444"},
	{"revocation", " 5 4444444444444444444444444444444444444444",
	 " 5 0000000000000000000000000000000000000000"},
	{"revocation", "revocation:", "lineage:"},
	{"revocation of all", " 0 0000", " 1 0000"},
	{"quarantine", "Reference: 12", "Reference: 1"},
	{"checkpoint", "checkpoint:", "revocation:"},
	{"checkpoint", "checkpoint:", "insight:"},
};

static const kind *find_kind(const char *what)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].what, what) == 0)
			return &kinds[i];
	fail_msg("no kind %s", what);
	return NULL;
}

static void test_entry_fields__what_does_not_go_together_is_no_entry(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *found;
		kg_buf payload;
		kg_buf changed;
		kg_entry e;

		encode_kind(find_kind(wrong[i].what), &e, &payload);
		kg_buf_init(&changed, KG_ENTRY_OBJECT_MAX);
		found = strstr(kg_buf_text(&payload), wrong[i].from);
		if (found == NULL)
			fail_msg("%s has no '%s'", wrong[i].what, wrong[i].from);
		kg_buf_put(&changed, payload.data, (size_t)(found - kg_buf_text(&payload)));
		kg_buf_puts(&changed, wrong[i].to);
		kg_buf_puts(&changed, found + strlen(wrong[i].from));
		if (is_entry(&changed))
			fail_msg("%s: '%s' -> '%s' passed", wrong[i].what, wrong[i].from,
				 wrong[i].to);
		kg_entry_release(&e);
		kg_buf_release(&payload);
		kg_buf_release(&changed);
	}
}

/* Who may say what: an entry of one kind, in another's name. */
static void test_entry_fields__the_wrong_author_makes_no_entry(void **state)
{
	static const char *const bound[] = {"successor",          "predecessor", "epoch",
					    "seen, carried over", "peers",       "revocation",
					    "checkpoint"};

	(void)state;
	for (size_t i = 0; i < sizeof(bound) / sizeof(bound[0]); i++) {
		kg_buf payload;
		kg_entry e;

		encode_kind(find_kind(bound[i]), &e, &payload);
		assert_int_equal(kg_entry_check(&e), KG_OK);
		e.agent = *kg_key_public(find_kind(bound[i])->by_swarm ? agent : swarm);
		e.epoch.old.agent = e.agent;
		if (kg_entry_check(&e) != KG_EINVAL)
			fail_msg("%s by the other passed", bound[i]);
		kg_entry_release(&e);
		kg_buf_release(&payload);
	}
}

static void test_entry_fields__nobody_speaks_of_himself(void **state)
{
	kg_chain_head head = {.sequence = 1};
	kg_buf payload;
	kg_entry e;

	(void)state;
	encode_kind(find_kind("successor"), &e, &payload);
	e.successor = e.agent;
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_buf_release(&payload);
	encode_kind(find_kind("predecessor"), &e, &payload);
	e.predecessor.agent = e.agent;
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_buf_release(&payload);
	encode_kind(find_kind("peers"), &e, &payload);
	e.peers[0].agent = e.swarm;
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_buf_release(&payload);
	encode_kind(find_kind("revocation"), &e, &payload);
	e.heads[0].agent = e.swarm;
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_buf_release(&payload);
	encode_kind(find_kind("origin"), &e, &payload);
	assert_int_equal(kg_entry_add_seen(&e, &e.agent, &head), KG_OK);
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_buf_release(&payload);
}

/* ---- the id ---- */

static kg_entry_proof sign_at(kg_entry *e, uint64_t sequence, uint64_t carried, uint8_t parent_byte)
{
	kg_commit parent = commit_of(parent_byte);
	kg_entry_proof opened;
	kg_entry_proof proof;
	kg_entry back;
	kg_buf object;

	kg_buf_init(&object, KG_ENTRY_OBJECT_MAX);
	e->sequence = sequence;
	e->carried = carried;
	assert_int_equal(kg_entry_sign(&object, &proof, e, agent, sequence > 1 ? &parent : NULL),
			 KG_OK);
	assert_int_equal(kg_entry_open(&back, &opened, object.data, object.size), KG_OK);
	assert_memory_equal(&opened, &proof, sizeof(proof));
	kg_entry_release(&back);
	kg_buf_release(&object);
	return proof;
}

static void test_entry_fields__the_id_stays_when_an_entry_is_placed_anew(void **state)
{
	kg_entry_proof moved;
	kg_entry_proof first;
	kg_buf payload;
	kg_entry e;

	(void)state;
	encode_kind(find_kind("seen"), &e, &payload);
	first = sign_at(&e, 7, 0, 1);
	for (uint64_t i = 1; i < 2000; i += 37) {
		moved = sign_at(&e, i, i > 1 ? i - 1 : 0, 2);
		assert_memory_equal(&moved.id, &first.id, sizeof(first.id));
		assert_memory_not_equal(&moved.commit, &first.commit, sizeof(first.commit));
	}
	/* What was said, by whom and when is in it; what a text says of its place too. */
	text(&e, "Peer: not a field\n\nSequence: 8\nCarried: 2");
	moved = sign_at(&e, 7, 0, 1);
	assert_memory_not_equal(&moved.id, &first.id, sizeof(first.id));
	text(&e, "Peer: not a field\n\nSequence: 7\nCarried: 2");
	moved = sign_at(&e, 7, 0, 1);
	assert_memory_equal(&moved.id, &first.id, sizeof(first.id));
	e.time_counter++;
	moved = sign_at(&e, 7, 0, 1);
	assert_memory_not_equal(&moved.id, &first.id, sizeof(first.id));
	e.time_counter--;
	e.time_ms++;
	moved = sign_at(&e, 7, 0, 1);
	assert_memory_not_equal(&moved.id, &first.id, sizeof(first.id));
	e.time_ms--;
	e.seen[0].sequence++;
	moved = sign_at(&e, 7, 0, 1);
	assert_memory_not_equal(&moved.id, &first.id, sizeof(first.id));
	kg_entry_release(&e);
	kg_buf_release(&payload);
}

/* ---- setters ---- */

static void test_entry_fields__time_is_after_all_that_was_seen(void **state)
{
	static const struct {
		int64_t previous_ms;
		uint16_t previous_counter;
		int64_t seen_ms[2];
		uint16_t seen_counter[2];
		int64_t now_ms;
		int64_t time_ms;
		uint16_t counter;
	} cases[] = {
		{100, 3, {50, 60}, {9, 9}, 101, 101, 0},
		{100, 3, {50, 60}, {9, 9}, 100, 100, 4},
		{100, 3, {50, 60}, {9, 9}, 99, 100, 4},
		{100, 3, {100, 60}, {9, 9}, 99, 100, 10},
		{100, 3, {100, 100}, {1, 2}, 99, 100, 4},
		{100, 3, {200, 150}, {7, 9}, 120, 200, 8},
		{100, 3, {150, 200}, {9, 7}, 200, 200, 8},
		{100, 3, {150, 200}, {9, 7}, 201, 201, 0},
		{100, 3, {200, 50}, {UINT16_MAX, 0}, 10, 201, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kg_chain_head previous = {4, cases[i].previous_ms, cases[i].previous_counter,
					  commit_of(1)};
		kg_entry e;

		kg_entry_init(&e, KG_ENTRY_INSIGHT);
		for (size_t n = 0; n < 2; n++) {
			kg_chain_head seen = {1, cases[i].seen_ms[n], cases[i].seen_counter[n],
					      commit_of(2)};

			assert_int_equal(kg_entry_add_seen(&e, &others[n], &seen), KG_OK);
		}
		assert_int_equal(kg_entry_place(&e, kg_key_public(swarm), agent, "agent-0",
						&previous, cases[i].now_ms),
				 KG_OK);
		assert_int_equal(e.time_ms, cases[i].time_ms);
		assert_int_equal(e.time_counter, cases[i].counter);
		kg_entry_release(&e);
	}
}

static void test_entry_fields__limits_hold(void **state)
{
	uint8_t digest[KG_HASH_SIZE] = {0};
	kg_chain_head head = {.sequence = 1};
	kg_chain_head none = {0};
	kg_entry_epoch epoch = {.number = 0, .old = {.sequence = 1}};
	kg_pubkey weak = {{0}};
	kg_entry e;

	(void)state;
	kg_entry_init(&e, KG_ENTRY_LINEAGE);
	assert_int_equal(kg_entry_add_seen(&e, &others[0], &none), KG_EINVAL);
	for (size_t i = 0; i < KG_ENTRY_SEEN_MAX; i++)
		assert_int_equal(kg_entry_add_seen(&e, &others[i], &head), KG_OK);
	assert_int_equal(kg_entry_add_seen(&e, &others[9], &head), KG_EFULL);
	e.seen_count--;
	assert_int_equal(kg_entry_add_seen(&e, &e.seen[0].agent, &head), KG_EINVAL);
	assert_int_equal(kg_entry_add_peer(&e, &weak, "weak"), KG_EDENIED);
	assert_int_equal(kg_entry_add_peer(&e, &others[0], "No Name"), KG_EINVAL);
	assert_int_equal(kg_entry_add_peer(&e, &others[0], "next-door"), KG_OK);
	assert_int_equal(kg_entry_add_peer(&e, &others[0], "next-door"), KG_EINVAL);
	assert_int_equal(kg_entry_set_successor(&e, &weak), KG_EDENIED);
	assert_int_equal(kg_entry_set_predecessor(&e, &others[0], &none), KG_EINVAL);
	assert_int_equal(kg_entry_set_epoch(&e, &epoch), KG_EINVAL);
	assert_int_equal(kg_entry_set_sealed(&e, digest, 0, others, 1), KG_EINVAL);
	assert_int_equal(kg_entry_set_sealed(&e, digest, KG_ENTRY_SEALED_MAX + 1, others, 1),
			 KG_EINVAL);
	assert_int_equal(kg_entry_set_sealed(&e, digest, 1, others, KG_ENTRY_RECIPIENTS_MAX + 1),
			 KG_EFULL);
	assert_int_equal(kg_entry_set_sealed(&e, digest, 1, &weak, 1), KG_EDENIED);
	assert_int_equal(kg_entry_set_sealed(&e, digest, 1, (kg_pubkey[]){others[0], others[0]}, 2),
			 KG_EINVAL);
	e.sequence = 5;
	assert_int_equal(kg_entry_carry(&e, 5), KG_EINVAL);
	assert_int_equal(kg_entry_carry(&e, 6), KG_OK);
	kg_entry_release(&e);
}

static void test_entry_fields__times_of_another_protocol_have_a_form(void **state)
{
	static const char *const good[] = {
		"2025-08-27T15:30:45Z",
		"2025-08-27T15:30:45+00:00",
		"2025-08-27T15:30:45.1-12:30",
		"2025-08-27T15:30:45.123456789+00:00",
	};
	static const char *const bad[] = {
		"",
		"2025-08-27",
		"2025-08-27T15:30:45",
		"2025-08-27 15:30:45Z",
		"2025-08-27T15:30:45z",
		"2025-08-27T15:30:45.Z",
		"2025-08-27T15:30:45.1234567890Z",
		"2025-08-27T15:30:45+00:0",
		"2025-08-27T15:30:45+00:000",
		"2025-08-27T15:30:45*00:00",
		"2025-08-27T15:30:45Z ",
		"x2025-08-27T15:30:45Z",
		"2025-08-27T15:30:45.123456789+00:00 and on and on",
	};
	uint8_t signature[KG_SIGNATURE_SIZE] = {0};
	kg_entry e;

	(void)state;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(kg_entry_set_origin(&e, &others[0], good[i], signature, "x", 1),
				 KG_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (kg_entry_set_origin(&e, &others[0], bad[i], signature, "x", 1) != KG_EINVAL)
			fail_msg("'%s' passed", bad[i]);
	assert_string_equal(e.origin.time, good[3]);
	kg_entry_release(&e);
}

static void test_entry_fields__a_text_is_of_one_source(void **state)
{
	uint8_t signature[KG_SIGNATURE_SIZE] = {0};
	kg_buf payload;
	kg_entry e;

	(void)state;
	encode_kind(find_kind("sealed"), &e, &payload);
	assert_int_equal(
		kg_entry_set_origin(&e, &others[0], "2025-08-27T15:30:45Z", signature, "x", 1),
		KG_OK);
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	e.has_origin = false; /* content without the rest of it */
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_buf_release(&payload);
	encode_kind(find_kind("sealed"), &e, &payload);
	text(&e, "but here it is");
	assert_int_equal(kg_entry_check(&e), KG_EINVAL);
	kg_entry_release(&e);
	kg_buf_release(&payload);
}

static int start(void **state)
{
	(void)state;
	if (kg_identity_init() != KG_OK)
		return -1;
	agent = fixture_key(1);
	swarm = fixture_key(100);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		kg_key *key = fixture_key((uint8_t)(i + 2));

		others[i] = *kg_key_public(key);
		kg_key_free(key);
	}
	return 0;
}

static int finish(void **state)
{
	(void)state;
	kg_key_free(agent);
	kg_key_free(swarm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_fields__every_field_comes_back),
		cmocka_unit_test(test_entry_fields__no_other_order_is_an_entry),
		cmocka_unit_test(test_entry_fields__no_line_is_said_twice),
		cmocka_unit_test(test_entry_fields__no_part_is_an_entry_but_whole_lines),
		cmocka_unit_test(test_entry_fields__every_byte_counts),
		cmocka_unit_test(test_entry_fields__what_does_not_go_together_is_no_entry),
		cmocka_unit_test(test_entry_fields__the_wrong_author_makes_no_entry),
		cmocka_unit_test(test_entry_fields__nobody_speaks_of_himself),
		cmocka_unit_test(test_entry_fields__the_id_stays_when_an_entry_is_placed_anew),
		cmocka_unit_test(test_entry_fields__time_is_after_all_that_was_seen),
		cmocka_unit_test(test_entry_fields__limits_hold),
		cmocka_unit_test(test_entry_fields__times_of_another_protocol_have_a_form),
		cmocka_unit_test(test_entry_fields__a_text_is_of_one_source),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
