/* slot_directory.c - see slot.h: the directory of a session. Run by the keeper, as root, on the host. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/paths.h"
#include "slot.h"

#define NAME_ATTEMPTS 16

int slot_make_directory(uid_t uid, char id[SESSION_ID_MAX], struct carrel_error *err)
{
	_cleanup_close_ int sessions = open(CARREL_SESSIONS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int made = -1;

	for (int i = 0; sessions >= 0 && made < 0 && i < NAME_ATTEMPTS; i++) {
		uint32_t random;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			break;
		snprintf(id, SESSION_ID_MAX, "%u-%08x", uid, random);
		made = mkdirat(sessions, id, 0711);
		if (made < 0 && errno != EEXIST)
			break;
	}
	if (made < 0) {
		id[0] = '\0'; /* what has this name is another session, which is not ours to remove */
		return error_errno(err, "cannot make a directory below '" CARREL_SESSIONS "'");
	}
	int fd = openat(sessions, id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(err, "cannot open '" CARREL_SESSIONS "/%s'", id) : fd;
}

int slot_remove(const char *id, struct carrel_error *err)
{
	static const char *const files[] = { "socket", "control", SESSION_ENDED, SLOT_REPORTED, "record" };
	_cleanup_close_ int sessions = open(CARREL_SESSIONS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int dir = sessions < 0 ? -1
					       : openat(sessions, id,
							O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '" CARREL_SESSIONS "/%s'", id);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (unlinkat(dir, files[i], 0) < 0 && errno != ENOENT)
			return error_errno(err, "cannot remove '" CARREL_SESSIONS "/%s/%s'", id, files[i]);
	if (unlinkat(sessions, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove '" CARREL_SESSIONS "/%s'", id);
	return 0;
}
