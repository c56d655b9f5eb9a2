# shellcheck shell=bash
# What of a root filesystem cannot be removed or understood: nobody is locked out for it.

# shellcheck source=tests/lib/rootfs_kill.sh
. "$lib/rootfs_kill.sh"

setup() {
	prepare_versions u1
	inside u1 true
}

# A mount in the user's files stands for whatever else the filesystem does not let go of.
pin_down() {
	inside u1 'mkdir -p /opt/own/pinned; echo x >/opt/own/file; echo mine >/opt/user'
	mount -t tmpfs none "$state/upper/opt/own/pinned"
}

let_go() {
	local at

	at=$(echo "$state"/.removed.*/upper/opt/own/pinned)
	umount "$at"
	expect_status 0 carrelctl gc
	no_remains
}

test_a_reset_goes_on_without() {
	pin_down
	expect_status 0 ctl reset u1 --yes
	expect_eq 'user 1' "$(inside u1 'cat /opt/user')"
	expect_status 1 carrelctl gc
	expect_match "cannot remove '.removed.[0-9]*' of uid $(id -u u1): Device or resource busy" "$errors"
	expect_match "a change of the root filesystem '$(id -u u1)' was interrupted" "$(carrelctl doctor 2>&1 || true)"
	# Neither does anything later stop at it.
	expect_status 0 ctl snapshot u1 later
	expect_status 0 ctl rollback u1 later --yes
	expect_status 0 ctl drop u1 later --yes
	expect_status 0 inside u1 true
	let_go
}

test_a_login_goes_on_without() {
	pin_down
	killed_at renameat 9 rootfs reset u1 --yes # two are the journal's, two of each of upper, work and home
	grep -qx committed=1 "$state/journal"
	expect_eq 'user 1' "$(inside u1 'cat /opt/user')"
	expect_syslog "user 'u1': cannot remove '.removed.[0-9]*' of uid $(id -u u1): Device or resource busy"
	expect_eq 'user 1' "$(inside u1 'cat /opt/user')"
	let_go
}

# Who finishes a change at a login leaves the removing to its end.
test_what_a_login_has_finished_goes_when_it_ends() {
	inside u1 'echo mine >/opt/user'
	killed_at renameat 9 rootfs reset u1 --yes
	hold_session u1
	expect_ne '' "$(find "$state" -maxdepth 1 -name '.removed.*' -print)"
	expect_status 0 test -e "$state/remains"
	release_session
	no_remains
}

test_remove_works_whatever_is_there() {
	echo 'verb=unheard-of' >"$state/journal"
	expect_status 254 inside u1 true
	expect_status 1 ctl reset u1 --yes
	expect_match 'the journal of uid [0-9]* ' "$errors"
	expect_status 0 ctl remove u1 --yes
	expect_status 0 inside u1 true
}
