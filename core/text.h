/*
 * text.h - small string work: bounded formatting, escaping for logs, near misses.
 */
#ifndef CARREL_TEXT_H
#define CARREL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* snprintf that treats truncation as an error: 0, or -ENAMETOOLONG. */
int text_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Copy `in` to `out` (at most size-1 bytes and a NUL) with every byte outside printable ASCII, and
 * the backslash, as \xHH. What a user controls goes through this before it reaches a log or a
 * terminal. Cuts off, with "..." as the last bytes, what does not fit. Returns out.
 */
char *text_escape(char *out, size_t size, const char *in);

/*
 * Copy `length` bytes of `in` to `out` (at most size-1 bytes and a NUL) with every \xHH as the byte that it stands for: what text_escape,
 * or the kernel in its log, has written, as it was before. A NUL stays "\x00". `out` may be `in`.
 */
void text_unescape(char *out, size_t size, const char *in, size_t length);

/* Replace, in place, every byte outside printable ASCII by '?'. For text that was escaped before. Returns it. */
char *text_printable(char *text);

/* Edits to get from one to the other (insert, delete, replace, swap two neighbours), for words up to 63 bytes; longer ones are infinitely far (SIZE_MAX). */
size_t text_distance(const char *a, const char *b);

/*
 * The candidate nearest to `word`, or NULL when none is near enough to be meant (distance at most
 * a third of the length, and at least 1). `candidates` ends with NULL. Returns one of its pointers.
 */
const char *text_nearest(const char *word, const char *const *candidates);

/* Whether `name` is a plain name: 1..max bytes of [A-Za-z0-9._-], not starting with '.' or '-'. */
bool text_is_name(const char *name, size_t max);

/* The value of a hexadecimal digit, lower case; -1: it is none. */
int text_hex_digit(char c);

#endif
