/* overlay.c - see overlay.h. Run by the keeper in the vault, and by carrelctl in a mount namespace of its own. */
#include "overlay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>

#include "fs.h"
#include "mountfd.h"

#define BUSY_TIMEOUT_MS 3000

int overlay_new(const char *at, struct carrel_error *err)
{
	int64_t deadline = fs_now_ms() + BUSY_TIMEOUT_MS;
	char lower[64], upper[64], work[64];
	const struct mountfd_option options[] = {
		{ "source", "carrel" }, { "lowerdir", lower }, { "upperdir", upper },
		{ "workdir", work },	{ "index", "on" },     { "redirect_dir", "nofollow" },
		{ "metacopy", "off" },	{ NULL, NULL },
	};

	snprintf(lower, sizeof(lower), "%s/lower", at);
	snprintf(upper, sizeof(upper), "%s/upper", at);
	snprintf(work, sizeof(work), "%s/work", at);
	for (;;) {
		int fd = mountfd_new("overlay", options, MOUNT_ATTR_NODEV, err);
		if (fd != -EBUSY)
			return fd;
		if (fs_now_ms() > deadline)
			return error_set(err, EBUSY,
					 "its files are still in use: a process elsewhere, in another user's "
					 "sandbox perhaps, holds one of them open");
		poll(NULL, 0, 2);
	}
}
