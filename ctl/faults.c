/* faults.c - `carrelctl faults`: the limits that were reached, from the history that keepers write. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/faults.h"
#include "core/text.h"
#include "core/units.h"
#include "ctl.h"
#include "table.h"

static const struct table_column columns[] = {
	{ "time", TABLE_BOTH },
	{ "user", TABLE_BOTH },
	{ "uid", TABLE_JSON | TABLE_NUMBER },
	{ "session", TABLE_BOTH },
	{ "kind", TABLE_BOTH },
	{ "level", TABLE_BOTH },
	{ "group", TABLE_JSON },
	{ "process", TABLE_BOTH },
	{ "limit", TABLE_BOTH | TABLE_NUMBER },
	{ "peak", TABLE_BOTH | TABLE_NUMBER },
	{ "count", TABLE_BOTH | TABLE_NUMBER },
	{ NULL, 0 },
};

/* For people bytes have units, numbers have not; scripts get both as they are, and null for what is not known. */
static void set_amount(struct table *table, bool json, const char *column, const struct fault *fault,
		       uint64_t value)
{
	bool bytes = strcmp(fault->kind, FAULT_MEMORY) == 0 || strcmp(fault->kind, FAULT_DISK) == 0;
	char text[32];

	if (value == UNIT_NONE)
		table_set(table, column, "%s", "");
	else if (bytes && !json)
		table_set(table, column, "%s", unit_format_size(text, sizeof(text), value));
	else
		table_set(table, column, "%" PRIu64, value);
}

static void add(struct table *table, bool json, const struct fault *fault)
{
	table_line(table);
	table_set_time(table, "time", fault->time);
	table_set(table, "user", "%s", fault->user);
	table_set(table, "uid", "%u", fault->uid);
	table_set(table, "session", "%s", fault->session);
	table_set(table, "kind", "%s", fault->kind);
	table_set(table, "level", "%s", fault->level);
	table_set(table, "group", "%s", fault->group);
	table_set(table, "process", "%s", fault->process);
	set_amount(table, json, "limit", fault, fault->limit);
	set_amount(table, json, "peak", fault, fault->peak);
	table_set(table, "count", "%" PRIu64, fault->count);
}

/* Whose history: a name, or the uid of an account that is no more. A name nobody has any more is looked for in all. */
static uid_t find_uid(const char *user)
{
	const struct passwd *entry = getpwnam(user);
	char *end;

	if (entry)
		return entry->pw_uid;
	unsigned long uid = strtoul(user, &end, 10);
	return *user >= '0' && *user <= '9' && !*end && uid < (uid_t)-1 ? (uid_t)uid : (uid_t)-1;
}

/* What is read from the history is escaped, as a name of an Active Directory would be: DOMAIN\user. */
static bool is_of(const struct fault *fault, const char *user)
{
	char safe[sizeof(fault->user)];

	return strcmp(fault->user, text_escape(safe, sizeof(safe), user)) == 0 ||
	       (*user >= '0' && *user <= '9');
}

int verb_faults(const struct ctl_args *args)
{
	const char *user = args->count ? args->words[0] : NULL;
	bool json = args->options & CTL_JSON, known = !user;
	struct carrel_error err = { 0 };
	_cleanup_free_ struct fault *list = NULL;
	uid_t uid = user ? find_uid(user) : (uid_t)-1;
	_cleanup_close_ int dir = faults_open(&err);
	ssize_t n = dir < 0 ? dir : faults_read(dir, uid, &list, &err);

	if (n < 0)
		return ctl_fail(&err);
	struct table *table = table_new("faults", json, columns);
	for (ssize_t i = 0; i < n; i++) {
		if (user && !is_of(&list[i], user))
			continue;
		add(table, json, &list[i]);
		known = true;
	}
	if (!known && uid == (uid_t)-1) {
		table_free(table);
		ctl_error("there is no user '%s'", user);
		return CTL_FAILED;
	}
	int status = table_print(table);
	table_free(table);
	return status;
}
