/* agent_rig.h - an agent, clients and what relays between them, all in one process, for the tests of shell/agent.c. */
#ifndef CARREL_TESTS_AGENT_RIG_H
#define CARREL_TESTS_AGENT_RIG_H

#include "shell/agent.h"

extern struct agent agent;
extern char dir[64], inside[96],
	outside[96]; /* where clients connect, and where the agent listens, both in `dir` */
extern int agent_listener;

/* Before and after each test. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

int listen_at(const char *path);

/* The relay's loop, until there is nothing to do. */
void run(void);

/* A client that has connected. */
int client(void);

/* The agent's end of the connection that was relayed; -1 when there is none. */
int served(void);

void say(int fd, const char *text);

/* What has arrived; "" for the end, "-" for nothing yet. */
const char *hear(int fd);

#endif
