/* SPDX-License-Identifier: MIT */
/* logs: what the processes of the swarm in this state directory wrote, in order of time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "cli/commands.h"
#include "identity/derive.h"

enum { FILES_MAX = 2048, TAIL_MAX = 4 << 20, STAMP = KG_TIME_TEXT_SIZE - 1 };

typedef struct {
	char name[KG_NAME_SIZE + 4];
	off_t at; /* read so far */
} file;

typedef struct {
	char dir[KG_PATH_SIZE];
	file *files;
	size_t count;
	kg_buf text;  /* whole lines that were read and not printed */
	char **lines; /* into text */
	size_t line_count;
} logs;

static kg_err add_file(logs *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->files[i].name, name) == 0)
			return KG_OK;
	if (l->count == FILES_MAX)
		return kg_fail(KG_EFULL, "more than %d logs", FILES_MAX);
	(void)snprintf(l->files[l->count].name, sizeof(l->files[0].name), "%s", name);
	l->files[l->count++].at = -1;
	return KG_OK;
}

/* Every *.log of the directory. */
static kg_err find_files(logs *l)
{
	DIR *dir = opendir(l->dir);
	struct dirent *e;
	kg_err err = KG_OK;

	if (dir == NULL)
		return errno == ENOENT ? kg_fail(KG_ENOTFOUND, "no swarm ever ran here")
				       : kg_fail_errno(errno, "%s", l->dir);
	while (err == KG_OK && (e = readdir(dir)) != NULL) {
		size_t length = strlen(e->d_name);

		if (length > 4 && length < sizeof(l->files[0].name) &&
		    strcmp(e->d_name + length - 4, ".log") == 0)
			err = add_file(l, e->d_name);
	}
	(void)closedir(dir);
	return err;
}

/* Appends the whole lines that were added to the file since the last time. */
static kg_err read_file(logs *l, file *f)
{
	char path[KG_PATH_SIZE];
	struct stat st;
	uint8_t *room;
	ssize_t n;
	size_t size;
	int fd;
	kg_err err = kg_path(path, "%s/%s", l->dir, f->name);

	if (err != KG_OK)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return kg_fail_errno(errno, "%s", path);
	if (fstat(fd, &st) != 0) {
		err = kg_fail_errno(errno, "%s", path);
		(void)close(fd);
		return err;
	}
	if (f->at < 0 || st.st_size < f->at)
		f->at = st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
	size = (size_t)(st.st_size - f->at);
	room = kg_buf_reserve(&l->text, size + 1);
	n = room != NULL ? pread(fd, room, size, f->at) : 0;
	(void)close(fd);
	while (n > 0 && room[n - 1] != '\n')
		n--; /* the last line is still being written */
	if (n > 0) {
		kg_buf_added(&l->text, (size_t)n);
		f->at += n;
	}
	return kg_buf_ok(&l->text);
}

static int by_time(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;
	int order = strncmp(*x, *y, STAMP);

	/* As read when the times are equal. */
	return order != 0 ? order : (*x > *y) - (*x < *y);
}

static kg_err print_lines(logs *l)
{
	char *text = (char *)l->text.data;
	char *rest = NULL;
	size_t count = 0;

	if (text == NULL || l->text.size == 0)
		return KG_OK;
	for (size_t i = 0; i < l->text.size; i++)
		count += text[i] == '\n';
	l->lines = malloc((count + 1) * sizeof(*l->lines));
	if (l->lines == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the logs");
	count = 0;
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		l->lines[count++] = line;
	if (l->count > 1)
		qsort(l->lines, count, sizeof(*l->lines), by_time);
	for (size_t i = 0; i < count; i++)
		(void)puts(l->lines[i]);
	free(l->lines);
	kg_buf_clear(&l->text);
	return fflush(stdout) == 0 ? KG_OK : kg_fail_errno(errno, "standard output");
}

static kg_err show(logs *l)
{
	kg_err err = KG_OK;

	for (size_t i = 0; i < l->count && err == KG_OK; i++)
		err = read_file(l, &l->files[i]);
	return err == KG_OK ? print_lines(l) : err;
}

/* Until the reader goes away or interrupts. */
static kg_err follow(logs *l, bool all)
{
	char events[4096];
	int fd = inotify_init1(IN_CLOEXEC);
	kg_err err = KG_OK;

	if (fd < 0 || inotify_add_watch(fd, l->dir, IN_MODIFY | IN_CREATE) < 0)
		err = kg_fail_errno(errno, "watching %s", l->dir);
	while (err == KG_OK) {
		err = show(l);
		if (err == KG_OK && read(fd, events, sizeof(events)) < 0 && errno != EINTR)
			err = kg_fail_errno(errno, "watching %s", l->dir);
		if (err == KG_OK && all)
			err = find_files(l);
	}
	if (fd >= 0)
		(void)close(fd);
	return err;
}

static kg_err open_logs(logs *l, const kg_cli *cli, const char *agent)
{
	char name[sizeof(l->files[0].name)];
	char path[KG_PATH_SIZE];
	kg_err err = kg_path(l->dir, "%s/log", cli->state_dir);

	kg_buf_init(&l->text, (size_t)1 << 30);
	l->files = calloc(FILES_MAX, sizeof(*l->files));
	if (l->files == NULL)
		return kg_fail(KG_ENOMEM, "no memory for the logs");
	if (err == KG_OK && agent == NULL)
		return find_files(l);
	if (err == KG_OK)
		err = kg_name_check(agent);
	if (err != KG_OK)
		return err;
	(void)snprintf(name, sizeof(name), "%s.log", agent);
	err = kg_path(path, "%s/%s", l->dir, name);
	if (err == KG_OK && !kg_fs_exists(path))
		err = kg_fail(KG_ENOTFOUND, "%s has no log", agent);
	return err == KG_OK ? add_file(l, name) : err;
}

int kg_cmd_logs_run(kg_cli *cli, int argc, char **argv)
{
	logs l = {0};
	static const struct option longs[] = {{NULL, 0, NULL, 0}};
	bool following = false;
	kg_err err;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "f", longs, NULL)) != -1) {
		if (c != 'f')
			return kg_cli_unknown(&kg_cmd_logs, longs, c, argv);
		following = true;
	}
	if (argc - optind > 1)
		return kg_cli_usage(&kg_cmd_logs, "expected at most one name");
	err = open_logs(&l, cli, argc > optind ? argv[optind] : NULL);
	if (err == KG_OK)
		err = following ? follow(&l, argc == optind) : show(&l);
	free(l.files);
	kg_buf_release(&l.text);
	if (err != KG_OK)
		(void)kg_cli_trouble("logs");
	return err == KG_OK ? KG_EXIT_YES : err == KG_ENOTFOUND ? KG_EXIT_NO : KG_EXIT_TROUBLE;
}
