/* rules.c - see rules.h. Pure. */
#include "rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/wire.h"

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define YEAR   (366LL * DAY)

static const int64_t unset = RULES_NEVER;

void rules_start(struct rules *rules, const struct session_rules *set, int64_t now)
{
	*rules = (struct rules){
		.set = *set,
		.started = now,
		.active = now,
		.known = now,
		.warned_idle = unset,
		.warned_lifetime = unset,
	};
}

/* How long before an end that comes after `limit` there is a warning. 0: none. */
static int64_t warning(const struct rules *rules, uint64_t limit)
{
	if (rules->set.warn == UNIT_NONE)
		return 0;
	return (int64_t)(rules->set.warn < limit / 2 ? rules->set.warn : limit / 2);
}

/*
 * When a session ends that may last for `limit` from `start` (its opening, or the last activity). If its users were warned, at `warned`,
 * they are left the whole time that the warning gave them, even when the rule was made stricter in between.
 */
static int64_t end_of(const struct rules *rules, uint64_t limit, int64_t start, int64_t warned)
{
	int64_t end = start + (int64_t)limit, warn = warning(rules, limit);

	return warn && warned != unset && warned + warn > end ? warned + warn : end;
}

/* When the next thing is to happen: the warning or, after it, the end. */
static int64_t mark_of(const struct rules *rules, uint64_t limit, int64_t start, int64_t warned)
{
	if (limit == UNIT_NONE)
		return RULES_NEVER;
	int64_t end = end_of(rules, limit, start, warned), warn = warning(rules, limit);
	return warn && warned == unset ? end - warn : end;
}

void rules_change(struct rules *rules, const struct session_rules *set, int64_t now)
{
	rules->set = *set;
	if (mark_of(rules, set->idle, rules->active, unset) > now)
		rules->warned_idle = unset;
	if (mark_of(rules, set->lifetime, rules->started, unset) > now)
		rules->warned_lifetime = unset;
}

void rules_learn(struct rules *rules, int64_t active, int64_t known)
{
	if (active > rules->active) {
		rules->active = active;
		if (active > rules->warned_idle)
			rules->warned_idle = unset;
	}
	if (known > rules->known)
		rules->known = known;
}

enum rules_step rules_next(struct rules *rules, int64_t now, int64_t *next)
{
	int64_t life = mark_of(rules, rules->set.lifetime, rules->started, rules->warned_lifetime);
	int64_t idle = mark_of(rules, rules->set.idle, rules->active, rules->warned_idle);

	*next = life < idle ? life : idle;
	if (now >= life) {
		if (rules->warned_lifetime != unset || !warning(rules, rules->set.lifetime))
			return RULES_END_LIFETIME;
		rules->warned_lifetime = now;
		return RULES_WARN_LIFETIME;
	}
	if (now < idle)
		return RULES_WAIT;
	*next = life;
	if (rules->known < idle)
		return RULES_ASK;
	if (rules->warned_idle != unset || !warning(rules, rules->set.idle))
		return RULES_END_IDLE;
	rules->warned_idle = now;
	return RULES_WARN_IDLE;
}

char *rules_time_text(char *buf, size_t size, int64_t milliseconds)
{
	static const struct {
		const char *name;
		int64_t size, from; /* the unit is used from `from` on: "90 s" rather than "1 min 30 s" */
	} units[] = {
		{ "d", DAY, 2LL * DAY },
		{ "h", HOUR, 2LL * HOUR },
		{ "min", MINUTE, 2LL * MINUTE },
		{ "s", SECOND, 0 },
	};
	size_t i = 0;

	if (milliseconds < 0)
		milliseconds = 0;
	while (milliseconds < units[i].from)
		i++;
	int64_t rest = milliseconds % units[i].size;
	int64_t smaller = i + 1 < ARRAY_SIZE(units) ? rest / units[i + 1].size : 0;
	if (smaller)
		snprintf(buf, size, "%" PRId64 " %s %" PRId64 " %s", milliseconds / units[i].size,
			 units[i].name, smaller, units[i + 1].name);
	else
		snprintf(buf, size, "%" PRId64 " %s", milliseconds / units[i].size, units[i].name);
	return buf;
}

/* The end is rounded: it is asked for a moment after the mark. */
static int64_t left(int64_t end, int64_t now)
{
	return end > now ? end - now + SECOND / 2 : 0;
}

void rules_explain(const struct rules *rules, enum rules_step step, int64_t now, char *text, size_t size)
{
	bool of_idle = step == RULES_WARN_IDLE || step == RULES_END_IDLE;
	int64_t start = of_idle ? rules->active : rules->started;
	int64_t end = end_of(rules, of_idle ? rules->set.idle : rules->set.lifetime, start,
			     of_idle ? rules->warned_idle : rules->warned_lifetime);
	char ends[48], since[48];

	rules_time_text(ends, sizeof(ends), left(end, now));
	rules_time_text(since, sizeof(since), now - start);
	switch (step) {
	case RULES_WARN_IDLE:
		snprintf(text, size, "this session ends in %s: no input or output for %s", ends, since);
		break;
	case RULES_WARN_LIFETIME:
		snprintf(text, size, "this session ends in %s: it has been open for %s", ends, since);
		break;
	case RULES_END_IDLE:
		snprintf(text, size, "session ended: idle for %s", since);
		break;
	case RULES_END_LIFETIME:
		snprintf(text, size, "session ended: it has been open for %s", since);
		break;
	default:
		snprintf(text, size, "%s", "");
	}
}

/* One "name=value" of `length` bytes. False: it is none of ours, or its value is none. */
static bool parse_word(const char *word, size_t length, struct session_rules *set)
{
	const struct {
		const char *name;
		uint64_t *value;
		uint64_t min;
	} names[] = {
		{ "idle=", &set->idle, SECOND },
		{ "lifetime=", &set->lifetime, SECOND },
		{ "warn=", &set->warn, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i].name);
		if (length <= n || strncmp(word, names[i].name, n) != 0)
			continue;
		if (length - n == 3 && strncmp(word + n, "off", 3) == 0) {
			*names[i].value = UNIT_NONE;
			return true;
		}
		uint64_t value = 0;
		for (size_t j = n; j < length; j++) {
			if (word[j] < '0' || word[j] > '9' || value > YEAR)
				return false;
			value = value * 10 + (uint64_t)(word[j] - '0');
		}
		*names[i].value = value;
		return value >= names[i].min && value <= YEAR;
	}
	return false;
}

bool rules_parse(const char *text, struct session_rules *set)
{
	struct session_rules parsed = *set;
	size_t n = strlen(CONTROL_RULES);

	if (strncmp(text, CONTROL_RULES, n) != 0 || text[n] != ' ')
		return false;
	while (text[n] == ' ') {
		text += n + 1;
		n = strcspn(text, " ");
		if (!parse_word(text, n, &parsed))
			return false;
	}
	*set = parsed;
	return true;
}
