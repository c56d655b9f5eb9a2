/*
 * units.h - sizes, counts, times and shares as the policy writes them: strings with units.
 *
 * libconfig 1.5 truncates large integers silently, so numbers that can be large are strings and are
 * parsed here, strictly: no sign, no white space, no fraction where none makes sense, no overflow.
 */
#ifndef CARREL_UNITS_H
#define CARREL_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define UNIT_NONE UINT64_MAX /* "max" or "off": no limit */

/* Bytes or a count: decimal digits and an optional K, M, G or T (either case), 1024-based. 0 or -errno. */
int unit_parse_size(const char *text, uint64_t *value);

/* Milliseconds of a time: digits and s, m, h or d (no unit: seconds). */
int unit_parse_time(const char *text, uint64_t *milliseconds);

/* CPUs as a decimal with at most three places, in thousandths of one: "0.5" is 500. At least "0.01". */
int unit_parse_cpus(const char *text, uint64_t *thousandths);

/* The other way, for people: "512M", "90s", "0.5", "none". Returns buf. */
char *unit_format_size(char *buf, size_t size, uint64_t value);
char *unit_format_time(char *buf, size_t size, uint64_t milliseconds);
char *unit_format_cpus(char *buf, size_t size, uint64_t thousandths);

/* What is measured, rounded to be read at a glance: "12.3M", "3h4m". UNIT_NONE: "-". Return buf. */
char *unit_format_about_size(char *buf, size_t size, uint64_t value);
char *unit_format_about_time(char *buf, size_t size, uint64_t milliseconds);

#endif
