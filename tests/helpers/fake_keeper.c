/*
 * fake_keeper.c - stands in for carrel-keeper, to see what pam_carrel.so makes of good and bad ones.
 *
 * Started by the module in place of the real one, so it learns from a file, FAKE_DIR/mode, what to do:
 *
 *	text TEXT         answer TEXT, where "\n" is a new line, "\0" a NUL, and exit
 *	long              answer more than fits
 *	exit              end without an answer
 *	hang              do not answer until the module gives up, then note "told" in FAKE_DIR/told
 *	ready ID WORD…    make the session's directory, answer READY and serve; the words:
 *	    netns            hand over the descriptor of a new network namespace
 *	    file             hand over a descriptor that is no namespace
 *	    two              hand over two descriptors
 *	    deaf             take no connection
 *	    mute             take the connection and do nothing
 *	    slow             end half a second after it was asked to
 *	    crash            end when asked to, removing nothing
 *	    killed           end after the answer, removing nothing
 *	    talk             answer the request with a line
 *	    norepair         and "carrel-keeper close ID" refuses
 *
 * What it was started with goes to FAKE_DIR/seen.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/paths.h"
#include "core/wire.h"

#define FAKE_DIR "/run/test/fake-keeper"

static char mode[1024];

static bool mode_has(const char *word)
{
	const char *at = strstr(mode, word);
	return at && at > mode && at[-1] == ' ';
}

static void read_mode(void)
{
	_cleanup_close_ int fd = open(FAKE_DIR "/mode", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, mode, sizeof(mode) - 1);
	if (n < 0)
		exit(3);
	mode[n] = '\0';
	mode[strcspn(mode, "\n")] = '\0';
}

static void copy_lines(FILE *out, const char *path, const char *const prefixes[])
{
	char line[1024];

	_cleanup_file_ FILE *in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in)) {
		for (size_t i = 0; prefixes[i]; i++) {
			if (strncmp(line, prefixes[i], strlen(prefixes[i])) == 0)
				fputs(line, out);
		}
	}
}

/* First of all, and without opening anything before the list of descriptors is read. */
static void write_seen(int argc, char **argv)
{
	static const char *const status[] = { "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", NULL };
	static const char *const fdinfo[] = { "Pid", NULL };
	char target[256], name[64], descriptors[2048] = "";
	struct dirent *entry;
	size_t used = 0;

	_cleanup_dir_ DIR *dir = opendir("/proc/self/fd");
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir)) /* NOLINT(cert-err34-c) */
			continue;
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		target[strcspn(target, "[")] = '\0'; /* socket:[123] */
		used += (size_t)snprintf(descriptors + used, sizeof(descriptors) - used, "fd %s %s\n",
					 entry->d_name, target);
	}
	_cleanup_file_ FILE *out = fopen(FAKE_DIR "/seen", "we");
	if (!out)
		exit(3);
	for (int i = 0; i < argc; i++)
		fprintf(out, "arg %s\n", argv[i]);
	for (char **e = environ; *e; e++)
		fprintf(out, "env %s\n", *e);
	fprintf(out, "%s", descriptors);
	fprintf(out, "cwd %s\n", getcwd(target, sizeof(target)));
	fprintf(out, "umask %03o\n", umask(022));
	fprintf(out, "session %s\n", getsid(0) == getpid() ? "own" : "inherited");
	ssize_t n = readlink("/proc/self/ns/net", target, sizeof(target) - 1);
	fprintf(out, "netns %.*s\n", (int)(n < 0 ? 0 : n), target);
	copy_lines(out, "/proc/self/status", status);
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", WIRE_OPENER_FD);
	copy_lines(out, name, fdinfo);
}

