/*
 * cgroup.c - see cgroup.h. Used by the keeper, as root, in the host's mount namespace only: libcgroup caches
 * the mount points per process.
 *
 * One code path for v1, v2 and hybrid: each controller is on one of the two, and the table below
 * has the file and the way to write the value for both.
 */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "text.h"

#define PERIOD_US   100000u		  /* of CPU bandwidth: the kernel's own default */
#define V1_NO_LIMIT 0x7ffffffffffff000ull /* what v1 shows for "-1" is this, rounded to pages */

struct controller {
	const char *name;
	bool v2;
	int mount_fd; /* O_PATH */
};

struct cgroup_tree {
	struct controller controllers[4];
	size_t count;
	bool has_swap_files; /* whether the kernel counts swap */
};

/* The controllers a session needs. cpuacct is v1's accounting half of cpu and may be missing. */
static const char *const wanted[] = { "memory", "cpu", "pids", "cpuacct" };

static struct controller *find_controller(struct cgroup_tree *tree, const char *name)
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
		r = add_controller(found, wanted[i]);
		if (r < 0 && strcmp(wanted[i], "cpuacct") != 0) {
			cgroup_tree_free(found);
			return error_set(err, ENOSYS, "the kernel here has no usable cgroup controller '%s'",
					 wanted[i]);
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

/* One value to write: `file` of `controller`, and how far below the written value the read one may be. */
struct setting {
	const char *controller;
	const char *limit; /* the policy's name, for messages */
	const char *file;
	char value[48];
	uint64_t number;   /* UNIT_NONE: the kernel's word for no limit */
	uint64_t rounding; /* the kernel may round down by less than this */
};

#define SETTINGS_MAX 10

struct settings {
	struct setting list[SETTINGS_MAX];
	size_t count;
};

static void add_setting(struct settings *all, const char *controller, const char *limit, const char *file,
			uint64_t number, uint64_t rounding, const char *none)
{
	struct setting *s = &all->list[all->count++];

	*s = (struct setting){ controller, limit, file, "", number, rounding };
	if (number == UNIT_NONE)
		snprintf(s->value, sizeof(s->value), "%s", none);
	else
		snprintf(s->value, sizeof(s->value), "%" PRIu64, number);
}

static bool controller_has(struct cgroup_tree *tree, const char *controller, const char *group,
			   const char *file)
{
	struct controller *c = find_controller(tree, controller);
	char path[256];

	return c && text_format(path, sizeof(path), "%s/%s", group, file) == 0 &&
	       faccessat(c->mount_fd, path, F_OK, 0) == 0;
}

bool cgroup_exists(struct cgroup_tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++)
		if (faccessat(tree->controllers[i].mount_fd, name, F_OK, 0) == 0)
			return true;
	return false;
}

bool cgroup_is_v2(struct cgroup_tree *tree, const char *controller)
{
	const struct controller *c = find_controller(tree, controller);

	return c && c->v2;
}

int cgroup_open_file(struct cgroup_tree *tree, const char *controller, const char *name, const char *file,
		     int flags)
{
	const struct controller *c = find_controller(tree, controller);
	char path[256];

	if (!c)
		return -ENOENT;
	int r = text_format(path, sizeof(path), "%s/%s", name, file);
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

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == UNIT_NONE || b == UNIT_NONE || a + b < a ? UNIT_NONE : a + b;
}

/*
 * memory before swap: v1 refuses a memsw limit below the memory limit. tcp.limit because v1 counts TCP buffers
 * apart, and without it they escape the memory limit.
 */
static int memory_settings(struct cgroup_tree *tree, const char *group, const struct limits *l,
			   struct settings *all, struct carrel_error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool v2 = find_controller(tree, "memory")->v2;
	char parent[256] = ".";
	const char *swap_file = v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";

	/* Which files there are: v1's root has them all, v2's has not, but the parent does. */
	if (v2 && text_format(parent, sizeof(parent), "%.*s", (int)(strrchr(group, '/') - group), group) < 0)
		return error_set(err, ENAMETOOLONG, "group name '%s' is too long", group);
	if (v2) {
		add_setting(all, "memory", "memory", "memory.max", l->memory, page, "max");
	} else {
		add_setting(all, "memory", "memory", "memory.limit_in_bytes", l->memory, page, "-1");
		if (controller_has(tree, "memory", parent, "memory.kmem.tcp.limit_in_bytes"))
			add_setting(all, "memory", "memory", "memory.kmem.tcp.limit_in_bytes", l->memory,
				    page, "-1");
	}
	if (controller_has(tree, "memory", parent, swap_file))
		add_setting(all, "memory", "swap", swap_file, v2 ? l->swap : sum(l->memory, l->swap), page,
			    v2 ? "max" : "-1");
	else if (l->swap != UNIT_NONE && l->memory != UNIT_NONE && access("/proc/swaps", R_OK) == 0) {
		char swaps[512];
		if (fs_read_at(AT_FDCWD, "/proc/swaps", swaps, sizeof(swaps)) < 0 || strchr(swaps, '/'))
			return error_set(
				err, ENOTSUP,
				"limit 'swap' cannot be enforced: the kernel here does not count swap");
	}
	return 0;
}

