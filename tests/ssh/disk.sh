# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Limits of disk space and files: who meets them cannot write more, can log in and delete; nobody else feels it; nothing is ever
# lost. By disk images; tests/vm/suites/quota.sh runs the same tests by project quotas, which not every kernel has.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

TEST_TIMEOUT=240
state=/var/lib/carrel
methods=(image)

setup() {
	make_loop_nodes
	prepare
	add_user u1
	add_user u2
	own_device=$(stat -c %d "$state")
	[[ " ${methods[*]} " != *' project '* ]] || make_quota_filesystem
}

# The view's own /dev has none, and of the host's any may be free.
make_loop_nodes() {
	local i

	mknod /dev/loop-control c 10 237
	for ((i = 0; i < 64; i++)); do
		mknod "/dev/loop$i" b 7 "$i"
	done
}

make_quota_filesystem() {
	mkdir "$work/quota"
	truncate -s 1G "$work/quota.img"
	mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota,lazy_itable_init=1 "$work/quota.img"
	mount -o loop,prjquota "$work/quota.img" "$work/quota"
	rmdir "$work/quota/lost+found"
	chmod 700 "$work/quota"
	cp -a "$state/images" "$work/quota/"
}

# The body of a test, once for each method, with no files of users.
each() { # FUNCTION
	for method in "${methods[@]}"; do
		echo "--- by $method"
		until [ "$(stat -c %d "$state")" = "$own_device" ]; do # a test that failed
			umount -l "$state"
		done
		if [ "$method" = project ]; then
			mount --bind "$work/quota" "$state"
		fi
		rm -rf "$state"/users
		remember_mounts
		"$1"
		nothing_left_at_the_end
		rm -rf "$state"/users
		if [ "$method" = project ]; then
			umount "$state"
		fi
	done
}

# Those that are ours do not count as left behind.
remember_mounts() {
	cut -d' ' -f5- /proc/self/mountinfo | grep -vE '^/run/carrel(/ns/[^/ ]*)? ' | sort >"$work/mounts"
}

nothing_left_at_the_end() {
	nothing_left
	expect_eq '' "$(mounts_of vault | grep ext4 || true)" 'in the vault'
	wait_until 10 no_loop_devices
}

no_loop_devices() {
	local file

	for file in "$state"/users/*/disk.img; do
		[ ! -e "$file" ] || [ -z "$(losetup -j "$file")" ] || return 1
	done
}

limits() { # SETTINGS
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { user_limits = { $1 }; };"
}

user_dir() { # USER
	echo "$state/users/$(id -u "$1")"
}

# KiB that a user takes on the host.
taken() { # USER
	du -sk "$(user_dir "$1")" | cut -f1
}

full='No space left|[Qq]uota exceeded'

expect_full() { # COMMAND…
	local status=0

	output=$("$@" 2>&1) || status=$?
	[ "$status" != 0 ] || fail "'$*' had room"
	expect_match "$full" "$output"
}

storage_line() { # USER: as carrelctl explain has it
	carrelctl explain "$1" | sed -n 's/^storage *[^ ]* *//p'
}

# --- what is shown ---

test_use_is_shown() { each use_is_shown; }

use_is_shown() {
	limits 'disk = "24M"; inodes = "2000";'
	hold_session u1
	expect_status 0 in_session u1 "$session" 'head -c 5m /dev/urandom >/root/file && sync && cat /run/carrel/limits'
	expect_match 'user +disk +[5-9](\.[0-9])?M +[12][0-9](\.[0-9])?M ' "$output" inside
	expect_match 'user +files +[0-9]+ +[12][0-9]{3} ' "$output" inside
	expect_status 0 carrelctl show u1
	expect_match 'user +disk +[5-9](\.[0-9])?M +[12][0-9](\.[0-9])?M ' "$output" show
	expect_status 0 carrelctl show u1 --json
	expect_match '"disk": *[5-9][0-9]{6},' "$output" json
	release_session
	limits ''
	hold_session u2
	expect_status 0 in_session u2 "$session" 'cat /run/carrel/limits'
	expect_no_match 'disk' "$output" "nothing of the host's"
	release_session
}

# --- full ---

test_a_full_disk() { each full_disk; }

