/* explain.c - `carrelctl explain USER`: the policy as the keeper would decide it, and where each value is from. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/config.h"
#include "core/host_home.h"
#include "core/override.h"
#include "core/paths.h"
#include "core/policy.h"
#include "core/storage.h"
#include "core/text.h"
#include "core/user.h"
#include "ctl.h"
#include "table.h"

#define VALUE_MAX 1024

/* The value last: a list of capabilities is long. */
static const struct table_column columns[] = {
	{ "setting", TABLE_BOTH },
	{ "from", TABLE_BOTH },
	{ "value", TABLE_BOTH },
	{ NULL, 0 },
};

static void add_word(char *out, size_t size, const char *word)
{
	size_t used = strlen(out);

	(void)snprintf(out + used, size - used, "%s%s", used ? " " : "", word);
}

static void format_names(const char *const *names, char *out, size_t size)
{
	out[0] = '\0';
	for (; names && *names; names++)
		add_word(out, size, *names);
}

static void format_capabilities(uint64_t bits, char *out, size_t size)
{
	out[0] = '\0';
	for (int number = 0; number < 64; number++) {
		if (!(bits & (UINT64_C(1) << number)))
			continue;
		char *name = cap_to_name(number);
		if (name)
			add_word(out, size, strncmp(name, "cap_", 4) == 0 ? name + 4 : name);
		cap_free(name);
	}
}

static void format_entries(const struct config_table *table, const char *entry, char *out, size_t size);

/* What the policy, or an entry of a table in it, holds for the key, as the config would write it. */
static void format_value(const struct config_key *key, const void *policy, char *out, size_t size)
{
	const void *at = (const char *)policy + key->offset;
	uint64_t number = 0;

	if (key->type == KEY_SIZE || key->type == KEY_COUNT || key->type == KEY_TIME ||
	    key->type == KEY_CPUS || key->type == KEY_CAPS)
		memcpy(&number, at, sizeof(number));
	switch (key->type) {
	case KEY_BOOL:
		(void)snprintf(out, size, "%s", *(const bool *)at ? "true" : "false");
		break;
	case KEY_CHOICE:
		(void)snprintf(out, size, "%s", key->choices[*(const int *)at]);
		break;
	case KEY_SIZE:
	case KEY_COUNT:
		unit_format_size(out, size, number);
		break;
	case KEY_TIME:
		unit_format_time(out, size, number);
		break;
	case KEY_CPUS:
		unit_format_cpus(out, size, number);
		break;
	case KEY_CAPS:
		format_capabilities(number, out, size);
		break;
	case KEY_NAMES:
		format_names(*(const char *const *const *)at, out, size);
		break;
	case KEY_TEMPLATE:
		(void)snprintf(out, size, "%s", (const char *)at);
		break;
	case KEY_STRING:
		(void)snprintf(out, size, "%s", *(const char *const *)at);
		break;
	case KEY_TABLE:
		format_entries(key->table, *(const char *const *)at, out, size);
		break;
	case KEY_PATTERNS:
		out[0] = '\0';
		break;
	}
}

/* Fields that are not set, or have no limit, are left out. */
static void format_entries(const struct config_table *table, const char *entry, char *out, size_t size)
{
	char value[VALUE_MAX / 2], word[VALUE_MAX];

	out[0] = '\0';
	for (; entry; entry = *(const char *const *)(const void *)(entry + table->next)) {
		add_word(out, size, "{");
		for (size_t i = 0; i < table->count; i++) {
			const struct config_key *field = &table->fields[i];

			if (field->type == KEY_STRING &&
			    !*(const char *const *)(const void *)(entry + field->offset))
				continue;
			format_value(field, entry, value, sizeof(value));
			if (field->can_be_none && strcmp(value, "none") == 0)
				continue;
			(void)snprintf(word, sizeof(word), "%s=%s", field->name, value);
			add_word(out, size, word);
		}
		add_word(out, size, "}");
	}
}

static void add_setting(struct table *table, size_t index, const struct policy *policy)
{
	const struct config_key *key = &config_keys[index];
	const struct origin *origin = &policy->origin[index];
	char value[VALUE_MAX], safe[VALUE_MAX];

	if (key->offset == CONFIG_NOT_STORED)
		return;
	format_value(key, policy, value, sizeof(value));
	table_line(table);
	table_set(table, "setting", "%s%s%s", key->group ? key->group : "", key->group ? "." : "", key->name);
	table_set(table, "value", "%s", text_escape(safe, sizeof(safe), value));
	if (origin->file && !origin->line)
		table_set(table, "from", "%s", origin->file);
	else if (origin->file)
		table_set(table, "from", "%s:%u", origin->file, origin->line);
	else
		table_set(table, "from", "built in");
}

