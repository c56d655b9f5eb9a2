/*
 * ending.h - the one line in syslog that says how a session ended and what it used.
 */
#ifndef CARREL_ENDING_H
#define CARREL_ENDING_H

#include "core/usage.h"
#include "supervise.h"

/*
 * "session ended: user=u1 id=2001-1a2b3c4d from=192.0.2.1 service=sshd how=logout duration=12.3 cpu=0.251
 * memory_peak=7340032 pids_peak=5 read=0 written=4096". Times in seconds, sizes in bytes; "-" is what is not known, as
 * is a duration_ms below 0. In a value every space, '=', '"' and backslash, and what is not printable, is \xHH, so that a name cannot
 * add a field: the line is for log_escaped. What the record has of other people's is not escaped here. Pure.
 */
void ending_format(char *buf, size_t size, const struct session_record *record, enum ending ending,
		   int64_t duration_ms, const struct usage *usage);

/*
 * What supervise() calls ENDING_INIT may have been the kernel: look. The session's group is still there, and init is
 * not waited for.
 */
enum ending ending_refine(struct keeper *k, enum ending ending);

/* Tell the users, who are still there, why their session ends, unless they ended it themselves. */
void ending_tell(struct keeper *k, enum ending ending);

/*
 * Write the line for this session. Its processes are gone and its group is not, so the numbers are final. The session's
 * directory then says that it was written.
 */
void ending_report(struct keeper *k, enum ending ending);

/* The same for a session whose keeper was killed, with what is known, unless it wrote the line before. */
void ending_report_stale(const char *id, const char *group, struct cgroup_tree *cgroups);

#endif
