/*
 * fs_semantics.c - what a filesystem does, one line for each case: "name result".
 *
 *	fs_semantics DIR	run all in DIR
 *	fs_semantics --given	print the names of the cases that are about files which were there before
 *
 * Each runs in a directory of its name. That of the latter is there already, with given/file ("given"), given/twin, a link to it, and
 * given/dir/inner ("inner"): in an overlay they are of the lower layer.
 *
 * The result is the number that the case returns, or an errno's name. Linked statically, to run in any rootfs. In the manner of pjdfstest.
 */
#include "fs_semantics.h"
#include "fs_semantics_data.h"
#include "fs_semantics_inode.h"
#include "fs_semantics_names.h"

/* --- files that were there before --- */

static int given_append(void)
{
	int fd = open("given/file", O_WRONLY | O_APPEND | O_CLOEXEC);

	TRY(write(fd, "+", 1));
	return holds("given/file", "given+");
}
static int given_open_before_write(void)
{
	char c = 0;
	int reader = open("given/file", O_RDONLY | O_CLOEXEC),
	    writer = open("given/file", O_RDWR | O_CLOEXEC);

	TRY(pwrite(writer, "G", 1, 0));
	TRY(pread(reader, &c, 1, 0));
	return c == 'G';
}
static int given_mmap_before_write(void)
{
	int reader = open("given/file", O_RDONLY | O_CLOEXEC);
	const char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0);
	int writer = open("given/file", O_RDWR | O_CLOEXEC);

	TRY(pwrite(writer, "G", 1, 0));
	return at != MAP_FAILED && at[0] == 'G';
}
static int given_inode(void)
{
	ino_t before = look("given/file").st_ino;

	TRY(chmod("given/file", 0600));
	return look("given/file").st_ino == before;
}
static int given_twins(void)
{
	int fd = open("given/file", O_WRONLY | O_TRUNC | O_CLOEXEC);

	TRY(write(fd, "both", 4));
	return holds("given/twin", "both") == 1 && look("given/file").st_nlink == 2 &&
	       look("given/file").st_ino == look("given/twin").st_ino;
}
static int given_rename_file(void)
{
	TRY(rename("given/file", "given/dir/moved"));
	return holds("given/dir/moved", "given") == 1 && access("given/file", F_OK) < 0;
}
static int given_rename_dir(void)
{
	TRY(rename("given/dir", "given/moved"));
	return holds("given/moved/inner", "inner");
}
static int given_remove_and_make_dir(void)
{
	TRY(unlink("given/dir/inner"));
	TRY(rmdir("given/dir"));
	TRY(mkdir("given/dir", 0755));
	return access("given/dir/inner", F_OK) < 0;
}
static int given_dir_nlink(void)
{
	return (int)look("given").st_nlink;
}
static int given_flock(void)
{
	int one = open("given/file", O_RDONLY | O_CLOEXEC);

	TRY(flock(one, LOCK_EX));
	int two = open("given/file", O_RDWR | O_CLOEXEC);
	TRY(flock(two, LOCK_EX | LOCK_NB));
	return 1;
}
static int given_inotify(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	TRY(inotify_add_watch(fd, "given/file", IN_MODIFY));
	int file = open("given/file", O_WRONLY | O_CLOEXEC);
	TRY(write(file, "x", 1));
	return events(fd);
}
static int given_times(void)
{
	struct timespec before = look("given/file").st_mtim;

	TRY(chmod("given/file", 0600));
	return look("given/file").st_mtim.tv_sec == before.tv_sec;
}

#define CASE(name)          \
	{                   \
#name, name \
	}
/* clang-format off */
static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	CASE(rename_over_file), CASE(rename_file_over_dir), CASE(rename_dir_over_file),
	CASE(rename_dir_over_empty), CASE(rename_dir_over_full), CASE(rename_into_itself),
	CASE(rename_twins), CASE(rename_noreplace), CASE(rename_exchange), CASE(rename_open_file),
	CASE(rename_keeps_inode), CASE(link_count), CASE(link_same_inode), CASE(link_exists),
	CASE(link_dir), CASE(link_to_symlink), CASE(tmpfile_linked), CASE(symlink_length),
	CASE(symlink_chmod), CASE(symlink_loop), CASE(unlink_open), CASE(unlink_dir), CASE(rmdir_full),
	CASE(dir_nlink), CASE(name_length), CASE(name_bytes), CASE(readdir_inodes),
	CASE(dir_removed_below), CASE(chmod_bits), CASE(chmod_write_clears_setuid), CASE(chown_other),
	CASE(chown_clears_setuid), CASE(setgid_directory), CASE(sticky_directory), CASE(access_other),
	CASE(times_set), CASE(times_after_write), CASE(xattr_user), CASE(xattr_user_symlink),
	CASE(xattr_create_twice), CASE(xattr_missing), CASE(xattr_trusted), CASE(xattr_trusted_overlay),
	CASE(xattr_large), CASE(xattr_capability), CASE(acl_mask), CASE(mmap_shared),
	CASE(mmap_sees_write), CASE(mmap_private), CASE(mmap_past_end), CASE(mmap_msync), CASE(exec_busy),
	CASE(sparse_blocks), CASE(sparse_seek), CASE(truncate_grows), CASE(fallocate_plain),
	CASE(fallocate_keep_size), CASE(fallocate_punch), CASE(fallocate_zero), CASE(fallocate_collapse),
	CASE(fallocate_insert), CASE(copy_range), CASE(clone_file), CASE(append), CASE(flock_conflict),
	CASE(flock_shared), CASE(lock_ofd), CASE(lock_posix), CASE(lease), CASE(inotify_directory),
	CASE(inotify_file), CASE(fifo), CASE(unix_socket), CASE(device), CASE(immutable), CASE(birth),
	CASE(direct), CASE(sync_all), CASE(given_append), CASE(given_open_before_write),
	CASE(given_mmap_before_write), CASE(given_inode), CASE(given_twins), CASE(given_rename_file),
	CASE(given_rename_dir), CASE(given_remove_and_make_dir), CASE(given_dir_nlink), CASE(given_flock),
	CASE(given_inotify), CASE(given_times),
};
/* clang-format on */

/* Each in a process and a directory of its own. */
static void run_case(size_t i)
{
	bool given = strncmp(cases[i].name, "given_", 6) == 0;
	int status = 0;

	fflush(stdout);
	if (fork() == 0) {
		alarm(20);
		umask(0);
		if (chdir(cases[i].name) < 0 &&
		    (given || mkdir(cases[i].name, 0755) < 0 || chdir(cases[i].name) < 0))
			err(1, "%s", cases[i].name);
		int r = cases[i].run();
		if (r < 0)
			printf("%s %s\n", cases[i].name, strerrorname_np(-r));
		else
			printf("%s %d\n", cases[i].name, r);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	if (status)
		printf("%s died with %d\n", cases[i].name, status);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--wait") == 0) {
		puts("up");
		fflush(stdout);
		pause();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--given") == 0) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			if (strncmp(cases[i].name, "given_", 6) == 0)
				puts(cases[i].name);
		return 0;
	}
	if (argc != 2 || chdir(argv[1]) < 0)
		errx(2, "usage: fs_semantics DIR | --given");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(i);
	return 0;
}
