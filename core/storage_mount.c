/* storage_mount.c - see storage.h. Used by the keeper and carrelctl, as root, on the host. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "mountfd.h"
#include "project.h"
#include "storage_internal.h"
#include "units.h"

/*
 * Mounting the overlay and what init does in the rootfs takes a few files and blocks, and so do the directories of a change. A
 * project's limits are that much higher meanwhile; an image has files in it that are removed before and made anew after.
 */
#define RESERVE	       "reserve"
#define RESERVE_BYTES  (128 * 1024)
#define RESERVE_INODES 20
/* xfs wants room for the worst case of a new name: some 50 of its blocks, which have up to 64 KiB. */
#define PROJECT_ROOM (4 * 1024 * 1024)

#define SCRATCH "adopt" /* see project_adopt() */

int storage_make_dirs(int dir, const struct idmap *ids, uid_t home_uid, gid_t home_gid,
		      struct carrel_error *err)
{
	const struct {
		const char *name;
		mode_t mode;
		uid_t uid;
		gid_t gid;
	} dirs[] = {
		{ "upper", 0755, ids->uid_base, ids->gid_base },
		{ "work", 0755, ids->uid_base, ids->gid_base },
		{ "home", 0700, home_uid, home_gid },
		{ "snapshots", 0700, 0, 0 },
		{ "lower", 0700, 0, 0 },
		{ "root", 0700, 0, 0 },
	};
	int made = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		/* What is there already is the user's to chmod; only a new one gets owner and mode. */
		int r = fs_exists(dir, dirs[i].name, err);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		int fd = fs_ensure_dir_at(dir, dirs[i].name, dirs[i].mode, dirs[i].uid, dirs[i].gid, err);
		if (fd < 0)
			return fd;
		close(fd);
		made += i < STORAGE_TREES;
	}
	return made == STORAGE_TREES;
}

