# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Limits of disk space and files that are raised, lowered or set in a session; snapshots and resets below them.

# shellcheck source=tests/lib/disk.sh
. "$lib/disk.sh"

setup() {
	prepare_disk_limits
}

test_raised_by_apply() { each raised; }

raised() {
	disk_limits 'disk = "16M"; inodes = "300";'
	put_helper u1 disk_probe
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
	nothing_left
	disk_limits 'disk = "48M"; inodes = "900";'
	expect_status 0 carrelctl apply
	expect_eq '' "$errors"
	expect_status 0 ssh_as u1 'head -c 40m /dev/zero >/root/large'
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20 conv=notrunc oflag=append'
	expect_status 0 ssh_as u1 'rm /root/large; mkdir /root/d; disk_probe files /root/d'
	{ [ "${output%% *}" -gt 600 ] && [ "${output%% *}" -lt 1100 ]; } || fail "it made ${output%% *} files"
	expect_status 0 ssh_as u1 'rm -r /root/d'
	nothing_left

	# Back, by the next login alone.
	disk_limits 'disk = "16M"; inodes = "300";'
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
	nothing_left
	# And away.
	disk_limits ''
	expect_status 0 carrelctl apply
	expect_status 0 ssh_as u1 'head -c 100m /dev/zero >/root/large; rm /root/large'
}

test_raised_with_a_session() { each raised_live; }

raised_live() {
	disk_limits 'disk = "16M"; inodes = "300";'
	hold_session u1
	expect_full in_session u1 "$session" 'dd if=/dev/zero of=/root/large bs=1M count=20'
	disk_limits 'disk = "32M"; inodes = "300";'
	expect_status 0 carrelctl apply
	if [[ "$errors" == *'is in use'* ]]; then
		# An image can grow under a session where the kernel lets root do it (CAP_SYS_RESOURCE).
		[ "$method" = image ] || fail "$errors"
		! capsh --has-p=cap_sys_resource 2>/dev/null || fail "$errors"
		release_session
		hold_session u1
	else
		expect_eq '' "$errors"
	fi
	expect_status 0 in_session u1 "$session" 'head -c 28m /dev/zero >/root/large'
	# A lower limit: nothing more can be written, at once, or from the next login on where it fits.
	disk_limits 'disk = "16M"; inodes = "300";'
	expect_status 0 carrelctl apply
	if [ "$method" = project ]; then
		expect_full in_session u1 "$session" 'echo x >>/root/large'
		expect_status 0 in_session u1 "$session" 'cat /root/large >/dev/null'
	else
		expect_match 'is in use' "$errors"
	fi
	release_session
	expect_status 0 ssh_as u1 'wc -c </root/large; rm /root/large'
	expect_eq 29360128 "$output"
	nothing_left
	[ "$method" = project ] || expect_syslog 'is not as the limits are: there is more in it'
	expect_status 0 carrelctl apply
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
}

test_set_in_a_session() { each set_live; }

set_live() {
	disk_limits 'disk = "16M";'
	hold_session u1
	expect_full in_session u1 "$session" 'dd if=/dev/zero of=/root/large bs=1M count=20'
	if carrelctl set u1 disk=32M >"$work/set" 2>&1; then
		expect_status 0 in_session u1 "$session" 'head -c 28m /dev/zero >/root/large'
		# The session that is open since before knows of it as well.
		expect_match '^user +disk +[0-9.]+M +32M ' "$(in_session u1 "$session" 'cat /run/carrel/limits' | grep disk)"
		expect_full in_session u1 "$session" 'dd if=/dev/zero of=/root/large bs=1M count=40'
		expect_match 'carrel: disk limit of (3[12][0-9.]*M|3[0-9]{4}K) reached' "$output"
	else # see above
		[ "$method" = image ] || fail "$(<"$work/set")"
		expect_match 'is in use' "$(<"$work/set")"
	fi
	expect_status 1 carrelctl set u1 disk=0
	expect_status 0 carrelctl set u1 memory=300M
	release_session
	expect_status 0 ssh_as u1 'rm /root/large' # the config's again
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
}

# Nothing keeps to the first limit under a session that is open, so there is no other one beside it. The project of a user is there
# from their first login on.
test_switched_on_with_a_session() { each switched_on_live; }

switched_on_live() {
	disk_limits ''
	hold_session u1
	disk_limits 'disk = "24M";'
	expect_status 0 carrelctl apply
	if [ "$method" = image ]; then
		expect_match "'u1': .* applied when the last session has ended; no other is opened before that" "$errors"
		expect_status 254 ssh_as u1 'echo leaked'
		expect_match "'user_limits.disk' takes effect when your open sessions have ended: log out of them first" "$output$errors"
		expect_status 1 carrelctl doctor u1
		expect_match "takes effect when their open sessions have ended" "$output"
		expect_status 0 in_session u1 "$session" 'echo still here'
		# Unless the policy would do without.
		write_config <<<'covers = [ "@carrel" ]; defaults = { user_limits = { disk = "24M"; }; optional = [ "user_limits.disk" ]; };'
		expect_status 0 ssh_as u1 'echo in'
		expect_status 0 carrelctl apply
		expect_no_match 'no other is opened' "$errors"
		disk_limits 'disk = "24M";'
	else
		expect_eq '' "$errors"
	fi
	release_session
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=100'
}

