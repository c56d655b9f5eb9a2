# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Limits of disk space and files: who meets them cannot write more, can log in and delete; nobody else feels it.

# shellcheck source=tests/lib/disk.sh
. "$lib/disk.sh"

setup() {
	prepare_disk_limits
}

# --- what is shown ---

test_use_is_shown() { each use_is_shown; }

use_is_shown() {
	disk_limits 'disk = "24M"; inodes = "2000";'
	hold_session u1
	expect_status 0 in_session u1 "$session" 'head -c 5m /dev/urandom >/root/file && sync && cat /run/carrel/limits'
	expect_match 'user +disk +[5-9](\.[0-9])?M +[12][0-9](\.[0-9])?M ' "$output" inside
	expect_match 'user +files +[0-9]+ +[12][0-9]{3} ' "$output" inside
	expect_status 0 carrelctl show u1
	expect_match 'user +disk +[5-9](\.[0-9])?M +[12][0-9](\.[0-9])?M ' "$output" show
	expect_status 0 carrelctl show u1 --json
	expect_match '"disk": *[5-9][0-9]{6},' "$output" json
	release_session
	disk_limits ''
	hold_session u2
	expect_status 0 in_session u2 "$session" 'cat /run/carrel/limits'
	expect_no_match 'disk' "$output" "nothing of the host's"
	release_session
}

test_shown_by_explain() { each shown; }

shown() {
	disk_limits 'disk = "24M"; inodes = "2k";'
	ssh_as u1 'head -c 10m /dev/zero >/root/large; sync'
	if [ "$method" = image ]; then
		expect_match '^disk image, ' "$(storage_line u1)"
	else
		expect_match '^project quota, 1[01](\.[0-9])?M of 24M, [0-9]+ of 2K files$' "$(storage_line u1)"
	fi
	expect_match "^$([ "$method" = image ] && echo 'disk image' || echo 'project quota')$" "$(storage_line u2)"
}

# --- full ---

test_a_full_disk() { each full_disk; }

full_disk() {
	local place

	disk_limits 'disk = "24M"; inodes = "2000";'
	for place in /root /var; do
		hold_session u2
		expect_full ssh_as u1 "dd if=/dev/zero of=$place/large bs=1M count=100"
		expect_match 'carrel: disk limit of 24M reached' "$output"
		expect_syslog "fault: .*user='u1' kind=disk level=user limit=25165824 "
		expect_status 0 in_session u2 "$session" 'head -c 8m /dev/zero >/root/file && sync && rm /root/file'
		head -c 8m /dev/zero >"$state/file"
		rm "$state/file"
		release_session
		[ "$(taken u1)" -lt 36000 ] || fail "u1 takes $(taken u1) KiB"

		# To the last block; then log in, several times, delete, and write again.
		expect_full ssh_as u1 "x=\$(head -c 3000 /dev/zero | tr '\\0' x); while echo \$x >>$place/more; do :; done; exit 1"
		nothing_left
		expect_status 0 ssh_as u1 true
		expect_full ssh_as u1 "dd if=/dev/zero of=$place/again bs=1M count=1"
		expect_status 0 ssh_as u1 "rm $place/large $place/more $place/again; sync; head -c 12m /dev/zero >$place/file"
		expect_status 0 ssh_as u1 "wc -c <$place/file; rm $place/file"
		expect_eq 12582912 "$output"
	done
	disk_limits ''
	expect_status 0 ssh_as u2 'head -c 100m /dev/zero >/root/large' # the control, of a user without a limit
}

test_no_files_left() { each no_files; }

no_files() {
	local place

	disk_limits 'disk = "64M"; inodes = "400";'
	put_helper u1 disk_probe
	hold_session u2
	for place in /root /var; do
		expect_status 0 ssh_as u1 "mkdir $place/d; disk_probe files $place/d"
		expect_match "$full" "$output"
		expect_match 'carrel: limit of [0-9]+ files reached' "$errors"
		[ "${output%% *}" -lt 600 ] || fail "it made ${output%% *} files"
		[ "${output%% *}" -gt 300 ] || fail "it made only ${output%% *} files"
		expect_status 0 in_session u2 "$session" 'mkdir /root/d && cd /root/d && for i in $(seq 100); do echo >$i || exit 1; done; rm -r /root/d'
		expect_status 0 ssh_as u1 true
		expect_status 0 ssh_as u1 "rm -r $place/d && echo x >$place/x && cat $place/x && rm $place/x"
		expect_eq x "$output"
	done
	release_session
	# No file left at a first login.
	expect_status 0 ssh_as u1 'mkdir /root/d; disk_probe files /root/d'
	nothing_left
	expect_status 0 ssh_as u1 'rm -r /root/d'
}

test_neither_space_nor_files_left() { each nothing_left_at_all; }

