/*
 * supervise.h - wait for the end of a session, whoever ends it.
 */
#ifndef CARREL_SUPERVISE_H
#define CARREL_SUPERVISE_H

#include "keeper.h"

/*
 * Returns when init has died, when the process that opened the session has died (pidfd: a killed sshd
 * leaves nothing behind), when close or kill is asked for over the control socket, or at SIGTERM. A control
 * connection that asked stays open until the keeper exits: its end of file says that everything is gone.
 */
void supervise(struct keeper *k);

#endif
