/* SPDX-License-Identifier: MIT */
#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Each test has a directory of its own, which is also the current one. */
static int enter(void **state)
{
	char *dir = strdup("/tmp/kg-fs-XXXXXX");

	*state = dir;
	return dir != NULL && mkdtemp(dir) != NULL && chdir(dir) == 0 ? 0 : -1;
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st;
	(void)kind;
	(void)walk;
	return remove(path);
}

static int leave(void **state)
{
	int rc = chdir("/") | nftw(*state, drop, 8, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return rc;
}

static int files_in(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		count += e->d_name[0] != '.';
	(void)closedir(dir);
	return count;
}

static void holds(const char *path, const char *want)
{
	kg_buf text;

	kg_buf_init(&text, 1 << 20);
	assert_int_equal(kg_fs_read(&text, path), KG_OK);
	assert_string_equal(kg_buf_text(&text), want);
	kg_buf_release(&text);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_fs__path_fits_or_is_refused(void **state)
{
	char path[KG_PATH_SIZE];
	char text[KG_PATH_SIZE + 1];

	(void)state;
	for (size_t length = KG_PATH_SIZE - 2; length <= KG_PATH_SIZE; length++) {
		memset(text, 'p', length);
		text[length] = '\0';
		assert_int_equal(kg_path(path, "%s", text),
				 length < KG_PATH_SIZE ? KG_OK : KG_EFULL);
	}
	assert_int_equal(kg_fs_mkdirs(text, 0700), KG_EFULL);
}

static void test_fs__mkdirs_makes_all_of_them(void **state)
{
	(void)state;
	assert_int_equal(kg_fs_mkdirs("a/b/c", 0700), KG_OK);
	assert_int_equal(mode_of("a/b/c"), 0700);
	assert_int_equal(kg_fs_mkdirs("a/b/c", 0755), KG_OK);
	assert_int_equal(mode_of("a/b/c"), 0700);
	assert_int_equal(kg_fs_mkdirs("a/d//", 0700), KG_OK);
	assert_int_equal(mode_of("a/d"), 0700);
	assert_int_equal(kg_fs_mkdirs("/", 0700), KG_OK);
	assert_int_equal(kg_fs_mkdirs("", 0700), KG_EINVAL);
}

static void test_fs__mkdirs_does_not_pass_through_a_file(void **state)
{
	(void)state;
	assert_int_equal(kg_fs_write("f", "x", 1, 0600), KG_OK);
	assert_int_equal(kg_fs_mkdirs("f", 0700), KG_EEXISTS);
	assert_int_equal(kg_fs_mkdirs("f/g", 0700), KG_EEXISTS);
	holds("f", "x");
}

static ino_t file_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void test_fs__update_leaves_alone_what_is_the_same(void **state)
{
	ino_t first;

	(void)state;
	assert_int_equal(kg_fs_update("f", "one", 3, 0600), KG_OK);
	holds("f", "one");
	/* Held open, so that its number is not given to the next file. */
	assert_int_equal(link("f", "held"), 0);
	first = file_of("f");
	assert_int_equal(kg_fs_update("f", "one", 3, 0600), KG_OK);
	assert_true(file_of("f") == first);
	assert_int_equal(kg_fs_update("f", "two", 3, 0600), KG_OK);
	holds("f", "two");
	assert_int_equal(kg_fs_update("f", "tw", 2, 0600), KG_OK);
	holds("f", "tw");
	assert_int_equal(kg_fs_update("f", "", 0, 0600), KG_OK);
	holds("f", "");
	first = file_of("f");
	assert_int_equal(kg_fs_update("f", "", 0, 0600), KG_OK);
	assert_true(file_of("f") == first);
	assert_int_equal(kg_fs_update("none/f", "x", 1, 0600), KG_ENOTFOUND);
	assert_int_equal(files_in("."), 2);
}

static void test_fs__write_replaces_and_leaves_nothing_else(void **state)
{
	static const kg_fs_part parts[3] = {{"three", 5}, {NULL, 0}, {" and more", 9}};

	(void)state;
	assert_int_equal(kg_fs_write("f", "one", 3, 0644), KG_OK);
	assert_int_equal(kg_fs_write("f", "two2", 4, 0600), KG_OK);
	holds("f", "two2");
	assert_int_equal(mode_of("f"), 0600);
	assert_int_equal(kg_fs_write("f", "", 0, 0600), KG_OK);
	holds("f", "");
	assert_int_equal(files_in("."), 1);
	assert_int_equal(kg_fs_write_parts("f", parts, 3, 0600), KG_OK);
	holds("f", "three and more");
	assert_int_equal(kg_fs_write("none/f", "x", 1, 0600), KG_ENOTFOUND);
	assert_int_equal(kg_fs_write(".", "x", 1, 0600), KG_EIO);
	assert_int_equal(files_in("."), 1);
}

static void test_fs__zeros_are_written_as_holes(void **state)
{
	enum { HOLE = 3 << 20 };
	static const kg_fs_part parts[4] = {{"a", 1}, {NULL, HOLE}, {"b", 1}, {NULL, HOLE}};
	struct stat status;
	kg_buf file;

	(void)state;
	assert_int_equal(kg_fs_write_parts("f", parts, 4, 0600), KG_OK);
	assert_int_equal(stat("f", &status), 0);
	assert_int_equal(status.st_size, 2 * HOLE + 2);
	assert_true(status.st_blocks * 512 < HOLE);
	kg_buf_init(&file, 8 << 20);
	assert_int_equal(kg_fs_read(&file, "f"), KG_OK);
	for (size_t i = 0; i < file.size; i++)
		if (file.data[i] != (i == 0 ? 'a' : i == HOLE + 1 ? 'b' : 0))
			fail_msg("byte %zu", i);
	kg_buf_release(&file);
}

static void test_fs__create_never_overwrites(void **state)
{
	(void)state;
	assert_int_equal(kg_fs_create("f", "one", 3, 0600), KG_OK);
	assert_int_equal(kg_fs_create("f", "two", 3, 0600), KG_EEXISTS);
	holds("f", "one");
	/* A link that leads nowhere is something too. */
	assert_int_equal(symlink("nowhere", "l"), 0);
	assert_int_equal(kg_fs_create("l", "two", 3, 0600), KG_EEXISTS);
	assert_false(kg_fs_exists("nowhere"));
	assert_int_equal(files_in("."), 2);
}

/* Of several that create the same file at once, exactly one does, and the file is its. */
static void test_fs__one_of_many_creators_wins(void **state)
{
	enum { CREATORS = 8 };
	pid_t child[CREATORS];
	int gate[2];
	int winner = -1;
	char want[2] = "";

	(void)state;
	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < CREATORS; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			char mine = (char)('a' + i);
			char go;

			(void)close(gate[1]);
			(void)!read(gate[0], &go, 1);
			_exit(kg_fs_create("f", &mine, 1, 0600) == KG_OK ? 0 : 1);
		}
	}
	(void)close(gate[0]);
	(void)close(gate[1]);
	for (int i = 0; i < CREATORS; i++) {
		int status;

		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != 0)
			continue;
		assert_int_equal(winner, -1);
		winner = i;
	}
	assert_true(winner >= 0);
	want[0] = (char)('a' + winner);
	holds("f", want);
	assert_int_equal(files_in("."), 1);
}

