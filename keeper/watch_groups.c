/* watch_groups.c - see watch_groups.h. Run by the keeper, as root, in the host's mount namespace. */
#include "watch_groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"
#include "core/units.h"
#include "core/usage.h"

/* A kill follows its notification within so long, unless the kernel's log goes to a slow console. */
#define OOM_MS	   2000
#define OOM_OLD_MS 30000 /* and surely within so long */

/* The number of `key`, 0 when it cannot be told. A file that is gone for good would be ready for ever: it is closed. */
static uint64_t read_count(int *fd, const char *key)
{
	char text[1024];
	ssize_t n = *fd < 0 ? -1 : pread(*fd, text, sizeof(text) - 1, 0);

	if (n < 0) {
		close_fd(fd);
		return 0;
	}
	text[n] = '\0';
	uint64_t count = usage_parse_stat(text, key);
	return count == UNIT_NONE ? 0 : count;
}

/* What a counter has grown by. A smaller one than before could not be read. */
static uint64_t growth(uint64_t *seen, uint64_t now)
{
	uint64_t more = now > *seen ? now - *seen : 0;

	*seen += more;
	return more;
}

static uint64_t count_ooms(struct watch_groups *w, const struct watch_level *level)
{
	_cleanup_close_ int fd = cgroup_open_file(w->tree, "memory", level->name, "memory.events.local",
						  O_RDONLY);

	return read_count(&fd, "oom");
}

static void wait_for(struct watch_groups *w, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	if (fd >= 0)
		(void)epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* An OOM of a group is told to its own listeners and those of the groups below. */
static void open_oom_event(struct watch_groups *w, struct watch_level *level)
{
	char line[32];
	_cleanup_close_ int file = cgroup_open_file(w->tree, "memory", level->name, "memory.oom_control",
						    O_RDONLY);
	_cleanup_close_ int control = cgroup_open_file(w->tree, "memory", level->name, "cgroup.event_control",
						       O_WRONLY);
	_cleanup_close_ int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (file < 0 || control < 0 || event < 0)
		return;
	int n = snprintf(line, sizeof(line), "%d %d", event, file);
	if (write(control, line, (size_t)n) != n)
		return;
	level->oom_fd = steal_fd(&event);
	wait_for(w, level->oom_fd, EPOLLIN);
}

static void open_memory(struct watch_groups *w)
{
	const char *file = w->memory_v2 ? "memory.events" : "memory.oom_control";

	w->memory_fd = cgroup_open_file(w->tree, "memory", w->level[LEVEL_SESSION].name, file, O_RDONLY);
	if (w->memory_v2)
		wait_for(w, w->memory_fd, EPOLLPRI);
	for (int i = 0; i < w->levels; i++) {
		if (w->memory_v2)
			w->level[i].ooms = i == LEVEL_SESSION ? 0 : count_ooms(w, &w->level[i]);
		else
			open_oom_event(w, &w->level[i]);
	}
}

static void open_pids(struct watch_groups *w)
{
	const char *own = "pids.events.local";
	_cleanup_close_ int probe = cgroup_open_file(w->tree, "pids", w->level[LEVEL_SESSION].name, own,
						     O_RDONLY);

	w->pids_by_level = probe >= 0;
	w->silent = !cgroup_is_v2(w->tree, "pids");
	for (int i = 0; i < w->levels && (i == LEVEL_SESSION || w->pids_by_level); i++) {
		struct watch_level *level = &w->level[i];
		level->pids_fd = cgroup_open_file(w->tree, "pids", level->name,
						  w->pids_by_level ? own : "pids.events", O_RDONLY);
		if (i != LEVEL_SESSION)
			level->refused = read_count(&level->pids_fd, "max");
		wait_for(w, level->pids_fd, EPOLLPRI);
	}
}

/* What the session's own group has counted by now is new; what the levels above have is not ours. */
void watch_groups_open(struct watch_groups *w, struct keeper *k)
{
	char name[sizeof(w->level[0].name)];

	*w = (struct watch_groups){ .tree = k->cgroups, .memory_fd = -EBADF };
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < LEVELS; i++)
		w->level[i].oom_fd = w->level[i].pids_fd = -EBADF;
	snprintf(name, sizeof(name), "%s", k->record.cgroup);
	do
		snprintf(w->level[w->levels].name, sizeof(name), "%s", name);
	while (++w->levels < LEVELS && cgroup_name_up(name));
	w->memory_v2 = cgroup_is_v2(w->tree, "memory");
	open_memory(w);
	open_pids(w);
}

