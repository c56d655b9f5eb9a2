# shellcheck shell=bash
# Limits that change beside logins, as tested on any machine, here with version 2.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/ctl/changes.sh
. "$repo/tests/ctl/changes.sh"
file=$work/tests # where the runner finds the names: to apply often takes too long here
grep '^test_' "$repo/tests/ctl/changes.sh" | grep -v beside_logins >"$file"
