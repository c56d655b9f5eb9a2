# shellcheck shell=bash
# The suite of limits as it runs on any machine, here below the scope of a real systemd.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/ssh/limits.sh
. "$repo/tests/ssh/limits.sh"
file=$work/tests # where the runner finds the names: all but those that groups have nothing to do with
grep '^test_' "$repo/tests/ssh/limits.sh" | grep -v '^test_\(tmp_is_limited\|open_files\)' >"$file"

prefer_sessions() {
	:
}

# The processors of an emulated machine are what the host has left, so only what is too much can be told.
best_share() { # WANTED
	local share

	share=$(burn)
	[ "$share" -ge "$1" ] || share=$1
	echo "$share"
}
