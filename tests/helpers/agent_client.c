/*
 * agent_client.c - a client of the ssh agent at SSH_AUTH_SOCK.
 *
 *	agent_client list [N]    open N connections at once (1), ask on each for the keys, and print their comments
 *	agent_client stall N     on N connections ask twenty times and never read; print "stalled" when no more arrives,
 *	                         and stay until standard input ends
 *
 * Exit status 1 when there is no agent, or no whole answer. Linked statically, to run in any rootfs.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define MESSAGE_MAX	(256 * 1024)
#define QUESTIONS	20
#define PATIENCE_S	20

/* draft-ietf-sshm-ssh-agent, section 5 */
enum { REQUEST_IDENTITIES = 11, IDENTITIES_ANSWER = 12 };
static const unsigned char question[] = { 0, 0, 0, 1, REQUEST_IDENTITIES };

static int connect_agent(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const char *path = getenv("SSH_AUTH_SOCK");

	if (!path || strlen(path) >= sizeof(at.sun_path))
		errx(1, "no SSH_AUTH_SOCK");
	memcpy(at.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(1, "%s", path);
	return fd;
}

static void take(int fd, void *buf, size_t size)
{
	if (recv(fd, buf, size, MSG_WAITALL) != (ssize_t)size)
		errx(1, "the agent went away");
}

static uint32_t number(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A counted string at *offset, which moves behind it. */
static const unsigned char *string(const unsigned char *message, uint32_t size, uint32_t *offset,
				   uint32_t *length)
{
	const unsigned char *at = message + *offset;

	if (size - *offset < 4 || (*length = number(at)) > size - *offset - 4)
		errx(1, "a damaged answer");
	*offset += 4 + *length;
	return at + 4;
}

static void print_answer(int fd)
{
	static unsigned char message[MESSAGE_MAX];
	unsigned char header[4];
	uint32_t size, offset = 5, length;

	take(fd, header, sizeof(header));
	size = number(header);
	if (size < 5 || size > sizeof(message))
		errx(1, "an answer of %u bytes", size);
	take(fd, message, size);
	if (message[0] != IDENTITIES_ANSWER)
		errx(1, "an answer of type %u", message[0]);
	for (uint32_t keys = number(message + 1); keys > 0; keys--) {
		string(message, size, &offset, &length); /* the key itself */
		const unsigned char *comment = string(message, size, &offset, &length);
		printf("%.*s\n", (int)length, (const char *)comment);
	}
	if (offset != size)
		errx(1, "too long an answer");
}

static int list(size_t count)
{
	int fds[CONNECTIONS_MAX];

	alarm(PATIENCE_S);
	for (size_t i = 0; i < count; i++) {
		fds[i] = connect_agent();
		if (send(fds[i], question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
			err(1, "send");
	}
	for (size_t i = 0; i < count; i++) {
		print_answer(fds[i]);
		close(fds[i]);
	}
	return 0;
}

/* Wait until so much has arrived that no more does. */
static void fill_up(int fd)
{
	for (int before = 0, now = 0; now == 0 || now != before;) {
		before = now;
		usleep(300 * 1000);
		if (ioctl(fd, FIONREAD, &now) < 0)
			err(1, "FIONREAD");
	}
}

static int stall(size_t count)
{
	int fd = -1;

	for (size_t i = 0; i < count; i++) {
		fd = connect_agent();
		for (int n = 0; n < QUESTIONS; n++) {
			if (send(fd, question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
				err(1, "send");
		}
	}
	fill_up(fd);
	puts("stalled");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

int main(int argc, char **argv)
{
	size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

	if (argc >= 2 && argc <= 3 && count > 0 && count <= CONNECTIONS_MAX) {
		if (strcmp(argv[1], "list") == 0)
			return list(count);
		if (strcmp(argv[1], "stall") == 0)
			return stall(count);
	}
	errx(2, "usage: agent_client list [N] | stall N");
}