static void test_fs__a_full_disk_leaves_the_old_file(void **state)
{
	static char large[8192];
	struct rlimit old;
	struct rlimit low;

	(void)state;
	assert_int_equal(kg_fs_write("f", "old", 3, 0600), KG_OK);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = old;
	low.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(kg_fs_write("f", large, sizeof(large), 0600), KG_EFULL);
	assert_int_equal(kg_fs_create("g", large, sizeof(large), 0600), KG_EFULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	holds("f", "old");
	assert_false(kg_fs_exists("g"));
	assert_int_equal(files_in("."), 1);
}

/* Killed at any moment of many writes, a reader finds one of the two whole texts. */
static void test_fs__a_killed_writer_leaves_a_whole_file(void **state)
{
	static char a[30001];
	static char b[30001];

	(void)state;
	memset(a, 'a', 30000);
	memset(b, 'b', 30000);
	assert_int_equal(kg_fs_write("f", a, 30000, 0600), KG_OK);
	for (int round = 0; round < 10; round++) {
		kg_buf text;
		pid_t child = fork();
		struct timespec some = {0, 1000000L * (round + 1)};

		if (child == 0) {
			for (bool odd = true;; odd = !odd)
				if (kg_fs_write("f", odd ? b : a, 30000, 0600) != KG_OK)
					_exit(1);
		}
		(void)nanosleep(&some, NULL); /* any moment will do */
		(void)kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		kg_buf_init(&text, 1 << 16);
		assert_int_equal(kg_fs_read(&text, "f"), KG_OK);
		assert_true(strcmp(kg_buf_text(&text), a) == 0 ||
			    strcmp(kg_buf_text(&text), b) == 0);
		kg_buf_release(&text);
	}
}

/* The kernel kills who writes beyond a limit, in the middle of a file. */
static void test_fs__a_killed_writer_leaves_nothing_else(void **state)
{
	static uint8_t large[1 << 20];
	const struct rlimit low = {.rlim_cur = 4096, .rlim_max = 4096};
	int unnamed = open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	int status;
	pid_t child;

	(void)state;
	if (unnamed < 0)
		skip();
	(void)close(unnamed);
	assert_int_equal(kg_fs_write("f", "old", 3, 0600), KG_OK);
	child = fork();
	if (child == 0) {
		const struct rlimit none = {0};

		(void)signal(SIGXFSZ, SIG_DFL);
		if (setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_FSIZE, &low) != 0)
			_exit(1);
		_exit(kg_fs_write("f", large, sizeof(large), 0600) == KG_OK ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGXFSZ);
	holds("f", "old");
	assert_int_equal(files_in("."), 1);
}

static void test_fs__read_ends_at_its_limit(void **state)
{
	kg_buf text;

	(void)state;
	assert_int_equal(kg_fs_write("f", "12345", 5, 0600), KG_OK);
	for (size_t limit = 4; limit <= 6; limit++) {
		kg_buf_init(&text, limit);
		assert_int_equal(kg_fs_read(&text, "f"), limit < 5 ? KG_EFULL : KG_OK);
		assert_int_equal(text.size, limit < 5 ? 0 : 5);
		kg_buf_release(&text);
	}
	kg_buf_init(&text, 8);
	kg_buf_puts(&text, "abcd");
	assert_int_equal(kg_fs_read(&text, "f"), KG_EFULL);
	assert_string_equal(kg_buf_text(&text), "abcd");
	assert_int_equal(kg_fs_read(&text, "none"), KG_ENOTFOUND);
	assert_int_equal(kg_fs_read(&text, "."), KG_EIO);
	kg_buf_puts(&text, "efghi");
	assert_int_equal(kg_fs_read(&text, "f"), KG_EFULL);
	kg_buf_release(&text);
}

static void test_fs__read_takes_files_larger_than_its_steps(void **state)
{
	size_t size = 3 * 65536 + 17;
	uint8_t *data = malloc(size);
	kg_buf back;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 2654435761U >> 24);
	assert_int_equal(kg_fs_write("f", data, size, 0600), KG_OK);
	kg_buf_init(&back, size);
	assert_int_equal(kg_fs_read(&back, "f"), KG_OK);
	assert_int_equal(back.size, size);
	assert_memory_equal(back.data, data, size);
	kg_buf_release(&back);
	free(data);
}