/* For people this is said in a sentence above the table. */
static void add_verdict(struct table *table, const struct user_facts *user, const struct policy *policy)
{
	table_line(table);
	table_set(table, "setting", "user");
	table_set(table, "value", "%s", user->name);
	table_set(table, "from", "uid %u", user->uid);
	table_line(table);
	table_set(table, "setting", "covered");
	table_set(table, "value", "%s", policy->covered ? "true" : "false");
	table_set(table, "from", "%s", policy->why);
}

static void print_verdict(const struct user_facts *user, const struct policy *policy)
{
	printf("%s (uid %u) is %s: %s\n", user->name, user->uid, policy->covered ? "covered" : "not covered",
	       policy->why);
	if (!policy->covered)
		puts("What would apply otherwise:");
	putchar('\n');
}

/* How the limits of disk space and files are kept, and what is used of them. */
static void add_storage(struct table *table, const struct user_facts *user, const struct policy *policy)
{
	struct storage_usage usage;
	struct carrel_error err = { 0 };
	char bytes[32], limit[32], inodes[32], inodes_limit[32];

	if (geteuid() != 0)
		return;
	int r = storage_usage(user->uid, &policy->user_limits, &usage, &err);
	if (r < 0 && r != -ENOENT) {
		ctl_warning("%s", err.msg);
		return;
	}
	table_line(table);
	table_set(table, "setting", "storage");
	table_set(table, "from", CARREL_USERS "/%u", user->uid);
	if (usage.bytes == UNIT_NONE)
		table_set(table, "value", "%s", storage_method_name(usage.method));
	else
		table_set(table, "value", "%s, %s of %s, %s of %s files", storage_method_name(usage.method),
			  unit_format_about_size(bytes, sizeof(bytes), usage.bytes),
			  unit_format_about_size(limit, sizeof(limit), usage.bytes_limit),
			  unit_format_size(inodes, sizeof(inodes), usage.inodes),
			  unit_format_size(inodes_limit, sizeof(inodes_limit), usage.inodes_limit));
}

/* What the user writes in a home of the host from inside, the host may run as that user outside. */
static void warn_about_home(const struct user_facts *user)
{
	ctl_warning(
		"'home' is \"host\": the host itself acts on what '%s' writes there, outside the sandbox. "
		"Close these first:",
		user->name);
	for (const struct host_home_door *door = host_home_doors; door->what; door++)
		ctl_warning("%s%s%s: %s (%s)", door->path ? user->home : "", door->path ? "/" : "",
			    door->path ? door->path : "elsewhere", door->what, door->how);
}

/* What else decides whether the next login ends in a sandbox. */
static void warn_about(const struct user_facts *user, const struct policy *policy)
{
	if (!policy->covered)
		return;
	if (policy->mode != MODE_ENFORCE)
		ctl_warning("'mode' is \"%s\": nobody is sandboxed",
			    policy->mode == MODE_SHADOW ? "shadow" : "off");
	else if (strcmp(user->shell, CARREL_SHELL) != 0 && !policy->forced_command_ok)
		ctl_warning("logins of '%s' are refused: the shell in passwd is '%s' and not %s", user->name,
			    user->shell, CARREL_SHELL);
	if (policy->home == HOME_HOST)
		warn_about_home(user);
}

static int print_policy(const struct user_facts *user, const struct policy *policy, bool json)
{
	struct table *table = table_new("explain", json, columns);

	if (json)
		add_verdict(table, user, policy);
	else
		print_verdict(user, policy);
	for (size_t i = 0; i < config_keys_count; i++)
		add_setting(table, i, policy);
	add_storage(table, user, policy);
	int status = table_print(table);
	table_free(table);
	warn_about(user, policy);
	return status;
}

int verb_explain(const struct ctl_args *args)
{
	struct carrel_error err = { 0 };
	struct user_facts user = { 0 };
	struct config *config = NULL;
	struct policy policy = { 0 };

	int r = user_facts_get(args->words[0], &user, &err);
	if (r == 0)
		r = config_load(CARREL_CONF, &config, NULL, NULL, &err);
	if (r == 0)
		r = policy_decide(config, &user, &policy, &err);
	/* As a login does: without a sandbox nothing that was set for one counts. */
	if (r == 0 && geteuid() == 0 && policy.covered && policy.mode == MODE_ENFORCE)
		r = override_load(user.uid, &policy, NULL, &err);
	int status = r < 0 ? ctl_fail(&err) : print_policy(&user, &policy, args->options & CTL_JSON);
	config_free(config);
	user_facts_clear(&user);
	return status;
}
