/* storage.c - see storage.h. Used by the keeper and carrelctl, as root, on the host. */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "paths.h"
#include "pinned.h"
#include "project.h"
#include "session.h"
#include "state.h"
#include "storage_internal.h"
#include "units.h"
#include "vault.h"

#define MOUNT_TIMEOUT_MS 8000

const char *storage_method_name(enum storage_method method)
{
	static const char *const names[] = {
		[STORAGE_PLAIN] = "none",
		[STORAGE_PROJECT] = "project quota",
		[STORAGE_IMAGE] = "disk image",
	};

	return names[method];
}

int storage_open(int user_fd, uid_t uid, struct carrel_error *err)
{
	int image = storage_has_image(user_fd, err);
	if (image < 0)
		return image;
	_cleanup_close_ int mount = image ? disk_image_mount(user_fd, DISK_IMAGE, MOUNT_TIMEOUT_MS, err)
					  : -EBADF;
	if (image && mount < 0)
		return mount;
	int fd = openat(image ? mount : user_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, "cannot open the files of uid %u", uid) : fd;
}

/* --- limits of a user, with or without sessions --- */

static int apply_live(struct storage *s, struct carrel_error *err)
{
	_cleanup_close_ int dir = vault_open_state(s->uid, err);

	if (dir == -ENOENT)
		return 0; /* it is about to end, or was killed */
	return dir < 0 ? dir : storage_settle(s, dir, err);
}

/* Whether everything is as the limits want it, and nothing has to be mounted to see that. 1, 0 or -errno. */
static int needs_nothing(struct storage *s, struct carrel_error *err)
{
	struct disk_image have = { 0 }, plan = { 0 };

	int image = storage_has_image(s->user_fd, err);
	if (image <= 0)
		return image < 0 ? image : !storage_limited(s->limits) && !storage_project(s->user_fd);
	int r = storage_plan(s, &plan, err);
	if (r == 0)
		r = disk_image_read(s->user_fd, DISK_IMAGE, &have, err);
	return r < 0 ? r : disk_image_fits(&have, &plan);
}

/* As a login does, so that the next one finds nothing left to do. */
static int apply_offline(struct storage *s, struct carrel_error *err)
{
	int r = vault_release(s->uid, err);
	if (r < 0)
		return r;
	if ((r = needs_nothing(s, err)) != 0)
		return r < 0 ? r : 0;
	int mount = storage_mount(s, err);
	if (mount < 0)
		return mount;
	_cleanup_close_ int dir = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(mount);
	return dir < 0 ? error_errno(err, "cannot open the files of uid %u", s->uid)
		       : storage_settle(s, dir, err);
}

/* Whether the keeper of a session was killed: its processes may still be about to end. The lock of the user is held. 1, 0 or -errno. */
static int has_stale(uid_t uid, int live, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int n = session_list(uid, &ids, err);

	return n < 0 ? n : n > live;
}

static int apply_by_sessions(struct storage *s, struct carrel_error *err)
{
	int live = session_count_live(s->uid, err);
	if (live != 0)
		return live < 0 ? live : apply_live(s, err);
	int stale = has_stale(s->uid, live, err);
	if (stale == 0)
		return apply_offline(s, err);
	return stale < 0 ? stale
			 : error_set(err, EAGAIN,
				     "a session of uid %u was killed and is not cleared away yet: run "
				     "'carrelctl gc'",
				     s->uid);
}

int storage_apply_locked(int user_fd, uid_t uid, const struct limits *limits, bool partly,
			 char note[CARREL_ERROR_MAX], struct carrel_error *err)
{
	struct storage s = { .user_fd = user_fd, .uid = uid, .limits = limits, .whole = !partly };

	note[0] = '\0';
	int r = idmap_read(user_fd, &s.ids, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* A home that is not there yet; init gives it its owner. */
	s.home_uid = s.ids.uid_base;
	s.home_gid = s.ids.gid_base;
	r = apply_by_sessions(&s, err);
	memcpy(note, s.note, sizeof(s.note));
	return r;
}

/* --- usage --- */

static int usage_of_image(int user_fd, int dir, struct storage_usage *usage, struct carrel_error *err)
{
	struct disk_image image = { 0 };
	struct statvfs fs;
	struct stat st;

	if (dir >= 0) {
		if (fstatvfs(dir, &fs) < 0)
			return error_errno(err, "cannot ask for the use of the disk image");
		usage->bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
		usage->bytes_limit = (uint64_t)(fs.f_blocks - fs.f_bfree + fs.f_bavail) * fs.f_frsize;
		usage->inodes = fs.f_files - fs.f_ffree;
		usage->inodes_limit = fs.f_files;
		return 0;
	}
	int r = disk_image_read(user_fd, DISK_IMAGE, &image, err);
	if (r < 0)
		return r;
	if (fstatat(user_fd, DISK_IMAGE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, "cannot stat '" DISK_IMAGE "'");
	usage->bytes = (uint64_t)st.st_blocks * 512;
	usage->bytes_limit = image.blocks * image.block_size;
	usage->inodes = image.used_inodes;
	usage->inodes_limit = image.inodes;
	return 0;
}

static int usage_of_project(int fd, struct storage_usage *usage, struct carrel_error *err)
{
	struct project_usage project = { 0 };
	uint32_t id = storage_project(fd);

	if (!id || !project_enforced(fd))
		return 0;
	int r = project_usage(fd, id, &project, err);
	if (r < 0)
		return r;
	*usage = (struct storage_usage){ STORAGE_PROJECT, project.bytes, project.inodes, project.bytes_limit,
					 project.inodes_limit };
	return 0;
}

enum storage_method storage_method_for(const struct limits *limits)
{
	_cleanup_close_ int fd = open(CARREL_USERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fd = open(CARREL_STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && project_enforced(fd))
		return STORAGE_PROJECT;
	return limits && storage_limited(limits) ? STORAGE_IMAGE : STORAGE_PLAIN;
}

int storage_usage(uid_t uid, const struct limits *limits, struct storage_usage *usage,
		  struct carrel_error *err)
{
	struct carrel_error ignored;
	_cleanup_close_ int user_fd = state_open(uid);

	*usage = (struct storage_usage){ STORAGE_PLAIN, UNIT_NONE, UNIT_NONE, UNIT_NONE, UNIT_NONE };
	if (user_fd == -ENOENT) {
		usage->method = storage_method_for(limits);
		return error_set(err, ENOENT, "uid %u has no files yet", uid);
	}
	if (user_fd < 0)
		return error_set(err, -user_fd, "cannot open '" CARREL_USERS "/%u': %s", uid,
				 strerror(-user_fd));
	int r = fs_exists(user_fd, DISK_IMAGE, err);
	if (r <= 0)
		return r < 0 ? r : usage_of_project(user_fd, usage, err);
	usage->method = STORAGE_IMAGE;
	_cleanup_close_ int dir = vault_open_state(uid, &ignored);
	return usage_of_image(user_fd, dir, usage, err);
}
