/* SPDX-License-Identifier: MIT */
/*
 * Every way to tamper with a memory that we know of: what the rules of admission say of it, what
 * verify says when it is forced into the repository all the same, and beside it what stock git
 * says.
 *
 * The words in the table follow from what each case does and what each tool looks at;
 * docs/threats.md has the same table for readers.
 */
#include "tests/memory/scene.h"

#include <sodium.h>

#include "identity/seal.h"
#include "identity/sshsig.h"
#include "memory/chain.h"
#include "tests/memory/forgery.h"
#include "tests/memory/opinion.h"

/* The tree of one file, for entries that are to have another than the empty one. */
#define OTHER_TREE                                                                  \
 "$(git -C memory.git mktree </dev/null >/dev/null; printf '100644 blob %s\\tf\\n'" \
 " $(echo f | git -C memory.git hash-object -w --stdin) | git -C memory.git mktree)"

enum { OVERSIZE = KG_ENTRY_OBJECT_MAX + 4096, NESTED = 100000, TRIES = 64 };

/* A case at work. */
typedef struct {
	scene s;
	author *who;      /* agent-0, who is next to say "four" */
	author extra;     /* a key of the case's own */
	kg_buf object;    /* offered for admission; empty: nothing is */
	kg_commit commit; /* what stock git is asked about */
	bool forced;      /* the case has changed the repository itself */
	char ref[256];    /* where the object is forced */
	kg_entry_head witness;
	bool has_witness;
	const char *from; /* of the row */
	const char *to;
} play;

/* ---- entries ---- */

/* The entry that agent-0 would honestly say next; `text` NULL: "four". */
static void say_next(play *p, const char *text)
{
	(void)fixture_insight(&p->object, p->who, text != NULL ? text : "four",
			      p->s.f.now_ms + 1000);
}

static void sign_next(play *p, author *who, kg_entry *e)
{
	kg_buf_clear(&p->object);
	(void)fixture_sign(&p->object, who, e, p->s.f.now_ms + 1000);
	kg_entry_release(e);
	(void)strcpy(p->ref, scene_ref(who));
}

/* Puts an honest entry on its chain, for what is to stand behind it. */
static void say_honestly(play *p, author *who, kg_entry *e)
{
	sign_next(p, who, e);
	(void)scene_force(&p->s, p->object.data, p->object.size, p->ref);
	kg_buf_clear(&p->object);
	p->s.f.now_ms += 1000;
}

/* As the keeper does for every key that the swarm certifies. */
static void tell_stock_git(const play *p, const kg_pubkey *key)
{
	char path[KG_PATH_SIZE];
	kg_buf signers;

	kg_buf_init(&signers, 1 << 20);
	assert_int_equal(kg_path(path, "%s/allowed_signers", p->s.f.dir), KG_OK);
	assert_int_equal(kg_fs_read(&signers, path), KG_OK);
	kg_store_put_signer(&signers, key);
	assert_int_equal(kg_fs_write(path, signers.data, signers.size, 0600), KG_OK);
	kg_buf_release(&signers);
}

/* A key that the swarm certifies as well. */
static author *certify(play *p, uint8_t byte, const char *name)
{
	kg_entry_member member = {0};
	kg_entry e;

	p->extra.key = fixture_key(byte);
	p->extra.swarm = p->s.f.swarm.swarm;
	(void)strcpy(p->extra.name, name);
	member.agent = *kg_key_public(p->extra.key);
	(void)strcpy(member.name, name);
	assert_int_equal(kg_membership_make(&e, p->s.f.swarm.key, &p->s.f.swarm.head, &member, 1,
					    p->s.f.now_ms + 500),
			 KG_OK);
	say_honestly(p, &p->s.f.swarm, &e);
	tell_stock_git(p, &member.agent);
	return &p->extra;
}

/* ---- ways of tampering ---- */

/* Bytes changed after they were signed. */
static void edit(play *p)
{
	say_next(p, NULL);
	forgery_replace(&p->object, p->from, p->to, strlen(p->to));
}

