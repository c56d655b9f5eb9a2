/* hog_memory.h - forms of hog.c: memory of processes, and processes. */
#include "hog.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

static long map_and_fill(int flags, int fd)
{
	char *at = mmap(NULL, MIB, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	memset(at, 1, MIB);
	return MIB;
}

static long take_malloc(void)
{
	return map_and_fill(MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static long take_shared(void)
{
	return map_and_fill(MAP_SHARED | MAP_ANONYMOUS, -1);
}

static long take_memfd(void)
{
	int fd = memfd_create("hog", MFD_CLOEXEC);

	return fd < 0 ? -errno : fill_file(fd);
}

static long take_secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	if (fd < 0 || ftruncate(fd, MIB) < 0)
		return -errno;
	return map_and_fill(MAP_SHARED, fd);
}

static long take_shm(void)
{
	int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);
	char *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (at == (void *)-1)
		return -errno;
	memset(at, 1, MIB);
	return MIB;
}

/* A page of the zero page for each two MiB of addresses costs a page table each. */
static long take_tables(void)
{
	const size_t span = 2 * MIB, count = 256;
	char *at = mmap(NULL, span * count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	volatile char sink;

	if (at == MAP_FAILED)
		return -errno;
	madvise(at, span * count, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < count; i++)
		sink = at[i * span];
	(void)sink;
	return (long)count * 4096;
}

/* Mappings that cannot be merged with their neighbours. */
static long take_mappings(void)
{
	const int count = 512;
	char *at = mmap(NULL, (size_t)count * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);

	if (at == MAP_FAILED)
		return -errno;
	for (int i = 0; i < count; i += 2)
		if (mprotect(at + (size_t)i * 4096, 4096, PROT_NONE) < 0)
			return -errno;
	return count * 128l;
}

/* --- processes --- */

static long take_forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid < 0 ? -errno : 1;
}

static long take_zombies(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -errno : 1;
}

static void *sleep_on(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static long take_threads(void)
{
	pthread_t thread;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	int r = pthread_create(&thread, &attr, sleep_on, NULL);
	pthread_attr_destroy(&attr);
	return r ? -r : 1;
}

static const struct form memory_forms[] = {
	{ "malloc", take_malloc, false, false },
	{ "shared", take_shared, false, false },
	{ "memfd", take_memfd, false, false },
	{ "secret", take_secret, false, false },
	{ "shm", take_shm, false, false },
	{ "tables", take_tables, false, true },
	{ "mappings", take_mappings, false, true },
	{ "forks", take_forks, true, false },
	{ "zombies", take_zombies, true, false },
	{ "threads", take_threads, true, false },
	{ NULL, NULL, false, false },
};
