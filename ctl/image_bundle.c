/*
 * image_bundle.c - see image_bundle.h. Run by `carrelctl image import`, as root; the programs are the host's own.
 */
#include "image_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"

#define LOADER "loader"

/* Where distributions keep them: Debian, Fedora, Alpine, Arch. */
static const char *const sftp_paths[] = { "usr/lib/openssh/sftp-server", "usr/libexec/openssh/sftp-server",
					  "usr/lib/ssh/sftp-server", "usr/libexec/sftp-server", NULL };
static const char *const scp_paths[] = { "usr/bin/scp", "bin/scp", NULL };

static const struct {
	const char *name;
	const char *const *paths;
} programs[] = { { "sftp-server", sftp_paths }, { "scp", scp_paths } };

/* What is being filled. */
struct bundle {
	int bin_fd, lib_fd;
	char loader[PATH_MAX]; /* of the host */
};

static const char *find_in(int root_fd, const char *const *paths)
{
	for (; *paths; paths++) {
		_cleanup_close_ int fd = fs_openat2(root_fd, *paths, O_PATH, 0, RESOLVE_IN_ROOT);
		if (fd >= 0)
			return *paths;
	}
	return NULL;
}

/* Copy an open file of the host to dirfd/name, mode 0755, root's. */
static int copy_file(int from, int dirfd, const char *name, struct carrel_error *err)
{
	_cleanup_close_ int to = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					0755);

	if (to < 0)
		return errno == EEXIST ? 0 : error_errno(err, "cannot make '" BUNDLE_DIR "/lib/%s'", name);
	for (;;) {
		ssize_t n = sendfile(to, from, NULL, 1 << 30);
		if (n < 0)
			return error_errno(err, "cannot copy '%s' into the image", name);
		if (n == 0)
			return fchmod(to, 0755) < 0 ? error_errno(err, "cannot set the mode of '%s'", name)
						    : 0;
	}
}

static int copy_path(const char *path, int dirfd, const char *name, struct carrel_error *err)
{
	_cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);

	return from < 0 ? error_errno(err, "cannot open '%s'", path) : copy_file(from, dirfd, name, err);
}