/* Bytes changed by a member, who signs them. */
static void resign(play *p)
{
	say_next(p, NULL);
	forgery_strip(&p->object);
	forgery_replace(&p->object, p->from, p->to, strlen(p->to));
	forgery_sign(&p->object, p->who->key);
}

static void other_tree(play *p, bool sign)
{
	static const char empty[] = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904";
	char line[64];
	kg_buf out;

	kg_buf_init(&out, 256);
	assert_int_equal(fixture_shell(&p->s.f, &out, "%s", "echo " OTHER_TREE), 0);
	assert_int_equal(out.size, 41);
	(void)snprintf(line, sizeof(line), "tree %.40s", kg_buf_text(&out));
	kg_buf_release(&out);
	say_next(p, NULL);
	if (sign)
		forgery_strip(&p->object);
	forgery_replace(&p->object, empty, line, strlen(line));
	if (sign)
		forgery_sign(&p->object, p->who->key);
}

static void change_tree(play *p)
{
	other_tree(p, false);
}

static void sign_tree(play *p)
{
	other_tree(p, true);
}

static void change_parent(play *p)
{
	say_next(p, NULL);
	forgery_replace(&p->object, scene_commit(&p->s.first[2].commit),
			scene_commit(&p->s.first[1].commit), KG_COMMIT_TEXT_SIZE - 1);
}

static void second_parent(play *p, bool sign)
{
	char line[96];

	(void)snprintf(line, sizeof(line), "\nparent %s\nauthor ",
		       scene_commit(&p->s.second[0].commit));
	say_next(p, NULL);
	if (sign)
		forgery_strip(&p->object);
	forgery_replace(&p->object, "\nauthor ", line, strlen(line));
	if (sign)
		forgery_sign(&p->object, p->who->key);
}

static void add_parent(play *p)
{
	second_parent(p, false);
}

static void sign_merge(play *p)
{
	second_parent(p, true);
}

/* The digit is of the last but one line, which is signature alone. */
static void change_bit(play *p)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *end;
	const char *digit;

	say_next(p, NULL);
	end = memmem(p->object.data, p->object.size, "\n -----END", 10);
	assert_non_null(end);
	end -= 40;
	digit = strchr(digits, *end);
	assert_non_null(digit);
	*end = digits[(digit - digits) ^ 1];
}

static void unsign(play *p)
{
	say_next(p, NULL);
	forgery_strip(&p->object);
}

/* Still a good signature, and another commit. */
static void wrap_again(play *p)
{
	char armour[KG_SSHSIG_ARMOUR_SIZE];
	char wide[KG_SSHSIG_ARMOUR_SIZE];
	char *to = wide;

	say_next(p, NULL);
	forgery_strip(&p->object);
	kg_sshsig_sign(armour, p->who->key, p->object.data, p->object.size);
	/* The second line joins the first. */
	for (const char *at = armour; *at != '\0'; at++)
		if (at - armour != sizeof("-----BEGIN SSH SIGNATURE-----") - 1 + 71)
			*to++ = *at;
	*to = '\0';
	forgery_put_armour(&p->object, wide);
}

static void other_namespace(play *p)
{
	uint8_t digest[crypto_hash_sha512_BYTES];
	uint8_t signature[KG_SIGNATURE_SIZE];
	char armour[512];
	kg_buf tbs;

	say_next(p, NULL);
	forgery_strip(&p->object);
	crypto_hash_sha512(digest, p->object.data, p->object.size);
	kg_buf_init(&tbs, 256);
	kg_buf_put(&tbs, "SSHSIG", 6);
	forgery_put_string(&tbs, "file", 4);
	forgery_put_string(&tbs, "", 0);
	forgery_put_string(&tbs, "sha512", 6);
	forgery_put_string(&tbs, digest, sizeof(digest));
	kg_key_sign(p->who->key, signature, tbs.data, tbs.size);
	forgery_armour(armour, "file", kg_key_public(p->who->key)->bytes, signature);
	forgery_put_armour(&p->object, armour);
	kg_buf_release(&tbs);
}

