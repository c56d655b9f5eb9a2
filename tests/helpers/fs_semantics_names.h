/* fs_semantics_names.h - rename, link, symlink, unlink, directories: cases of fs_semantics.c, which includes this. */
#ifndef TESTS_FS_SEMANTICS_NAMES_H
#define TESTS_FS_SEMANTICS_NAMES_H

#include "fs_semantics.h"

/* --- rename --- */

static int rename_over_file(void)
{
	put("a", "a");
	put("b", "b");
	TRY(rename("a", "b"));
	return holds("b", "a") == 1 && access("a", F_OK) < 0;
}
static int rename_file_over_dir(void)
{
	put("a", "a");
	TRY(mkdir("d", 0755));
	TRY(rename("a", "d"));
	return 1;
}
static int rename_dir_over_file(void)
{
	put("a", "a");
	TRY(mkdir("d", 0755));
	TRY(rename("d", "a"));
	return 1;
}
static int rename_dir_over_empty(void)
{
	TRY(mkdir("d", 0755));
	put("d/x", "x");
	TRY(mkdir("e", 0755));
	TRY(rename("d", "e"));
	return holds("e/x", "x");
}
static int rename_dir_over_full(void)
{
	TRY(mkdir("d", 0755));
	TRY(mkdir("e", 0755));
	put("e/x", "x");
	TRY(rename("d", "e"));
	return 1;
}
static int rename_into_itself(void)
{
	TRY(mkdir("d", 0755));
	TRY(rename("d", "d/e"));
	return 1;
}
static int rename_twins(void)
{
	put("a", "a");
	TRY(link("a", "b"));
	TRY(rename("a", "b"));
	return access("a", F_OK) == 0;
}
static int rename_noreplace(void)
{
	put("a", "a");
	put("b", "b");
	TRY(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	return 1;
}
static int rename_exchange(void)
{
	put("a", "a");
	TRY(mkdir("d", 0755));
	TRY(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE));
	return holds("d", "a") == 1 && S_ISDIR(look("a").st_mode);
}
static int rename_open_file(void)
{
	int fd = put("a", "a");
	struct stat st;

	put("b", "b");
	TRY(rename("b", "a"));
	TRY(fstat(fd, &st));
	return (int)st.st_nlink;
}
static int rename_keeps_inode(void)
{
	put("a", "a");
	ino_t before = look("a").st_ino;
	TRY(rename("a", "b"));
	return look("b").st_ino == before;
}

/* --- link, symlink, unlink, directories --- */

static int link_count(void)
{
	put("a", "a");
	TRY(link("a", "b"));
	TRY(link("b", "c"));
	TRY(unlink("a"));
	return (int)look("c").st_nlink;
}
static int link_same_inode(void)
{
	put("a", "a");
	TRY(link("a", "b"));
	return look("a").st_ino == look("b").st_ino && look("a").st_dev == look("b").st_dev;
}
static int link_exists(void)
{
	put("a", "a");
	put("b", "b");
	TRY(link("a", "b"));
	return 1;
}
static int link_dir(void)
{
	TRY(mkdir("d", 0755));
	TRY(link("d", "e"));
	return 1;
}
static int link_to_symlink(void)
{
	TRY(symlink("nowhere", "s"));
	TRY(link("s", "t"));
	return S_ISLNK(look("t").st_mode);
}
static int tmpfile_linked(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	char path[64];

	TRY(fd);
	TRY(write(fd, "t", 1));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	TRY(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
	return holds("t", "t");
}
static int symlink_length(void)
{
	char target[4096], buf[4096];

	memset(target, 'x', sizeof(target));
	target[4095] = '\0';
	TRY(symlink(target, "s"));
	return (int)readlink("s", buf, sizeof(buf));
}
static int symlink_chmod(void)
{
	TRY(symlink("nowhere", "s"));
	TRY(fchmodat(AT_FDCWD, "s", 0600, AT_SYMLINK_NOFOLLOW));
	return 1;
}
static int symlink_loop(void)
{
	TRY(symlink("s", "s"));
	TRY(open("s", O_RDONLY | O_CLOEXEC));
	return 1;
}
static int unlink_open(void)
{
	char c = 0;
	int fd = put("a", "x");

	TRY(unlink("a"));
	TRY(pread(fd, &c, 1, 0));
	TRY(pwrite(fd, "yz", 2, 1));
	return c == 'x' && access("a", F_OK) < 0 && lseek(fd, 0, SEEK_END) == 3;
}
static int unlink_dir(void)
{
	TRY(mkdir("d", 0755));
	TRY(unlink("d"));
	return 1;
}
static int rmdir_full(void)
{
	TRY(mkdir("d", 0755));
	put("d/x", "x");
	TRY(rmdir("d"));
	return 1;
}
static int dir_nlink(void)
{
	TRY(mkdir("d", 0755));
	TRY(mkdir("d/e", 0755));
	TRY(mkdir("d/f", 0755));
	return (int)look("d").st_nlink;
}
static int name_length(void)
{
	char name[300];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	TRY(mkdir(name, 0755));
	name[255] = 'x';
	name[256] = '\0';
	TRY(mkdir(name, 0755));
	return 1;
}
static int name_bytes(void)
{
	put("\xff\x01 \n", "odd");
	return holds("\xff\x01 \n", "odd");
}
static int readdir_inodes(void)
{
	struct dirent *entry;
	int same = 0;

	put("a", "a");
	TRY(mkdir("d", 0755));
	DIR *dir = opendir(".");
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			same += look(entry->d_name).st_ino == entry->d_ino;
	return same;
}
static int dir_removed_below(void)
{
	TRY(mkdir("d", 0755));
	int fd = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	TRY(rmdir("d"));
	TRY(openat(fd, "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	return 1;
}

#endif