/* The loader of this host's programs is the one that loaded this program. */
static int own_loader(struct dl_phdr_info *info, size_t size, void *arg)
{
	char *loader = arg;

	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			(void)text_format(loader, PATH_MAX, "%s",
					  (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
	return 1; /* the first object is the program; no more */
}

/* Start `loader --list program`, which prints "\tNAME => PATH (ADDRESS)". Returns the reading end, or -errno. */
static int start_list(const char *loader, const char *program, pid_t *pid, struct carrel_error *err)
{
	char *const argv[] = { (char *)loader, (char *)"--list", (char *)program, NULL };
	static char *const no_environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	int ends[2] = { -EBADF, -EBADF };

	int made = pipe2(ends, O_CLOEXEC);
	_cleanup_close_ int out = ends[0], in = ends[1];
	if (made < 0)
		return error_errno(err, "cannot make a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDOUT_FILENO);
	int r = posix_spawn(pid, loader, &actions, NULL, argv, no_environment);
	posix_spawn_file_actions_destroy(&actions);
	return r ? error_set(err, r, "cannot run '%s': %s", loader, strerror(r)) : steal_fd(&out);
}

static int copy_library(const struct bundle *b, const char *line, struct carrel_error *err)
{
	char path[PATH_MAX], name[NAME_MAX + 1];
	const char *arrow = strstr(line, " => /");

	if (!arrow)
		return 0; /* the vdso, or the loader itself */
	const char *start = line + strspn(line, "\t "), *at = arrow + strlen(" => ");
	if (text_format(name, sizeof(name), "%.*s", (int)(arrow - start), start) < 0 ||
	    text_format(path, sizeof(path), "%.*s", (int)strcspn(at, " \n"), at) < 0 || strchr(name, '/'))
		return error_set(err, EPROTO, "cannot understand the loader's line '%.100s'", line);
	return copy_path(path, b->lib_fd, name, err);
}

static int copy_libraries(const struct bundle *b, const char *program, struct carrel_error *err)
{
	char line[2 * PATH_MAX];
	int r = 0, status = 0;
	pid_t pid = -1;

	int fd = start_list(b->loader, program, &pid, err);
	if (fd < 0)
		return fd;
	_cleanup_file_ FILE *list = fdopen(fd, "r");
	while (list && r == 0 && fgets(line, sizeof(line), list))
		r = copy_library(b, line, err);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && (!list || !WIFEXITED(status) || WEXITSTATUS(status) != 0))
		r = error_set(err, ENOEXEC, "cannot list the libraries of '%s'", program);
	return r;
}

/* A script, because the program has to be started by its own loader. */
static int write_script(const struct bundle *b, const char *name, struct carrel_error *err)
{
	char text[512];

	int n = snprintf(text, sizeof(text),
			 "#!/bin/sh\nexec /" BUNDLE_DIR "/lib/" LOADER " --library-path /" BUNDLE_DIR
			 "/lib /" BUNDLE_DIR "/lib/%s \"$@\"\n",
			 name);
	int r = fs_replace_at(b->bin_fd, name, text, (size_t)n, 0755);
	return r < 0 ? error_set(err, -r, "cannot write '" BUNDLE_DIR "/bin/%s': %s", name, strerror(-r)) : 0;
}

static int add_program(const struct bundle *b, const char *name, const char *path, struct carrel_error *err)
{
	char absolute[PATH_MAX];

	int r = text_format(absolute, sizeof(absolute), "/%s", path);
	if (r == 0)
		r = copy_path(absolute, b->lib_fd, name, err);
	if (r == 0)
		r = copy_libraries(b, absolute, err);
	return r < 0 ? r : write_script(b, name, err);
}

/* A directory of the image, reached through its links but never out of its root, or made. `parent` has `name` in it. */
static int open_inside(int rootfs_fd, const char *path, int parent, const char *name,
		       struct carrel_error *err)
{
	int fd = fs_openat2(rootfs_fd, path, O_PATH | O_DIRECTORY, 0,
			    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd == -ENOENT)
		return fs_ensure_dir_at(parent, name, 0755, 0, 0, err);
	return fd < 0 ? error_set(err, -fd, "cannot open '/%s' of the image: %s", path, strerror(-fd)) : fd;
}

static int open_dirs(int rootfs_fd, struct bundle *b, struct carrel_error *err)
{
	_cleanup_close_ int usr = open_inside(rootfs_fd, "usr", rootfs_fd, "usr", err);
	if (usr < 0)
		return usr;
	_cleanup_close_ int lib = open_inside(rootfs_fd, "usr/lib", usr, "lib", err);
	if (lib < 0)
		return lib;
	_cleanup_close_ int dir = fs_ensure_dir_at(lib, "carrel", 0755, 0, 0, err);
	if (dir < 0)
		return dir;
	b->bin_fd = fs_ensure_dir_at(dir, "bin", 0755, 0, 0, err);
	b->lib_fd = b->bin_fd < 0 ? b->bin_fd : fs_ensure_dir_at(dir, "lib", 0755, 0, 0, err);
	return b->lib_fd < 0 ? b->lib_fd : 0;
}

static int start_bundle(int rootfs_fd, struct bundle *b, struct carrel_error *err)
{
	dl_iterate_phdr(own_loader, b->loader);
	if (!b->loader[0])
		return error_set(err, ENOENT, "this program has no loader to copy");
	int r = open_dirs(rootfs_fd, b, err);
	return r < 0 ? r : copy_path(b->loader, b->lib_fd, LOADER, err);
}

int bundle_sftp(int rootfs_fd, struct carrel_error *err)
{
	struct bundle b = { .bin_fd = -EBADF, .lib_fd = -EBADF };
	const char *from[ARRAY_SIZE(programs)];
	_cleanup_close_ int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool needed = false;
	int r = 0;

	if (host < 0)
		return error_errno(err, "cannot open '/'");
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		from[i] = find_in(rootfs_fd, programs[i].paths) ? NULL : find_in(host, programs[i].paths);
		needed |= from[i] != NULL;
	}
	if (!needed)
		return find_in(rootfs_fd, sftp_paths) ? BUNDLE_NOT_NEEDED : BUNDLE_NO_SOURCE;
	r = start_bundle(rootfs_fd, &b, err);
	for (size_t i = 0; i < ARRAY_SIZE(programs) && r == 0; i++)
		if (from[i])
			r = add_program(&b, programs[i].name, from[i], err);
	close_fd(&b.bin_fd);
	close_fd(&b.lib_fd);
	return r < 0 ? error_context(err, "sftp for the image") : BUNDLE_DONE;
}