static void test_fs__a_lock_has_one_holder(void **state)
{
	int ready[2];
	int done_fd[2];
	int fd = -1;
	int status;
	char byte;
	char want[64];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready) | pipe(done_fd), 0);
	child = fork();
	if (child == 0) {
		kg_err err;

		(void)close(done_fd[1]);
		err = kg_fs_lock(&fd, "lock");
		(void)!write(ready[1], "r", 1);
		(void)!read(done_fd[0], &byte, 1);
		_exit(err == KG_OK ? 0 : 1);
	}
	(void)close(done_fd[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kg_fs_lock(&fd, "lock"), KG_ECONFLICT);
	assert_int_equal(fd, -1);
	(void)snprintf(want, sizeof(want), "process %ld", (long)child);
	assert_non_null(strstr(kg_err_text(), want));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	/* The holder is gone, however it went: so is its lock. */
	assert_int_equal(kg_fs_lock(&fd, "lock"), KG_OK);
	assert_true(fd >= 0);
	assert_int_equal(mode_of("lock"), 0600);
	(void)snprintf(want, sizeof(want), "%ld\n", (long)getpid());
	holds("lock", want);
	(void)close(fd);
	(void)close(ready[0]);
	(void)close(ready[1]);
	(void)close(done_fd[1]);
	assert_int_equal(kg_fs_lock(&fd, "none/lock"), KG_ENOTFOUND);
}

