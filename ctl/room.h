/*
 * room.h - how much of a disk an image may take while it is made: all but a twentieth, or 256 MiB where that is less.
 *
 * What is free is what others than root have, although those who write are root: the blocks that a filesystem keeps for root stay
 * free too. The files that it can have are counted in the same way, with 10000 in place of the 256 MiB. A filesystem with a limit of
 * neither, such as ramfs, has 0 in all.
 */
#ifndef CARREL_CTL_ROOM_H
#define CARREL_CTL_ROOM_H

#include <stdint.h>

#include "core/error.h"

#define ROOM_OF_FILE 4096 /* that a file is counted with, beside its data */

/*
 * Before `wanted` bytes are written to the filesystem of `fd` (O_PATH will do): how many may be, these among them, before one has to
 * look again, in `room`. 0, -ENOSPC with a message that says how much would be left, or -errno.
 */
int room_look(int fd, uint64_t wanted, uint64_t *room, struct carrel_error *err);

#endif
