/* pinned.c - see pinned.h. Run by the keeper, as root; the namespaces are made by a child that then ends. */
#include "pinned.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "paths.h"

#define LOCK_TIMEOUT_MS 10000

static const char *const pin_files[] = {
	[PINNED_TEMPLATE] = CARREL_NS_DIR "/template",
	[PINNED_VAULT] = CARREL_NS_DIR "/vault",
};

static bool is_pinned(enum pinned_ns which)
{
	struct statfs fs;

	return statfs(pin_files[which], &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

static bool is_mount_point(const char *path)
{
	struct statx stx;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* The character devices of every sandbox's /dev; init binds them from here, since it may not make its own. */
static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{ "dev/null", 1, 3 },	{ "dev/zero", 1, 5 },	 { "dev/full", 1, 7 },
	{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
};

static int fill_template(void)
{
	static const char *const dirs[] = { "proc", "sys", "dev", "mnt" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		if (mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0 ||
		    chmod(nodes[i].name, 0666) < 0)
			return -errno;
	}
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return 0;
}

/*
 * In a new mount namespace: a tmpfs becomes the root, is filled, and the host's tree is dropped. Everything is
 * made private first, or the unmounting would reach the host.
 */
static int build_namespace(enum pinned_ns which)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("carrel", CARREL_NS_DIR, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m") < 0 ||
	    chdir(CARREL_NS_DIR) < 0)
		return -errno;
	int r = which == PINNED_TEMPLATE ? fill_template() : 0;
	if (r < 0)
		return r;
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* Make the namespace in a child on `cpu`, and pin it. -EINVAL: another CPU may have better luck. */
static int pin_from_cpu(enum pinned_ns which, int cpu)
{
	int pair[2], result = -EIO;
	char path[64], byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_close_ int ours = pair[0], theirs = pair[1];
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET((size_t)cpu, &set);
		close(ours);
		sched_setaffinity(0, sizeof(set), &set);
		result = build_namespace(which);
		if (write(theirs, &result, sizeof(result)) == (ssize_t)sizeof(result))
			while (read(theirs, &byte, 1) < 0 && errno == EINTR)
				;
		_exit(0);
	}
	close_fd(&theirs);
	if (read(ours, &result, sizeof(result)) != (ssize_t)sizeof(result))
		result = -EIO;
	if (result == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		if (mount(path, pin_files[which], NULL, MS_BIND, NULL) < 0)
			result = -errno;
	}
	close_fd(&ours);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return result;
}

/*
 * The kernel lets a namespace be pinned only in an older one, and tells their age by ids that it hands out in
 * per-CPU batches: a younger namespace made on another CPU can look older, and the bind fails with EINVAL. So
 * try each CPU.
 */
static int pin(enum pinned_ns which, struct carrel_error *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int r = -EINVAL;

	_cleanup_close_ int file = open(pin_files[which], O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return error_errno(err, "cannot make '%s'", pin_files[which]);
	for (int cpu = 0; r == -EINVAL && cpu < cpus && cpu < CPU_SETSIZE; cpu++)
		r = pin_from_cpu(which, cpu);
	return r < 0 ? error_set(err, -r, "cannot pin a mount namespace at '%s': %s", pin_files[which],
				 strerror(-r))
		     : 0;
}

static int make_run_dir(struct carrel_error *err)
{
	int fd = fs_ensure_dir(CARREL_RUN_DIR, is_mount_point(CARREL_RUN_DIR) ? 0711 : 0755, err);
	if (fd < 0)
		return fd;
	close(fd);
	if (!is_mount_point(CARREL_RUN_DIR) &&
	    mount("carrel", CARREL_RUN_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0711,size=16m") <
		    0)
		return error_errno(err, "cannot mount a tmpfs at '" CARREL_RUN_DIR "'");
	if (mount(NULL, CARREL_RUN_DIR, NULL, MS_PRIVATE, NULL) < 0)
		return error_errno(err, "cannot make '" CARREL_RUN_DIR "' private");
	static const struct {
		const char *path;
		mode_t mode;
	} dirs[] = { { CARREL_SESSIONS, 0711 }, { CARREL_NS_DIR, 0700 } };
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		fd = fs_ensure_dir(dirs[i].path, dirs[i].mode, err);
		if (fd < 0)
			return fd;
		close(fd);
	}
	return 0;
}

int pinned_prepare(struct carrel_error *err)
{
	if (is_pinned(PINNED_TEMPLATE) && is_pinned(PINNED_VAULT) && access(CARREL_SESSIONS, F_OK) == 0)
		return 0;

	/* The lock is on the state directory: /run/carrel itself is what may have to be made. */
	_cleanup_close_ int state = fs_ensure_dir(CARREL_STATE_DIR, 0700, err);
	if (state < 0)
		return state;
	_cleanup_close_ int lock = openat(state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = lock < 0 ? -errno : fs_lock(lock, LOCK_TIMEOUT_MS);
	if (r < 0)
		return error_set(err, -r, "cannot lock '" CARREL_STATE_DIR "': %s", strerror(-r));
	r = make_run_dir(err);
	for (int which = PINNED_TEMPLATE; r == 0 && which <= PINNED_VAULT; which++)
		if (!is_pinned(which))
			r = pin(which, err);
	return r;
}

int pinned_enter_existing(enum pinned_ns which, struct carrel_error *err)
{
	if (!is_pinned(which))
		return error_set(err, ENOENT, "'%s' is not a pinned namespace", pin_files[which]);
	return pinned_enter(which, err);
}

int pinned_enter(enum pinned_ns which, struct carrel_error *err)
{
	_cleanup_close_ int ns = open(pin_files[which], O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (ns < 0 || home < 0)
		return error_errno(err, "cannot open '%s'", ns < 0 ? pin_files[which] : "/proc/self/ns/mnt");
	if (setns(ns, CLONE_NEWNS) < 0)
		return error_errno(err, "cannot enter '%s'", pin_files[which]);
	return steal_fd(&home);
}

int pinned_leave(int home_ns, struct carrel_error *err)
{
	_cleanup_close_ int home = home_ns;

	return setns(home, CLONE_NEWNS) < 0 ? error_errno(err, "cannot return to the host's mount namespace")
					    : 0;
}
