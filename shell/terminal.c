/*
 * terminal.c - see terminal.h. Runs in carrel-shell, as the user, on the host.
 */
#include "shell/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"

/* A device number, where the terminal is not one that can be asked for it: 0. */
static unsigned device_of(int fd)
{
	unsigned device = 0;

	return ioctl(fd, TIOCGDEV, &device) < 0 ? 0 : device;
}

/*
 * O_NONBLOCK belongs to the open file description, and the one behind our stdin is shared: with sshd, or with the shell
 * that ran su, where it would stay behind when we are killed. Without it a write to a terminal waits until
 * all of it is taken, whatever poll said, and nothing else is served meanwhile: neither ^C nor SIGTERM. So the terminal
 * is opened again, which gives a description of our own. After su the terminal's file belongs to
 * somebody else; then /dev/tty opens it, if it is the controlling one. Where neither works the shared description is used as
 * it is: correct, but a client that stops reading then also holds up what the user types.
 */
int terminal_open(int fd)
{
	const int flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int own = open(path, flags);
	if (own >= 0)
		return own;
	_cleanup_close_ int tty = open("/dev/tty", flags);
	if (tty >= 0 && device_of(fd) && device_of(tty) == device_of(fd))
		return steal_fd(&tty);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return own < 0 ? -errno : own;
}

/* What the process must put back when it ends: one terminal, known to handlers, so it has to be here. */
static struct {
	volatile sig_atomic_t raw;
	int fd;
	struct termios modes;
} outer;

void terminal_restore(void)
{
	if (!outer.raw)
		return;
	outer.raw = 0;
	/* Not in the foreground any more: change it all the same (SIGTTOU is ignored). TCSANOW: nothing to wait for. */
	(void)tcsetattr(outer.fd, TCSANOW, &outer.modes);
}

static void restore_and_die(int sig)
{
	terminal_restore();
	(void)raise(sig); /* its default action again (SA_RESETHAND), once this handler returns */
}

/* Deadly by default, and not among the signals that carrel-shell waits for in its loop. */
static const int deadly[] = {
	SIGSEGV, SIGBUS,  SIGFPE, SIGILL,    SIGABRT, SIGSYS, SIGTRAP,
	SIGXCPU, SIGXFSZ, SIGIO,  SIGVTALRM, SIGPROF, SIGPWR, SIGSTKFLT,
};

static void set_handler(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	(void)sigaction(sig, &action, NULL); /* fails only for signals that cannot be handled */
}

int terminal_raw(int fd, const struct termios *modes)
{
	struct termios raw = *modes;

	cfmakeraw(&raw);
	/* What cfmakeraw leaves: each of these would add a byte to the stream or take one out. */
	raw.c_iflag &= ~(tcflag_t)(IXOFF | IXANY | IUCLC | IMAXBEL);
	outer.fd = fd;
	outer.modes = *modes;
	outer.raw = 1;
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		set_handler(deadly[i], restore_and_die, (int)SA_RESETHAND);
	(void)atexit(terminal_restore);
	if (tcsetattr(fd, TCSANOW, &raw) < 0) {
		outer.raw = 0;
		return -errno;
	}
	/*
	 * As an interactive shell: stopped with a raw terminal, it would leave the user without one. Not before
	 * tcsetattr, which in the background is to stop us until we are in front.
	 */
	set_handler(SIGTSTP, SIG_IGN, 0);
	set_handler(SIGTTIN, SIG_IGN, 0);
	set_handler(SIGTTOU, SIG_IGN, 0);
	return 0;
}
