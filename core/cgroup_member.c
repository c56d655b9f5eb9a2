/* cgroup_member.c - see cgroup.h: into a group, and removing it with what is in it. As root, on the host. */
#include "cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "text.h"

/* v1 hierarchies may be mounted together ("cpu,cpuacct"): one entry per hierarchy is enough. */
static bool same_hierarchy_before(const struct cgroup_tree *tree, size_t index)
{
	struct stat a, b;

	if (fstat(tree->controllers[index].mount_fd, &a) < 0)
		return false;
	for (size_t i = 0; i < index; i++)
		if (fstat(tree->controllers[i].mount_fd, &b) == 0 && a.st_dev == b.st_dev)
			return true;
	return false;
}

int cgroup_open_entry(struct cgroup_tree *tree, const char *name, int fds[CGROUP_FDS_MAX],
		      struct carrel_error *err)
{
	bool clones = cgroup_can_clone();
	int count = 0;

	for (size_t i = 0; i < tree->count && !(clones && count); i++) {
		struct controller *c = &tree->controllers[i];
		char path[CGROUP_PATH_MAX];

		if (same_hierarchy_before(tree, i))
			continue;
		int r = text_format(path, sizeof(path), "%s%s", name,
				    clones  ? ""
				    : c->v2 ? "/cgroup.procs"
					    : "/tasks");
		int flags = clones ? O_PATH | O_DIRECTORY : O_WRONLY;
		fds[count] = r < 0 ? -1 : openat(c->mount_fd, path, flags | O_CLOEXEC);
		if (fds[count] < 0) {
			r = error_errno(err, "cannot open cgroup '%s'", path);
			while (count > 0)
				close(fds[--count]);
			return r;
		}
		count++;
	}
	return count;
}

int cgroup_enter(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (write(fds[i], "0", 1) != 1)
			return -errno;
	return 0;
}

/* The first size-1 bytes of a kernel file, NUL added. */
static int read_start(int dirfd, const char *file, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

/* Whether a list of pids, one a line, has this one. `list` begins with a newline. */
static bool lists_pid(const char *list, pid_t pid)
{
	char needle[24];

	snprintf(needle, sizeof(needle), "\n%d\n", pid);
	return strstr(list, needle);
}

int cgroup_check_member(struct cgroup_tree *tree, const char *name, pid_t pid, struct carrel_error *err)
{
	char path[CGROUP_PATH_MAX], list[4096] = "\n";

	for (size_t i = 0; i < tree->count; i++) {
		int r = text_format(path, sizeof(path), "%s/cgroup.procs", name);
		if (r == 0)
			r = read_start(tree->controllers[i].mount_fd, path, list + 1, sizeof(list) - 1);
		if (r < 0 || !lists_pid(list, pid))
			return error_set(err, ESRCH, "the sandbox did not get into its cgroup '%s' (%s)",
					 name, tree->controllers[i].name);
	}
	return 0;
}

/*
 * Kill the processes listed in one group. Never by a bare pid: the pid is pinned by a pidfd, and looked for in
 * the list once more, before it is signalled. Returns how many there were, or -errno.
 */
static int kill_listed(int group_fd)
{
	char before[4096], after[4096];
	int count = 0;

	int r = read_start(group_fd, "cgroup.procs", before, sizeof(before));
	if (r < 0)
		return r;
	char *save = NULL;
	for (char *line = strtok_r(before, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);
		count++;
		_cleanup_close_ int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
		if (pidfd < 0)
			continue;
		after[0] = '\n';
		if (read_start(group_fd, "cgroup.procs", after + 1, sizeof(after) - 1) < 0)
			continue;
		if (lists_pid(after, pid))
			syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	}
	return count;
}

/* A group's list can be longer than one read; kill_listed is called until nothing is listed. */
static int empty_group(struct controller *c, const char *name, int64_t deadline)
{
	for (;;) {
		_cleanup_close_ int fd = openat(c->mount_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOENT ? 0 : -errno;
		if (c->v2)
			fs_write_at(fd, "cgroup.kill", "1");
		int listed = kill_listed(fd);
		if (listed <= 0)
			return listed;
		if (fs_now_ms() >= deadline)
			return -EBUSY;
		poll(NULL, 0, 1);
	}
}

/* libcgroup's delete says success for a group that stays and failure for one that goes: look afterwards. */
static int delete_group(struct cgroup_tree *tree, const char *name, int64_t deadline)
{
	for (;;) {
		for (size_t i = 0; i < tree->count; i++) {
			struct cgroup *cg = cgroup_new_cgroup(name);
			if (cg && cgroup_add_controller(cg, tree->controllers[i].name))
				(void)cgroup_delete_cgroup_ext(cg, CGFLAG_DELETE_EMPTY_ONLY);
			if (cg)
				cgroup_free(&cg);
		}
		if (!cgroup_exists(tree, name))
			return 0;
		if (fs_now_ms() >= deadline)
			return -EBUSY;
		poll(NULL, 0, 1);
	}
}

int cgroup_remove(struct cgroup_tree *tree, const char *name, int timeout_ms, struct carrel_error *err)
{
	int64_t deadline = fs_now_ms() + timeout_ms;
	char parent[256];
	int r = 0;

	if (cgroup_exists(tree, name)) {
		for (size_t i = 0; i < tree->count && r == 0; i++)
			r = empty_group(&tree->controllers[i], name, deadline);
		if (r == 0)
			r = delete_group(tree, name, deadline);
	}
	if (r < 0)
		return error_set(err, -r, "cannot remove cgroup '%s': %s", name, strerror(-r));

	/* The levels above stay while another session of the user, or of the group, is in them. */
	r = text_format(parent, sizeof(parent), "%s", name);
	while (r == 0 && cgroup_name_up(parent))
		r = cgroup_exists(tree, parent) ? delete_group(tree, parent, 0) : 0;
	return 0;
}
