/* SPDX-License-Identifier: MIT */
/* doctor – what this machine offers, what is wrong with the installation, and what to do. */
#include <errno.h>
#include <getopt.h>
#include <git2.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zmq.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "cli/program.h"
#include "identity/keyring.h"
#include "identity/secret.h"
#include "runtime/kernel.h"
#include "runtime/nursery.h"

typedef enum { FINE, WARN, BAD } verdict;

static const char *const verdict_names[] = {"ok", "warn", "bad"};

enum {
	OPEN_FILES_WARN = 1024, /* what Linux gives by default */
	FREE_WARN_MIB = 100,    /* of the file system that holds the state */
};

typedef struct {
	json_t *checks;
	verdict worst;
} report;

/* One finding; `remedy` is what to do about it, or NULL. */
static void KG_PRINTF(5, 6)
	add(report *r, const char *name, verdict v, const char *remedy, const char *fmt, ...)
{
	char text[KG_ERR_TEXT_MAX];
	json_t *value;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	value = json_string(text);
	if (value == NULL) { /* a path need not be UTF-8 */
		for (char *c = text; *c != '\0'; c++)
			if ((*c & 0x80) != 0)
				*c = '?';
		value = json_string(text);
	}
	json_array_append_new(r->checks,
			      json_pack("{s:s, s:s, s:o, s:s*}", "name", name, "state",
					verdict_names[v], "value", value, "remedy", remedy));
	if (v > r->worst)
		r->worst = v;
}

/* The value after "key" and ':' of a /proc file, or "". */
static void proc_field(char *out, size_t room, const char *path, const char *key)
{
	kg_buf text;
	const char *at;

	out[0] = '\0';
	kg_buf_init(&text, 1 << 20);
	if (kg_fs_read(&text, path) == KG_OK && (at = strstr(kg_buf_text(&text), key)) != NULL) {
		at += strcspn(at, ":\n");
		at += strspn(at, ": \t");
		(void)snprintf(out, room, "%.*s", (int)strcspn(at, "\n"), at);
	}
	kg_buf_release(&text);
}

static void check_machine(report *r)
{
	char cpu[128];
	char memory[64];
	char available[64];
	char names[128] = "";
	uint32_t usable = 0;

	proc_field(cpu, sizeof(cpu), "/proc/cpuinfo", "model name");
	proc_field(memory, sizeof(memory), "/proc/meminfo", "MemTotal");
	proc_field(available, sizeof(available), "/proc/meminfo", "MemAvailable");
	add(r, "cpu", FINE, NULL, "%s, %ld in use", cpu[0] != '\0' ? cpu : "unknown",
	    sysconf(_SC_NPROCESSORS_ONLN));
	add(r, "memory", FINE, NULL, "%s, available %s", memory, available);
	for (uint32_t i = 0; i < kg_kernel_count(); i++) {
		size_t used = strlen(names);

		if (!kg_kernel_at(i)->usable())
			continue;
		usable++;
		(void)snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? " " : "",
			       kg_kernel_at(i)->name);
	}
	add(r, "kernels", usable > 1 ? FINE : WARN,
	    usable > 1 ? NULL : "only the reference is usable here: correct, but slow",
	    "%s; chosen: %s", names, kg_kernel_current()->name);
}

static void check_sqlite(report *r)
{
	sqlite3 *db = NULL;
	bool fts5 = sqlite3_open(":memory:", &db) == SQLITE_OK &&
		    sqlite3_exec(db, "CREATE VIRTUAL TABLE t USING fts5(text)", NULL, NULL, NULL) ==
			    SQLITE_OK;

	(void)sqlite3_close(db);
	add(r, "sqlite", fts5 ? FINE : BAD, fts5 ? NULL : "install an SQLite with FTS5",
	    "%s, full-text search %s", sqlite3_libversion(), fts5 ? "works" : "is missing");
}

