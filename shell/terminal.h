/*
 * terminal.h - the host's terminal while a session is on it: raw, and put back whatever happens.
 */
#ifndef CARREL_SHELL_TERMINAL_H
#define CARREL_SHELL_TERMINAL_H

#include <sys/ioctl.h>
#include <termios.h>

/*
 * A descriptor of the terminal behind `fd` that can be read and written without ever waiting, to be closed by
 * the caller; or -errno. See terminal.c for how, and for the one case in which it can wait.
 */
int terminal_open(int fd);

/*
 * Make the terminal on `fd` raw, so that every byte passes. `modes` are the modes to put back, as
 * tcgetattr gave them. From here on exit() and every signal that kills, but SIGKILL, restore it. 0 or -errno.
 */
int terminal_raw(int fd, const struct termios *modes);

/* Put the modes back now. Does nothing when there is nothing to put back. Async-signal-safe. */
void terminal_restore(void);

#endif
