/*
 * init_forward.h - agent and X11 forwarding of a client, as far as the policy lets them in.
 */
#ifndef CARREL_INIT_FORWARD_H
#define CARREL_INIT_FORWARD_H

#include <stddef.h>

#include "keeper.h"

/*
 * A listening socket of the sandbox, owned by its user, that carrel-shell will accept on and relay to the agent socket
 * of sshd. Its path, "/run/carrel/agent.<number>", goes to buf. Descriptor (non-blocking) or -errno.
 */
int forward_agent(const struct keeper *k, int number, char *buf, size_t size);

/*
 * An Xauthority(5) file of the user's with one cookie that fits any address of the display, because the host name inside is
 * not the one sshd wrote it for. `display` is DISPLAY ("localhost:10.0"), `cookie` hexadecimal. Its path,
 * "/run/carrel/xauth.<number>", goes to buf. 0 or -errno.
 */
int forward_x11(const struct keeper *k, int number, const char *display, const char *cookie, char *buf,
		size_t size);

/* Remove what the two made. */
void forward_remove(int number);

#endif
