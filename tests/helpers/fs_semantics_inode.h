/* fs_semantics_inode.h - modes, owners, times, extended attributes: cases of fs_semantics.c, which includes this. */
#ifndef TESTS_FS_SEMANTICS_INODE_H
#define TESTS_FS_SEMANTICS_INODE_H

#include "fs_semantics.h"

/* --- chmod, chown, times --- */

static int mode_after(const char *name)
{
	return (int)(look(name).st_mode & 07777);
}
static int chmod_bits(void)
{
	put("a", "a");
	TRY(chmod("a", 07751));
	return mode_after("a");
}
static int chmod_write_clears_setuid(void)
{
	int fd = put("a", "a");

	TRY(chmod("a", 06777));
	if (fork() == 0) {
		if (setresgid(7, 7, 7) < 0 || setresuid(7, 7, 7) < 0)
			_exit(1);
		_exit(write(fd, "x", 1) != 1);
	}
	wait(NULL);
	return mode_after("a");
}
static int chown_other(void)
{
	put("a", "a");
	TRY(chown("a", 7, 8));
	return (int)(look("a").st_uid * 100 + look("a").st_gid);
}
static int chown_clears_setuid(void)
{
	put("a", "a");
	TRY(chmod("a", 06755));
	TRY(chown("a", 7, 8));
	return mode_after("a");
}
static int setgid_directory(void)
{
	TRY(mkdir("d", 0755));
	TRY(chown("d", 0, 8));
	TRY(chmod("d", 02755));
	TRY(mkdir("d/e", 0755));
	return (int)look("d/e").st_gid * 10000 + mode_after("d/e");
}
static int sticky_directory(void)
{
	int status = 0;

	TRY(mkdir("d", 0755));
	TRY(chmod("d", 01777));
	put("d/a", "a");
	if (fork() == 0) {
		if (setresuid(7, 7, 7) < 0)
			_exit(1);
		_exit(unlink("d/a") < 0 ? errno : 0);
	}
	wait(&status);
	return -WEXITSTATUS(status);
}
static int access_other(void)
{
	int status = 0;

	put("a", "a");
	TRY(chmod("a", 0600));
	if (fork() == 0) {
		if (setresuid(7, 7, 7) < 0)
			_exit(1);
		_exit(open("a", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
	}
	wait(&status);
	return -WEXITSTATUS(status);
}
static int times_set(void)
{
	const struct timespec times[2] = { { 1000000000, 123456789 }, { 1500000000, 987654321 } };

	put("a", "a");
	TRY(utimensat(AT_FDCWD, "a", times, 0));
	struct stat st = look("a");
	return st.st_mtim.tv_nsec == 987654321 && st.st_atim.tv_sec == 1000000000;
}
static int times_after_write(void)
{
	const struct timespec times[2] = { { 5, 0 }, { 5, 0 } };
	int fd = put("a", "a");

	TRY(futimens(fd, times));
	TRY(write(fd, "b", 1));
	return look("a").st_mtim.tv_sec > 5;
}

/* --- extended attributes --- */

static int xattr_user(void)
{
	char buf[16];

	put("a", "a");
	TRY(setxattr("a", "user.x", "value", 5, XATTR_CREATE));
	TRY(getxattr("a", "user.x", buf, sizeof(buf)));
	return (int)listxattr("a", NULL, 0);
}
static int xattr_user_symlink(void)
{
	TRY(symlink("nowhere", "s"));
	TRY(lsetxattr("s", "user.x", "value", 5, 0));
	return 1;
}
static int xattr_create_twice(void)
{
	put("a", "a");
	TRY(setxattr("a", "user.x", "1", 1, XATTR_CREATE));
	TRY(setxattr("a", "user.x", "2", 1, XATTR_CREATE));
	return 1;
}
static int xattr_missing(void)
{
	put("a", "a");
	TRY(removexattr("a", "user.x"));
	return 1;
}
static int xattr_trusted(void)
{
	put("a", "a");
	TRY(setxattr("a", "trusted.x", "1", 1, 0));
	return 1;
}
static int xattr_trusted_overlay(void)
{
	TRY(mkdir("d", 0755));
	TRY(setxattr("d", "trusted.overlay.opaque", "y", 1, 0));
	return 1;
}
static int xattr_large(void)
{
	static char value[60000];

	put("a", "a");
	TRY(setxattr("a", "user.x", value, sizeof(value), 0));
	return 1;
}
static int xattr_capability(void)
{
	/* VFS_CAP_REVISION_2, cap_net_bind_service */
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };
	char buf[64];

	put("a", "a");
	TRY(setxattr("a", "security.capability", cap, sizeof(cap), 0));
	return (int)getxattr("a", "security.capability", buf, sizeof(buf));
}
static int acl_mask(void)
{
	/* user::rw-, user:7:rwx, group::r--, mask::rwx, other::--- */
	static const unsigned char acl[] = { 2, 0, 0,	0,   1,	  0,   6,  0, 255, 255, 255, 255, 2,   0,  7,
					     0, 7, 0,	0,   0,	  4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
					     7, 0, 255, 255, 255, 255, 32, 0, 0,   0,	255, 255, 255, 255 };
	int status = 0;

	put("a", "a");
	TRY(setxattr("a", "system.posix_acl_access", acl, sizeof(acl), 0));
	if (fork() == 0) {
		if (setresgid(9, 9, 9) < 0 || setresuid(7, 7, 7) < 0)
			_exit(1);
		_exit(access("a", W_OK) < 0 ? errno : 0);
	}
	wait(&status);
	return status ? -WEXITSTATUS(status) : mode_after("a");
}

#endif
