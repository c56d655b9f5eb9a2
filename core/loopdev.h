/*
 * loopdev.h - a file as a block device, loop(4).
 */
#ifndef CARREL_LOOPDEV_H
#define CARREL_LOOPDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/* Whether this system has loop devices. */
bool loopdev_available(void);

/*
 * Attach the file to a free loop device, whose path goes to `path`. It detaches itself when nothing has it open any more: the
 * returned descriptor, then what mounted it. It keeps the open file `fd` stands for, and with that its flock. Descriptor or
 * -errno; -ENOTSUP when there are no loop devices.
 */
int loopdev_attach(int fd, char *path, size_t size, struct carrel_error *err);

/* The loop device that the filesystem `dev` is on learns that its file has grown. 0 or -errno. */
int loopdev_grow(dev_t dev, struct carrel_error *err);

#endif
