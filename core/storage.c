/* storage.c - see storage.h. */
#include "storage.h"

#include <fcntl.h>

int storage_open(int user_fd, uid_t uid, struct carrel_error *err)
{
	int fd = openat(user_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, "cannot open the files of uid %u", uid) : fd;
}
