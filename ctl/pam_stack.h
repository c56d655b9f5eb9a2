/*
 * pam_stack.h - the session part of a PAM service, as pam.conf(5) describes it, with what it includes. Pure, but for the reader.
 */
#ifndef CARREL_CTL_PAM_STACK_H
#define CARREL_CTL_PAM_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pam_line {
	const char *control;
	const char *module;
	const char *arguments; /* "": none */
	bool in_substack;
};

struct pam_files {
	/* Read the service or included file `name`: the length, with a NUL after it, or -errno. */
	ssize_t (*read)(const char *name, char *text, size_t size);
};

/* Call `visit` for every line of type session, in order. -errno when the service itself cannot be read; else 0. */
int pam_stack_walk(const struct pam_files *files, const char *service,
		   void (*visit)(void *arg, const struct pam_line *line), void *arg);

/* Whether `word` is one of the arguments. */
bool pam_has_argument(const struct pam_line *line, const char *word);

/* The name of a module without its directory. */
const char *pam_module_name(const struct pam_line *line);

/* What of a stack decides whether pam_carrel.so is run, and heard. */
struct pam_place {
	bool found;
	char control[64]; /* of its line */
	char module[160]; /* as it is written */
	char conf[160];	  /* conf= of it, or "" */
	char wrong[64];	  /* its first argument that is unknown or malformed, or "" */
	char ends[64];	  /* a module before it whose success ends the stack, or "" */
	char after[64];	  /* the first module after it, or "" */
	bool leaves;	  /* a line with "leave" comes before it */
	char exposed
		[64]; /* the first module before both that runs programs or talks to servers at the end, or "" */
};

int pam_find_place(const struct pam_files *files, const char *service, struct pam_place *place);

#endif