static void cpu_settings(struct cgroup_tree *tree, const struct limits *l, struct settings *all)
{
	bool v2 = find_controller(tree, "cpu")->v2;
	uint64_t quota = l->cpus == UNIT_NONE ? UNIT_NONE : l->cpus * PERIOD_US / 1000;

	if (v2) {
		add_setting(all, "cpu", "cpus", "cpu.max", quota, 0, "max");
		struct setting *s = &all->list[all->count - 1];
		size_t n = strlen(s->value);
		snprintf(s->value + n, sizeof(s->value) - n, " %u", PERIOD_US);
		add_setting(all, "cpu", "cpu_weight", "cpu.weight", l->cpu_weight, 0, "100");
		return;
	}
	add_setting(all, "cpu", "cpus", "cpu.cfs_period_us", PERIOD_US, 0, "");
	add_setting(all, "cpu", "cpus", "cpu.cfs_quota_us", quota, 0, "-1");
	/* v1 counts shares where 1024 is everybody's, v2 weights where 100 is; 2 is v1's smallest. */
	uint64_t shares = l->cpu_weight * 1024 / 100;
	add_setting(all, "cpu", "cpu_weight", "cpu.shares", shares < 2 ? 2 : shares, 0, "1024");
}

static int check_value(struct cgroup_tree *tree, const char *group, const struct setting *s,
		       struct carrel_error *err)
{
	struct controller *c = find_controller(tree, s->controller);
	char path[256], text[64];
	bool right;

	if (text_format(path, sizeof(path), "%s/%s", group, s->file) < 0)
		return error_set(err, ENAMETOOLONG, "group name '%s' is too long", group);
	ssize_t n = fs_read_at(c->mount_fd, path, text, sizeof(text));
	if (n < 0)
		return error_set(err, ENOTSUP, "limit '%s' cannot be enforced: no %s here", s->limit,
				 s->file);
	text[strcspn(text, "\n")] = '\0';
	if (s->number == UNIT_NONE && s->value[0] == '-') {
		right = text[0] == '-' || strtoull(text, NULL, 10) >= V1_NO_LIMIT - (1u << 20);
	} else if (s->rounding && s->number != UNIT_NONE) {
		uint64_t is = strtoull(text, NULL, 10);
		right = is <= s->number && s->number - is < s->rounding;
	} else {
		right = strcmp(text, s->value) == 0;
	}
	if (!right)
		return error_set(err, ENOTSUP,
				 "limit '%s' was not accepted: %s is '%s' after '%s' was written", s->limit,
				 s->file, text, s->value);
	return 0;
}

/*
 * Make one group with its values in one call: libcgroup walks every path from the root each time it is asked. What
 * went wrong with which value is found out afterwards, by reading each back.
 */
static int make_group(struct cgroup_tree *tree, const char *name, const struct settings *all,
		      struct carrel_error *err)
{
	struct cgroup *cg = cgroup_new_cgroup(name);
	int r = cg ? 0 : ECGOTHER;

	for (size_t i = 0; i < tree->count && r == 0; i++) {
		struct cgroup_controller *c = cgroup_add_controller(cg, tree->controllers[i].name);
		r = c ? 0 : ECGOTHER;
		for (size_t j = 0; all && j < all->count && r == 0; j++)
			if (strcmp(all->list[j].controller, tree->controllers[i].name) == 0)
				r = cgroup_add_value_string(c, all->list[j].file, all->list[j].value);
	}
	if (r == 0)
		r = cgroup_create_cgroup(cg, 1);
	int code = cgroup_get_last_errno();
	if (cg)
		cgroup_free(&cg);
	for (size_t j = 0; all && j < all->count; j++) {
		int checked = check_value(tree, name, &all->list[j], err);
		if (checked < 0 && cgroup_exists(tree, name))
			return checked;
	}
	return r == 0 ? 0
		      : error_set(err, EIO, "cannot create cgroup '%s': %s", name,
				  r == ECGOTHER ? strerror(code) : cgroup_strerror(r));
}

static bool has_v2(const struct cgroup_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->controllers[i].v2)
			return true;
	return false;
}

/*
 * On v2 each level by itself, from the top: a nested create fails with a false ENOENT while a parent has not been
 * given the controllers. On v1 the create makes the parents.
 */
static int make_parents(struct cgroup_tree *tree, const char *name, struct carrel_error *err)
{
	char parent[256];

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (text_format(parent, sizeof(parent), "%.*s", (int)(slash - name), name) < 0)
			return error_set(err, ENAMETOOLONG, "group name '%s' is too long", name);
		if (controller_has(tree, "memory", parent, "memory.max") &&
		    controller_has(tree, "cpu", parent, "cpu.max") &&
		    controller_has(tree, "pids", parent, "pids.max"))
			continue;
		int r = make_group(tree, parent, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_create(struct cgroup_tree *tree, const char *name, const struct limits *limits,
		  struct carrel_error *err)
{
	struct settings all = { .count = 0 };

	int r = has_v2(tree) ? make_parents(tree, name, err) : 0;
	if (r == 0)
		r = memory_settings(tree, name, limits, &all, err);
	if (r < 0)
		return r;
	cpu_settings(tree, limits, &all);
	add_setting(&all, "pids", "pids", "pids.max", limits->pids, 0, "max");
	r = make_group(tree, name, &all, err);
	if (r < 0)
		cgroup_remove(tree, name, 0, NULL);
	return r;
}

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
		char path[256];

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
	char path[256], list[4096] = "\n";

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

	const char *slash = strrchr(name, '/');
	if (slash && text_format(parent, sizeof(parent), "%.*s", (int)(slash - name), name) == 0 &&
	    strchr(parent, '/') && cgroup_exists(tree, parent))
		delete_group(tree, parent, 0); /* stays while another session of the user is in it */
	return 0;
}