full_disk() {
	local place

	limits 'disk = "24M"; inodes = "2000";'
	for place in /root /var; do
		hold_session u2
		expect_full ssh_as u1 "dd if=/dev/zero of=$place/large bs=1M count=100"
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
	limits ''
	expect_status 0 ssh_as u2 'head -c 100m /dev/zero >/root/large' # the control, of a user without a limit
}

test_no_files_left() { each no_files; }

no_files() {
	local place

	limits 'disk = "64M"; inodes = "400";'
	put_helper u1 disk_probe
	hold_session u2
	for place in /root /var; do
		expect_status 0 ssh_as u1 "mkdir $place/d; disk_probe files $place/d"
		expect_match "$full" "$output"
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
	limits 'disk = "24M"; inodes = "400";'
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

	limits 'disk = "24M"; inodes = "400";'
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
	wait_until 20 grep -q . "$work/unlinked"
	[ "$(<"$work/unlinked")" -lt 25 ] || fail "it wrote $(<"$work/unlinked") MiB"
	expect_full in_session u1 "$session" 'dd if=/dev/zero of=/var/more bs=1M count=10'
	release_session
	[ "$(taken u1)" -lt 36000 ] || fail "u1 takes $(taken u1) KiB"
	expect_status 0 ssh_as u1 'head -c 16m /dev/zero >/root/large'

	if [ "$method" = image ]; then # what is deleted goes back to the host
		nothing_left
		wait_until 20 takes_more_than u1 16000
		expect_status 0 ssh_as u1 'rm /root/large'
		nothing_left
		wait_until 20 takes_less_than u1 8000
	fi
}

takes_more_than() { # USER KIB
	[ "$(taken "$1")" -gt "$2" ]
}

takes_less_than() { # USER KIB
	[ "$(taken "$1")" -lt "$2" ]
}

# --- changes ---

test_raised_by_apply() { each raised; }

raised() {
	limits 'disk = "16M"; inodes = "300";'
	put_helper u1 disk_probe
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
	nothing_left
	limits 'disk = "48M"; inodes = "900";'
	expect_status 0 carrelctl apply
	expect_eq '' "$errors"
	expect_status 0 ssh_as u1 'head -c 40m /dev/zero >/root/large'
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20 conv=notrunc oflag=append'
	expect_status 0 ssh_as u1 'rm /root/large; mkdir /root/d; disk_probe files /root/d'
	{ [ "${output%% *}" -gt 600 ] && [ "${output%% *}" -lt 1100 ]; } || fail "it made ${output%% *} files"
	expect_status 0 ssh_as u1 'rm -r /root/d'
	nothing_left

	# Back, by the next login alone.
	limits 'disk = "16M"; inodes = "300";'
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
	nothing_left
	# And away.
	limits ''
	expect_status 0 carrelctl apply
	expect_status 0 ssh_as u1 'head -c 100m /dev/zero >/root/large; rm /root/large'
}

test_raised_with_a_session() { each raised_live; }

raised_live() {
	limits 'disk = "16M"; inodes = "300";'
	hold_session u1
	expect_full in_session u1 "$session" 'dd if=/dev/zero of=/root/large bs=1M count=20'
	limits 'disk = "32M"; inodes = "300";'
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
	limits 'disk = "16M"; inodes = "300";'
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
	[ "$method" = project ] || grep -q 'is not as the limits are: there is more in it' "$work/syslog" || fail 'no line in syslog'
	expect_status 0 carrelctl apply
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
}

test_set_in_a_session() { each set_live; }

