/*
 * disk_probe.c - what a user may try against a limit of disk space and files. Static: it runs in any rootfs.
 *
 *	disk_probe project FILE ID	put FILE into another project (FS_IOC_FSSETXATTR)
 *	disk_probe leave DIRECTORY	new files shall not be in its project any more (FS_IOC_FSSETXATTR)
 *	disk_probe flags DIRECTORY	the same by FS_IOC_SETFLAGS
 *	disk_probe fallocate FILE MIB	ask for space without writing
 *	disk_probe punch FILE MIB	ask for space beyond the end of the file
 *	disk_probe unlinked DIRECTORY MIB	write to a file without a name; then say how much went in, and wait
 *	disk_probe names DIRECTORY	make names of one file, long ones, until there is no room
 *	disk_probe files DIRECTORY	make empty files until there is no room
 *
 * Prints one line: "done", a number, or what the kernel said. Exit status 0 when it worked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static int tell(int r)
{
	puts(r < 0 ? strerror(errno) : "done");
	return r < 0;
}

static int set_attributes(const char *path, long project, int inherit)
{
	struct fsxattr attr;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
		return -1;
	if (project >= 0)
		attr.fsx_projid = (unsigned)project;
	if (!inherit)
		attr.fsx_xflags &= ~(unsigned)FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attr);
}

static int clear_flag(const char *path)
{
	long flags = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -1;
	flags &= ~(long)FS_PROJINHERIT_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int allocate(const char *path, int mode, long mib)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : fallocate(fd, mode, 0, (off_t)mib * MIB);
}

static int unlinked(const char *dir, long mib)
{
	static char block[MIB];
	int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	long written = 0;

	memset(block, 'x', sizeof(block));
	while (fd >= 0 && written < mib && write(fd, block, MIB) == MIB)
		written++;
	printf("%ld\n", written);
	fflush(stdout);
	pause();
	return 0;
}

static int fill(const char *dir, int links)
{
	char name[200];
	long n = 0;

	if (chdir(dir) < 0)
		return tell(-1);
	int fd = open("first", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	for (;; n++) {
		snprintf(name, sizeof(name), "%0180ld", n);
		fd = links ? link("first", name) : open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		if (!links)
			close(fd);
	}
	printf("%ld %s\n", n, strerror(errno));
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "", *path = argc > 2 ? argv[2] : "";
	long number = argc > 3 ? strtol(argv[3], NULL, 10) : 0;

	if (strcmp(verb, "project") == 0)
		return tell(set_attributes(path, number, 1));
	if (strcmp(verb, "leave") == 0)
		return tell(set_attributes(path, -1, 0));
	if (strcmp(verb, "flags") == 0)
		return tell(clear_flag(path));
	if (strcmp(verb, "fallocate") == 0)
		return tell(allocate(path, 0, number));
	if (strcmp(verb, "punch") == 0)
		return tell(allocate(path, FALLOC_FL_KEEP_SIZE, number));
	if (strcmp(verb, "unlinked") == 0)
		return unlinked(path, number);
	if (strcmp(verb, "names") == 0)
		return fill(path, 1);
	if (strcmp(verb, "files") == 0)
		return fill(path, 0);
	fputs("usage: disk_probe VERB PATH [NUMBER]\n", stderr);
	return 2;
}
