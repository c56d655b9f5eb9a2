/*
 * self_service_inside.c - see self_service.h: init's side. As the sandbox's root, after the pivot, on the fresh tmpfs of /run, which
 * no process of the user's has seen yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"
#include "init.h"
#include "self_service.h"

/* FILE is the request file; a home of the host's is neither kept nor emptied. In the shell of any image. */
static const char head[] =
	"#!/bin/sh\n"
	"# Made at each login where the administrator allows it: self_service of carrel.conf(5).\n"
	"file='%s/" SELF_SERVICE_FILE "'\n"
	"mine='your root filesystem %s'\n"
	"last() {\n"
	"	[ ! -s /run/carrel/self-service ] || { echo 'the last time:'; cat /run/carrel/self-service; "
	"} >&2\n"
	"}\n";

static const char snapshot_script[] =
	"if [ $# != 1 ] || [ ${#1} -gt 63 ]; then\n"
	"	echo 'usage: carrel-snapshot NAME' >&2\n"
	"	last\n"
	"	exit 2\n"
	"fi\n"
	"case $1 in\n"
	"'' | [.-]* | *[!A-Za-z0-9._-]*)\n"
	"	echo \"carrel-snapshot: a name is of letters, digits, '.', '_' and '-'\" >&2\n"
	"	exit 2\n"
	"	;;\n"
	"esac\n"
	"echo \"snapshot $1\" >>\"$file\" || exit 1\n"
	"echo \"When your last session ends, $mine kept as '$1'.\"\n";

static const char reset_script[] =
	"keep=\n"
	"yes=\n"
	"for word in \"$@\"; do\n"
	"	case $word in\n"
	"	--keep-home) keep=' --keep-home' ;;\n"
	"	--yes) yes=1 ;;\n"
	"	*)\n"
	"		echo 'usage: carrel-reset [--keep-home] [--yes]' >&2\n"
	"		last\n"
	"		exit 2\n"
	"		;;\n"
	"	esac\n"
	"done\n"
	"what=$mine\n"
	"[ -z \"$keep\" ] || what='your root filesystem is'\n"
	"if [ -z \"$yes\" ] && [ -t 0 ]; then\n"
	"	printf 'When your last session ends, %s what the image has, and all you changed is lost. Go "
	"on? [y/N] ' \"$what\"\n"
	"	read -r answer\n"
	"	[ \"$answer\" = y ] || exit 1\n"
	"elif [ -z \"$yes\" ]; then\n"
	"	echo 'carrel-reset: there is no terminal to ask on: say --yes' >&2\n"
	"	exit 2\n"
	"fi\n"
	"echo \"reset$keep\" >>\"$file\" || exit 1\n"
	"echo \"When your last session ends, $what what the image has. (rm $file forgets it.)\"\n";

static int make_file(int dirfd, const char *name, mode_t mode, const char *a, const char *b)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					0600);

	if (fd < 0)
		return -errno;
	if (write(fd, a, strlen(a)) != (ssize_t)strlen(a) || write(fd, b, strlen(b)) != (ssize_t)strlen(b))
		return -EIO;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int open_bin(void)
{
	if ((mkdir("/run/carrel", 0755) < 0 && errno != EEXIST) ||
	    (mkdir(SELF_SERVICE_BIN, 0755) < 0 && errno != EEXIST))
		return -errno;
	int fd = open(SELF_SERVICE_BIN, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int self_service_offer(const struct keeper *k, struct carrel_error *err)
{
	char home[300], start[sizeof(head) + sizeof(home) + 16];

	if (!self_service_any(&k->policy))
		return 0;
	/* In quotes in a script: a name that would end them is not worth more. */
	if (strchr(init_home(k, home, sizeof(home)), '\''))
		return 0;
	(void)snprintf(start, sizeof(start), head, home, k->policy.home == HOME_HOST ? "is" : "and home are");
	_cleanup_close_ int bin = open_bin();
	int r = bin < 0 ? bin : 0;
	for (const char *const *word = k->policy.self_service; r == 0 && *word; word++) {
		bool reset = strcmp(*word, "reset") == 0;
		r = make_file(bin, reset ? "carrel-reset" : "carrel-snapshot", 0755, start,
			      reset ? reset_script : snapshot_script);
		if (r == -EEXIST) /* named twice */
			r = 0;
	}
	if (r == 0 && k->outcome[0])
		r = make_file(bin, "../self-service", 0644, k->outcome, "");
	return r < 0 ? error_set(err, -r, "cannot make '" SELF_SERVICE_BIN "': %s", strerror(-r)) : 0;
}
