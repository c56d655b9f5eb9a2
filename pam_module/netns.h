/*
 * netns.h - join a session's network namespace, and come back.
 */
#ifndef CARREL_PAM_NETNS_H
#define CARREL_PAM_NETNS_H

#include <sys/types.h>

/* The namespace to come back to. All zero: never left it. */
struct netns_home {
	dev_t dev;
	ino_t ino;
};

/*
 * Move the calling thread into the network namespace `fd` and note in *home which one it left.
 * 0 or -errno; after a failure nothing has changed.
 */
int netns_join(int fd, struct netns_home *home);

/*
 * Go back to *home if this thread is elsewhere, and clear *home. 0, also when there was nothing to do, or
 * -errno: -ESRCH when no process is known that still lives in *home.
 */
int netns_leave(struct netns_home *home);

#endif
