# shellcheck shell=bash
# The suite of limits of disks as it runs on any machine, here with version 2.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/ssh/io.sh
. "$repo/tests/ssh/io.sh"
file=$work/tests # where the runner finds the names
grep '^test_' "$repo/tests/ssh/io.sh" >"$file"

make_loop_nodes() { # udev does
	modprobe loop
}
