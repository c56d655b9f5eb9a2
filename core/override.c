/* override.c - see override.h. Run by the keeper and carrelctl, as root. */
#include "override.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "config_internal.h"
#include "fs.h"
#include "paths.h"
#include "text.h"

#define APPLIED "applied" /* made anew by each `carrelctl apply` */

/* In which a name without a group is looked for. */
static const char *const groups[] = { "limits", "session", "user_limits" };

/* Numbers only: what they are is in the kernel, or in the keeper, and can be changed there. */
static bool is_live(const struct config_key *key)
{
	static const char *const fixed[] = { "tmp", "tmp_inodes", "open_files", NULL };
	bool found = false;

	if (key->type != KEY_SIZE && key->type != KEY_COUNT && key->type != KEY_TIME && key->type != KEY_CPUS)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		found |= key->group && strcmp(key->group, groups[i]) == 0;
	for (const char *const *name = fixed; *name; name++)
		found = found && strcmp(key->name, *name) != 0;
	return found;
}

static size_t find(const char *name)
{
	char group[32];
	const char *dot = strchr(name, '.');

	if (dot && text_format(group, sizeof(group), "%.*s", (int)(dot - name), name) == 0)
		return config_key_find(group, dot + 1);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		size_t key = config_key_find(groups[i], name);
		if (key < config_keys_count)
			return key;
	}
	return config_keys_count;
}

/* What was meant by an unknown name, as a suggestion. */
static int unknown(const char *name, struct carrel_error *err)
{
	char labels[CONFIG_KEYS_MAX][CONFIG_LABEL_MAX];
	const char *names[2 * CONFIG_KEYS_MAX + 1];
	size_t count = 0;

	for (size_t i = 0; i < config_keys_count; i++) {
		if (!is_live(&config_keys[i]))
			continue;
		names[count++] = config_key_label(&config_keys[i], labels[i]);
		names[count++] = config_keys[i].name;
	}
	names[count] = NULL;
	const char *near = text_nearest(name, names);
	return error_set(err, EINVAL, "unknown setting '%.64s'%s%s%s", name, near ? " (did you mean '" : "",
			 near ? near : "", near ? "'?)" : "");
}

int override_set(struct policy *policy, const char *name, const char *text, struct carrel_error *err)
{
	size_t index = find(name);
	const struct config_key *key = &config_keys[index];
	struct config_value value = { .key = index };

	if (index == config_keys_count)
		return unknown(name, err);
	if (!is_live(key))
		return error_set(err, EINVAL,
				 "'%.64s' cannot be changed while a session runs: set it in the config",
				 name);
	int r = config_value_from_text(key, text, &value, err);
	if (r < 0)
		return r;
	config_value_store(key, &value, policy);
	policy->origin[index] = (struct origin){ .file = OVERRIDE_ORIGIN };
	return (int)index;
}

static int set_line(struct policy *policy, char *line, struct carrel_error *err)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return error_set(err, EINVAL, "no '=' in '%.64s'", line);
	*equals = '\0';
	return override_set(policy, line, equals + 1, err);
}

static void override_path(char path[64], uid_t uid)
{
	snprintf(path, 64, CARREL_OVERRIDES "/%u", uid);
}

int override_load(uid_t uid, struct policy *policy, char *text, struct carrel_error *err)
{
	char path[64], buf[OVERRIDE_TEXT_MAX], *save = NULL;

	override_path(path, uid);
	ssize_t n = fs_read_at(AT_FDCWD, path, buf, sizeof(buf));
	if (text)
		memcpy(text, n >= 0 ? buf : "", n >= 0 ? (size_t)n + 1 : 1);
	if (n < 0)
		return n == -ENOENT
			       ? 0
			       : error_set(err, (int)-n, "cannot read '%s': %s", path, strerror((int)-n));
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int r = set_line(policy, line, err);
		if (r < 0)
			return error_context(err, "'%s'", path);
	}
	return policy_check(policy, err);
}

int override_save(uid_t uid, const char *text, struct carrel_error *err)
{
	char path[64];

	override_path(path, uid);
	if (!*text) {
		if (unlink(path) < 0 && errno != ENOENT)
			return error_errno(err, "cannot remove '%s'", path);
		return 0;
	}
	_cleanup_close_ int dir = fs_ensure_dir(CARREL_OVERRIDES, 0700, err);
	if (dir < 0)
		return dir;
	int r = fs_replace_at(dir, strrchr(path, '/') + 1, text, strlen(text), 0600);
	return r < 0 ? error_set(err, -r, "cannot write '%s': %s", path, strerror(-r)) : 0;
}

/* A file that is written anew is another one. */
static void stamp_of(const char *path, uint64_t stamp[3])
{
	struct stat st;

	memset(stamp, 0, 3 * sizeof(*stamp));
	if (stat(path, &st) < 0)
		return;
	stamp[0] = st.st_ino;
	stamp[1] = (uint64_t)st.st_ctim.tv_sec;
	stamp[2] = (uint64_t)st.st_ctim.tv_nsec;
}

void override_stamp(uid_t uid, struct override_stamp *stamp)
{
	char path[64];

	override_path(path, uid);
	stamp_of(path, stamp->saved);
	stamp_of(CARREL_OVERRIDES "/" APPLIED, stamp->applied);
}

bool override_stamp_equal(const struct override_stamp *a, const struct override_stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

int override_mark_apply(struct carrel_error *err)
{
	if (access(CARREL_SESSIONS, F_OK) < 0)
		return 0;
	_cleanup_close_ int dir = fs_ensure_dir(CARREL_OVERRIDES, 0700, err);
	if (dir < 0)
		return dir;
	int r = fs_replace_at(dir, APPLIED, "", 0, 0600);
	return r < 0 ? error_set(err, -r, "cannot write '" CARREL_OVERRIDES "/" APPLIED "': %s", strerror(-r))
		     : 0;
}
