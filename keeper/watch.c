/* watch.c - see watch.h. Run by the keeper, as root, on the host. */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/faults.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/text.h"
#include "core/units.h"
#include "core/usage.h"
#include "disk.h"
#include "kmsg.h"
#include "notice.h"
#include "watch_groups.h"

#define INTERVAL_MS 1000 /* between two reports of one kind */
#define SHARED_MS \
	60000 /* the same where others of the group are told as well, for what may be the doing of one */
#define RECHECK_MS  50	  /* when a process may just be being killed */
#define DYING_MS    100	  /* until it has freed its memory: a message into a full session may cost one more */
#define QUIET_MS    50	  /* not looking again so soon bounds what a storm of faults costs */
#define SILENT_MS   2000  /* where the kernel does not notify */
#define LATELY_MS   10000 /* a death that takes its time was this long ago at most */
#define DISK_MS	    5000
#define DISK_LOW_MS 1000 /* when an eighth or less is left */

enum kind { KIND_MEMORY, KIND_PIDS, KIND_DISK, KIND_INODES, KINDS };

static const char *const kind_names[] = { FAULT_MEMORY, FAULT_PIDS, FAULT_DISK, FAULT_INODES };
static const char *const level_names[] = { FAULT_SESSION, FAULT_USER, FAULT_GROUP, FAULT_HOST };

/* Faults of one kind that nobody was told of yet. */
struct pending {
	uint64_t count;
	int level;
	int64_t not_before; /* of the next report */
	char process[KMSG_NAME_MAX];
};

/* One keeper, one session. Not in struct keeper, which init inherits a copy of. */
static struct {
	struct source *source;
	struct watch_groups groups;
	int kmsg;
	struct pending pending[KINDS];
	int64_t disk_at, recheck_at, dying_until;
	bool full[KINDS];  /* disk and inodes: told, and still so */
	int64_t killed_at; /* when a process of the session was last seen to have been killed, or 0 */
	int64_t stopped;
} watch;

static void add(enum kind kind, int level, uint64_t count)
{
	struct pending *p = &watch.pending[kind];

	/* Of several levels in one report the widest is named. */
	if (!p->count || level > p->level)
		p->level = level;
	p->count += count;
}

/* Of several the first is named, and the widest level, as in add(). */
struct named {
	char process[KMSG_NAME_MAX];
	int level; /* -1: the log does not tell */
};

static void add_victim(void *data, const char *name, int above)
{
	struct named *named = data;
	int level = above < 0 || above >= watch.groups.levels ? LEVEL_HOST : above;

	if (!*named->process)
		snprintf(named->process, sizeof(named->process), "%s", name);
	if (above != KMSG_UNKNOWN && level > named->level)
		named->level = level;
}

static void look_at_memory(const struct keeper *k, int64_t now)
{
	struct pending *p = &watch.pending[KIND_MEMORY];
	bool unsure;
	int level;

	uint64_t killed = watch_killed(&watch.groups, &level, &unsure);
	watch.recheck_at = unsure ? now + RECHECK_MS : SOURCE_NEVER;
	if (!killed)
		return;
	watch.killed_at = now;
	if (!p->count) {
		p->process[0] = '\0';
		watch.dying_until = now + DYING_MS;
	}
	struct named named = { .level = -1 };
	kmsg_read(watch.kmsg, k->record.cgroup, k->ids.uid_base, killed, add_victim, &named);
	/* Counters say that there was an OOM at a level, and not whether it was the one that killed. */
	add(KIND_MEMORY, named.level < 0 ? level : named.level, killed);
	if (!*p->process)
		memcpy(p->process, named.process, sizeof(p->process));
}

static void look_at_pids(void)
{
	int level;
	uint64_t refused = watch_refused(&watch.groups, &level);

	if (refused)
		add(KIND_PIDS, level, refused);
}

/* Told once, and again when there has been room in between. */
static void note_full(enum kind kind, bool full, int level)
{
	if (full && !watch.full[kind])
		add(kind, level, 1);
	watch.full[kind] = full;
}

/* Returns how long it need not be looked at again. */
static int64_t look_at_disk(const struct keeper *k)
{
	struct disk_room bytes, files;

	if (!disk_look(k, &bytes, &files))
		return DISK_MS;
	note_full(KIND_DISK, bytes.total && bytes.left < disk_full(bytes.total), bytes.level);
	note_full(KIND_INODES, files.left == 0, files.level);
	return bytes.left <= bytes.total / 8 || files.left <= files.total / 8 ? DISK_LOW_MS : DISK_MS;
}

/* What the limit was and what was used at most, from where it is enforced: it may have been changed since the login. */
static void measure(const struct keeper *k, enum kind kind, int level, struct fault *fault)
{
	struct disk_room bytes, files;
	struct usage u;

	fault->limit = fault->peak = UNIT_NONE;
	if (kind == KIND_DISK || kind == KIND_INODES) {
		if (!disk_look(k, &bytes, &files))
			return;
		const struct disk_room *room = kind == KIND_DISK ? &bytes : &files;
		if (level != LEVEL_HOST && room->level == level)
			fault->limit = room->total;
		fault->peak = room->used;
		return;
	}
	const char *group = watch.groups.level[level == LEVEL_HOST ? LEVEL_SESSION : level].name;
	if (usage_read(watch.groups.tree, group, &u, NULL) < 0)
		return;
	if (level != LEVEL_HOST)
		fault->limit = kind == KIND_MEMORY ? u.memory_limit : u.pids_limit;
	if (kind == KIND_MEMORY)
		fault->peak = u.memory_peak;
	else
		fault->peak = u.pids_peak != UNIT_NONE ? u.pids_peak : u.pids;
}

