/* owner.c - see owner.h. Run by the keeper, as root, on the host. */
#include "owner.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/account.h"
#include "core/cleanup.h"
#include "core/faults.h"
#include "core/log.h"
#include "core/paths.h"
#include "core/text.h"
#include "core/vault.h"

/* The state is new: it belongs to whoever logs in. */
static int make_owner(const struct keeper *k, struct state_owner *owner, struct carrel_error *err)
{
	owner->uid = k->user.uid;
	owner->since = (uint64_t)time(NULL);
	if (text_format(owner->name, sizeof(owner->name), "%s", k->user.name) < 0)
		return error_set(err, ENAMETOOLONG, "the name of uid %u is too long", k->user.uid);
	return state_write_owner(k->user_fd, owner, err);
}

/*
 * The same account with another home, or with one for the first time: else its next new password would make it another account. Where
 * there is no room for that the login goes on all the same: somebody has to be able to make room.
 */
static void remember_home(const struct keeper *k, struct state_owner *owner, const struct home_id *home)
{
	struct carrel_error err = { 0 };

	if (!home->inode ||
	    (home->inode == owner->home.inode && (!home->birth || home->birth == owner->home.birth)))
		return;
	owner->home = *home;
	if (state_write_owner(k->user_fd, owner, &err) < 0)
		log_send("carrel-keeper", LOG_WARNING, "the home of user '%s' is not remembered: %s",
			 k->user.name, err.msg);
}

int owner_check(const struct keeper *k, struct state_owner *owner, struct carrel_error *err)
{
	int64_t password_day = ACCOUNT_DAY_UNKNOWN;
	struct home_id home;
	int r = state_read_owner(k->user_fd, owner, err);

	account_find_home(k->user.home, &home);
	if (r == -ENOENT) {
		owner->home = home;
		return make_owner(k, owner, err);
	}
	if (r < 0)
		return error_context(err, "uid %u", k->user.uid);
	if (account_home_differs(&owner->home, &home))
		r = account_password_day(k->user.name, &password_day, err);
	if (r < 0)
		return r;
	if (account_is_other(owner, k->user.uid, k->user.name, &home, password_day))
		return 1;
	remember_home(k, owner, &home);
	return 0;
}

static int keep_faults(const struct keeper *k, struct carrel_error *err)
{
	_cleanup_close_ int faults = faults_open(err);

	return faults < 0 ? faults : faults_keep(faults, k->user.uid, k->user_fd, err);
}

static void log_kept(const struct keeper *k, const char *before, const char *name)
{
	if (strcmp(before, k->user.name) != 0)
		log_send("carrel-keeper", LOG_NOTICE,
			 "uid %u is now '%s' and was '%s' before, whose files are kept in '" CARREL_USERS
			 "/%s'",
			 k->user.uid, k->user.name, before, name);
	else
		log_send("carrel-keeper", LOG_NOTICE,
			 "the account '%s' with uid %u was made anew (home directory and password are not "
			 "those of its last login): the files of the one before are kept in '" CARREL_USERS
			 "/%s'",
			 before, k->user.uid, name);
}

int owner_keep_aside(const struct keeper *k, const struct state_owner *owner, struct carrel_error *err)
{
	char name[STATE_NAME_MAX];
	struct state_owner old = *owner;

	old.uid = k->user.uid; /* as the directory is named */
	int r = vault_release(k->user.uid, err);
	if (r == 0)
		r = keep_faults(k, err);
	if (r == 0)
		r = state_keep_aside(k->users_fd, &old, name, err);
	if (r == 0)
		log_kept(k, owner->name, name);
	return r;
}
