/*
 * watch.h - tell people when a limit bites: an OOM kill, a refused fork, a full disk.
 *
 * Each shows as a line to whoever uses the session (notice.h), a line in syslog, and a line in the history
 * (core/faults.h); for one session and one kind at most one of each a second, with the number of faults since the last. A group's limit of
 * processes, which everybody in the group hears of, is told once in 60 s. Only the end of a session tells what is left without waiting.
 */
#ifndef CARREL_WATCH_H
#define CARREL_WATCH_H

#include "supervise.h"

/*
 * Begin to watch the session's group, the levels above and the user's disk. Before supervise(). Never fails: a session
 * is not worth less because nobody hears of its faults; what cannot be watched is said in syslog.
 */
void watch_start(struct keeper *k);

/* Look, and tell what there is to tell, without waiting to be woken. */
void watch_now(struct keeper *k);

/* Tell what is still to be told, and let go of all. The groups are still there. */
void watch_stop(struct keeper *k);

/* After watch_stop: whether the OOM killer has just taken a process of the session, which may have been init. */
bool watch_killed_lately(void);

#endif