static void answer(const char *text, size_t size, const int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { .iov_base = (char *)text, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	if (sendmsg(WIRE_ANSWER_FD, &message, MSG_NOSIGNAL) < 0)
		exit(4);
}

static void answer_text(const char *text)
{
	answer(text, strlen(text), NULL, 0);
}

static void answer_escaped(const char *text)
{
	char out[sizeof(mode)];
	size_t size = 0;

	for (; *text; text++) {
		if (*text == '\\' && (text[1] == 'n' || text[1] == '0'))
			out[size++] = *++text == 'n' ? '\n' : '\0';
		else
			out[size++] = *text;
	}
	answer(out, size, NULL, 0);
}

static void hang(void)
{
	struct pollfd p = { .fd = WIRE_ANSWER_FD };

	while (poll(&p, 1, -1) < 0)
		continue;
	_cleanup_close_ int told = open(FAKE_DIR "/told", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
}

static void session_path(char *path, size_t size, const char *id, const char *file)
{
	snprintf(path, size, CARREL_SESSIONS "/%s%s", id, file);
}

static void remove_session(const char *id)
{
	char path[128];

	session_path(path, sizeof(path), id, "/control");
	(void)unlink(path);
	session_path(path, sizeof(path), id, "");
	(void)rmdir(path);
}

static int listen_control(const char *id)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char path[128];

	session_path(path, sizeof(path), id, "");
	(void)mkdir(CARREL_RUN_DIR, 0711);
	(void)mkdir(CARREL_SESSIONS, 0711);
	(void)mkdir(path, 0711);
	session_path(at.sun_path, sizeof(at.sun_path), id, "/control");
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
		exit(5);
	return fd;
}

/* The descriptors to hand over: returns how many. */
static size_t open_extras(int fds[2])
{
	if (!mode_has("netns") && !mode_has("file") && !mode_has("two"))
		return 0;
	_cleanup_close_ int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (mode_has("netns") && unshare(CLONE_NEWNET) < 0)
		exit(6);
	fds[0] = open(mode_has("file") ? "/dev/null" : "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	fds[1] = dup(fds[0]);
	if (mode_has("netns") && setns(before, CLONE_NEWNET) < 0)
		exit(6);
	return mode_has("two") ? 2 : 1;
}

static void serve_session(void)
{
	char id[64], text[128];
	int fds[2] = { -EBADF, -EBADF };

	if (sscanf(mode, "ready %63s", id) != 1) /* NOLINT(cert-err34-c) */
		exit(3);
	int control = listen_control(id);
	int size = snprintf(text, sizeof(text), "READY\n%s", id);
	size_t count = open_extras(fds);
	answer(text, (size_t)size, fds, count);
	close(WIRE_ANSWER_FD);
	close(fds[0]);
	close(fds[1]);
	if (mode_has("killed"))
		return;
	/* Nobody asks: the module's process has ended. */
	struct pollfd p[] = { { .fd = control, .events = POLLIN },
			      { .fd = WIRE_OPENER_FD, .events = POLLIN } };
	if (mode_has("deaf"))
		p[0].events = 0;
	while (poll(p, 2, -1) < 0)
		continue;
	int client = p[0].revents ? accept4(control, NULL, NULL, SOCK_CLOEXEC) : -EBADF;
	if (client >= 0) {
		ssize_t n = recv(client, text, sizeof(text), 0);
		if (n != (ssize_t)strlen(CONTROL_CLOSE) || memcmp(text, CONTROL_CLOSE, (size_t)n) != 0)
			exit(7);
	}
	if (mode_has("mute"))
		(void)poll(&p[1], 1, -1);
	if (mode_has("slow"))
		usleep(500000);
	if (mode_has("talk"))
		(void)send(client, "no\033 way", 7, MSG_NOSIGNAL);
	if (!mode_has("crash"))
		remove_session(id);
}

int main(int argc, char **argv)
{
	char text[2 * WIRE_ANSWER_MAX];

	write_seen(argc, argv);
	read_mode();
	if (argc == 3 && strcmp(argv[1], "close") == 0) {
		if (mode_has("norepair")) {
			answer_text("REFUSE\n-\nthe cgroup is busy");
			return 0;
		}
		remove_session(argv[2]);
		answer_text("GONE\n");
	} else if (strncmp(mode, "text ", 5) == 0) {
		answer_escaped(mode + 5);
	} else if (strcmp(mode, "long") == 0) {
		memset(text, 'x', sizeof(text));
		answer(text, sizeof(text), NULL, 0);
	} else if (strcmp(mode, "hang") == 0) {
		hang();
	} else if (strncmp(mode, "ready ", 6) == 0) {
		serve_session();
	}
	return 0;
}
