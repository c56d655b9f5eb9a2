/* seccomp_program.c - see seccomp_program.h. */
#include "seccomp_program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void require(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "seccomp_gen: %s: %s\n", what, strerror(-result));
	exit(1);
}

scmp_filter_ctx program_start(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	if (!filter)
		require(-ENOMEM, "seccomp_init");
	require(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "bad architecture");
	/*
	 * A binary tree. Calls with a constant answer never run the filter (the kernel works out at load time, one
	 * by one, which those are, since 5.11): this is for the others, and for the time that working out takes.
	 */
	require(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize");
	return filter;
}

void program_compile(scmp_filter_ctx filter, struct program *program)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	require(fd < 0 ? -errno : 0, "memfd_create");
	require(seccomp_export_bpf(filter, fd), "seccomp_export_bpf");
	ssize_t size = pread(fd, program->step, sizeof(program->step), 0);
	require(size <= 0 || size % sizeof(program->step[0]) ? -EIO : 0, "read the program");
	program->length = (size_t)size / sizeof(program->step[0]);
	close(fd);
	seccomp_release(filter);
}

void program_join(struct program *first, const struct program *second)
{
	if (first->length + second->length > PROGRAM_MAX)
		require(-E2BIG, "program");
	for (size_t i = 0; i < first->length; i++) {
		struct sock_filter *step = &first->step[i];
		if (step->code == (BPF_RET | BPF_K) && step->k == GO_ON)
			*step = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, first->length - i - 1);
	}
	memcpy(&first->step[first->length], second->step, second->length * sizeof(second->step[0]));
	first->length += second->length;
}

int program_print(const struct program *program)
{
	printf("/* Made by tools/seccomp_gen.c, which holds the policy: do not edit. %zu instructions. */\n"
	       "#include <linux/filter.h>\n\n"
	       "static const struct sock_filter seccomp_filter[] = {\n",
	       program->length);
	for (size_t i = 0; i < program->length; i++) {
		const struct sock_filter *step = &program->step[i];
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", step->code, step->jt, step->jf, step->k);
	}
	printf("};\n");
	return fflush(stdout) != 0 || ferror(stdout);
}