# Most of what a large and empty image takes are ext4's own tables.
test_lowered_a_hundred_times() { each lowered_far; }

lowered_far() {
	disk_limits 'disk = "5G";'
	expect_status 0 ssh_as u1 'echo small >/root/file'
	nothing_left
	disk_limits 'disk = "50M";'
	expect_status 0 carrelctl apply
	expect_eq '' "$errors"
	expect_full ssh_as u1 'cat /root/file; dd if=/dev/zero of=/root/large bs=1M count=100'
	expect_match small "$output"
	ssh_as u1 'rm /root/large'
	nothing_left
	# By the next login alone, from the size of the host's filesystem.
	disk_limits ''
	expect_status 0 ssh_as u1 'cat /root/file'
	nothing_left
	disk_limits 'disk = "16M";'
	expect_full ssh_as u1 'cat /root/file; dd if=/dev/zero of=/root/large bs=1M count=100'
	expect_match small "$output"
}

test_apply_says_what_does_not_fit() { each does_not_fit; }

does_not_fit() {
	disk_limits 'disk = "48M";'
	expect_status 0 ssh_as u1 'head -c 30m /dev/zero >/root/large'
	nothing_left
	disk_limits 'disk = "16M";'
	expect_status 0 carrelctl apply
	[ "$method" = project ] || expect_match "'u1': the disk image .* is not as the limits are: there is more in it" "$errors"
	expect_status 0 ssh_as u1 'rm /root/large'
}

# As a login does, so that nothing that is about to end finds its files moved.
test_apply_after_a_killed_keeper() { each killed_before_apply; }

killed_before_apply() {
	disk_limits ''
	hold_session u1
	in_session u1 "$session" 'echo kept >/root/file'
	kill -STOP "$(monitor_of "$session")" # or it would do it
	kill -KILL "$(keeper_of "$session")"
	wait_until 30 none_live
	disk_limits 'disk = "24M";'
	expect_status 0 carrelctl apply
	expect_eq '' "$errors"
	[ ! -e "/run/carrel/sessions/$session" ] || fail "the session was not cleared away"
	expect_match "^$([ "$method" = image ] && echo 'disk image' || echo 'project quota'), " "$(storage_line u1)"
	pkill -CONT -x sshd
	end_client
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq kept "$output"
}

test_snapshots_count() { each snapshots_count; }

snapshots_count() {
	local large='dd if=/dev/zero of=/root/large bs=1M count=100' before

	disk_limits 'disk = "32M"; inodes = "800";'
	expect_status 0 ssh_as u1 'head -c 6m /dev/urandom >/root/file; echo old >/etc/motd; md5sum </root/file'
	before=$output
	nothing_left
	expect_status 0 carrelctl rootfs snapshot u1 one
	expect_full ssh_as u1 "$large"
	nothing_left
	# A full user gets no other one, and keeps what there is.
	expect_status 1 carrelctl rootfs snapshot u1 two
	expect_match "$full" "$errors"
	expect_no_match 'two' "$(carrelctl rootfs snapshots u1)"
	expect_eq "$before" "$(ssh_as u1 'echo new >/etc/motd; md5sum </root/file')"
	nothing_left
	# Back to the snapshot, when there is room for it beside the rest; to the bare image always.
	expect_status 1 carrelctl rootfs rollback --yes u1 one
	expect_match "$full" "$errors"
	expect_eq new "$(ssh_as u1 'cat /etc/motd')"
	nothing_left
	expect_status 0 carrelctl rootfs reset --yes u1
	expect_no_match 'large' "$(ssh_as u1 'ls /root')"
	nothing_left
	expect_status 0 carrelctl rootfs rollback --yes u1 one
	expect_eq "$before"$'\nold' "$(ssh_as u1 'md5sum </root/file; cat /etc/motd')"
	nothing_left
	# The limits are what they were.
	expect_full ssh_as u1 "$large"
	[ "$(taken u1)" -lt 44000 ] || fail "u1 takes $(taken u1) KiB"
	nothing_left
	expect_status 0 carrelctl rootfs drop --yes u1 one
	expect_status 0 ssh_as u1 'head -c 4m /dev/zero >/root/more'
}

test_reset_without_files_left() { each reset_without_files; }

reset_without_files() {
	disk_limits 'disk = "24M"; inodes = "400";'
	put_helper u1 disk_probe
	expect_full ssh_as u1 'mkdir /var/d; dd if=/dev/zero of=/var/large bs=1M count=100'
	expect_status 0 ssh_as u1 'disk_probe files /var/d'
	expect_status 0 ssh_as u1 'disk_probe files /root'
	nothing_left
	expect_status 0 carrelctl rootfs reset --yes u1
	expect_eq '' "$(ssh_as u1 'ls -d /var/d /root/0 2>/dev/null')"
}