nothing_left_at_all() {
	disk_limits 'disk = "24M"; inodes = "400";'
	put_helper u1 disk_probe
	expect_full ssh_as u1 'mkdir /var/d; dd if=/dev/zero of=/root/large bs=1M count=100'
	expect_status 0 ssh_as u1 'disk_probe files /var/d' # now its directory has no room
	expect_status 0 ssh_as u1 'disk_probe files /root'
	nothing_left
	expect_status 0 ssh_as u1 true
	expect_status 0 ssh_as u1 'rm -r /var/d /root/large; echo deleted'
	expect_eq deleted "$output"
}

# --- attacks ---

test_ways_to_take_more() { each ways; }

ways() {
	local where

	disk_limits 'disk = "24M"; inodes = "400";'
	put_helper u1 disk_probe
	# Holes are free, what is put in them is not.
	expect_status 0 ssh_as u1 'truncate -s 1G /root/sparse /var/sparse'
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/sparse bs=1M seek=500 count=100 conv=notrunc'
	expect_status 0 ssh_as u1 'rm /root/sparse /var/sparse'
	for where in /root /var; do
		expect_status 1 ssh_as u1 "disk_probe fallocate $where/a 100"
		expect_match "$full" "$output"
		expect_status 1 ssh_as u1 "disk_probe punch $where/a 100"
		expect_match "$full" "$output"
		expect_status 0 ssh_as u1 "rm -f $where/a"
		# Names of one file take space, too.
		expect_status 0 ssh_as u1 "mkdir $where/d; timeout 60 disk_probe names $where/d | tail -n 1; rm -r $where/d"
	done
	[ "$(taken u1)" -lt 36000 ] || fail "u1 takes $(taken u1) KiB"

	# Files without a name take space while they are open, and no longer.
	hold_session u1
	in_session u1 "$session" 'disk_probe unlinked /root 100' >"$work/unlinked" 2>/dev/null </dev/null || true &
	wait_until 30 grep -q . "$work/unlinked"
	[ "$(<"$work/unlinked")" -lt 25 ] || fail "it wrote $(<"$work/unlinked") MiB"
	expect_full in_session u1 "$session" 'dd if=/dev/zero of=/var/more bs=1M count=10'
	release_session
	[ "$(taken u1)" -lt 36000 ] || fail "u1 takes $(taken u1) KiB"
	expect_status 0 ssh_as u1 'head -c 16m /dev/zero >/root/large'

	if [ "$method" = image ]; then # what is deleted goes back to the host
		nothing_left
		wait_until 30 takes_more_than u1 16000
		expect_status 0 ssh_as u1 'rm /root/large'
		nothing_left
		wait_until 30 takes_less_than u1 8000
	fi
}

takes_more_than() { # USER KIB
	[ "$(taken "$1")" -gt "$2" ]
}

takes_less_than() { # USER KIB
	[ "$(taken "$1")" -lt "$2" ]
}

# --- what there is not ---

test_no_way_to_keep_a_limit() {
	local other both='user_limits = { disk = "24M"; inodes = "2k"; };'

	rm -rf "$state/users"
	disk_limits 'disk = "24M";'
	mv /dev/loop-control /dev/hidden
	expect_status 254 ssh_as u1 'echo leaked'
	expect_no_match leaked "$output"
	expect_syslog "cannot enforce 'user_limits.disk': there are no loop devices"
	write_config <<<'covers = [ "@carrel" ]; defaults = { user_limits = { disk = "24M"; }; optional = [ "user_limits.disk" ]; };'
	expect_status 0 ssh_as u1 'echo in'
	# One of two that would have to be kept.
	for other in disk inodes; do
		write_config <<<"covers = [ \"@carrel\" ]; defaults = { $both optional = [ \"user_limits.$other\" ]; };"
		expect_status 254 ssh_as u1 'echo leaked'
	done
	expect_syslog "cannot enforce 'user_limits.inodes': there are no loop devices"
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $both optional = [ \"user_limits.disk\", \"user_limits.inodes\" ]; };"
	expect_status 0 ssh_as u1 'echo in'
	expect_syslog "'u1': neither disk space nor files are limited here: there are no loop devices"
	mv /dev/hidden /dev/loop-control
	nothing_left
}

test_a_damaged_image() {
	rm -rf "$state/users"
	disk_limits 'disk = "24M";'
	expect_status 0 ssh_as u1 'echo kept >/root/file'
	nothing_left
	wait_until 30 no_loop_devices
	# As the kernel marks one in which it has found an error.
	tune2fs -E force_fsck "$(user_dir u1)/disk.img" >/dev/null
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq kept "$output"
	nothing_left
	wait_until 30 no_loop_devices
	dd if=/dev/zero of="$(user_dir u1)/disk.img" bs=4k count=1 conv=notrunc 2>/dev/null
	expect_status 254 ssh_as u1 'echo leaked'
	expect_syslog "'disk.img' has no ext4 filesystem in it"
	rm -rf "$state/users"
}
