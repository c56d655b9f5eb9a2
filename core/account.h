/*
 * account.h - whether an account is the one that a state belongs to.
 *
 * The name alone does not say it: `userdel -r ann; useradd ann` makes another account of the same name and, mostly, uid. Nothing on
 * the host numbers accounts, but that leaves two marks at once: the home is another directory, and the password entry was changed since
 * the last login (useradd sets its date). One of the two alone is everyday: a site moves homes to another disk, somebody changes
 * a password. Where one of them is not known only the name decides.
 */
#ifndef CARREL_ACCOUNT_H
#define CARREL_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "state.h"

#define ACCOUNT_DAY_UNKNOWN (-1)

/*
 * Which directory an account's home is. Not known (all 0) where there is none, or where somebody else than root can arrange where the path
 * leads: they shall have no say in whose files these are.
 */
void account_find_home(const char *path, struct home_id *home);

/*
 * The day on which the account's password entry was last changed, counted from the epoch; 0 where it is to be changed at the next login; or
 * ACCOUNT_DAY_UNKNOWN: no shadow entry (a directory service), or none with a date. 0 or -errno. Asks in a child process, so that
 * nothing of the host's shadow file stays in the memory of the caller, which init is a copy of.
 */
int account_password_day(const char *name, int64_t *day, struct carrel_error *err);

/* Both are known and they are not the same directory. Inode numbers are used again, times of birth are not. */
bool account_home_differs(const struct home_id *was, const struct home_id *is);

/*
 * Whether the account of this uid, name and home is another one than the state's owner. `password_day` is needed only if
 * account_home_differs.
 */
bool account_is_other(const struct state_owner *owner, uid_t uid, const char *name,
		      const struct home_id *home, int64_t password_day);

#endif