void watch_groups_close(struct watch_groups *w)
{
	for (int i = 0; i < w->levels; i++) {
		close_fd(&w->level[i].oom_fd);
		close_fd(&w->level[i].pids_fd);
	}
	close_fd(&w->memory_fd);
	close_fd(&w->epoll);
}

static void note_ooms(struct watch_groups *w, int64_t now)
{
	uint64_t count;

	for (int i = 0; i < w->levels; i++) {
		struct watch_level *level = &w->level[i];
		bool oom = w->memory_v2
				   ? growth(&level->ooms, count_ooms(w, level)) > 0
				   : level->oom_fd >= 0 && read(level->oom_fd, &count, sizeof(count)) > 0;
		if (oom)
			level->oom_at = now;
	}
}

/* The highest since `time`: on v1 the levels below hear of it as well. */
static int oom_since(const struct watch_groups *w, int64_t time)
{
	for (int i = w->levels; i-- > 0;)
		if (w->level[i].oom_at && w->level[i].oom_at >= time)
			return i;
	return LEVEL_HOST;
}

uint64_t watch_killed(struct watch_groups *w, int *level, bool *unsure)
{
	int64_t now = fs_now_ms();

	/* In this order: an OOM that is seen here is one whose kill may not be, and not the other way round. */
	uint64_t killed = growth(&w->kills, read_count(&w->memory_fd, "oom_kill"));
	note_ooms(w, now);
	*level = oom_since(w, now - OOM_MS);
	*unsure = !killed && *level != LEVEL_HOST;
	if (killed && *level == LEVEL_HOST)
		*level = oom_since(w, now - OOM_OLD_MS);
	for (int i = 0; killed && i < w->levels; i++)
		w->level[i].oom_at = 0;
	return killed;
}

/* How many processes there is room for in a group. */
static uint64_t room(struct watch_groups *w, const struct watch_level *level)
{
	char text[32];

	if (cgroup_read(w->tree, "pids", level->name, "pids.max", text, sizeof(text)) < 0)
		return UNIT_NONE;
	uint64_t max = usage_parse_number(text);
	if (max == UNIT_NONE ||
	    cgroup_read(w->tree, "pids", level->name, "pids.current", text, sizeof(text)) < 0)
		return UNIT_NONE;
	uint64_t current = usage_parse_number(text);
	return current < max ? max - current : 0;
}

/*
 * Where only the session counts: the level that has the least room, of two the lower one. Without a limit at any, it was that of
 * a group above ours, or the kernel's own.
 */
static int fullest(struct watch_groups *w)
{
	uint64_t least = UNIT_NONE;
	int level = LEVEL_HOST;

	for (int i = 0; i < w->levels; i++) {
		uint64_t left = room(w, &w->level[i]);
		if (left < least) {
			least = left;
			level = i;
		}
	}
	return level;
}

uint64_t watch_refused(struct watch_groups *w, int *level)
{
	uint64_t refused = 0;

	*level = LEVEL_SESSION;
	for (int i = 0; i < w->levels; i++) {
		struct watch_level *l = &w->level[i];
		uint64_t more = l->pids_fd < 0 ? 0 : growth(&l->refused, read_count(&l->pids_fd, "max"));
		if (more)
			*level = i;
		refused += more;
	}
	if (refused && !w->pids_by_level)
		*level = fullest(w);
	return refused;
}