static void stranger(play *p)
{
	kg_entry e;

	p->extra.key = fixture_key(77);
	p->extra.swarm = p->s.f.swarm.swarm;
	(void)strcpy(p->extra.name, "agent-9");
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, &p->extra, &e);
}

/* The key of 32 zero bytes is a point of order 4: one fixed signature verifies for every fourth
 * message, by the equation that ssh-keygen checks and libsodium does not stop at. */
static void low_order(play *p)
{
	static const uint8_t zero_key[32];
	static const uint8_t signature[64] = {1};
	char armour[512];

	forgery_armour(armour, "git", zero_key, signature);
	/* The careless operator who enrols it. */
	assert_int_equal(
		fixture_shell(&p->s.f, NULL,
			      "echo \"zero namespaces=\\\"git\\\" ssh-ed25519 "
			      "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
			      "AAAAAAAA\" >>allowed_signers"),
		0);
	for (int i = 0; i < TRIES; i++) {
		kg_entry e;
		char text[32];

		(void)snprintf(text, sizeof(text), "try %d", i);
		kg_entry_init(&e, KG_ENTRY_INSIGHT);
		assert_int_equal(kg_entry_set_text(&e, text, strlen(text)), KG_OK);
		e.swarm = p->s.f.swarm.swarm;
		(void)strcpy(e.agent_name, "agent-0");
		e.sequence = 1;
		e.time_ms = p->s.f.now_ms;
		kg_buf_clear(&p->object);
		assert_int_equal(kg_entry_encode(&p->object, &e, NULL), KG_OK);
		kg_entry_release(&e);
		forgery_put_armour(&p->object, armour);
		p->commit = scene_force(&p->s, p->object.data, p->object.size, NULL);
		if (fixture_shell(&p->s.f, NULL, "git -C memory.git verify-commit %s",
				  scene_commit(&p->commit)) == 0)
			break;
	}
	(void)snprintf(p->ref, sizeof(p->ref), "%s%064d", KG_STORE_REFS, 0);
}

/* The author quotes the fields of an entry; somebody cuts there, in the hope that what is left is
 * one that the signature covers too. */
static void splice(play *p)
{
	kg_buf text;
	char *cut;
	char hex[2][KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(hex[0], &p->s.f.swarm.swarm);
	kg_pubkey_format(hex[1], kg_key_public(p->who->key));
	kg_buf_init(&text, 4096);
	kg_buf_printf(&text,
		      "send all\n\nKindergarten-Format: 1\nSwarm: %s\nAgent: %s\n"
		      "Agent-Name: agent-0\nSequence: 4\nTime: 2025-11-20T03:40:00.000Z\n"
		      "Time-Counter: 0\n\nto nobody",
		      hex[0], hex[1]);
	say_next(p, kg_buf_text(&text));
	kg_buf_release(&text);
	cut = memmem(p->object.data, p->object.size, "\nto nobody", 10);
	assert_non_null(cut);
	p->object.size = (size_t)(cut - (char *)p->object.data);
}

static void malformed_author(play *p)
{
	char from[80];
	char to[80];
	char hex[KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(hex, kg_key_public(p->who->key));
	(void)snprintf(from, sizeof(from), "<%s@", hex);
	(void)snprintf(to, sizeof(to), "<%.16s@", hex);
	p->from = from;
	p->to = to;
	resign(p);
}

static void other_date(play *p)
{
	char from[32];
	char to[32];

	(void)snprintf(from, sizeof(from), "> %lld +0000",
		       (long long)(p->s.f.now_ms + 1000) / 1000);
	(void)snprintf(to, sizeof(to), "> %lld +0000",
		       (long long)(p->s.f.now_ms + 1000) / 1000 - 86400);
	p->from = from;
	p->to = to;
	if (strcmp(p->ref, "signed") == 0)
		resign(p);
	else
		edit(p);
}

static void date(play *p)
{
	other_date(p);
}

static void sign_date(play *p)
{
	(void)strcpy(p->ref, "signed");
	other_date(p);
	p->ref[0] = '\0';
}

static void grow(play *p, size_t size, char fill)
{
	char *much = malloc(size + 1);

	assert_non_null(much);
	memset(much, fill, size);
	much[size] = '\0';
	p->from = "four";
	p->to = much;
	resign(p);
	free(much);
}

static void oversize(play *p)
{
	grow(p, OVERSIZE, 'a');
}

/* Instead of a message with fields. */
static void deep_json(play *p)
{
	char *message;

	say_next(p, NULL);
	forgery_strip(&p->object);
	message = memmem(p->object.data, p->object.size, "\n\n", 2);
	assert_non_null(message);
	p->object.size = (size_t)(message + 2 - (char *)p->object.data);
	for (int i = 0; i < NESTED; i++)
		kg_buf_put_u8(&p->object, '[');
	kg_buf_puts(&p->object, "\n");
	forgery_sign(&p->object, p->who->key);
}

static void other_swarm(play *p)
{
	kg_key *other = fixture_key(101);
	author moved = *p->who;
	kg_entry e;

	moved.swarm = *kg_key_public(other);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, &moved, &e);
	kg_key_free(other);
}

static void other_name(play *p)
{
	kg_entry e;

	(void)strcpy(p->who->name, "agent-1");
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, p->who, &e);
}

