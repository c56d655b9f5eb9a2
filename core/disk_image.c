/* disk_image.c - see disk_image.h. Used by the keeper and carrelctl, as root, on the host. */
#include "disk_image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "loopdev.h"
#include "mountfd.h"
#include "program.h"
#include "units.h"

#define KIB	       1024ull
#define MIB	       (1024 * KIB)
#define INODE_SIZE     256u
#define GROUP	       (128 * MIB) /* of blocks of 4 KiB */
#define SMALL	       (16 * MIB)  /* below, blocks are of 1 KiB */
#define BYTES_PER_FILE (8 * KIB)   /* where no limit of inodes is set */
#define FILES_MIN      1024u
#define OWN_INODES     40u /* reserved ones, our directories, what storage.c keeps in reserve */
#define GROWTH	       16u /* up to which no descriptors have to be moved */
#define SIZE_MAX_BYTES (8192ull * 1024 * MIB)

#define TRIM_SLACK (4 * MIB) /* not worth the trouble */

#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t) /* not in the kernel's public headers */

int disk_image_available(struct carrel_error *err)
{
	if (!loopdev_available())
		return error_set(err, ENOTSUP, "there are no loop devices");
	if (!program_exists("mkfs.ext4"))
		return error_set(err, ENOTSUP, "there is no program 'mkfs.ext4'");
	return 0;
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
	return value < max ? value : max;
}

void disk_image_plan(const struct limits *limits, uint64_t host_bytes, struct disk_image *plan)
{
	uint64_t content = limits->disk == UNIT_NONE ? host_bytes : limits->disk;
	uint64_t files = limits->inodes;

	content = at_most(content, SIZE_MAX_BYTES);
	if (files == UNIT_NONE) {
		files = content / BYTES_PER_FILE;
		if (files < FILES_MIN)
			files = FILES_MIN;
	}
	plan->block_size = content < SMALL ? 1024 : 4096;
	/* mkfs.ext4 rounds the files of a group, which has 8 blocks for each byte of one, to 8. */
	uint64_t groups = content / (8ull * plan->block_size * plan->block_size) + 2;
	plan->inodes = at_most(files, UINT32_MAX / 2) + OWN_INODES + 8 * groups;
	/* Journal, inode tables, what ext4 keeps back (a fiftieth, at most 4096 blocks), bitmaps and descriptors. */
	uint64_t bytes = content + 1024ull * plan->block_size + plan->inodes * INODE_SIZE + MIB;
	bytes += at_most(bytes / 48, 4096ull * plan->block_size) + bytes / GROUP * 16 * KIB + bytes / 2048;
	plan->blocks = bytes / plan->block_size + 1;
}

bool disk_image_fits(const struct disk_image *have, const struct disk_image *plan)
{
	uint64_t groups = plan->blocks / (8ull * plan->block_size) + 1;

	if (have->block_size != plan->block_size)
		return false;
	return have->blocks == plan->blocks && have->inodes + 8 * groups >= plan->inodes &&
	       have->inodes <= plan->inodes + plan->inodes / 16 + groups * 32 + 64;
}

/* Like mkfs.ext4's own defaults, whatever mke2fs.conf says. Inode tables are zero in a new file already. */
int disk_image_make(int dirfd, const struct disk_image *plan, int timeout_ms, struct carrel_error *err)
{
	char block_size[16], inodes[24], blocks[24], extended[128], journal[16];
	char program[] = "mkfs.ext4", quiet[] = "-qF", b[] = "-b", i[] = "-I", is[] = "256", m[] = "-m",
	     zero[] = "0", n[] = "-N", j[] = "-J", o[] = "-O", e[] = "-E", file[] = DISK_IMAGE_NEW,
	     features[] =
		     "has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,"
		     "large_file,huge_file,dir_nlink,extra_isize,metadata_csum,^orphan_file,^quota,^project";
	char *const argv[] = { program, quiet,	 b, block_size, i, is,	     m,	   zero,   n,	inodes,
			       j,	journal, o, features,	e, extended, file, blocks, NULL };

	snprintf(block_size, sizeof(block_size), "%u", plan->block_size);
	snprintf(journal, sizeof(journal), "size=%u", plan->block_size / 1024);
	snprintf(inodes, sizeof(inodes), "%" PRIu64, plan->inodes);
	snprintf(blocks, sizeof(blocks), "%" PRIu64, plan->blocks);
	snprintf(extended, sizeof(extended),
		 "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0,resize=%" PRIu64,
		 at_most(plan->blocks * GROWTH, UINT32_MAX));
	int r = fs_remove_tree(dirfd, DISK_IMAGE_NEW);
	_cleanup_close_ int fd = r < 0 ? r
				       : openat(dirfd, DISK_IMAGE_NEW,
						O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)(plan->blocks * plan->block_size)) < 0)
		return error_errno(err, "cannot make a disk image");
	r = program_run(argv, dirfd, timeout_ms, err);
	return r == 0 ? 0 : error_context(err, "cannot make a disk image");
}

