/* hostdir.c - see hostdir.h. Run by the keeper, as root, in the host's namespaces. */
#include "hostdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bind.h"
#include "core/cleanup.h"
#include "core/host_source.h"
#include "core/log.h"
#include "core/mountfd.h"
#include "rootfs.h"

/* The user and their primary group, one map for all mounts of the session. */
static int make_map(struct keeper *k, struct carrel_error *err)
{
	char uids[IDMAP_LINES_MAX], gids[IDMAP_LINES_MAX];

	if (k->map_fd >= 0)
		return k->map_fd;
	if (idmap_host_lines(k->user.uid, k->ids.uid_base, rootfs_inner_uid(k), uids) < 0 ||
	    idmap_host_lines(k->user.gid, k->ids.gid_base, rootfs_inner_gid(k), gids) < 0)
		return error_set(err, ENAMETOOLONG, "cannot write a map of ids");
	k->map_fd = idmap_userns(uids, gids, err);
	return k->map_fd;
}

int hostdir_clone(struct keeper *k, int fd, uint64_t attrs, struct carrel_error *err)
{
	int userns = make_map(k, err);

	if (userns < 0)
		return userns;
	int mount = mountfd_clone(fd, "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | attrs, userns, err);
	if (mount == -EINVAL)
		return error_set(
			err, EINVAL,
			"its filesystem cannot show other owners (idmapped mounts: ext4, xfs, btrfs, tmpfs)");
	return mount;
}

int hostdir_find_home(const struct keeper *k, struct carrel_error *err)
{
	return host_source_open_home(&k->user, err);
}

int hostdir_open_home(struct keeper *k, struct carrel_error *err)
{
	_cleanup_close_ int fd = hostdir_find_home(k, err);

	k->home_fd = fd < 0 ? fd : hostdir_clone(k, fd, 0, err);
	return k->home_fd >= 0
		       ? 0
		       : error_context(err, "the home '%.150s' of the host cannot be used", k->user.home);
}

static int open_bind(struct keeper *k, const struct bind_mount *bind, int image_fd, struct carrel_error *err)
{
	char source[BIND_PATH_MAX + 1], target[BIND_PATH_MAX + 1];
	struct stat st;

	if (bind_expand(bind->source, &k->user, source) || bind_expand(bind->target, &k->user, target))
		return error_set(err, ENAMETOOLONG, "the user's name cannot be put into it");
	_cleanup_close_ int fd = host_source_open(source, &st, err);
	if (fd < 0)
		return fd;
	int r = host_source_check_target(image_fd, target, &st, err);
	return r < 0 ? r : hostdir_clone(k, fd, bind->readonly ? MOUNT_ATTR_RDONLY : 0, err);
}

int hostdir_open_binds(struct keeper *k, int image_fd, struct carrel_error *err)
{
	size_t i = 0;

	for (const struct bind_mount *bind = k->policy.binds; bind; bind = bind->next, i++) {
		k->bind_fds[i] = open_bind(k, bind, image_fd, err);
		if (k->bind_fds[i] >= 0)
			continue;
		error_context(err, "bind '%.100s' at '%.100s'", bind->source, bind->target);
		if (!host_source_may_be_left_out(bind, k->bind_fds[i]))
			return k->bind_fds[i];
		log_send("carrel-keeper", LOG_WARNING, "user '%s' goes without %s", k->user.name, err->msg);
		err->code = 0;
	}
	return 0;
}