static void left_out(play *p)
{
	kg_entry e;

	p->who->head.sequence += 4;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, p->who, &e);
}

static void skip_parent(play *p)
{
	kg_entry e;

	p->who->head.commit = p->s.first[1].commit;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, p->who, &e);
}

static void go_back(play *p)
{
	kg_entry e;

	p->who->head.time_ms -= 3600000;
	p->s.f.now_ms -= 3600000;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, p->who, &e);
	p->s.f.now_ms += 3600000;
}

static void hour_ahead(play *p)
{
	kg_entry e;

	p->s.f.now_ms += 3600000;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, p->who, &e);
	p->s.f.now_ms -= 3600000;
}

/* What stands at agent-0's third place, opened. */
static void open_third(play *p, kg_entry *e)
{
	kg_entry_proof proof;
	kg_store *store = NULL;
	bool verified = false;

	assert_int_equal(kg_store_open(&store, p->s.f.dir), KG_OK);
	assert_int_equal(kg_chain_read(store, e, &proof, &verified, &p->s.first[2].commit), KG_OK);
	assert_true(verified);
	kg_store_free(store);
}

static void say_again(play *p)
{
	kg_entry e;

	open_third(p, &e);
	e.sequence = 4;
	assert_int_equal(kg_entry_sign(&p->object, NULL, &e, p->who->key, &p->s.first[2].commit),
			 KG_OK);
	kg_entry_release(&e);
}

/* The same place, the same parent, another word. */
static void say_otherwise(play *p)
{
	kg_entry e;

	open_third(p, &e);
	assert_int_equal(kg_entry_set_text(&e, "never three", 11), KG_OK);
	assert_int_equal(kg_entry_sign(&p->object, NULL, &e, p->who->key, &p->s.first[1].commit),
			 KG_OK);
	kg_entry_release(&e);
}

static void keep_proof(play *p, const kg_commit *commit)
{
	char hex[KG_PUBKEY_TEXT_SIZE];

	kg_pubkey_format(hex, kg_key_public(p->who->key));
	(void)snprintf(p->ref, sizeof(p->ref), "%s%s/%s", KG_STORE_FORKS, hex,
		       scene_commit(commit));
}

static void fork_beside(play *p)
{
	kg_commit commit;

	say_otherwise(p);
	kg_commit_id(&commit, p->object.data, p->object.size);
	keep_proof(p, &commit);
}

static void false_proof(play *p)
{
	p->commit = p->s.first[1].commit;
	keep_proof(p, &p->commit);
	assert_int_equal(fixture_shell(&p->s.f, NULL, "git -C memory.git update-ref %s %s", p->ref,
				       scene_commit(&p->commit)),
			 0);
	p->forced = true;
}

