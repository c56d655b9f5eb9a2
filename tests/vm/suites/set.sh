# shellcheck shell=bash
# carrelctl set and apply as tested on any machine, here below the scope of a real systemd.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/ctl/set.sh
. "$repo/tests/ctl/set.sh"
file=$work/tests # where the runner finds the names: a thousand changes take too long here, and names are the same everywhere
grep '^test_' "$repo/tests/ctl/set.sh" | grep -v 'thousand\|refused_values\|without_sessions\|odd' >"$file"
