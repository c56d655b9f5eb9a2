/*
 * ask.h - what init, and the processes that it forks, ask of the keeper.
 *
 * Over a socket of its own (k->ask_fds, SOCK_SEQPACKET), since the answers to the keeper's own questions come over the other
 * one (notice.h). Processes of the user's never have it: it closes when they become one.
 */
#ifndef CARREL_ASK_H
#define CARREL_ASK_H

#include <stdint.h>

#include "keeper.h"

/* Make the socket, before init is cloned. 0 or -errno. */
int ask_open(struct keeper *k, struct carrel_error *err);

/* Answer, from here on. Before supervise(). */
void ask_serve(struct keeper *k);

/*
 * In a process that init has forked and that still has init's memory and ids: be given the oom_score_adj of the user's
 * processes (oom.h). Waits, at most ASK_TIMEOUT_MS. 0, or -errno: then it must not go on.
 */
#define ASK_TIMEOUT_MS 5000
int ask_score(const struct keeper *k);

/*
 * In init, when a command has ended: say what limit it may have met, if any. The answer is NOTICE_TOLD with this serial,
 * behind what there was to say. 0, or -errno: there will be no answer.
 */
int ask_look(const struct keeper *k, uint32_t serial);

#endif
