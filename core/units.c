/* units.c - see units.h. Pure: no allocation, no locale, no system calls. */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	char letter; /* 0: the value without a letter */
	uint64_t factor;
};

/* Largest first: the formatter takes the first that divides the value. */
static const struct unit size_units[] = {
	{ 'T', 1ull << 40 }, { 'G', 1ull << 30 }, { 'M', 1ull << 20 }, { 'K', 1ull << 10 }, { 0, 1 },
};
static const struct unit time_units[] = {
	{ 'd', 24ull * 3600 * 1000 },
	{ 'h', 3600ull * 1000 },
	{ 'm', 60ull * 1000 },
	{ 's', 1000 },
	{ 0, 1000 },
};

static bool is_none(const char *text)
{
	return strcmp(text, "max") == 0 || strcmp(text, "off") == 0;
}

/* Decimal digits at *text, moved past them. UINT64_MAX is out of range too: it means "none". */
static int parse_digits(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t sum = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, *p - '0', &sum))
			return -ERANGE;
	}
	*text = p;
	*value = sum;
	return sum == UNIT_NONE ? -ERANGE : 0;
}

/* The unit with this letter; the letter 0 ends every table. NULL: there is none. */
static const struct unit *find_unit(const struct unit *units, char letter)
{
	while (units->letter != letter) {
		if (!units->letter)
			return NULL;
		units++;
	}
	return units;
}

static int parse_with_unit(const char *text, const struct unit *units, bool upper, uint64_t *value)
{
	uint64_t number, product;

	if (is_none(text)) {
		*value = UNIT_NONE;
		return 0;
	}
	int r = parse_digits(&text, &number);
	if (r)
		return r;

	char letter = *text;
	if (upper && letter >= 'a' && letter <= 'z')
		letter = (char)(letter - 'a' + 'A');
	const struct unit *unit = find_unit(units, letter);
	if (!unit || (letter && text[1]))
		return -EINVAL;
	if (__builtin_mul_overflow(number, unit->factor, &product) || product == UNIT_NONE)
		return -ERANGE;
	*value = product;
	return 0;
}

int unit_parse_size(const char *text, uint64_t *value)
{
	return parse_with_unit(text, size_units, true, value);
}

int unit_parse_time(const char *text, uint64_t *milliseconds)
{
	return parse_with_unit(text, time_units, false, milliseconds);
}

int unit_parse_cpus(const char *text, uint64_t *thousandths)
{
	uint64_t whole, fraction = 0;

	if (is_none(text)) {
		*thousandths = UNIT_NONE;
		return 0;
	}
	int r = parse_digits(&text, &whole);
	if (r)
		return r;
	if (*text == '.') {
		uint64_t worth = 100;

		text++;
		if (!*text)
			return -EINVAL;
		for (; *text >= '0' && *text <= '9' && worth; text++, worth /= 10)
			fraction += (uint64_t)(*text - '0') * worth;
	}
	if (*text)
		return -EINVAL;
	if (whole > (UNIT_NONE - 1000) / 1000)
		return -ERANGE;
	if (whole * 1000 + fraction < 10)
		return -ERANGE;
	*thousandths = whole * 1000 + fraction;
	return 0;
}

static char *format_with_unit(char *buf, size_t size, const struct unit *units, uint64_t value)
{
	while (units->letter && (value == 0 || value % units->factor))
		units++;
	if (units->letter)
		snprintf(buf, size, "%" PRIu64 "%c", value / units->factor, units->letter);
	else
		snprintf(buf, size, "%" PRIu64, value);
	return buf;
}

char *unit_format_size(char *buf, size_t size, uint64_t value)
{
	if (value == UNIT_NONE) {
		snprintf(buf, size, "none");
		return buf;
	}
	return format_with_unit(buf, size, size_units, value);
}

char *unit_format_time(char *buf, size_t size, uint64_t milliseconds)
{
	if (milliseconds == UNIT_NONE)
		snprintf(buf, size, "none");
	else if (milliseconds == 0)
		snprintf(buf, size, "0s");
	else if (milliseconds % 1000)
		snprintf(buf, size, "%" PRIu64 "ms", milliseconds);
	else
		format_with_unit(buf, size, time_units, milliseconds);
	return buf;
}

char *unit_format_cpus(char *buf, size_t size, uint64_t thousandths)
{
	uint64_t fraction = thousandths % 1000;
	int places = 3;

	if (thousandths == UNIT_NONE) {
		snprintf(buf, size, "none");
		return buf;
	}
	for (; places && fraction % 10 == 0; places--)
		fraction /= 10;
	if (places)
		snprintf(buf, size, "%" PRIu64 ".%0*" PRIu64, thousandths / 1000, places, fraction);
	else
		snprintf(buf, size, "%" PRIu64, thousandths / 1000);
	return buf;
}

/* Below 100 of its unit with one decimal. */
char *unit_format_about_size(char *buf, size_t size, uint64_t value)
{
	const struct unit *unit = size_units;

	while (unit->letter && value < unit->factor)
		unit++;
	uint64_t whole = value / unit->factor, rest = value % unit->factor;
	uint64_t tenths = whole * 10 + (rest * 20 / unit->factor + 1) / 2;
	char letter[2] = { unit->letter, '\0' };

	if (value == UNIT_NONE)
		snprintf(buf, size, "-");
	else if (whole < 100 && tenths % 10)
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10, tenths % 10, letter);
	else
		snprintf(buf, size, "%" PRIu64 "%s",
			 whole < 100 ? tenths / 10 : whole + (rest >= (unit->factor + 1) / 2), letter);
	return buf;
}

/* The two largest units. */
char *unit_format_about_time(char *buf, size_t size, uint64_t milliseconds)
{
	const struct unit *unit = time_units;

	if (milliseconds == UNIT_NONE) {
		snprintf(buf, size, "-");
		return buf;
	}
	while (unit->letter != 's' && milliseconds < unit->factor)
		unit++;
	uint64_t whole = milliseconds / unit->factor, rest = milliseconds % unit->factor;
	uint64_t next = unit->letter == 's' ? 0 : rest / unit[1].factor;

	if (next)
		snprintf(buf, size, "%" PRIu64 "%c%" PRIu64 "%c", whole, unit->letter, next, unit[1].letter);
	else
		snprintf(buf, size, "%" PRIu64 "%c", whole, unit->letter);
	return buf;
}
