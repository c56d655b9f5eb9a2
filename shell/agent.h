/*
 * agent.h - the client's ssh agent, for the programs of the sandbox.
 *
 * The socket on which sshd offers the agent is on the host and stays there. The sandbox has a socket of its own, made by
 * init, and carrel-shell holds the listening end: it accepts there, connects to sshd's socket and copies. It does so in
 * relay.c's loop, which waits for what agent_watch() names and then calls agent_move().
 *
 * Whoever is slow only holds up the connection they are on. Everything is bounded: so many connections, each with two
 * buffers; further ones wait in the listener's backlog.
 */
#ifndef CARREL_SHELL_AGENT_H
#define CARREL_SHELL_AGENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define AGENT_CONNECTIONS 16
#define AGENT_BUFFER	  (8 * 1024)
#define AGENT_POLLFDS	  (1 + 2 * AGENT_CONNECTIONS)

enum agent_side { AGENT_INSIDE, AGENT_OUTSIDE };

/* One direction of a connection. */
struct agent_way {
	bool finished; /* nothing more comes; once the buffer is empty the reader is told */
	bool over;     /* and it was told, or is gone */
	size_t start, end;
	unsigned char data[AGENT_BUFFER];
};

struct agent_connection {
	int fd[2];		 /* by enum agent_side; owned */
	struct agent_way way[2]; /* by the side it comes from */
};

struct agent {
	struct sockaddr_un outside; /* sshd's socket */
	int listener;		    /* the sandbox's; owned; negative: there is none */
	size_t count;
	struct agent_connection list[AGENT_CONNECTIONS];
};

/*
 * Whether there is an agent to offer: `path`, the value of SSH_AUTH_SOCK or NULL, is a socket of the user's. It is
 * looked at again at each connection. Also makes *agent ready for the other functions.
 */
bool agent_find(struct agent *agent, const char *path);

/* Begin: the sandbox's listening socket becomes the agent's. */
void agent_listen(struct agent *agent, int listener);

/* Fill in what to wait for, at most AGENT_POLLFDS of them. Returns how many. */
nfds_t agent_watch(const struct agent *agent, struct pollfd *p);

/* Copy what was ready, from what agent_watch() filled in and poll() has answered. Never waits. */
void agent_move(struct agent *agent, const struct pollfd *p);

/* Close everything. */
void agent_clear(struct agent *agent);

#endif
