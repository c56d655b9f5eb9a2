/*
 * doctor.c - `carrelctl doctor [USER]`: what is wrong on this host, for an administrator who fears to be locked out or to have
 * left a hole. See doctor.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/array.h"
#include "core/cleanup.h"
#include "core/idmap.h"
#include "core/mountfd.h"
#include "core/paths.h"
#include "core/text.h"
#include "ctl.h"
#include "doctor.h"
#include "table.h"

#define NAMES_SHOWN 3

static const struct table_column columns[] = {
	{ "result", TABLE_BOTH },
	{ "what", TABLE_BOTH },
	{ "user", TABLE_BOTH },
	{ "finding", TABLE_BOTH | TABLE_WRAP },
	{ "remedy", TABLE_BOTH | TABLE_WRAP },
	{ NULL, 0 },
};

/* In the order of the output. What a check finds out may be used by those after it. */
static const struct {
	const char *what;
	void (*check)(struct doctor *d); /* NULL: one of a user, see doctor_user.c */
} checks[] = {
	{ "kernel", doctor_kernel },
	{ "namespaces", doctor_namespaces },
	{ "overlay", doctor_overlay },
	{ "config", doctor_config },
	{ "names", doctor_names },
	{ "cgroup", doctor_cgroup },
	{ "scope", doctor_scope },
	{ "image", doctor_images },
	{ "programs", doctor_programs },
	{ "shells", doctor_shells },
	{ "pam", doctor_pam },
	{ "nss", doctor_nss },
	{ "syslog", doctor_syslog },
	{ "kmsg", doctor_kmsg },
	{ "ids", doctor_ids },
	{ "state", doctor_state },
	{ "storage", doctor_storage },
	{ "space", doctor_space },
	{ "user", NULL },
	{ "shell", NULL },
	{ "sshd", doctor_sshd },
	{ "limits", NULL },
	{ "home", NULL },
	{ "binds", NULL },
	{ "users", NULL },
};

static const char *result_name(enum doctor_result result)
{
	static const char *const names[] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_WARNING] = "warning",
		[DOCTOR_PROBLEM] = "problem",
	};

	return names[result];
}

/* --- findings --- */

static void add_user(struct finding *finding, const char *user)
{
	size_t used = strlen(finding->users);

	finding->user_count++;
	if (finding->user_count <= NAMES_SHOWN)
		(void)snprintf(finding->users + used, sizeof(finding->users) - used, "%s%.60s",
			       used ? ", " : "", user);
}

static bool is_same(const struct finding *a, const struct finding *b)
{
	return a->user_count && a->result == b->result && strcmp(a->what, b->what) == 0 &&
	       strcmp(a->text, b->text) == 0;
}

static void add(struct doctor *d, enum doctor_result result, const char *remedy, const char *fmt, va_list ap)
{
	struct finding finding = { .result = result, .what = d->what, .remedy = remedy };

	(void)vsnprintf(finding.text, sizeof(finding.text), fmt, ap);
	for (size_t i = 0; d->subject && i < d->count; i++) {
		if (!is_same(&d->findings[i], &finding))
			continue;
		add_user(&d->findings[i], d->subject);
		return;
	}
	if (d->subject)
		add_user(&finding, d->subject);
	if (array_append(&d->findings, &d->count, &finding, sizeof(finding)) < 0)
		d->incomplete = true;
}

void doctor_ok(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	/* Of all users only what is not fine is of interest. */
	if (d->subject && !d->user)
		return;
	va_start(ap, fmt);
	add(d, DOCTOR_OK, "", fmt, ap);
	va_end(ap);
}

void doctor_note(struct doctor *d, enum doctor_result result, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, result, remedy, fmt, ap);
	va_end(ap);
}

int doctor_try_idmap(const struct doctor *d, int fd, struct carrel_error *err)
{
	if (d->userns < 0)
		return error_set(err, -d->userns, "cannot map ids: %s", strerror(-d->userns));
	/* Never attached, so nobody sees it, and gone with the descriptor. */
	int mount = mountfd_clone(fd, "", 0, d->userns, err);
	if (mount >= 0)
		close(mount);
	return mount < 0 ? mount : 0;
}

/* --- output --- */

/* "cgroup memory" is of "cgroup". */
static size_t place_of(const char *what)
{
	size_t i = 0, length = strcspn(what, " ");

	while (i < ARRAY_SIZE(checks) &&
	       (strncmp(checks[i].what, what, length) != 0 || checks[i].what[length]))
		i++;
	return i;
}

/* By check, in the table's order, those of users alone last; of one check, the worst first. */
static int compare(const void *one, const void *other)
{
	const struct finding *a = one, *b = other;
	size_t at_a = place_of(a->what), at_b = place_of(b->what);

	if (!a->user_count != !b->user_count)
		return a->user_count ? 1 : -1;
	if (at_a != at_b)
		return at_a < at_b ? -1 : 1;
	int names = strcmp(a->what, b->what);
	if (names)
		return names;
	return a->result != b->result ? (int)b->result - (int)a->result : strcmp(a->text, b->text);
}

static void add_line(struct table *table, const struct finding *finding)
{
	char safe[1024];

	table_line(table);
	table_set(table, "result", "%s", result_name(finding->result));
	table_set(table, "what", "%s", finding->what);
	if (finding->user_count > NAMES_SHOWN)
		table_set(table, "user", "%s and %u more", finding->users, finding->user_count - NAMES_SHOWN);
	else
		table_set(table, "user", "%s", finding->users);
	table_set(table, "finding", "%s", text_escape(safe, sizeof(safe), finding->text));
	table_set(table, "remedy", "%s", finding->remedy);
}

static void print_counts(const unsigned counts[])
{
	unsigned problems = counts[DOCTOR_PROBLEM], warnings = counts[DOCTOR_WARNING];

	printf("\n%u problem%s, %u warning%s\n", problems, problems == 1 ? "" : "s", warnings,
	       warnings == 1 ? "" : "s");
}

static int print_findings(const struct doctor *d, bool json)
{
	struct table *table = table_new("doctor", json, columns);
	unsigned counts[DOCTOR_PROBLEM + 1] = { 0 };

	if (d->count)
		qsort(d->findings, d->count, sizeof(*d->findings), compare);
	for (size_t i = 0; i < d->count; i++) {
		add_line(table, &d->findings[i]);
		counts[d->findings[i].result]++;
	}
	int status = table_print(table);
	table_free(table);
	if (!json && status == CTL_DONE)
		print_counts(counts);
	if (d->incomplete) {
		ctl_error("out of memory: this is not all");
		return CTL_FAILED;
	}
	return counts[DOCTOR_PROBLEM] ? CTL_FAILED : status;
}

/* --- the verb --- */

static void check_host(struct doctor *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		d->what = checks[i].what;
		if (checks[i].check)
			checks[i].check(d);
	}
}

int verb_doctor(const struct ctl_args *args)
{
	struct carrel_error err = { 0 };
	struct doctor d = { .user = args->count ? args->words[0] : NULL };
	/* Of ids that nobody has: it is only tried. */
	_cleanup_close_ int userns = idmap_userns("0 2147483648 65536\n", "0 2147483648 65536\n", &err);

	d.userns = userns;
	check_host(&d);
	d.what = "users";
	int r = doctor_users(&d, &err);
	int status = r < 0 ? ctl_fail(&err) : print_findings(&d, args->options & CTL_JSON);
	cgroup_tree_free(d.tree);
	config_free(d.config);
	free(d.findings);
	return status;
}
