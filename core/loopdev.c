/* loopdev.c - see loopdev.h. Used by the keeper and carrelctl, as root, on the host. */
#include "loopdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"

#define CONTROL	     "/dev/loop-control"
#define ATTEMPTS     64
#define NODE_WAIT_US 10000

bool loopdev_available(void)
{
	return access(CONTROL, R_OK | W_OK) == 0;
}

static int configure(int device, int file)
{
	/* Direct I/O: what is in the page cache as a file of the image is not there again as a part of it. */
	struct loop_config config = {
		.fd = (unsigned)file,
		.info = { .lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO, .lo_file_name = "carrel" },
	};

	if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
		return 0;
	if (errno != EINVAL && errno != EOPNOTSUPP)
		return -errno;
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR; /* a filesystem that has no direct I/O */
	return ioctl(device, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

/* A device that was just made may take a moment to have a node. */
static int open_node(const char *path)
{
	for (int i = 0;; i++) {
		int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT || i == 10)
			return fd < 0 ? -errno : fd;
		usleep(NODE_WAIT_US);
	}
}

int loopdev_attach(int fd, char *path, size_t size, struct carrel_error *err)
{
	_cleanup_close_ int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	int r = -EBUSY;

	if (control < 0)
		return error_set(err, ENOTSUP, "there are no loop devices: cannot open '" CONTROL "': %s",
				 strerror(errno));
	/* Between the answer and its use anybody else may take it. */
	for (int i = 0; i < ATTEMPTS && r == -EBUSY; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return error_set(err, ENOTSUP, "no loop device is free: %s", strerror(errno));
		r = text_format(path, size, "/dev/loop%d", number);
		_cleanup_close_ int device = r < 0 ? r : open_node(path);
		if (device < 0)
			return error_set(err, ENOTSUP, "cannot open '%s': %s", path, strerror(-device));
		r = configure(device, fd);
		if (r == 0)
			return steal_fd(&device);
	}
	return error_set(err, -r, "cannot set up a loop device: %s", strerror(-r));
}

int loopdev_grow(dev_t dev, struct carrel_error *err)
{
	char link[64], target[256], path[64];

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return error_errno(err, "cannot find the loop device %u:%u", major(dev), minor(dev));
	target[n] = '\0';
	const char *name = strrchr(target, '/');
	int r = text_format(path, sizeof(path), "/dev/%s", name ? name + 1 : target);
	_cleanup_close_ int fd = r < 0 ? r : open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_SET_CAPACITY, 0) < 0)
		return error_errno(err, "cannot grow the loop device '%s'", path);
	return 0;
}
