# shellcheck shell=bash
# carrelctl rootfs on btrfs: files that are not copied on write, and subvolumes.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"
# shellcheck source=tests/lib/sharing.sh
. "$lib/sharing.sh"

setup() {
	use_filesystem btrfs
	prepare_versions u1
	inside u1 true
}

# Also when there is a file, read before the others, that cannot share with its copy.
test_snapshots_share_blocks() {
	touch "$state/home/alone"
	chattr +C "$state/home/alone"
	head -c 1000000 /dev/urandom >"$state/home/alone"
	expect_status 1 cp --reflink=always "$state/home/alone" "$state/copy"
	rm -f "$state/copy"
	snapshots_share
	expect_status 0 cmp "$state/home/alone" "$state/snapshots/one/home/alone"
}

# From before the sandbox had no such calls. Nothing in it can be removed.
test_a_subvolume_that_is_read_only() {
	local kept

	inside u1 'echo mine >/opt/user'
	btrfs -q subvolume create "$state/upper/opt/sub"
	echo x >"$state/upper/opt/sub/file"
	btrfs property set "$state/upper/opt/sub" ro true
	expect_status 0 ctl snapshot u1 with
	expect_status 0 ctl reset u1 --yes
	expect_eq 'user 1' "$(inside u1 'cat /opt/user')"
	expect_status 1 carrelctl gc
	expect_match "cannot remove '.removed.[0-9]*' of uid $(id -u u1): Read-only file system" "$errors"
	expect_eq 'user 1' "$(inside u1 'cat /opt/user')"
	kept=$(echo "$state"/.removed.*)
	btrfs property set "$kept/upper/opt/sub" ro false
	expect_status 0 carrelctl gc
	expect_status 1 test -e "$kept"
	ctl rollback u1 with --yes
	expect_eq x "$(inside u1 'cat /opt/sub/file')"
}
