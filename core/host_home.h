/*
 * host_home.h - what of a home that the sandbox can write (home = "host") the host itself acts on, outside the sandbox.
 */
#ifndef CARREL_HOST_HOME_H
#define CARREL_HOST_HOME_H

struct host_home_door {
	const char *path; /* below the home; NULL: it is not in the home */
	const char *what; /* who acts on it */
	const char *how;  /* to close it */
};

/* Ends with an entry whose `what` is NULL. */
extern const struct host_home_door host_home_doors[];

#endif
