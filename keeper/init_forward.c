/*
 * init_forward.c - see init_forward.h. Run by init, as root of the sandbox, in its own /run: who tampers with that
 * tampers with their own session.
 */
#include "init_forward.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"
#include "rootfs.h"

#define DIR_INSIDE  "/run/carrel"
#define AGENT_PATH  DIR_INSIDE "/agent.%d"
#define XAUTH_PATH  DIR_INSIDE "/xauth.%d"
#define COOKIE_NAME "MIT-MAGIC-COOKIE-1"
#define COOKIE_MAX  64
#define FAMILY_WILD 0xffff /* Xauth.h's FamilyWild: the entry fits every address */

static int make_dir(void)
{
	return mkdir(DIR_INSIDE, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int forward_agent(const struct keeper *k, int number, char *buf, size_t size)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	int r = make_dir();
	if (r == 0)
		r = text_format(buf, size, AGENT_PATH, number);
	if (r == 0)
		r = text_format(at.sun_path, sizeof(at.sun_path), "%s", buf);
	if (r < 0)
		return r;
	unlink(at.sun_path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect before listen(), and the mode is right before that. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(at.sun_path, 0600) < 0 ||
	    lchown(at.sun_path, rootfs_inner_uid(k), rootfs_inner_gid(k)) < 0 || listen(fd, 16) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* One field of the file: a big-endian 16-bit length and the bytes. */
static size_t put_field(unsigned char *at, const void *data, size_t size)
{
	at[0] = (unsigned char)(size >> 8);
	at[1] = (unsigned char)size;
	memcpy(at + 2, data, size);
	return size + 2;
}

static ssize_t parse_cookie(const char *hex, unsigned char *out, size_t size)
{
	size_t n = 0;

	for (; *hex; hex += 2, n++) {
		int high = text_hex_digit(hex[0]), low = high < 0 ? -1 : text_hex_digit(hex[1]);
		if (low < 0 || n == size)
			return -EINVAL;
		out[n] = (unsigned char)(high << 4 | low);
	}
	return n ? (ssize_t)n : -EINVAL;
}

/* "localhost:10.0" -> "10". sshd makes no other form while X11UseLocalhost is on. */
static size_t display_number(const char *display, const char **number)
{
	static const char host[] = "localhost:";

	if (strncmp(display, host, sizeof(host) - 1) != 0)
		return 0;
	*number = display + sizeof(host) - 1;
	size_t digits = strspn(*number, "0123456789");
	const char *rest = *number + digits;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return *rest || digits > 5 ? 0 : digits;
}

int forward_x11(const struct keeper *k, int number, const char *display, const char *cookie, char *buf,
		size_t size)
{
	unsigned char key[COOKIE_MAX], entry[COOKIE_MAX + 64] = { FAMILY_WILD >> 8, FAMILY_WILD & 0xff };
	const char *digits = NULL;
	size_t n = 2, digits_size = display_number(display, &digits);
	ssize_t key_size = parse_cookie(cookie, key, sizeof(key));

	if (!digits_size || key_size < 0)
		return -EINVAL;
	n += put_field(entry + n, "", 0);
	n += put_field(entry + n, digits, digits_size);
	n += put_field(entry + n, COOKIE_NAME, strlen(COOKIE_NAME));
	n += put_field(entry + n, key, (size_t)key_size);
	int r = make_dir();
	if (r == 0)
		r = text_format(buf, size, XAUTH_PATH, number);
	if (r < 0)
		return r;
	unlink(buf);
	_cleanup_close_ int fd = open(buf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchown(fd, rootfs_inner_uid(k), rootfs_inner_gid(k)) < 0 ||
	    write(fd, entry, n) != (ssize_t)n)
		return errno ? -errno : -EIO;
	return 0;
}

void forward_remove(int number)
{
	char path[64];

	snprintf(path, sizeof(path), AGENT_PATH, number);
	unlink(path);
	snprintf(path, sizeof(path), XAUTH_PATH, number);
	unlink(path);
}
