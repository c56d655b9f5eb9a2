/*
 * x11.h - the display of a client that forwards one, for the programs of the sandbox.
 *
 * sshd listens for the display on a port of the loopback, which is the sandbox's because sshd's monitor joined its
 * network, so DISPLAY means the same inside. What the sandbox lacks is the cookie: sshd had xauth put it into ~/.Xauthority of
 * the host. carrel-shell reads it there and sends both; init decides whether the policy lets them in.
 */
#ifndef CARREL_SHELL_X11_H
#define CARREL_SHELL_X11_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define X11_COOKIE_MAX 64

/* Environment entries for the request, "DISPLAY=…" and the cookie's. */
struct x11 {
	char display[64];
	char cookie[2 * X11_COOKIE_MAX + 32];
};

/*
 * Find the cookie of `display`, the value of DISPLAY or NULL, in the file `xauthority` or else in `home`/.Xauthority;
 * both may be NULL. Only "localhost:N" and "localhost:N.S" are taken, which is what sshd sets. False: there is
 * nothing to offer.
 */
bool x11_find(struct x11 *x11, const char *display, const char *xauthority, const char *home);

/*
 * Find the MIT-MAGIC-COOKIE-1 of display `number` of this machine, whose name is `host`, in the contents of an Xauthority file.
 * Returns its size (1 to X11_COOKIE_MAX), with *cookie pointing into data; -ENOENT; or -EINVAL when the file
 * is damaged.
 */
ssize_t x11_parse(const unsigned char *data, size_t size, const char *host, const char *number,
		  const unsigned char **cookie);

#endif
