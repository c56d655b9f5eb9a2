/* kill.c - `carrelctl kill`: ask keepers to end their sessions, and wait until nothing of them is left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/session.h"
#include "core/wire.h"
#include "ctl.h"
#include "live.h"

#define END_TIMEOUT_MS 20000

/* 1: ended. 0: had ended before. -1: reported. */
static int end(const char *id)
{
	struct carrel_error err = { 0 };
	int r = session_end(id, CONTROL_KILL, END_TIMEOUT_MS, &err);

	if (r == 0) {
		puts(id);
		(void)fflush(stdout); /* each as it goes: the next may take its time */
		return 1;
	}
	if (r == -ENOENT)
		return 0;
	ctl_fail(&err);
	return -1;
}

static int kill_one(const char *id)
{
	struct session_record record;
	struct carrel_error err = { 0 };
	int r = end(id);

	if (r)
		return r > 0 ? CTL_DONE : CTL_FAILED;
	if (session_read(id, &record, &err) == -ENOENT)
		return ctl_fail(&err);
	ctl_error("the session '%s' has no keeper any more ('carrelctl gc' removes what is left of it)", id);
	return CTL_FAILED;
}

static int kill_user(const char *name, uid_t uid)
{
	_cleanup_free_ char **ids = NULL;
	struct carrel_error err = { 0 };
	int ended = 0, failed = 0, n = session_list(uid, &ids, &err);

	if (n < 0)
		return ctl_fail(&err);
	for (int i = 0; i < n; i++) {
		int r = end(ids[i]);
		ended += r > 0;
		failed += r < 0;
	}
	if (!ended && !failed)
		ctl_error("user '%s' has no session", name);
	return ended && !failed ? CTL_DONE : CTL_FAILED;
}

int verb_kill(const struct ctl_args *args)
{
	const char *word = args->words[0];
	uid_t uid;

	if (session_id_valid(word))
		return kill_one(word);
	if (live_find_uid(word, &uid) == 0)
		return kill_user(word, uid);
	ctl_error("'%s' is neither a session's ID nor a user", word);
	return CTL_FAILED;
}