static void revoked(play *p)
{
	const kg_entry_head last = {*kg_key_public(p->who->key), 3, p->s.first[2].commit};
	kg_entry e;

	assert_int_equal(kg_revocation_make(&e, p->s.f.swarm.key, &p->s.f.swarm.head, &last,
					    p->s.f.now_ms + 500),
			 KG_OK);
	say_honestly(p, &p->s.f.swarm, &e);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, p->who, &e);
}

static kg_author author_of(const play *p, const author *who)
{
	return (kg_author){.swarm = &who->swarm,
			   .key = who->key,
			   .name = who->name,
			   .previous = &who->head,
			   .now_ms = p->s.f.now_ms + 1000};
}

static void closed(play *p)
{
	author *next = certify(p, 50, "agent-0");
	kg_author old = author_of(p, p->who);
	kg_entry e;

	assert_int_equal(kg_successor_make(&e, &old, kg_key_public(next->key)), KG_OK);
	say_honestly(p, p->who, &e);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	sign_next(p, p->who, &e);
}

static void usurp(play *p)
{
	author *next = certify(p, 50, "agent-0");
	kg_author mine = author_of(p, next);
	kg_entry e;

	assert_int_equal(kg_predecessor_make(&e, &mine, kg_key_public(p->who->key), &p->who->head),
			 KG_OK);
	sign_next(p, next, &e);
}

static void quarantine(play *p)
{
	kg_author mine = author_of(p, p->who);
	kg_entry e;

	assert_int_equal(kg_quarantine_make(&e, &mine, &p->s.second[0].id, 1, "I do not like it"),
			 KG_OK);
	sign_next(p, p->who, &e);
}

static void see_ghosts(play *p)
{
	kg_chain_head ghost = p->s.f.agents[1].head;
	kg_entry e;

	ghost.sequence += 7;
	ghost.commit.bytes[0] ^= 1;
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_add_seen(&e, kg_key_public(p->s.f.agents[1].key), &ghost), KG_OK);
	sign_next(p, p->who, &e);
}

/* The three entries of agent-0 given up, without a checkpoint that says so. */
static void begin_anew(play *p)
{
	const kg_entry_id ids[] = {p->s.first[0].id, p->s.first[1].id, p->s.first[2].id};
	kg_author mine = author_of(p, p->who);
	kg_entry e;

	assert_int_equal(kg_epoch_make(&e, &mine, 1, ids, 3, 0), KG_OK);
	assert_int_equal(kg_entry_sign(&p->object, NULL, &e, p->who->key, NULL), KG_OK);
	kg_entry_release(&e);
}

static void exchange_sealed(play *p)
{
	uint8_t digest[KG_HASH_SIZE];
	char hex[KG_HASH_TEXT_SIZE];
	kg_entry_proof proof;
	kg_entry e;

	kg_seal_digest(digest, "what was sealed", 15);
	kg_entry_init(&e, KG_ENTRY_INSIGHT);
	assert_int_equal(kg_entry_set_sealed(&e, digest, 15, NULL, 0), KG_OK);
	proof = fixture_sign(&p->object, p->who, &e, p->s.f.now_ms + 1000);
	kg_entry_release(&e);
	kg_entry_id_format(hex, &proof.id);
	assert_int_equal(fixture_shell(&p->s.f, NULL,
				       "git -C memory.git update-ref " KG_STORE_VAULT "%s"
				       " $(printf 'what else it is' |"
				       " git -C memory.git hash-object -w --stdin)",
				       hex),
			 0);
}

/* ---- refs and objects ---- */

static void shell(play *p, const kg_commit *asked, const char *command, const char *a,
		  const char *b)
{
	char text[1024];
	kg_buf out;

	p->commit = *asked;
	p->forced = true;
	kg_buf_init(&out, 4096);
	(void)snprintf(text, sizeof(text), "git -C memory.git %s %s %s", command, a, b);
	if (fixture_shell(&p->s.f, &out, "%s", text) != 0)
		fail_msg("%s: %s", text, kg_buf_text(&out));
	kg_buf_release(&out);
}

static void other_chain(play *p)
{
	shell(p, &p->s.first[2].commit, "update-ref", scene_ref(&p->s.f.agents[2]),
	      scene_commit(&p->s.first[2].commit));
}

