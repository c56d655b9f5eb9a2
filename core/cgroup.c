/*
 * cgroup.c - see cgroup.h. Used by the keeper and carrelctl, as root, in the host's mount namespace only: libcgroup
 * caches the mount points per process.
 *
 * One code path for v1, v2 and hybrid: each controller is on one of the two.
 */
#include "cgroup_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"

/* The controllers a session is in. cpuacct is v1's accounting half of cpu, blkio its name of io. */
static const struct {
	const char *name;
	bool needed;
} wanted[] = {
	{ "memory", true },   { "cpu", true },	  { "pids", true },
	{ "cpuacct", false }, { "blkio", false }, { "io", false },
};

struct controller *cgroup_controller(struct cgroup_tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++)
		if (strcmp(tree->controllers[i].name, name) == 0)
			return &tree->controllers[i];
	return NULL;
}

static void no_log(void *data, int level, const char *fmt, va_list ap)
{
	/* libcgroup's default logger writes to stdout. */
}

static int add_controller(struct cgroup_tree *tree, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct statfs fs;

	if (cgroup_get_subsys_mount_point(name, &path) != 0)
		return -ENOENT;
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	tree->controllers[tree->count++] = (struct controller){
		.name = name,
		.v2 = fs.f_type == CGROUP2_SUPER_MAGIC,
		.mount_fd = steal_fd(&fd),
	};
	return 0;
}

int cgroup_tree_open(struct cgroup_tree **tree, struct carrel_error *err)
{
	struct cgroup_tree *found = *tree ? NULL : calloc(1, sizeof(*found));
	if (*tree)
		return 0;
	if (!found)
		return error_errno(err, "cannot allocate");
	cgroup_set_logger(no_log, CGROUP_LOG_ERROR, NULL);
	int r = cgroup_init();
	if (r != 0) {
		free(found);
		return error_set(err, ENOSYS, "cannot find the cgroup hierarchies: %s", cgroup_strerror(r));
	}
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (add_controller(found, wanted[i].name) < 0 && wanted[i].needed) {
			cgroup_tree_free(found);
			return error_set(err, ENOSYS, "the kernel here has no usable cgroup controller '%s'",
					 wanted[i].name);
		}
	}
	*tree = found;
	return 0;
}

void cgroup_tree_free(struct cgroup_tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->count; i++)
		close(tree->controllers[i].mount_fd);
	free(tree);
}

bool cgroup_can_clone(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

bool cgroup_exists(struct cgroup_tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++)
		if (faccessat(tree->controllers[i].mount_fd, name, F_OK, 0) == 0)
			return true;
	return false;
}

/* Look for DIRECTORY/group-…/LEAF in one controller's hierarchy. */
static bool find_below(int mount_fd, const char *leaf, char *name, size_t size)
{
	int fd = openat(mount_fd, cgroup_root(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (fd >= 0 && !dir)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0 &&
		    text_format(name, size, "%s/%s/%s", cgroup_root(), entry->d_name, leaf) == 0 &&
		    faccessat(mount_fd, name, F_OK, 0) == 0)
			return true;
	}
	return false;
}

bool cgroup_find(struct cgroup_tree *tree, uid_t uid, const char *id, char *name, size_t size)
{
	char leaf[64];

	if (text_format(leaf, sizeof(leaf), "%u%s%s", uid, id ? "/" : "", id ? id : "") < 0 ||
	    text_format(name, size, "%s/%s", cgroup_root(), leaf) < 0)
		return false;
	if (cgroup_exists(tree, name))
		return true;
	for (size_t i = 0; i < tree->count; i++)
		if (find_below(tree->controllers[i].mount_fd, leaf, name, size))
			return true;
	return false;
}

bool cgroup_is_v2(struct cgroup_tree *tree, const char *controller)
{
	const struct controller *c = cgroup_controller(tree, controller);

	return c && c->v2;
}

int cgroup_path(char *path, const char *group, const char *file, struct carrel_error *err)
{
	if (text_format(path, CGROUP_PATH_MAX, "%s%s%s", group, *file ? "/" : "", file) < 0)
		return error_set(err, ENAMETOOLONG, "group name '%s' is too long", group);
	return 0;
}

int cgroup_open_file(struct cgroup_tree *tree, const char *controller, const char *name, const char *file,
		     int flags)
{
	const struct controller *c = cgroup_controller(tree, controller);
	char path[CGROUP_PATH_MAX];

	if (!c)
		return -ENOENT;
	int r = cgroup_path(path, name, file, NULL);
	int fd = r < 0 ? r : openat(c->mount_fd, path, flags | O_NOFOLLOW | O_CLOEXEC);
	return r < 0 ? r : fd < 0 ? -errno : fd;
}

ssize_t cgroup_read(struct cgroup_tree *tree, const char *controller, const char *name, const char *file,
		    char *buf, size_t size)
{
	_cleanup_close_ int fd = cgroup_open_file(tree, controller, name, file, O_RDONLY);
	ssize_t n = fd < 0 ? fd : read(fd, buf, size - 1);

	if (n < 0)
		return fd < 0 ? fd : -errno;
	buf[n] = '\0';
	return n;
}