static void check_libraries(report *r)
{
	int major;
	int minor;
	int patch;
	bool curve = zmq_has("curve") == 1;

	if (kg_identity_init() == KG_OK)
		add(r, "libsodium", FINE, NULL, "%s", sodium_version_string());
	else
		add(r, "libsodium", BAD, "reinstall libsodium", "%s: %s", sodium_version_string(),
		    kg_err_text());
	zmq_version(&major, &minor, &patch);
	add(r, "zeromq", curve ? FINE : BAD, curve ? NULL : "install a ZeroMQ built with CURVE",
	    "%d.%d.%d, CURVE %s", major, minor, patch, curve ? "available" : "is missing");
	if (git_libgit2_version(&major, &minor, &patch) >= 0)
		add(r, "libgit2", FINE, NULL, "%d.%d.%d", major, minor, patch);
	check_sqlite(r);
	add(r, "jansson", FINE, NULL, "%s", jansson_version_str());
}

static void limit_text(char out[32], rlim_t limit)
{
	if (limit == RLIM_INFINITY)
		(void)snprintf(out, 32, "unlimited");
	else
		(void)snprintf(out, 32, "%llu", (unsigned long long)limit);
}

static void check_limits(report *r)
{
	bool locked = kg_secret_is_locked();
	struct rlimit limit = {0};
	char text[32];

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	limit_text(text, limit.rlim_cur);
	add(r, "locked memory", locked ? FINE : WARN,
	    locked ? NULL : "raise it (ulimit -l), or secrets may reach the swap device",
	    "limit %s bytes, secrets are %s", text, locked ? "locked" : "not locked");
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit_text(text, limit.rlim_cur);
	add(r, "open files", limit.rlim_cur >= OPEN_FILES_WARN ? FINE : WARN,
	    limit.rlim_cur >= OPEN_FILES_WARN ? NULL : "raise it (ulimit -n) for larger swarms",
	    "limit %s", text);
}

/* The nearest directory upwards of `path` that exists. */
static void existing_part(char part[KG_PATH_SIZE], const char *path)
{
	(void)snprintf(part, KG_PATH_SIZE, "%s", path);
	while (!kg_fs_exists(part)) {
		char *slash = strrchr(part, '/');

		if (slash == NULL || slash == part) {
			(void)snprintf(part, KG_PATH_SIZE, "/");
			return;
		}
		*slash = '\0';
	}
}

static void check_state(report *r, const kg_cli *cli)
{
	const char *dir = cli->state_dir;
	char part[KG_PATH_SIZE];
	struct statvfs fs;
	struct stat st;

	existing_part(part, dir);
	if (stat(part, &st) != 0)
		add(r, "state", BAD, "name another one with --state", "%s: %s", part,
		    strerrordesc_np(errno));
	else if (!S_ISDIR(st.st_mode))
		add(r, "state", BAD, "name another one with --state", "%s is not a directory",
		    part);
	else if (access(part, R_OK | W_OK | X_OK) != 0)
		add(r, "state", BAD, "name another one with --state", "%s is not writable", part);
	else if (strcmp(part, dir) != 0)
		add(r, "state", FINE, NULL, "%s: not there yet, `up` makes it", dir);
	else if (st.st_uid != geteuid())
		add(r, "state", BAD, "run as its owner, or name another one with --state",
		    "%s belongs to user %ld", dir, (long)st.st_uid);
	else if ((st.st_mode & 077) != 0)
		add(r, "state", BAD, "chmod 700 the directory", "%s: mode %03o is open to others",
		    dir, (unsigned)st.st_mode & 0777);
	else
		add(r, "state", FINE, NULL, "%s", dir);
	if (statvfs(part, &fs) == 0) {
		unsigned long long mib = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;

		add(r, "free space", mib >= FREE_WARN_MIB ? FINE : WARN,
		    mib >= FREE_WARN_MIB ? NULL : "make room: a full disk stops the memory",
		    "%llu MiB at %s", mib, part);
	}
	add(r, "settings", FINE, NULL, "%s%s", cli->config_path,
	    kg_fs_exists(cli->config_path) ? "" : ": not there, defaults hold");
}

