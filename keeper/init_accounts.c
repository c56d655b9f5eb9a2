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

/*
 * Add a line to a small regular file of the rootfs itself. Whatever else is there, or a full disk, is the user's to
 * mend from inside, as one without a name; it is no reason to keep them out.
 */
static void add_line(const char *path, const char *name, const char *line)
{
	char text[FILE_MAX];
	_cleanup_close_ int fd = fs_openat2(AT_FDCWD, path, O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY, 0,
					    RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);

	/* Two first logins at once; who holds the lock on purpose only harms themselves. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fs_read_fd(fd, text, sizeof(text)) >= 0)
		(void)append_line(fd, text, name, line);
}

int init_add_account(const struct keeper *k, struct carrel_error *err)
{
	char line[512], home[300];
	const char *name = k->user.name;

	if (k->policy.login_as == LOGIN_ROOT)
		return 0;
	int r = text_format(line, sizeof(line), "%s:x:%u:%u:%s:%s:%s\n", name, rootfs_inner_uid(k),
			    rootfs_inner_gid(k), name, init_home(k, home, sizeof(home)), k->policy.shell);
	if (r < 0)
		return error_set(err, -r, "the account's line is too long");
	add_line("/etc/passwd", name, line);
	snprintf(line, sizeof(line), "%s:x:%u:\n", name, rootfs_inner_gid(k));
	add_line("/etc/group", name, line);
	snprintf(line, sizeof(line), "%s:!::0:::::\n", name);
	add_line("/etc/shadow", name, line);
	return 0;
}
