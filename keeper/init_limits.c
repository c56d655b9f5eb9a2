/* init_limits.c - see init.h. Run by init with every capability over its own namespaces, once, before READY. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/fs.h"
#include "init.h"

#define SPARE_FILES 256

/*
 * Nested user namespaces are the door to most kernel bugs that a user without rights can reach. The limit counts
 * for this namespace and all below it, and raising it again needs SYS_RESOURCE here, which nobody will have.
 */
int init_forbid_namespaces(struct carrel_error *err)
{
	int r = fs_write_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0");

	return r < 0 ? error_set(err, -r, "cannot forbid nested user namespaces: %s", strerror(-r)) : 0;
}

/*
 * The kernel counts the descriptors that a user has in flight over all their sessions, and holds the sum against the limit of
 * open files of whoever sends one more. So init, which sends as the same user, has a higher one than the user's processes: they
 * cannot fill it up, and with it keep the user from starting another command.
 */
int init_raise_files(struct keeper *k, struct carrel_error *err)
{
	uint64_t most = k->policy.limits.open_files;

	if (getrlimit(RLIMIT_NOFILE, &k->files) < 0)
		return error_errno(err, "cannot read the limit of open files");
	struct rlimit own = { k->files.rlim_max, k->files.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &own) < 0)
		return error_errno(err, "cannot raise the limit of open files");
	if (k->files.rlim_max > 2 * SPARE_FILES)
		k->files.rlim_max -= SPARE_FILES;
	if (most < k->files.rlim_max)
		k->files.rlim_max = most;
	if (k->files.rlim_cur > k->files.rlim_max)
		k->files.rlim_cur = k->files.rlim_max;
	return 0;
}

/* What init itself works with: giving ptys and processes to the user, and ending them. */
static const uint64_t own = 1ull << CAP_CHOWN | 1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_KILL;

/*
 * The bounding set becomes `keep`, so that no program started from here on can have more, whatever its file says.
 * init keeps a few more in its own sets; a child gives those up by its exec. The bounding set needs SETPCAP, so it
 * goes first.
 */
int init_drop_capabilities(uint64_t keep, struct carrel_error *err)
{
	int r = 0;
	cap_t caps = cap_init();

	if (!caps)
		return error_errno(err, "cannot allocate");
	for (cap_value_t c = 0; CAP_IS_SUPPORTED(c); c++) {
		if (!(keep >> c & 1) && cap_drop_bound(c) < 0)
			r = error_errno(err, "cannot drop capability %d", c);
		if ((keep | own) >> c & 1) {
			cap_set_flag(caps, CAP_PERMITTED, 1, &c, CAP_SET);
			cap_set_flag(caps, CAP_EFFECTIVE, 1, &c, CAP_SET);
		}
	}
	if (r == 0 && (cap_reset_ambient() < 0 || cap_set_proc(caps) < 0))
		r = error_errno(err, "cannot drop capabilities");
	/* Prove it: none may come back. */
	for (cap_value_t c = 0; r == 0 && CAP_IS_SUPPORTED(c); c++)
		if (!(keep >> c & 1) && cap_get_bound(c) != 0)
			r = error_set(err, EPERM, "capability %d is still in the bounding set", c);
	cap_free(caps);
	return r;
}

int init_drop_kept(void)
{
	cap_t none = cap_init();
	int r = !none || cap_set_proc(none) < 0 ? -errno : 0;

	cap_free(none);
	return r;
}
