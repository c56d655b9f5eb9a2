/* doctor_users.c - whom the policy names, and whose logins are looked at, one user's or everybody's: see doctor.h. */
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/array.h"
#include "core/cleanup.h"
#include "core/config_summary.h"
#include "core/paths.h"
#include "core/state.h"
#include "core/user.h"
#include "doctor.h"

#define USERS_MAX 200 /* of whom everything is looked at, which sshd takes 10 ms each for */

/* --- whom the policy names --- */

static void check_name(void *arg, const char *key, const char *text, const struct origin *origin)
{
	struct doctor *d = arg;
	struct carrel_error err = { 0 };
	bool is_group = text[0] == '@';
	int r = is_group ? user_group_exists(text + 1, &err) : user_exists(text, &err);

	if (r < 0)
		doctor_note(d, DOCTOR_WARNING, "see /etc/nsswitch.conf", "%s:%u: %s", origin->file,
			    origin->line, err.msg);
	else if (r == 0)
		doctor_note(d, DOCTOR_WARNING, "correct the name, or make it",
			    "%s:%u: '%s' in '%s' means nobody: there is no such %s", origin->file,
			    origin->line, text, key, is_group ? "group" : "user");
}

void doctor_names(struct doctor *d)
{
	size_t before = d->count;

	if (!d->config)
		return;
	config_each_name(d->config, check_name, d);
	if (d->count == before)
		doctor_ok(d, "every user and group that the policy names is there");
}

/* --- everybody, or one --- */

/* Facts and policy. False: it is said why not. */
static bool get_policy(struct doctor *d, struct doctor_user *user)
{
	struct carrel_error err = { 0 };

	d->what = "user";
	if (!d->config)
		return false; /* which doctor_config has said */
	if (policy_decide(d->config, &user->facts, &user->policy, &err) == 0)
		return true;
	doctor_note(d, DOCTOR_PROBLEM, "correct carrel.conf", "locked out: %s", err.msg);
	return false;
}

static int check_named(struct doctor *d, struct doctor_user *user, struct carrel_error *err)
{
	int r = user_facts_get(d->user, &user->facts, err);

	if (r < 0)
		return r;
	d->subject = user->facts.name;
	if (get_policy(d, user))
		doctor_check_user(d, user);
	d->subject = NULL;
	user_facts_clear(&user->facts);
	return 0;
}

/* Accounts that nobody logs in with are of no interest as long as they are not covered. */
static bool has_login(const struct user_facts *user)
{
	static const char *const none[] = { "nologin", "false", "sync", "shutdown", "halt" };
	const char *slash = strrchr(user->shell, '/'), *name = slash ? slash + 1 : user->shell;

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (strcmp(name, none[i]) == 0)
			return false;
	return true;
}

struct names {
	char **list;
	size_t count;
};

static int add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i], name) == 0)
			return 0;
	char *copy = strdup(name);
	int r = copy ? array_append(&names->list, &names->count, &copy, sizeof(copy)) : -ENOMEM;
	if (r < 0)
		free(copy);
	return r;
}

/* Of those who have logged in: a directory service may not list its users. */
static int add_owners(struct names *names)
{
	_cleanup_dir_ DIR *dir = opendir(CARREL_USERS);
	bool kept;
	uid_t uid;
	int r = 0;

	for (struct dirent *entry; dir && r == 0 && (entry = readdir(dir));) {
		const struct passwd *account = state_name_valid(entry->d_name, &uid, &kept) && !kept
						       ? getpwuid(uid)
						       : NULL;
		if (account)
			r = add_name(names, account->pw_name);
	}
	return r;
}

static int list_names(struct names *names)
{
	const struct passwd *entry;
	int r = 0;

	setpwent();
	while (r == 0 && (entry = getpwent()))
		r = add_name(names, entry->pw_name);
	endpwent();
	return r == 0 ? add_owners(names) : r;
}

/* False: there were too many before. */
static bool check_one(struct doctor *d, struct doctor_user *user, unsigned *covered, unsigned *looked)
{
	if (!get_policy(d, user))
		return true;
	*covered += user->policy.covered;
	if (!user->policy.covered && !has_login(&user->facts))
		return true;
	if (*looked == USERS_MAX)
		return false;
	++*looked;
	doctor_check_user(d, user);
	return true;
}

static void check_everybody(struct doctor *d, struct doctor_user *user)
{
	unsigned covered = 0, looked = 0, left = 0;
	struct carrel_error err = { 0 };
	struct names names = { 0 };

	d->incomplete |= list_names(&names) < 0;
	for (size_t i = 0; i < names.count; i++) {
		d->subject = names.list[i];
		if (user_facts_get(d->subject, &user->facts, &err) == 0)
			left += !check_one(d, user, &covered, &looked);
		user_facts_clear(&user->facts);
		free(names.list[i]);
	}
	free(names.list);
	d->subject = NULL;
	d->what = "users";
	if (left)
		doctor_note(d, DOCTOR_WARNING, "carrelctl doctor USER",
			    "%u accounts that can log in were not looked at, beyond %u", left, USERS_MAX);
	doctor_ok(d, "%u covered; %u that can log in were looked at, of those that the host lists", covered,
		  looked);
}

int doctor_users(struct doctor *d, struct carrel_error *err)
{
	struct doctor_user *user = calloc(1, sizeof(*user));
	int r = 0;

	if (!user)
		return error_errno(err, "cannot allocate");
	if (d->user)
		r = check_named(d, user, err);
	else if (d->config)
		check_everybody(d, user);
	free(user);
	return r;
}
