/*
 * seccomp_program.h - build-time: programs of classic BPF as libseccomp makes them, and one made of several.
 *
 * What fails ends the build: the process says why and exits with status 1.
 */
#ifndef CARREL_SECCOMP_PROGRAM_H
#define CARREL_SECCOMP_PROGRAM_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* The answer of a program that leaves the call to the next one. Stands for a jump, see program_join; no kernel ever sees it. */
#define GO_ON SCMP_ACT_TRACE(1)

#define PROGRAM_MAX 4096 /* BPF_MAXINSNS, of <linux/bpf_common.h> */

struct program {
	struct sock_filter step[PROGRAM_MAX];
	size_t length;
};

/* Exit unless `result`, 0 or more or -errno of a step called `what`, is a success. */
void require(int result, const char *what);

/* A filter that kills foreign ABIs and gives the answer `otherwise` to what no rule is for; to be released by program_compile. */
scmp_filter_ctx program_start(uint32_t otherwise);

/* Fill *program from the filter, which is released. */
void program_compile(scmp_filter_ctx filter, struct program *program);

/*
 * Put `second` behind `first`, which goes on there where it returns GO_ON. Within one libseccomp filter "allow
 * unless" cannot be said: a rule without arguments overrides those with, and what matches no rule gets the
 * filter's one default. Two filters could be loaded instead; then every call that is filtered would run both.
 */
void program_join(struct program *first, const struct program *second);

/* To standard output, as a C header. 0, or 1 when it could not be written. */
int program_print(const struct program *program);

#endif
