/*
 * control.h - what administrators and the PAM module ask of a running session, see core/wire.h, section 2.
 */
#ifndef CARREL_CONTROL_H
#define CARREL_CONTROL_H

#include "supervise.h"

/* Take one connection to the control socket and do what it asks. */
enum ending control_serve(struct keeper *k, struct source *self, short revents);

#endif
