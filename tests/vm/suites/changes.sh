# shellcheck shell=bash
# Limits that change beside logins, as tested on any machine, here with version 2.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/ctl/changes.sh
. "$repo/tests/ctl/changes.sh"
file=$work/tests # where the runner finds the names: what is not the same with version 1
grep '^test_\(a_login\|apply_below\|apply_goes_on\)' "$repo/tests/ctl/changes.sh" >"$file"
