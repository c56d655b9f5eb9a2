/* hog_sockets.h - forms of hog.c: what waits in pipes, sockets and queues to be read by somebody. */
#include "hog.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Write until there is no room. */
static long fill(int fd, size_t piece)
{
	long done = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = write(fd, hog_data, piece)) > 0)
		done += n;
	return errno == EAGAIN || errno == ENOBUFS || done > 0 ? done : -errno;
}

static long take_pipes(void)
{
	int fds[2];

	if (pipe2(fds, O_NONBLOCK) < 0)
		return -errno;
	(void)fcntl(fds[1], F_SETPIPE_SZ,
		    1 << 20); /* refused above fs.pipe-user-pages-soft; then many small ones */
	return fill(fds[1], 4096);
}

static long take_unix(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 30 }, sizeof(int));
	return fill(fds[0], 32768);
}

/* Each datagram costs much more than its one byte. */
static long take_datagrams(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	long n = fill(fds[0], 1);
	return n < 0 ? n : n * 512;
}

/* Open files that nobody has but the queue that they were sent into. */
static long take_in_flight(void)
{
	int fds[2];
	char byte = 0, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	long sent = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	for (;;) {
		int event = eventfd(0, 0);
		if (event < 0)
			return -errno;
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &event, sizeof(int));
		ssize_t n = sendmsg(fds[0], &m, 0);
		close(event);
		if (n < 0)
			return errno == EAGAIN ? sent * 768 : -errno;
		sent++;
	}
}

/* What the kernel itself counts in the queues of a socket. */
static long waiting_in(int fd)
{
	uint32_t info[9] = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0)
		return -errno;
	return (long)info[0] + (long)info[5]; /* received; written and not sent */
}

static const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };

static int bound(int type)
{
	struct sockaddr_in address = any;
	int fd = socket(AF_INET, type, 0);

	return fd < 0 || bind(fd, (void *)&address, sizeof(address)) < 0 ? -errno : fd;
}

static int connected_to(int to, int type)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || getsockname(to, (void *)&address, &size) < 0 || connect(fd, (void *)&address, size) < 0)
		return -errno;
	return fd;
}

static int listening(int length)
{
	static int fd;

	if (hog_step == 0 || fd <= 0) {
		fd = bound(SOCK_STREAM);
		if (fd >= 0 && listen(fd, length) < 0)
			return -errno;
	}
	return fd;
}

static long take_tcp(void)
{
	int listener = listening(128);
	int client = listener < 0 ? listener : connected_to(listener, SOCK_STREAM);
	int server = client < 0 ? client : accept(listener, NULL, NULL);

	if (server < 0)
		return server == -1 ? -errno : server;
	long n = fill(client, 65536), m = fill(server, 65536);
	return n < 0 || m < 0 ? -ENOMEM : n + m;
}

/* The clients are gone; what they sent waits in connections that nobody has accepted. */
static long take_unaccepted(void)
{
	static int listener, waiting;

	if (hog_step == 0 || waiting >= 100) {
		listener = bound(SOCK_STREAM);
		if (listener < 0 || listen(listener, 4096) < 0)
			return listener < 0 ? listener : -errno;
		waiting = 0;
	}
	int client = connected_to(listener, SOCK_STREAM);
	if (client < 0)
		return client;
	long n = fill(client, 65536);
	waiting++;
	close(client);
	return n;
}

static long take_udp(void)
{
	int server = bound(SOCK_DGRAM), client = server < 0 ? server : connected_to(server, SOCK_DGRAM);

	if (client < 0)
		return client;
	for (int i = 0; i < 100; i++)
		(void)send(client, hog_data, 8192, MSG_DONTWAIT);
	close(client);
	return waiting_in(server);
}

/* Answers of the kernel to requests that it does not know, which it sends back whole. */
static long take_netlink(void)
{
	struct {
		struct nlmsghdr header;
		char data[8000];
	} request = { .header = { .nlmsg_len = sizeof(request),
				  .nlmsg_type = RTM_GETLINK,
				  .nlmsg_flags = NLM_F_REQUEST } };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	request.header.nlmsg_type = 0xfff0;
	for (int i = 0; i < 100; i++)
		(void)send(fd, &request, sizeof(request), MSG_DONTWAIT);
	return waiting_in(fd);
}

/* One that the kernel compiles to as much as may be; long, so that a few use up what the host has for compiled ones. */
static struct sock_fprog *long_filter(void)
{
	static struct sock_filter code[4000];
	static struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	for (size_t i = 0; i < program.len; i++)
		code[i] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, (unsigned)i);
	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	code[program.len - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return &program;
}

static const long filter_size = 4000 * 16; /* as given, and as translated */

static long attach_filter(int option)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, option, long_filter(), sizeof(struct sock_fprog)) < 0)
		return -errno;
	return filter_size;
}

static long take_filters(void)
{
	return attach_filter(SO_ATTACH_FILTER);
}

static long take_group_filters(void)
{
	return attach_filter(SO_ATTACH_REUSEPORT_CBPF);
}

/* A process may have eight of this length. */
static long take_seccomp(void)
{
	int told[2], error = 0;

	if (pipe(told) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		for (int i = 0; i < 8 && error == 0; i++)
			if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, long_filter()) < 0)
				error = errno;
		while (write(told[1], &error, sizeof(error)) > 0)
			pause();
		_exit(1);
	}
	if (pid > 0 && read(told[0], &error, sizeof(error)) != sizeof(error))
		error = ECHILD;
	close(told[0]);
	close(told[1]);
	return pid < 0 ? -EAGAIN : error ? -error : 8 * filter_size;
}

static long take_sockets(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? -errno : 2048;
}

static long take_mqueues(void)
{
	char name[64];
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };

	snprintf(name, sizeof(name), "/hog-%d-%ld", hog_number, hog_step);
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
	if (queue < 0)
		return -errno;
	for (int i = 0; i < 10; i++)
		if (mq_send(queue, hog_data, 8192, 0) < 0)
			return -errno;
	return 10 * 8192;
}

static long take_messages(void)
{
	int queue = msgget(IPC_PRIVATE, 0600);

	if (queue < 0)
		return -errno;
	hog_data[0] = 1; /* the type */
	for (int i = 0; i < 2; i++)
		if (msgsnd(queue, hog_data, 8000, IPC_NOWAIT) < 0)
			return -errno;
	return 16000;
}

static const struct form socket_forms[] = {
	{ "pipes", take_pipes, false, false },
	{ "unix", take_unix, false, false },
	{ "datagrams", take_datagrams, false, false },
	{ "in-flight", take_in_flight, false, false },
	{ "tcp", take_tcp, false, false },
	{ "unaccepted", take_unaccepted, false, false },
	{ "udp", take_udp, false, false },
	{ "netlink", take_netlink, false, false },
	{ "filters", take_filters, false, false },
	{ "group-filters", take_group_filters, false, false },
	{ "seccomp", take_seccomp, false, false },
	{ "sockets", take_sockets, false, false },
	{ "mqueues", take_mqueues, false, false },
	{ "messages", take_messages, false, false },
	{ NULL, NULL, false, false },
};