static uint64_t little(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static int read_super(int fd, struct disk_image *image)
{
	unsigned char super[1024];

	if (pread(fd, super, sizeof(super), 1024) != (ssize_t)sizeof(super) || super[0x38] != 0x53 ||
	    super[0x39] != 0xef || little(super + 24) > 6)
		return -EBADMSG;
	bool wide = little(super + 0x60) & 0x80; /* INCOMPAT_64BIT */
	uint64_t blocks = little(super + 4), available = little(super + 12);
	image->blocks = blocks | (wide ? little(super + 0x150) << 32 : 0);
	available |= wide ? little(super + 0x158) << 32 : 0;
	image->used_blocks = image->blocks - at_most(available, image->blocks);
	image->inodes = little(super);
	image->used_inodes = image->inodes - at_most(little(super + 16), image->inodes);
	image->block_size = 1024u << little(super + 24);
	image->damaged = super[0x3a] & 2;
	return 0;
}

static int open_image(int dirfd, const char *name, struct carrel_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "cannot open '%s'", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", name);
	return steal_fd(&fd);
}

int disk_image_read(int dirfd, const char *name, struct disk_image *image, struct carrel_error *err)
{
	_cleanup_close_ int fd = open_image(dirfd, name, err);
	if (fd < 0)
		return fd;
	int r = read_super(fd, image);
	return r < 0 ? error_set(err, -r, "'%s' has no ext4 filesystem in it", name) : 0;
}

static int repair(int dirfd, const char *name, int timeout_ms, struct carrel_error *err)
{
	char program[] = "e2fsck", preen[] = "-p", force[] = "-f", file[64];
	char *const argv[] = { program, preen, force, file, NULL };

	snprintf(file, sizeof(file), "%s", name);
	int r = program_run(argv, dirfd, timeout_ms, err);
	/* 1: errors were corrected. 2: and the machine should be restarted, were it in use. */
	if (r >= 0 && r <= 2)
		return 0;
	return error_set(err, EIO, "'%s' is damaged: run e2fsck on it", name);
}

int disk_image_mount(int dirfd, const char *name, int timeout_ms, struct carrel_error *err)
{
	struct disk_image image;
	char device[64];
	const struct mountfd_option options[] = { { "source", device },
						  { "discard", NULL },
						  { "noinit_itable", NULL },
						  { "errors", "remount-ro" },
						  { NULL, NULL } };
	_cleanup_close_ int fd = open_image(dirfd, name, err);

	if (fd < 0)
		return fd;
	/* The last mount of a session that has just ended goes away a moment after it, having written what there was. */
	int r = fs_lock(fd, timeout_ms);
	if (r < 0)
		return error_set(err, -r, "'%s' is still in use: %s", name, strerror(-r));
	r = read_super(fd, &image);
	if (r < 0)
		return error_set(err, -r, "'%s' has no ext4 filesystem in it", name);
	if (image.damaged && (r = repair(dirfd, name, timeout_ms, err)) < 0)
		return r;
	_cleanup_close_ int loop = loopdev_attach(fd, device, sizeof(device), err);
	if (loop < 0)
		return error_context(err, "'%s'", name);
	r = mountfd_new("ext4", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	return r < 0 ? error_context(err, "'%s'", name) : r;
}

int disk_image_grow(int dirfd, int root, const struct disk_image *plan, struct carrel_error *err)
{
	uint64_t blocks = plan->blocks;
	struct stat st;
	_cleanup_close_ int file = open_image(dirfd, DISK_IMAGE, err);
	_cleanup_close_ int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (file < 0)
		return file;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "cannot open the disk image");
	if (ftruncate(file, (off_t)(blocks * plan->block_size)) < 0)
		return error_errno(err, "cannot make '" DISK_IMAGE "' larger");
	int r = loopdev_grow(st.st_dev, err);
	if (r < 0)
		return r;
	return ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0
		       ? error_errno(err, "cannot make the disk image larger while it is in use")
		       : 0;
}

/*
 * ext4 gives back what was deleted some time after that is on disk, and no longer once it is being unmounted. So where much is
 * left, ask for all that is free: 20 ms for 2 GiB, 70 for 64.
 */
void disk_image_give_back(int root, int image)
{
	struct fstrim_range all = { .len = UINT64_MAX };
	struct statvfs fs;
	struct stat st;

	if (syncfs(root) < 0 || fstat(image, &st) < 0 || fstatvfs(root, &fs) < 0)
		return;
	uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize, used = size - (uint64_t)fs.f_bfree * fs.f_frsize;
	if ((uint64_t)st.st_blocks * 512 > used + TRIM_SLACK + size / 16384)
		(void)ioctl(root, FITRIM, &all);
}
