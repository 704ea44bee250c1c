/* SPDX-License-Identifier: MIT */
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/renewal.h"
#include "identity/keyring.h"
#include "identity/secret.h"

/* One line of `fd` into locked memory, without its newline. */
static kg_err line_read(char **out, int fd, const char *what)
{
	void *room;
	char *line;
	size_t used = 0;
	kg_err err = kg_secret_new(&room, KG_KEYRING_PASSPHRASE_MAX + 1);

	if (err != KG_OK)
		return err;
	line = room;
	for (;;) {
		char *end;
		ssize_t n = read(fd, line + used, KG_KEYRING_PASSPHRASE_MAX + 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = kg_fail_errno(errno, "%s", what);
			break;
		}
		end = memchr(line + used, '\n', (size_t)n);
		used = end != NULL ? (size_t)(end - line) : used + (size_t)n;
		if (used > KG_KEYRING_PASSPHRASE_MAX) {
			err = kg_fail(KG_EINVAL, "%s: the passphrase has more than %d bytes", what,
				      KG_KEYRING_PASSPHRASE_MAX);
			break;
		}
		if (end != NULL || n == 0) {
			memset(line + used, 0, KG_KEYRING_PASSPHRASE_MAX + 1 - used);
			break;
		}
	}
	if (err == KG_OK && (used == 0 || strlen(line) != used))
		err = kg_fail(KG_EINVAL, "%s: the passphrase is empty or has a zero byte", what);
	if (err != KG_OK) {
		kg_secret_free(room);
		return err;
	}
	*out = line;
	return KG_OK;
}

kg_err kg_passphrase_read(char **out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	kg_err err;

	if (fd < 0)
		return kg_fail_errno(errno, "passphrase file %s", path);
	err = line_read(out, fd, path);
	(void)close(fd);
	return err;
}

static kg_err prompt(char **out, int tty, const char *text)
{
	struct termios before;
	struct termios quiet;
	sigset_t signals;
	sigset_t mask;
	kg_err err;

	if (tcgetattr(tty, &before) != 0)
		return kg_fail_errno(errno, "terminal");
	quiet = before;
	quiet.c_lflag = (quiet.c_lflag & ~(tcflag_t)ECHO) | ECHONL;
	/* A signal waits for the end of the line, so that none leaves the terminal without echo. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGTSTP);
	(void)sigprocmask(SIG_BLOCK, &signals, &mask);
	if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0) {
		err = kg_fail_errno(errno, "terminal");
	} else {
		/* Asked after the flush, which drops what was typed before. */
		err = kg_fs_write_all(tty, text, strlen(text));
		if (err == KG_OK)
			err = line_read(out, tty, "terminal");
		(void)tcsetattr(tty, TCSAFLUSH, &before);
	}
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	return err;
}

kg_err kg_passphrase_ask(char **out, bool twice)
{
	char *first = NULL;
	char *second = NULL;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	kg_err err;

	if (tty < 0)
		return kg_fail(KG_EINVAL, "a passphrase is needed and there is no terminal: set "
					  "KINDERGARTEN_PASSPHRASE_FILE");
	err = prompt(&first, tty, "passphrase: ");
	if (err == KG_OK && twice)
		err = prompt(&second, tty, "once more: ");
	if (err == KG_OK && twice && strcmp(first, second) != 0)
		err = kg_fail(KG_EINVAL, "the two passphrases differ");
	(void)close(tty);
	kg_secret_free(second);
	if (err != KG_OK) {
		kg_secret_free(first);
		return err;
	}
	*out = first;
	return KG_OK;
}

static bool generations_known(const kg_cli *cli)
{
	char path[KG_PATH_SIZE];

	return kg_path(path, "%s/keys/generations", cli->state_dir) == KG_OK && kg_fs_exists(path);
}

kg_err kg_passphrase_open_swarm(kg_swarm **out, const kg_cli *cli)
{
	const char *path = kg_conf_text(cli->conf, "identity.passphrase_file");
	char *passphrase = NULL;
	kg_swarm *swarm = NULL;
	bool sealed = false;
	kg_err err = kg_keyring_probe(cli->state_dir, &sealed);

	if (err == KG_OK && sealed)
		err = path[0] != '\0' ? kg_passphrase_read(&passphrase, path)
				      : kg_passphrase_ask(&passphrase, false);
	if (err == KG_OK)
		err = kg_keyring_open(&swarm, cli->state_dir, passphrase);
	kg_secret_free(passphrase);
	/* Recovered from the words: which keys are in use stands in the chains. One rotation that
	 * was not finished keeps nobody from anything but starting that agent, and a full disk only
	 * keeps it from being noted. */
	if (err == KG_OK && !generations_known(cli)) {
		err = kg_renewal_settle(swarm, cli);
		err = err == KG_ECONFLICT || err == KG_EFULL ? KG_OK : err;
	}
	if (err != KG_OK) {
		kg_swarm_free(swarm);
		return err;
	}
	*out = swarm;
	return KG_OK;
}
