/* oom.c - see oom.h. Run by the keeper, as root, on the host. */
#include "oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"

#define SCORE	  "oom_score_adj"
#define PROTECTED "-999" /* -1000 would be never */
#define RAISED \
	100 /* thousandths of what the group may use: more than init has, and what systemd gives its users */
#define SCORE_MAX 1000

int oom_protect(struct keeper *k, struct carrel_error *err)
{
	char text[16];
	ssize_t n = fs_read_at(AT_FDCWD, "/proc/self/" SCORE, text, sizeof(text));

	if (n < 0)
		return error_set(err, (int)-n, "cannot read '/proc/self/" SCORE "': %s", strerror((int)-n));
	int mine = (int)strtol(text, NULL, 10);
	k->oom_score = mine > 0 ? mine : 0;
	int r = fs_write_at(AT_FDCWD, "/proc/self/" SCORE, PROTECTED);
	if (r == 0)
		return 0;
	if (k->request.debug)
		log_send("carrel-keeper", LOG_DEBUG,
			 "session '%s': init is not protected from the OOM killer: %s", k->record.id,
			 strerror(-r));
	if (mine >= 0)
		k->oom_score = mine + RAISED < SCORE_MAX ? mine + RAISED : SCORE_MAX;
	return 0;
}

/*
 * The directory stands for the process, so a pid that is given to another one meanwhile does no harm; and that it is one of
 * the sandbox's is asked of it.
 */
int oom_set(const struct keeper *k, pid_t pid)
{
	char path[64], init[64], text[16];
	struct stat theirs, ours;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	snprintf(init, sizeof(init), "/proc/%d/ns/pid", k->record.init);
	snprintf(text, sizeof(text), "%d", k->oom_score);
	_cleanup_close_ int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || fstatat(proc, "ns/pid", &theirs, 0) < 0 || stat(init, &ours) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino)
		return -ESRCH;
	return fs_write_at(proc, SCORE, text);
}