static int open_tree_dir(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static uint32_t project_of_tree(int dir, const char *name)
{
	_cleanup_close_ int fd = open_tree_dir(dir, name);

	return fd < 0 ? 0 : project_of(fd);
}

uint32_t storage_project(int dir)
{
	uint32_t id = project_of_tree(dir, storage_trees[0]);

	for (size_t i = 1; i < STORAGE_TREES; i++)
		if (project_of_tree(dir, storage_trees[i]) != id)
			return 0;
	return id;
}

/* The user's own project, if one of the trees is in it already. */
static uint32_t known_project(const struct storage *s, int dir)
{
	for (size_t i = 0; i < STORAGE_TREES; i++) {
		uint32_t id = project_of_tree(dir, storage_trees[i]);
		if (id >= s->ids.uid_base && id - s->ids.uid_base < IDMAP_COUNT)
			return id;
	}
	return 0;
}

static int make_scratch(int dir, uint32_t id)
{
	int r = fs_remove_tree(dir, SCRATCH);

	if (r < 0)
		return r;
	if (mkdirat(dir, SCRATCH, 0700) < 0)
		return -errno;
	_cleanup_close_ int fd = open_tree_dir(dir, SCRATCH);
	r = fd < 0 ? -errno : project_mark(fd, id);
	return r < 0 ? r : steal_fd(&fd);
}

static int adopt_trees(const struct storage *s, int dir, uint32_t id, struct carrel_error *err)
{
	_cleanup_close_ int scratch = make_scratch(dir, id);
	int r = scratch < 0 ? error_set(err, -scratch, "cannot make '" SCRATCH "': %s", strerror(-scratch))
			    : 0;

	for (size_t i = 0; r == 0 && i < STORAGE_TREES; i++) {
		r = fs_exists(dir, storage_trees[i], err);
		if (r > 0)
			r = project_of_tree(dir, storage_trees[i]) == id
				    ? 0
				    : project_adopt(dir, storage_trees[i], scratch, id, s->deadline, err);
	}
	int removed = fs_remove_tree(dir, SCRATCH);
	return r < 0	     ? r
	       : removed < 0 ? error_set(err, -removed, "cannot remove '" SCRATCH "': %s", strerror(-removed))
			     : 0;
}

int storage_claim(struct storage *s, int dir, uint32_t *id, struct carrel_error *err)
{
	int r = 0;

	*id = storage_project(dir);
	if (*id && *id == known_project(s, dir))
		return 0;
	*id = known_project(s, dir);
	if (!*id)
		r = project_choose(dir, s->ids.uid_base, IDMAP_COUNT, id, err);
	/* What is over the limits is taken in all the same: nothing more can then be written. */
	if (r == 0)
		r = project_set_limits(dir, *id, UNIT_NONE, UNIT_NONE, err);
	if (r < 0)
		return r;
	r = adopt_trees(s, dir, *id, err);
	if (r == -ETIMEDOUT)
		return error_set(
			err, ETIMEDOUT,
			"the files of uid %u have to be counted for user_limits.disk, which takes longer "
			"than a login may: run 'carrelctl apply'",
			s->uid);
	return r < 0 ? error_context(err, "cannot count the files of uid %u", s->uid) : 0;
}

static uint64_t with_room(uint64_t limit, uint64_t used, uint64_t room)
{
	if (limit == UNIT_NONE)
		return UNIT_NONE;
	return (limit > used ? limit : used) + room;
}

static int raise_limits(int dir, uint32_t id, uint64_t bytes, uint64_t inodes,
			const struct project_usage *now, struct carrel_error *err)
{
	return project_set_limits(dir, id, with_room(bytes, now->bytes, PROJECT_ROOM),
				  with_room(inodes, now->inodes, RESERVE_INODES), err);
}

/* Limits with room for the login, where there is a project. */
static int prepare_project(struct storage *s, int dir, bool fresh, struct carrel_error *err)
{
	struct project_usage now = { 0 };
	uint32_t id = storage_project(dir);
	bool enforced = project_enforced(dir);

	if (!enforced && storage_limited(s->limits))
		return error_set(err, ENOTSUP, "the filesystem has no project quotas");
	/* Without limits only what is new is counted, which costs nothing; or what was counted before. */
	if (!enforced || (!id && !fresh && !storage_limited(s->limits)))
		return 0;
	int r = storage_claim(s, dir, &id, err);
	if (r == 0)
		r = project_usage(dir, id, &now, err);
	return r < 0 ? r : raise_limits(dir, id, s->limits->disk, s->limits->inodes, &now, err);
}

static int mount_image(struct storage *s, int have, struct carrel_error *err)
{
	struct disk_image plan = { 0 };
	bool renamed;

	if (have)
		return storage_refit(s, err);
	int r = disk_image_available(err);
	if (r == 0)
		r = storage_plan(s, &plan, err);
	return r < 0 ? r : storage_move(s, s->user_fd, &plan, &renamed, err);
}

int storage_mount(struct storage *s, struct carrel_error *err)
{
	s->note[0] = '\0';
	int image = storage_has_image(s->user_fd, err);
	if (image < 0)
		return image;
	bool in_image = image || (storage_limited(s->limits) && !project_enforced(s->user_fd));
	_cleanup_close_ int mount = in_image ? mount_image(s, image, err)
					     : mountfd_clone(s->user_fd, "", MOUNT_ATTR_NODEV, -1, err);
	_cleanup_close_ int dir = mount < 0 ? mount : openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return mount < 0 ? mount : error_errno(err, "cannot open the storage of uid %u", s->uid);
	int r = in_image ? fs_remove_tree(dir, RESERVE) : 0;
	if (r < 0)
		return error_set(err, -r, "cannot remove the reserve in the disk image: %s", strerror(-r));
	r = storage_make_dirs(dir, &s->ids, s->home_uid, s->home_gid, err);
	if (r < 0)
		return r;
	if (!in_image)
		r = prepare_project(s, dir, r, err);
	else if (!image) /* it was made just now, and its old place is empty from now on */
		r = storage_has_image(s->user_fd, err);
	s->mounted = r >= 0;
	return r < 0 ? r : steal_fd(&mount);
}

/* What does not fit any more was used by the login, as it should be. */
static void make_reserve(int dir)
{
	char name[16];

	if (mkdirat(dir, RESERVE, 0700) < 0)
		return;
	_cleanup_close_ int fd = open_tree_dir(dir, RESERVE);
	for (int i = 0; fd >= 0 && i < RESERVE_INODES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		_cleanup_close_ int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (file < 0 || (i == 0 && fallocate(file, 0, 0, RESERVE_BYTES) < 0))
			return;
	}
}

int storage_settle(struct storage *s, int dir, struct carrel_error *err)
{
	int r = fs_exists(s->user_fd, DISK_IMAGE, err);

	if (r < 0)
		return r;
	if (r > 0) {
		struct carrel_error later = { 0 };

		r = s->mounted ? 0 : storage_refit_live(s, dir, &later);
		if (r < 0 && r != -EBUSY)
			return error_set(err, later.code, "%s", later.msg);
		if (r < 0)
			memcpy(s->note, later.msg, sizeof(s->note));
		make_reserve(dir);
		return 0;
	}
	uint32_t id = storage_project(dir);
	if (id && project_enforced(dir))
		return project_set_limits(dir, id, s->limits->disk, s->limits->inodes, err);
	if (!storage_limited(s->limits))
		return 0;
	return error_set(err, EBUSY,
			 "the files of uid %u have had no limits so far and are in use: user_limits.disk and "
			 "user_limits.inodes are applied when the last session has ended",
			 s->uid);
}

/* --- changes (change.h) --- */

int storage_make_room(struct storage_room *room, int user_fd, int dir, struct carrel_error *err)
{
	struct project_usage now = { 0 };

	*room = (struct storage_room){ 0 };
	int r = fs_exists(user_fd, DISK_IMAGE, err);
	if (r < 0)
		return r;
	room->in_image = r > 0;
	if (room->in_image) {
		r = fs_remove_tree(dir, RESERVE);
		return r < 0 ? error_set(err, -r, "cannot remove the reserve in the disk image: %s",
					 strerror(-r))
			     : 0;
	}
	room->project = storage_project(dir);
	if (!room->project || !project_enforced(dir))
		return 0;
	r = project_usage(dir, room->project, &now, err);
	if (r < 0)
		return r;
	room->raised = true;
	room->bytes = now.bytes_limit;
	room->inodes = now.inodes_limit;
	return raise_limits(dir, room->project, room->bytes, room->inodes, &now, err);
}

int storage_stage(const struct storage_room *room, int dir, const char *name, struct carrel_error *err)
{
	int made = fs_ensure_dir_at(dir, name, 0700, 0, 0, err);
	if (made < 0)
		return made;
	close(made);
	_cleanup_close_ int fd = open_tree_dir(dir, name);
	int r = fd < 0 ? -errno : room->project ? project_mark(fd, room->project) : 0;
	return r < 0 ? error_set(err, -r, "cannot count '%s' as the user's: %s", name, strerror(-r))
		     : steal_fd(&fd);
}

int storage_fits(const struct storage_room *room, int dir, struct carrel_error *err)
{
	struct project_usage now = { 0 };

	if (!room->raised)
		return 0;
	int r = project_usage(dir, room->project, &now, err);
	if (r < 0 || (now.bytes <= room->bytes && now.inodes <= room->inodes))
		return r;
	return error_set(err, EDQUOT, "there is no room for it: %s", strerror(EDQUOT));
}

int storage_give_back(const struct storage_room *room, int dir, struct carrel_error *err)
{
	if (room->in_image)
		make_reserve(dir);
	return room->raised ? project_set_limits(dir, room->project, room->bytes, room->inodes, err) : 0;
}
