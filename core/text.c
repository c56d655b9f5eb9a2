/* text.c - see text.h. Pure: no allocation, no system calls. */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int text_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

char *text_escape(char *out, size_t size, const char *in)
{
	size_t o = 0;

	for (; *in; in++) {
		unsigned char c = (unsigned char)*in;
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';
		size_t need = plain ? 1 : 4;

		if (o + need >= size) {
			for (size_t i = o >= 3 ? o - 3 : 0; i < o; i++)
				out[i] = '.';
			break;
		}
		if (plain)
			out[o] = (char)c;
		else
			snprintf(out + o, 5, "\\x%02x", c);
		o += need;
	}
	if (size)
		out[o] = '\0';
	return out;
}

void text_unescape(char *out, size_t size, const char *in, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 1 < size; i++) {
		int high = -1, low = -1;
		if (i + 3 < length && in[i] == '\\' && in[i + 1] == 'x') {
			high = text_hex_digit(in[i + 2]);
			low = text_hex_digit(in[i + 3]);
		}
		if (high < 0 || low < 0 || !(high + low)) {
			out[used++] = in[i];
		} else {
			out[used++] = (char)(high * 16 + low);
			i += 3;
		}
	}
	out[used] = '\0';
}

char *text_printable(char *text)
{
	for (char *p = text; *p; p++) {
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	}
	return text;
}

#define WORD_MAX 63

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

size_t text_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t rows[3][WORD_MAX + 1];

	if (la > WORD_MAX || lb > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3];
		const size_t *above2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
	}
	return rows[la % 3][lb];
}

const char *text_nearest(const char *word, const char *const *candidates)
{
	const char *best = NULL;
	size_t limit = strlen(word) / 3, best_distance;

	best_distance = (limit ? limit : 1) + 1;
	for (; *candidates; candidates++) {
		size_t d = text_distance(word, *candidates);
		if (d < best_distance) {
			best_distance = d;
			best = *candidates;
		}
	}
	return best;
}

bool text_is_name(const char *name, size_t max)
{
	size_t n = 0;

	if (*name == '.' || *name == '-')
		return false;
	for (; name[n]; n++) {
		char c = name[n];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			  c == '.' || c == '_' || c == '-';
		if (!ok || n >= max)
			return false;
	}
	return n > 0;
}

int text_hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}
