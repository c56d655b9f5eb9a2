/*
 * cleanup.h - release on scope exit. The helpers keep errno, so that "return -errno" stays right.
 *
 *	_cleanup_close_ int fd = -EBADF;
 *	_cleanup_free_ char *text = NULL;
 *	return steal_fd(&fd);              // hand over instead of closing
 */
#ifndef CARREL_CLEANUP_H
#define CARREL_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void cleanup_free_p(void *p)
{
	int saved = errno;
	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_close_p(int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
	errno = saved;
}

static inline void cleanup_file_p(FILE **f)
{
	int saved = errno;
	if (*f)
		fclose(*f);
	*f = NULL;
	errno = saved;
}

static inline void cleanup_dir_p(DIR **d)
{
	int saved = errno;
	if (*d)
		closedir(*d);
	*d = NULL;
	errno = saved;
}

#define _cleanup_free_	_cleanup_(cleanup_free_p)
#define _cleanup_close_ _cleanup_(cleanup_close_p)
#define _cleanup_file_	_cleanup_(cleanup_file_p)
#define _cleanup_dir_	_cleanup_(cleanup_dir_p)

/* Take the descriptor out of *fd, which will then not be closed. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;
	*fd = -EBADF;
	return taken;
}

static inline void *steal_ptr(void *p)
{
	void *taken = *(void **)p;
	*(void **)p = NULL;
	return taken;
}

/* Close now, and forget. */
static inline void close_fd(int *fd)
{
	cleanup_close_p(fd);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
