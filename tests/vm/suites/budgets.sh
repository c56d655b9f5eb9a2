# shellcheck shell=bash
# The suite of budgets as it runs on any machine, here below the scope of a real systemd.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/ssh/budgets.sh
. "$repo/tests/ssh/budgets.sh"
file=$work/tests # where the runner finds the names
grep '^test_\(user\|group\)' "$repo/tests/ssh/budgets.sh" >"$file"

# Nobody else is busy in the machine, and what ends the sessions needs a processor too.
prefer_sessions() {
	:
}