static void check_identity(report *r, const kg_cli *cli)
{
	bool sealed = false;
	kg_err err = kg_keyring_probe(cli->state_dir, &sealed);

	if (err == KG_OK)
		add(r, "identity", FINE, NULL, "%s",
		    sealed ? "present, under a passphrase" : "present, without a passphrase");
	else if (err == KG_ENOTFOUND)
		add(r, "identity", FINE, NULL, "none yet, `up` or `identity new` makes it");
	else
		add(r, "identity", BAD, "see docs/operations.md, \"Identity\"", "%s",
		    kg_err_text());
}

static void check_model(report *r)
{
	size_t size = 0;
	kg_model *model = NULL;

	if (kg_nursery_bytes(&size) == NULL) {
		add(r, "embedded model", WARN, "give every command that needs one --model FILE",
		    "none in this binary");
		return;
	}
	if (kg_nursery_open(&model) == KG_OK)
		add(r, "embedded model", FINE, NULL, "%zu bytes", size);
	else
		add(r, "embedded model", BAD, "build again", "%s", kg_err_text());
	kg_model_free(model);
}

/* The path of a program, as the shell would find it; false when there is none. */
static bool on_path(char path[KG_PATH_SIZE], const char *program)
{
	const char *dirs = getenv("PATH");

	while (dirs != NULL && *dirs != '\0') {
		size_t length = strcspn(dirs, ":");

		if (kg_path(path, "%.*s%s%s", (int)length, dirs, length > 0 ? "/" : "./",
			    program) == KG_OK &&
		    access(path, X_OK) == 0)
			return true;
		dirs += length + (dirs[length] == ':');
	}
	return false;
}

static void check_programs(report *r)
{
	static const char *const names[] = {"swarm", "agent", "keeper", "train", "bench"};
	char path[KG_PATH_SIZE];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (kg_program_path(path, names[i]) != KG_OK) {
			add(r, "programs", BAD, "reinstall", "%s", kg_err_text());
			return;
		}
	}
	*strrchr(path, '/') = '\0';
	add(r, "programs", FINE, NULL, "%zu in %s", sizeof(names) / sizeof(names[0]), path);
}

static void check_tools(report *r)
{
	static const char *const programs[] = {"git", "ssh-keygen"};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char path[KG_PATH_SIZE];
		bool there = on_path(path, programs[i]);

		add(r, programs[i], there ? FINE : WARN,
		    there ? NULL : "install it to verify the memory with stock git", "%s",
		    there ? path : "not on PATH");
	}
}

static void print_lines(const kg_cli *cli, const json_t *checks)
{
	static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check)
	{
		const char *state = json_string_value(json_object_get(check, "state"));
		const char *remedy = json_string_value(json_object_get(check, "remedy"));
		size_t which = 0;

		while (strcmp(verdict_names[which], state) != 0)
			which++;
		printf("%s%-4s%s  %-14s  %s\n", cli->colour ? colours[which] : "", state,
		       cli->colour ? "\033[0m" : "",
		       json_string_value(json_object_get(check, "name")),
		       json_string_value(json_object_get(check, "value")));
		if (remedy != NULL)
			printf("      %-14s  > %s\n", "", remedy);
	}
}

int kg_cmd_doctor_run(kg_cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	report r = {0};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return kg_cli_unknown(&kg_cmd_doctor, longs, c, argv);
		json = true;
	}
	if (optind != argc)
		return kg_cli_usage(&kg_cmd_doctor, "takes no arguments");
	r.checks = json_array();
	check_machine(&r);
	check_programs(&r);
	check_libraries(&r);
	check_limits(&r);
	check_state(&r, cli);
	check_identity(&r, cli);
	check_model(&r);
	check_tools(&r);
	if (json) {
		json_t *document =
			json_pack("{s:b, s:O}", "ok", r.worst != BAD, "checks", r.checks);

		kg_json_print(document, true);
		json_decref(document);
	} else {
		print_lines(cli, r.checks);
	}
	json_decref(r.checks);
	return r.worst == BAD ? KG_EXIT_NO : KG_EXIT_YES;
}
