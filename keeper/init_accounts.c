/*
 * init_accounts.c - see init.h. The user's own name inside, where they log in under it (login_as = "user").
 *
 * Run by init after the pivot, as the sandbox's root, so that links in the rootfs lead nowhere else. A line that is
 * there already, of whatever content, is the user's and stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"
#include "init.h"
#include "rootfs.h"

#define FILE_MAX (256 * 1024)

static bool has_line_of(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			return true;
	}
	return false;
}

/* Append `line` to an open file with `text` in it, unless that has a line of `name`. */
static int append_line(int fd, const char *text, const char *name, const char *line)
{
	size_t size = strlen(text);
	char whole[600];

	if (has_line_of(text, name))
		return 0;
	/* In one write, and on a line of its own. */
	int r = text_format(whole, sizeof(whole), "%s%s", size && text[size - 1] != '\n' ? "\n" : "", line);
	if (r < 0)
		return r;
	ssize_t n = write(fd, whole, strlen(whole));
	return n < 0 ? -errno : n == (ssize_t)strlen(whole) ? 0 : -ENOSPC;
}

/* Add a line to a small regular file of the rootfs. One that is missing is left missing. */
static int add_line(const char *path, const char *name, const char *line, struct carrel_error *err)
{
	char text[FILE_MAX];
	_cleanup_close_ int fd = fs_openat2(AT_FDCWD, path, O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY, 0,
					    RESOLVE_NO_MAGICLINKS);
	if (fd == -ENOENT)
		return 0;
	/* Two first logins at once; who holds the lock on purpose only harms themselves. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	ssize_t r = fd < 0 ? fd : fs_read_fd(fd, text, sizeof(text));
	if (r >= 0)
		r = append_line(fd, text, name, line);
	return r < 0 ? error_set(err, (int)-r, "cannot add '%s' to '%s' in the root filesystem: %s", name,
				 path, strerror((int)-r))
		     : 0;
}

int init_add_account(const struct keeper *k, struct carrel_error *err)
{
	char line[512], home[300];
	const char *name = k->user.name;

	if (k->policy.login_as == LOGIN_ROOT)
		return 0;
	int r = text_format(line, sizeof(line), "%s:x:%u:%u:%s:%s:%s\n", name, rootfs_inner_uid(k),
			    rootfs_inner_gid(k), name, init_home(k, home, sizeof(home)), k->policy.shell);
	if (r == 0)
		r = add_line("/etc/passwd", name, line, err);
	if (r == 0)
		r = text_format(line, sizeof(line), "%s:x:%u:\n", name, rootfs_inner_gid(k));
	if (r == 0)
		r = add_line("/etc/group", name, line, err);
	if (r == 0)
		r = text_format(line, sizeof(line), "%s:!::0:::::\n", name);
	if (r == 0)
		r = add_line("/etc/shadow", name, line, err);
	return r == -ENAMETOOLONG ? error_set(err, -r, "the account's line is too long") : r;
}