static void squat(play *p)
{
	char ref[128];

	(void)snprintf(ref, sizeof(ref), "%.*s", (int)sizeof(KG_STORE_REFS) - 1 + 8,
		       scene_ref(p->who));
	shell(p, &p->s.second[1].commit, "update-ref", ref, scene_commit(&p->s.second[1].commit));
}

static void truncate_chain(play *p)
{
	shell(p, &p->s.first[1].commit, "update-ref", scene_ref(p->who),
	      scene_commit(&p->s.first[1].commit));
}

static void withhold(play *p)
{
	shell(p, &p->s.first[2].commit, "update-ref -d", scene_ref(&p->s.f.agents[2]), "");
}

/* The swarm's chain as it was before its checkpoint, which a witness has seen. */
static void roll_back(play *p)
{
	const author *swarm = &p->s.f.swarm;
	char before[64];

	(void)snprintf(before, sizeof(before), "%s^", scene_commit(&swarm->head.commit));
	shell(p, &p->s.first[2].commit, "update-ref", scene_ref(swarm), before);
	p->witness = (kg_entry_head){swarm->swarm, swarm->head.sequence, swarm->head.commit};
	p->has_witness = true;
}

static void loosen(play *p, const char *command)
{
	char path[128];
	const char *hex = scene_commit(&p->s.first[1].commit);

	scene_make_loose(&p->s);
	(void)snprintf(path, sizeof(path), "memory.git/objects/%.2s/%s", hex, hex + 2);
	assert_int_equal(fixture_shell(&p->s.f, NULL, "chmod u+w %s && %s %s", path, command, path),
			 0);
	p->commit = p->s.first[1].commit;
	p->forced = true;
}

static void remove_object(play *p)
{
	loosen(p, "rm");
}

static void cut_object(play *p)
{
	loosen(p, "truncate -s 100");
}

/* ---- the table ---- */

typedef struct {
	const char *name;
	void (*make)(play *p);
	const char *from; /* for edit and resign */
	const char *to;
	const char *admission; /* "-": it is not refused, or nothing is offered */
	const char *verify;    /* all reasons, by name; "-": none */
	const char *git;       /* verify-commit */
	const char *fsck;
} row;