set_live() {
	limits 'disk = "16M";'
	hold_session u1
	expect_full in_session u1 "$session" 'dd if=/dev/zero of=/root/large bs=1M count=20'
	if carrelctl set u1 disk=32M >"$work/set" 2>&1; then
		expect_status 0 in_session u1 "$session" 'head -c 28m /dev/zero >/root/large'
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

# What a user may have made: names, links, kinds, holes, attributes, and what the overlay notes about them.
make_odd_tree() {
	ssh_as u1 'set -e
		rm /etc/motd /etc/issue; rm -r /media; mkdir /media; echo new >/media/file
		mkdir -p /srv/a/b; echo one >/srv/a/one; ln /srv/a/one /srv/a/b/two; ln -s ../one /srv/a/b/link; mkfifo /srv/fifo
		ln -s nowhere /root/dangling; ln /root/dangling /root/dangling2
		chmod 4755 /srv/a/one; chmod 1777 /srv/a/b; chown 12:34 /srv/a/b; touch -d "2001-02-03 04:05:06" /srv/a /root/old
		dd if=/dev/urandom of=/root/holes bs=4k count=1 seek=500 2>/dev/null; truncate -s 10M /root/holes
		echo more >>/etc/passwd; sed -i s/more// /etc/passwd; mv /etc/hosts /etc/hosts2; ln /bin/busybox /root/../srv/busybox
		echo "name with spaces" >"/root/ n\\a	m e"
		d=/root; for i in $(seq 200); do d=$d/deeper; mkdir $d; done; echo deep >$d/file
		head -c 300000 /dev/urandom >/srv/random'
	setcap_inside
}

setcap_inside() { # as a user's tar would
	local file

	for file in "$state"/users/*/upper/srv/random; do
		[ ! -e "$file" ] || setfattr -n user.note -v text "$file" 2>/dev/null || true
	done
}

# What can be seen of a tree, from inside. What is mounted is left out.
see() {
	ssh_as u1 'cd / && find bin etc home lib media opt root sbin srv usr var -path root/.ssh -prune -o -print | sort | while IFS= read -r f; do
		[ -d "$f" ] && s=- || s=$(stat -c %s "$f"); echo "$f $(stat -c "%F %a %u %g %Y" "$f") $s $([ -L "$f" ] && readlink "$f")"; done
		find etc home media root srv -path root/.ssh -prune -o -type f -print | sort | while IFS= read -r f; do md5sum "$f"; done
		stat -c %h srv/a/one'
}

test_switched_on_later() { each switched_on; }

switched_on() {
	local before

	need_alpine

	limits ''
	if [ "$method" = project ]; then # as the files of a time before there were quotas
		umount "$state" && umount "$work/quota" && mount -o loop "$work/quota.img" "$work/quota" && mount --bind "$work/quota" "$state"
		remember_mounts
	fi
	make_odd_tree
	before=$(see)
	expect_match 'deep' "$before"
	nothing_left
	if [ "$method" = project ]; then
		umount "$state" && umount "$work/quota" && mount -o loop,prjquota "$work/quota.img" "$work/quota" && mount --bind "$work/quota" "$state"
		remember_mounts
	fi
	limits 'disk = "40M"; inodes = "2000";'
	expect_eq "$before" "$(see)"
	expect_match "^$([ "$method" = image ] && echo 'disk image' || echo 'project quota'), " "$(storage_line u1)"
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=100'
	# All that was there before can be changed.
	expect_status 0 ssh_as u1 'set -e; rm /root/large; echo x >/etc/motd; mkdir /etc/issue; mv /srv/a /root/../srv/c; mv /srv/c /srv/a
		mv /srv/a/b/link /srv/; mv /root/dangling /root/old2; rm /media/file; rm -r /media; mv /srv/fifo /etc/; mv /etc/hosts2 /etc/hosts; rm /etc/hosts; echo >/etc/hosts'
	nothing_left
	[ "$method" = project ] || expect_eq "disk.img ids image owner" "$(cd "$(user_dir u1)" && printf '%s\n' * | paste -sd' ')"
	expect_status 0 ssh_as u1 'cat /etc/motd'
	expect_eq x "$output"
}

test_more_there_than_the_limit() { each too_much; }

too_much() {
	limits ''
	expect_status 0 ssh_as u1 'head -c 30m /dev/zero >/root/large; echo kept >/root/small'
	nothing_left
	limits 'disk = "16M";'
	if [ "$method" = image ]; then
		expect_status 254 ssh_as u1 'echo leaked'
		expect_no_match leaked "$output"
		grep -q 'are more than user_limits.disk = 16M' "$work/syslog" || fail 'no line in syslog'
		limits 'disk = "48M";'
	fi
	expect_status 0 ssh_as u1 'cat /root/small; wc -c </root/large'
	expect_eq $'kept\n31457280' "$output"
	limits 'disk = "16M";'
	expect_status 0 ssh_as u1 'rm /root/large; cat /root/small'
	nothing_left
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
}

test_snapshots_move_with_the_rest() { each snapshots; }

snapshots() {
	limits ''
	expect_status 0 ssh_as u1 'echo old >/root/file; echo old >/srv/file'
	nothing_left
	expect_status 0 carrelctl rootfs snapshot u1 before
	expect_status 0 ssh_as u1 'echo new >/root/file; rm /srv/file'
	nothing_left
	limits 'disk = "24M"; inodes = "400";' # into an image
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq new "$output"
	nothing_left
	limits 'disk = "24M"; inodes = "800";' # into another
	expect_status 0 carrelctl apply
	expect_eq '' "$errors"
	expect_status 0 carrelctl rootfs rollback --yes u1 before
	expect_status 0 ssh_as u1 'cat /root/file /srv/file'
	expect_eq $'old\nold' "$output"
}

# The keeper dies at any moment of the move; then the next login finds all, in one place or the other.
test_killed_while_files_are_moved() { each killed; }

killed() {
	local before i keeper

	need_alpine

	for i in 1 2 3 4 5 6 7 8; do
		rm -rf "$state/users"
		limits ''
		expect_status 0 ssh_as u1 'mkdir /root/d; for i in $(seq 300); do echo $i >/root/d/$i; done; head -c 6m /dev/zero >/srv/zero; rm /etc/motd'
		before=$(ssh_as u1 'cat /root/d/* /srv/zero | md5sum; ls -l /root/d | md5sum; ls /etc')
		nothing_left
		limits 'disk = "40M"; inodes = "2000";'
		ssh_as u1 true >/dev/null 2>&1 &
		wait_until 10 pgrep -x carrel-keeper
		sleep "0.0$((i * 7 / 10))$((i * 7 % 10))"
		keeper=$(pgrep -ox carrel-keeper) && kill -KILL "$keeper"
		wait "$!" || true
		ls "$(user_dir u1)"
		expect_eq "$before" "$(ssh_as u1 'cat /root/d/* /srv/zero | md5sum; ls -l /root/d | md5sum; ls /etc')"
		nothing_left
	done
}

test_killed_with_an_image_in_use() { each killed_live; }

killed_live() {
	limits 'disk = "24M";'
	hold_session u1
	in_session u1 "$session" 'echo kept >/root/file'
	kill -KILL "$(keeper_of "$session")"
	end_client
	wait_until 10 pidless "$session"
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq kept "$output"
	carrelctl gc
}

pidless() { # ID
	! carrelctl list --json | grep -q '"state": *"live"'
}

# --- what there is not ---

test_no_way_to_keep_a_limit() {
	rm -rf "$state/users"
	limits 'disk = "24M";'
	mv /dev/loop-control /dev/hidden
	expect_status 254 ssh_as u1 'echo leaked'
	expect_no_match leaked "$output"
	grep -q "cannot enforce 'user_limits.disk': there are no loop devices" "$work/syslog" || fail 'no line in syslog'
	write_config <<<'covers = [ "@carrel" ]; defaults = { user_limits = { disk = "24M"; }; optional = [ "user_limits.disk" ]; };'
	expect_status 0 ssh_as u1 'echo in'
	mv /dev/hidden /dev/loop-control
	nothing_left
}

test_a_damaged_image() {
	rm -rf "$state/users"
	limits 'disk = "24M";'
	expect_status 0 ssh_as u1 'echo kept >/root/file'
	nothing_left
	wait_until 10 no_loop_devices
	# As the kernel marks one in which it has found an error.
	tune2fs -E force_fsck "$(user_dir u1)/disk.img" >/dev/null
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq kept "$output"
	nothing_left
	wait_until 10 no_loop_devices
	dd if=/dev/zero of="$(user_dir u1)/disk.img" bs=4k count=1 conv=notrunc 2>/dev/null
	expect_status 254 ssh_as u1 'echo leaked'
	grep -q "'disk.img' has no ext4 filesystem in it" "$work/syslog" || fail 'no line in syslog'
	rm -rf "$state/users"
}

# --- shown ---

test_shown_by_explain() { each shown; }

shown() {
	limits 'disk = "24M"; inodes = "2k";'
	ssh_as u1 'head -c 10m /dev/zero >/root/large; sync'
	if [ "$method" = image ]; then
		expect_match '^disk image, ' "$(storage_line u1)"
	else
		expect_match '^project quota, 1[01](\.[0-9])?M of 24M, [0-9]+ of 2K files$' "$(storage_line u1)"
	fi
	expect_match "^$([ "$method" = image ] && echo 'disk image' || echo 'project quota')$" "$(storage_line u2)"
}
