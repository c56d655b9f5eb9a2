/* relay_rig.c - see relay_rig.h. */
#include "relay_rig.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"

struct relay relay;
int init_end;
static int shell_end;

int rig_set_up(void **state)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	shell_end = pair[0];
	init_end = pair[1];
	relay_init(&relay, shell_end, -EBADF);
	return 0;
}

int rig_tear_down(void **state)
{
	relay_clear(&relay);
	close_fd(&shell_end);
	close_fd(&init_end);
	return 0;
}

void say(uint32_t kind, int value)
{
	const struct wire_message message = { .kind = kind, .value = value };

	assert_int_equal(wire_send(init_end, &message, sizeof(message), NULL, 0), 0);
}

static bool is_the_relays(int fd)
{
	bool found = fd == relay.socket || fd == relay.signals || fd == relay.terminal || fd == relay.master;

	for (size_t i = 0; i < relay.count; i++)
		found = found || fd == relay.stream[i].from || fd == relay.stream[i].to;
	return found;
}

pid_t start(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		relay_clear(&relay); /* the ends are the child's now */
		close_fd(&relay.signals);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(30);
	for (int fd = STDERR_FILENO + 1; fd < 256; fd++) {
		if (!is_the_relays(fd))
			close(fd);
	}
	struct wire_message last;
	int ret = relay_run(&relay, &last);
	_exit(ret > 0 ? 100 + ret : ret < 0 ? 200 : last.value);
}

int result(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void take_signals(const int *signals, size_t count)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < count; i++)
		sigaddset(&set, signals[i]);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	relay.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	assert_true(relay.signals >= 0);
}

static unsigned char pattern(size_t at, unsigned seed)
{
	return (unsigned char)((at * 2654435761u + seed) >> 13);
}

void feed(struct flow *flow, size_t total)
{
	unsigned char data[5000];
	size_t n = 1 + (size_t)rand() % sizeof(data);

	if (n > total - flow->sent)
		n = total - flow->sent;
	for (size_t i = 0; i < n; i++)
		data[i] = pattern(flow->sent + i, flow->seed);
	ssize_t taken = n ? write(flow->in, data, n) : 0;
	flow->sent += taken > 0 ? (size_t)taken : 0;
}

bool take(struct flow *flow)
{
	unsigned char data[5000];
	ssize_t n = read(flow->out, data, 1 + (size_t)rand() % sizeof(data));

	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(data[i], pattern(flow->got++, flow->seed));
	return n > 0 || (n < 0 && errno == EAGAIN);
}

bool wait_for(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) == 1;
}