static const row table[] = {
	/* Signed bytes changed by somebody without the key. */
	{"a letter of the text", edit, "four", "fouR", "bad_signature", "bad_signature", "bad",
	 "clean"},
	{"another tree", change_tree, NULL, NULL, "bad_signature", "bad_signature", "bad", "clean"},
	{"another date of the author", date, NULL, NULL, "bad_signature", "bad_signature", "bad",
	 "clean"},
	{"the parent's parent for a parent", change_parent, NULL, NULL, "bad_signature",
	 "bad_signature sequence_gap truncated", "bad", "clean"},
	{"a second parent", add_parent, NULL, NULL, "bad_signature", "bad_signature", "bad",
	 "clean"},
	{"another number in its chain", edit, "Sequence: 4", "Sequence: 5", "bad_signature",
	 "bad_signature sequence_gap", "bad", "clean"},
	{"one bit of the signature", change_bit, NULL, NULL, "bad_signature", "bad_signature",
	 "bad", "clean"},
	{"the signature taken away", unsign, NULL, NULL, "unsigned", "unsigned", "unsigned",
	 "clean"},
	{"the signature wrapped in other lines", wrap_again, NULL, NULL, "bad_armour", "bad_armour",
	 "good", "clean"},
	{"cut off where the author quotes fields", splice, NULL, NULL, "bad_signature",
	 "bad_signature", "bad", "clean"},
	/* Keys that are no member's. */
	{"a key that nobody certified", stranger, NULL, NULL, "unknown_key", "unknown_key",
	 "good, unknown key", "clean"},
	{"a key of low order, carelessly enrolled", low_order, NULL, NULL, "weak_key",
	 "unknown_key weak_key", "good", "clean"},
	/* What a member can sign and no entry can be. */
	{"signed for another namespace", other_namespace, NULL, NULL, "malformed", "malformed",
	 "bad", "clean"},
	{"an author that is no whole key", malformed_author, NULL, NULL, "malformed", "malformed",
	 "good", "clean"},
	{"a date of the author that is not its time", sign_date, NULL, NULL, "malformed",
	 "malformed", "good", "clean"},
	{"a file in its tree", sign_tree, NULL, NULL, "malformed", "malformed", "good", "clean"},
	{"a merge", sign_merge, NULL, NULL, "malformed", "malformed", "good", "clean"},
	{"a field twice", resign, "Time-Counter: 0\n", "Time-Counter: 0\nTime-Counter: 0\n",
	 "malformed", "malformed", "good", "clean"},
	{"another spelling of a number", resign, "Confidence: 0.900000", "Confidence: 0.9",
	 "malformed", "malformed", "good", "clean"},
	{"a checkpoint by somebody else than the swarm", resign, "insight: four",
	 "checkpoint: four", "malformed", "malformed", "good", "clean"},
	{"JSON nested 100,000 deep", deep_json, NULL, NULL, "malformed", "malformed", "good",
	 "clean"},
	{"more than 1 MiB", oversize, NULL, NULL, "oversize", "oversize", "good", "clean"},
	{"a byte that is not UTF-8", resign, "four", "f\xffur", "not_utf8", "not_utf8", "good",
	 "clean"},
	/* What a member can sign and may not say. */
	{"made for another swarm", other_swarm, NULL, NULL, "wrong_swarm", "wrong_swarm", "good",
	 "clean"},
	{"in another's name", other_name, NULL, NULL, "wrong_name", "wrong_name", "good", "clean"},
	{"a number left out", left_out, NULL, NULL, "sequence_gap", "sequence_gap", "good",
	 "clean"},
	{"the next number on an older entry", skip_parent, NULL, NULL, "wrong_parent",
	 "sequence_gap truncated", "good", "clean"},
	{"a time before the entry before", go_back, NULL, NULL, "time_order", "time_order", "good",
	 "clean"},
	{"a clock one hour ahead", hour_ahead, NULL, NULL, "clock_ahead", "-", "good", "clean"},
	{"the entry before once more", say_again, NULL, NULL, "time_order", "duplicate time_order",
	 "good", "clean"},
	{"a second entry for one place, kept as proof", fork_beside, NULL, NULL, "forked", "forked",
	 "good", "clean"},
	{"a second entry instead of the first", say_otherwise, NULL, NULL, "forked", "replaced",
	 "good", "clean"},
	{"a proof of a fork that proves none", false_proof, NULL, NULL, "-", "bad_proof", "good",
	 "clean"},
	{"after its key was revoked", revoked, NULL, NULL, "revoked", "revoked", "good", "clean"},
	{"after its key was given up for another", closed, NULL, NULL, "closed", "closed", "good",
	 "clean"},
	{"a new key that the old one does not name", usurp, NULL, NULL, "bad_succession",
	 "bad_succession", "good", "clean"},
	{"a quarantine by neither swarm nor operator", quarantine, NULL, NULL, "no_authority",
	 "no_authority", "good", "clean"},
	{"it has seen what is not there", see_ghosts, NULL, NULL, "-", "seen_missing", "good",
	 "clean"},
	{"a chain begun anew without the swarm's word", begin_anew, NULL, NULL, "-",
	 "bad_epoch truncated", "good", "clean"},
	{"other sealed content", exchange_sealed, NULL, NULL, "-", "sealed_mismatch", "good",
	 "clean"},
	/* What the owner of the repository can do without any key. */
	{"another author's chain for a chain", other_chain, NULL, NULL, "-", "wrong_chain", "good",
	 "clean"},
	{"a branch named by the first digits of a key", squat, NULL, NULL, "-", "stray_ref", "good",
	 "clean"},
	{"a tail cut off that a checkpoint names", truncate_chain, NULL, NULL, "-", "truncated",
	 "good", "clean"},
	{"a tail withheld since the last checkpoint", withhold, NULL, NULL, "-", "-", "good",
	 "clean"},
	{"everything put back that a witness has seen", roll_back, NULL, NULL, "-", "rolled_back",
	 "good", "clean"},
	{"an object removed", remove_object, NULL, NULL, "-", "missing", "error", "error"},
	{"an object cut short", cut_object, NULL, NULL, "-", "unreadable", "error", "error"},
};

