/* room.c - see room.h. */
#include "room.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "core/units.h"

#define PART	   20
#define BYTES_LEFT (UINT64_C(256) << 20)
#define FILES_LEFT UINT64_C(10000)

static uint64_t left_alone(uint64_t whole, uint64_t max)
{
	return whole / PART < max ? whole / PART : max;
}

static uint64_t above(uint64_t have, uint64_t left)
{
	return have > left ? have - left : 0;
}

int room_look(int fd, uint64_t wanted, uint64_t *room, struct carrel_error *err)
{
	struct statvfs fs;
	char text[32];

	if (fstatvfs(fd, &fs) < 0)
		return error_errno(err, "cannot see how much of the disk is free");
	uint64_t bytes_left = left_alone((uint64_t)fs.f_blocks * fs.f_frsize, BYTES_LEFT);
	uint64_t bytes = fs.f_blocks ? above((uint64_t)fs.f_bavail * fs.f_frsize, bytes_left) : UINT64_MAX;
	uint64_t files_left = left_alone(fs.f_files, FILES_LEFT);
	uint64_t files = fs.f_files ? above(fs.f_favail, files_left) : UINT32_MAX;

	if (bytes < wanted)
		return error_set(err, ENOSPC, "it would leave less than %s of the disk free",
				 unit_format_about_size(text, sizeof(text), bytes_left));
	if (fs.f_files && fs.f_favail < files_left)
		return error_set(err, ENOSPC, "it would leave room for less than %llu files on the disk",
				 (unsigned long long)files_left);
	*room = bytes / ROOM_OF_FILE < files ? bytes : files * ROOM_OF_FILE;
	if (*room < wanted)
		*room = wanted;
	return 0;
}
