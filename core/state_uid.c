/* state_uid.c - see state.h: a state by the uid of its user. Run by the keeper and carrelctl, as root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "cleanup.h"
#include "paths.h"
#include "state.h"

int state_open(uid_t uid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), CARREL_USERS "/%u", uid);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int state_lock_uid(uid_t uid, int timeout_ms, struct carrel_error *err)
{
	_cleanup_close_ int users = open(CARREL_USERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char name[16];

	if (users < 0)
		return error_errno(err, "cannot open '" CARREL_USERS "'");
	(void)snprintf(name, sizeof(name), "%u", uid);
	return state_lock(users, name, timeout_ms, err);
}
