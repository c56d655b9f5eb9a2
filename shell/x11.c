/*
 * x11.c - see x11.h. Runs in carrel-shell, as the user, on the host.
 */
#include "shell/x11.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"
#include "core/wire.h"

#define FILE_MAX     (64 * 1024)
#define NUMBER_MAX   5	 /* digits of a display: it is a port less 6000 */
#define FAMILY_LOCAL 256 /* Xauth.h's FamilyLocal, "HOST/unix:N": what sshd writes for a display of its own */
#define COOKIE_NAME  "MIT-MAGIC-COOKIE-1"

/* A counted string of the file: the size in two bytes, the high one first, then the bytes. */
struct field {
	const unsigned char *data;
	size_t size;
};

/* What of the file is not read yet. */
struct rest {
	const unsigned char *data;
	size_t size;
};

static bool take_number(struct rest *rest, unsigned *number)
{
	if (rest->size < 2)
		return false;
	*number = (unsigned)rest->data[0] << 8 | rest->data[1];
	rest->data += 2;
	rest->size -= 2;
	return true;
}

static bool take_field(struct rest *rest, struct field *field)
{
	unsigned size;

	if (!take_number(rest, &size) || size > rest->size)
		return false;
	*field = (struct field){ rest->data, size };
	rest->data += size;
	rest->size -= size;
	return true;
}

static bool field_is(const struct field *field, const char *text)
{
	return field->size == strlen(text) && memcmp(field->data, text, field->size) == 0;
}

ssize_t x11_parse(const unsigned char *data, size_t size, const char *host, const char *number,
		  const unsigned char **cookie)
{
	struct rest rest = { data, size };
	ssize_t found = -ENOENT;

	while (rest.size > 0) { /* to the end: half of a damaged file is not trusted either */
		struct field address, display, name, key;
		unsigned family;

		if (!take_number(&rest, &family) || !take_field(&rest, &address) ||
		    !take_field(&rest, &display) || !take_field(&rest, &name) || !take_field(&rest, &key))
			return -EINVAL;
		if (found > 0 || family != FAMILY_LOCAL || !field_is(&address, host) ||
		    !field_is(&display, number) || !field_is(&name, COOKIE_NAME))
			continue;
		if (key.size == 0 || key.size > X11_COOKIE_MAX)
			return -EINVAL;
		*cookie = key.data;
		found = (ssize_t)key.size;
	}
	return found;
}

/* "localhost:10.0" -> "10". False: not a display of sshd's. */
static bool display_number(const char *display, char number[NUMBER_MAX + 1])
{
	static const char host[] = "localhost:", digits[] = "0123456789";

	if (strncmp(display, host, sizeof(host) - 1) != 0)
		return false;
	display += sizeof(host) - 1;
	size_t length = strspn(display, digits);
	if (length == 0 || length > NUMBER_MAX)
		return false;
	memcpy(number, display, length);
	number[length] = '\0';
	display += length;
	if (*display == '.') {
		length = strspn(++display, digits);
		if (length == 0 || length > NUMBER_MAX)
			return false;
		display += length;
	}
	return *display == '\0';
}

/* The whole file, if it is an ordinary one of the user's. Returns its size or -errno. */
static ssize_t read_file(const char *path, char *buf, size_t size)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == getuid() ? fs_read_fd(fd, buf, size) : -EPERM;
}

static void to_hex(const unsigned char *data, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}

bool x11_find(struct x11 *x11, const char *display, const char *xauthority, const char *home)
{
	static char data[FILE_MAX + 1];
	char path[4096], number[NUMBER_MAX + 1], hex[2 * X11_COOKIE_MAX + 1];
	const unsigned char *cookie;
	struct utsname machine;

	if (!display || !display_number(display, number) || uname(&machine) < 0)
		return false;
	if (!xauthority || !*xauthority) {
		if (!home || text_format(path, sizeof(path), "%s/.Xauthority", home) < 0)
			return false;
		xauthority = path;
	}
	ssize_t size = *xauthority == '/' ? read_file(xauthority, data, sizeof(data)) : -ENOENT;
	if (size < 0)
		return false;
	size = x11_parse((const unsigned char *)data, (size_t)size, machine.nodename, number, &cookie);
	if (size < 0)
		return false;
	to_hex(cookie, (size_t)size, hex);
	return text_format(x11->display, sizeof(x11->display), "DISPLAY=%s", display) == 0 &&
	       text_format(x11->cookie, sizeof(x11->cookie), WIRE_COOKIE "=%s", hex) == 0;
}
