/* relay_rig.h - a relay between ends that a test holds, for the tests of shell/relay.c. */
#ifndef CARREL_TESTS_RELAY_RIG_H
#define CARREL_TESTS_RELAY_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shell/relay.h"

extern struct relay relay;

/* Before and after each test. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* Init's end of the connection, and a message from there. */
extern int init_end;
void say(uint32_t kind, int value);

/*
 * Run the relay in a process of its own, which holds nothing else, and exits with the result: 0 to 99 the command's
 * status, 100 + a signal number, 200 for an error.
 */
pid_t start(void);
int result(pid_t pid);

/* Read these signals in the relay. */
void take_signals(const int *signals, size_t count);

/* One direction of a transfer: bytes that do not repeat within a buffer's length. */
struct flow {
	int in, out; /* where the test writes, and reads; non-blocking */
	size_t sent, got;
	unsigned seed;
};

/* Write a piece of random size, if it is taken now. */
void feed(struct flow *flow, size_t total);

/* Read a piece of random size, if there is one, and compare. False at the end of file. */
bool take(struct flow *flow);

bool wait_for(int fd, short events, int ms);

#endif