/* ---- what is said ---- */

static void print_row(kg_buf *out, const char *name, const char *admission, const char *verify,
		      const char *git, const char *fsck)
{
	kg_buf_printf(out, "| %s | %s | %s | %s | %s |\n", name, admission, verify, git, fsck);
}

static bool run_row(const row *r)
{
	play p = {.from = r->from, .to = r->to};
	const char *admission;
	const char *git;
	const char *fsck;
	char verify[256];
	kg_buf is;
	kg_buf should;
	bool good;

	kg_buf_init(&is, 1024);
	kg_buf_init(&should, 1024);
	kg_buf_init(&p.object, 4 * KG_ENTRY_OBJECT_MAX);
	scene_make(&p.s);
	p.who = &p.s.f.agents[0];
	r->make(&p);
	admission = opinion_admission(&p.s, &p.object);
	if (p.object.size > 0)
		assert_int_equal(opinion_keeper(&p.s, &p.object), strcmp(admission, "-") == 0);
	if (!p.forced)
		p.commit = scene_force(&p.s, p.object.data, p.object.size,
				       p.ref[0] != '\0' ? p.ref : scene_ref(p.who));
	git = opinion_git(&p.s, &p.commit);
	fsck = opinion_fsck(&p.s);
	opinion_verify(&p.s, p.has_witness ? &p.witness : NULL, verify);
	print_row(&is, r->name, admission, verify, git, fsck);
	print_row(&should, r->name, r->admission, r->verify, r->git, r->fsck);
	print_message("%s", kg_buf_text(&is));
	good = strcmp(kg_buf_text(&is), kg_buf_text(&should)) == 0;
	if (!good) {
		print_message("SHOULD BE %s", kg_buf_text(&should));
		for (size_t i = 0; i < p.s.verdict.count; i++)
			print_message("    %s %s\n", p.s.verdict.findings[i].reason,
				      p.s.verdict.findings[i].detail);
	}
	kg_buf_release(&is);
	kg_buf_release(&should);
	kg_buf_release(&p.object);
	kg_key_free(p.extra.key);
	scene_remove(&p.s);
	return good;
}

static void test_tamper__every_case_is_told_by_its_own_reason(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		wrong += run_row(&table[i]) ? 0 : 1;
	assert_int_equal(wrong, 0);
}

static void test_tamper__the_documents_have_the_same_table(void **state)
{
	const char *source = getenv("KG_SOURCE_DIR");
	char path[KG_PATH_SIZE];
	const char *begin;
	const char *end;
	kg_buf text;
	kg_buf coded;

	(void)state;
	assert_non_null(source);
	kg_buf_init(&text, 1 << 20);
	kg_buf_init(&coded, 1 << 20);
	assert_int_equal(kg_path(path, "%s/docs/threats.md", source), KG_OK);
	assert_int_equal(kg_fs_read(&text, path), KG_OK);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		print_row(&coded, table[i].name, table[i].admission, table[i].verify, table[i].git,
			  table[i].fsck);
	begin = strstr(kg_buf_text(&text), "<!-- tampering -->");
	assert_non_null(begin);
	begin = strstr(begin, "|---|");
	assert_non_null(begin);
	begin = strchr(begin, '\n') + 1;
	end = strstr(begin, "<!-- end -->");
	assert_non_null(end);
	assert_int_equal((size_t)(end - begin), coded.size);
	assert_memory_equal(begin, coded.data, coded.size);
	kg_buf_release(&text);
	kg_buf_release(&coded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tamper__every_case_is_told_by_its_own_reason),
		cmocka_unit_test(test_tamper__the_documents_have_the_same_table),
	};

	/* What the user of this machine has set is not part of the test. */
	if (setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1) != 0 ||
	    setenv("GIT_CONFIG_SYSTEM", "/dev/null", 1) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