static void test_fs__a_map_is_the_file(void **state)
{
	kg_map map = {0};

	(void)state;
	assert_int_equal(kg_fs_write("f", "mapped", 6, 0600), KG_OK);
	assert_int_equal(kg_map_open(&map, "f"), KG_OK);
	assert_int_equal(map.size, 6);
	assert_memory_equal(map.data, "mapped", 6);
	kg_map_close(&map);
	assert_null(map.data);
	kg_map_close(&map);
	assert_int_equal(kg_fs_write("e", "", 0, 0600), KG_OK);
	assert_int_equal(kg_map_open(&map, "e"), KG_OK);
	assert_null(map.data);
	assert_int_equal(map.size, 0);
	kg_map_close(&map);
}

static void test_fs__only_regular_files_are_mapped(void **state)
{
	kg_map map = {0};

	(void)state;
	assert_int_equal(kg_map_open(&map, "none"), KG_ENOTFOUND);
	assert_int_equal(kg_map_open(&map, "."), KG_EINVAL);
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(kg_map_open(&map, "pipe"), KG_EINVAL);
	assert_null(map.data);
}

static void test_fs__write_all_tells_a_closed_peer(void **state)
{
	int fd[2];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(kg_fs_write_all(fd[1], "x", 1), KG_OK);
	(void)close(fd[0]);
	assert_int_equal(kg_fs_write_all(fd[1], "x", 1), KG_EIO);
	(void)close(fd[1]);
	fd[0] = open("/dev/full", O_WRONLY);
	assert_true(fd[0] >= 0);
	assert_int_equal(kg_fs_write_all(fd[0], "x", 1), KG_EFULL);
	(void)close(fd[0]);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, enter, leave)

static void test_fs__what_is_no_file_is_not_replaced_by_one(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(symlink("pipe", "pointer"), 0);
	assert_int_equal(kg_fs_write("pipe", "x", 1, 0600), KG_EIO);
	assert_int_equal(kg_fs_write("pointer", "x", 1, 0600), KG_EIO);
	assert_int_equal(lstat("pipe", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(lstat("pointer", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(test_fs__path_fits_or_is_refused),
		IN_DIR(test_fs__mkdirs_makes_all_of_them),
		IN_DIR(test_fs__mkdirs_does_not_pass_through_a_file),
		IN_DIR(test_fs__update_leaves_alone_what_is_the_same),
		IN_DIR(test_fs__write_replaces_and_leaves_nothing_else),
		IN_DIR(test_fs__what_is_no_file_is_not_replaced_by_one),
		IN_DIR(test_fs__zeros_are_written_as_holes),
		IN_DIR(test_fs__create_never_overwrites),
		IN_DIR(test_fs__one_of_many_creators_wins),
		IN_DIR(test_fs__a_full_disk_leaves_the_old_file),
		IN_DIR(test_fs__a_killed_writer_leaves_a_whole_file),
		IN_DIR(test_fs__a_killed_writer_leaves_nothing_else),
		IN_DIR(test_fs__read_ends_at_its_limit),
		IN_DIR(test_fs__read_takes_files_larger_than_its_steps),
		IN_DIR(test_fs__a_lock_has_one_holder),
		IN_DIR(test_fs__a_map_is_the_file),
		IN_DIR(test_fs__only_regular_files_are_mapped),
		IN_DIR(test_fs__write_all_tells_a_closed_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