static void remember(const struct fault *fault)
{
	struct carrel_error err = { 0 };
	_cleanup_close_ int dir = faults_open(&err);

	if (dir < 0 || faults_append(dir, fault, &err) < 0)
		log_send("carrel-keeper", LOG_ERR, "session '%s': a fault is not in the history: %s",
			 fault->session, err.msg);
}

/* In syslog the one word that a user chooses comes last, so that it cannot look like another field. */
static void report(struct keeper *k, const struct fault *fault)
{
	char text[256], limit[24], peak[24];

	(void)notice_send(k, "%s", fault_describe(fault, text, sizeof(text)));
	snprintf(limit, sizeof(limit), fault->limit == UNIT_NONE ? "-" : "%" PRIu64, fault->limit);
	snprintf(peak, sizeof(peak), fault->peak == UNIT_NONE ? "-" : "%" PRIu64, fault->peak);
	log_send("carrel-keeper", LOG_WARNING,
		 "fault: session='%s' user='%s' kind=%s level=%s limit=%s peak=%s count=%" PRIu64
		 " process='%s'",
		 fault->session, fault->user, fault->kind, fault->level, limit, peak, fault->count,
		 fault->process);
	remember(fault);
}

/* "students" of "carrel/group-@students": what the rule names, without how. */
static const char *group_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *group = slash ? slash + 1 : path;

	if (strncmp(group, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0)
		group += strlen(GROUP_PREFIX);
	return *group == '@' ? group + 1 : group;
}

static void tell(struct keeper *k, enum kind kind, int64_t now)
{
	struct pending *p = &watch.pending[kind];
	struct fault fault = { .time = (uint64_t)time(NULL), .uid = k->user.uid, .count = p->count };

	snprintf(fault.user, sizeof(fault.user), "%s", k->user.name);
	snprintf(fault.session, sizeof(fault.session), "%s", k->record.id);
	snprintf(fault.kind, sizeof(fault.kind), "%s", kind_names[kind]);
	snprintf(fault.level, sizeof(fault.level), "%s", level_names[p->level]);
	/* Not the policy's: beside sessions that began under another budget this one is in that, too. */
	if (p->level == LEVEL_GROUP)
		(void)text_format(fault.group, sizeof(fault.group), "%s",
				  group_name(watch.groups.level[LEVEL_GROUP].name));
	if (kind == KIND_MEMORY)
		memcpy(fault.process, p->process, sizeof(p->process));
	measure(k, kind, p->level, &fault);
	report(k, &fault);
	p->not_before = now + (kind == KIND_PIDS && p->level == LEVEL_GROUP ? SHARED_MS : INTERVAL_MS);
	p->count = 0;
}

/*
 * Tell what may be told by now. `is_dead`: who was killed, most likely, since a command has just ended. Returns when there
 * is something to do again.
 */
static int64_t tell_due(struct keeper *k, int64_t now, bool is_dead)
{
	int64_t next = watch.disk_at < watch.recheck_at ? watch.disk_at : watch.recheck_at;

	if (watch.groups.silent && next > now + SILENT_MS)
		next = now + SILENT_MS;
	for (int i = 0; i < KINDS; i++) {
		struct pending *p = &watch.pending[i];
		int64_t when = p->not_before;
		if (i == KIND_MEMORY && !is_dead && when < watch.dying_until)
			when = watch.dying_until;
		if (p->count && now >= when)
			tell(k, (enum kind)i, now);
		else if (p->count && when < next)
			next = when;
	}
	return next;
}

static void look(struct keeper *k, int64_t now, bool disk)
{
	look_at_memory(k, now);
	look_at_pids();
	if (disk || now >= watch.disk_at)
		watch.disk_at = now + look_at_disk(k);
}

/* After every look the descriptor is left alone for a moment, while more may come. */
static enum ending run(struct keeper *k, struct source *self, short revents)
{
	int64_t now = fs_now_ms();

	look(k, now, false);
	self->due = tell_due(k, now, false);
	self->fd = revents ? -EBADF : watch.groups.epoll;
	if (revents && self->due > now + QUIET_MS)
		self->due = now + QUIET_MS;
	return ENDING_NONE;
}

void watch_now(struct keeper *k)
{
	int64_t now = fs_now_ms(), due;

	look(k, now, true);
	due = tell_due(k, now, true);
	if (watch.source && due < watch.source->due)
		watch.source->due = due;
}

void watch_start(struct keeper *k)
{
	int64_t now = fs_now_ms();

	memset(&watch, 0, sizeof(watch));
	watch_groups_open(&watch.groups, k);
	watch.kmsg = log_open_kernel();
	watch.disk_at = now;
	watch.recheck_at = SOURCE_NEVER;
	const struct source source = {
		.fd = watch.groups.epoll, .events = POLLIN, .due = now + SILENT_MS, .run = run
	};
	watch.source = supervise_add(k, &source);
	if (watch.groups.epoll < 0 || watch.groups.memory_fd < 0 ||
	    watch.groups.level[LEVEL_SESSION].pids_fd < 0)
		log_send("carrel-keeper", LOG_WARNING,
			 "session '%s': the kernel here does not tell when a limit is reached", k->record.id);
}

void watch_stop(struct keeper *k)
{
	int64_t now = fs_now_ms();

	look(k, now, false);
	for (int i = 0; i < KINDS; i++)
		if (watch.pending[i].count)
			tell(k, (enum kind)i, now);
	watch_groups_close(&watch.groups);
	close_fd(&watch.kmsg);
	watch.stopped = now;
}

bool watch_killed_lately(void)
{
	return watch.killed_at && watch.stopped - watch.killed_at < LATELY_MS;
}
