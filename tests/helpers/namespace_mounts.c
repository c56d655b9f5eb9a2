/*
 * namespace_mounts.c - print the mount table of a pinned mount namespace, in the format of /proc/self/mountinfo.
 *
 *	namespace_mounts FILE      FILE: the nsfs file that pins it, such as /run/carrel/ns/vault
 *
 * nsenter(1) cannot: the namespaces that Carrel pins have no program in them, nor a whole /proc.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buf[4096];
	ssize_t n;

	if (argc != 2)
		errx(2, "usage: namespace_mounts FILE");
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ns = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (proc < 0 || ns < 0)
		err(1, "%s", argv[1]);
	if (setns(ns, CLONE_NEWNS) < 0)
		err(1, "cannot enter %s", argv[1]);
	int table = openat(proc, "mountinfo", O_RDONLY | O_CLOEXEC);
	if (table < 0)
		err(1, "mountinfo");
	while ((n = read(table, buf, sizeof(buf))) > 0)
		if (write(STDOUT_FILENO, buf, (size_t)n) != n)
			err(1, "write");
	return n < 0;
}
