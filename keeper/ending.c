/* ending.c - see ending.h. Run by the keeper, as root, on the host. */
#include "ending.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "core/paths.h"
#include "core/text.h"
#include "guard.h"
#include "notice.h"
#include "slot.h"
#include "watch.h"

/* A session at its processor limit may take a while to pass on why it ends. init waits for 1000 of them. */
#define TELL_TIMEOUT_MS 1500
/* The kernel ends every process of the sandbox before init is dead, and frees what a tmpfs held. */
#define DEATH_TIMEOUT_MS 10000

enum ending ending_refine(struct keeper *k, enum ending ending)
{
	struct pollfd p = { .fd = k->init_pidfd, .events = POLLIN };
	siginfo_t info = { 0 };

	if (ending != ENDING_INIT || poll(&p, 1, DEATH_TIMEOUT_MS) != 1 ||
	    waitid(P_PIDFD, (id_t)k->init_pidfd, &info, WEXITED | WNOWAIT | WNOHANG) < 0)
		return ending;
	bool killed = info.si_code == CLD_KILLED && info.si_status == SIGKILL;
	return killed && watch_killed_lately() ? ENDING_MEMORY : ending;
}

static const char *reason_of(enum ending ending)
{
	switch (ending) {
	case ENDING_ADMIN:
		return "the session was ended by the administrator";
	case ENDING_SIGNAL:
		return "the session was ended because this host is being stopped";
	case ENDING_IDLE:
	case ENDING_LIFETIME:
		return guard_reason();
	case ENDING_MEMORY:
		return "the session ended: out of memory";
	default:
		return NULL;
	}
}

/* In the file for a carrel-shell that init did not tell: it is dead, or had no time to. */
void ending_tell(struct keeper *k, enum ending ending)
{
	const char *reason = reason_of(ending);

	if (!reason)
		return;
	slot_note_end(reason);
	if (ending != ENDING_MEMORY)
		notice_end(k, TELL_TIMEOUT_MS, reason);
}

static void report(const struct session_record *record, enum ending ending, int64_t duration_ms,
		   struct cgroup_tree *cgroups, const char *group)
{
	struct usage usage;
	char line[900];

	if (usage_read(cgroups, group, &usage, NULL) < 0)
		memset(&usage, 0xff, sizeof(usage)); /* UNIT_NONE, all of it */
	ending_format(line, sizeof(line), record, ending, duration_ms, &usage);
	log_escaped("carrel-keeper", ending >= ENDING_INIT ? LOG_WARNING : LOG_INFO, line);
}

void ending_report(struct keeper *k, enum ending ending)
{
	char path[64];

	report(&k->record, ending, guard_age(), k->cgroups, k->record.cgroup);
	/* Should the rest not succeed, whoever goes on with it need not say it again. */
	if (text_format(path, sizeof(path), CARREL_SESSIONS "/%s/" SLOT_REPORTED, k->record.id) == 0) {
		_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					      0600);
	}
}

/* As the keeper had it that wrote the record. */
static void unescape(char *field, size_t size)
{
	text_unescape(field, size, field, strlen(field));
}

void ending_report_stale(const char *id, const char *group, struct cgroup_tree *cgroups)
{
	struct session_record record = { 0 };
	char path[64];

	if (text_format(path, sizeof(path), CARREL_SESSIONS "/%s/" SLOT_REPORTED, id) < 0 ||
	    access(path, F_OK) == 0)
		return;
	int r = session_read(id, &record, NULL);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		memset(&record, 0, sizeof(record));
		snprintf(record.id, sizeof(record.id), "%s", id);
	}
	unescape(record.user, sizeof(record.user));
	unescape(record.service, sizeof(record.service));
	unescape(record.rhost, sizeof(record.rhost));
	unescape(record.tty, sizeof(record.tty));
	report(&record, ENDING_KEEPER, -1, cgroups, group);
}
