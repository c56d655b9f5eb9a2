/* live.c - see live.h. */
#include "live.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

static void fill_unknown(const char *id, struct session_record *record)
{
	const struct passwd *entry = getpwuid(session_id_uid(id));

	memset(record, 0, sizeof(*record));
	(void)text_format(record->id, sizeof(record->id), "%s", id);
	record->uid = session_id_uid(id);
	(void)text_format(record->user, sizeof(record->user), "%s", entry ? entry->pw_name : "");
}

int live_read(const char *id, struct cgroup_tree *tree, struct live *live)
{
	int r = session_read(id, &live->record, NULL);
	int alive = session_alive(id, NULL);

	if (r == -ENOENT && alive == 0)
		return -ENOENT;
	live->state = alive == 0 ? LIVE_STALE : r == 0 ? LIVE_UP : LIVE_STARTING;
	live->levels = 0;
	live->has_status = false;
	if (r < 0)
		fill_unknown(id, &live->record);
	else if (tree && *live->record.cgroup)
		live->levels = usage_read_levels(tree, live->record.cgroup, USAGE_SESSION, live->usage, NULL);
	if (live->levels < 0)
		live->levels = 0;
	return 0;
}

void live_ask(struct live *live)
{
	live->has_status = live->state == LIVE_UP &&
			   session_status(live->record.id, &live->status, 2 * SESSION_STATUS_MS, NULL) == 0;
}

const char *live_state_name(enum live_state state)
{
	static const char *const names[] = { "stale", "starting", "live" };

	return names[state];
}

int live_find_uid(const char *word, uid_t *uid)
{
	const struct passwd *entry = getpwnam(word);
	char id[SESSION_ID_MAX + 16];

	if (entry) {
		*uid = entry->pw_uid;
		return 0;
	}
	if (strlen(word) > 10)
		return -ENOENT;
	(void)snprintf(id, sizeof(id), "%s-00000000", word);
	if (!session_id_valid(id))
		return -ENOENT;
	*uid = session_id_uid(id);
	return 0;
}
