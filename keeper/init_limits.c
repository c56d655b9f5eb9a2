/* init_limits.c - see init.h. Run by init with every capability over its own namespaces, once, before READY. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "core/fs.h"
#include "init.h"

/*
 * Nested user namespaces are the door to most kernel bugs that a user without rights can reach. The limit counts
 * for this namespace and all below it, and raising it again needs SYS_RESOURCE here, which nobody will have.
 */
int init_forbid_namespaces(struct carrel_error *err)
{
	int r = fs_write_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0");

	return r < 0 ? error_set(err, -r, "cannot forbid nested user namespaces: %s", strerror(-r)) : 0;
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
