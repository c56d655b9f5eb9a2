# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Limits of disk space and files that are raised, lowered, set in a session or switched on later, and keepers that are
# killed meanwhile: nothing is ever lost.

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

	disk_limits ''
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
	disk_limits 'disk = "40M"; inodes = "2000";'
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
	disk_limits ''
	expect_status 0 ssh_as u1 'head -c 30m /dev/zero >/root/large; echo kept >/root/small'
	nothing_left
	disk_limits 'disk = "16M";'
	if [ "$method" = image ]; then
		expect_status 254 ssh_as u1 'echo leaked'
		expect_no_match leaked "$output"
		expect_syslog 'are more than user_limits.disk = 16M'
		disk_limits 'disk = "48M";'
	fi
	expect_status 0 ssh_as u1 'cat /root/small; wc -c </root/large'
	expect_eq $'kept\n31457280' "$output"
	disk_limits 'disk = "16M";'
	expect_status 0 ssh_as u1 'rm /root/large; cat /root/small'
	nothing_left
	expect_full ssh_as u1 'dd if=/dev/zero of=/root/large bs=1M count=20'
}

test_snapshots_move_with_the_rest() { each snapshots; }

snapshots() {
	disk_limits ''
	expect_status 0 ssh_as u1 'echo old >/root/file; echo old >/srv/file'
	nothing_left
	expect_status 0 carrelctl rootfs snapshot u1 before
	expect_status 0 ssh_as u1 'echo new >/root/file; rm /srv/file'
	nothing_left
	disk_limits 'disk = "24M"; inodes = "400";' # into an image
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq new "$output"
	nothing_left
	disk_limits 'disk = "24M"; inodes = "800";' # into another
	expect_status 0 carrelctl apply
	expect_eq '' "$errors"
	expect_status 0 carrelctl rootfs rollback --yes u1 before
	expect_status 0 ssh_as u1 'cat /root/file /srv/file'
	expect_eq $'old\nold' "$output"
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

# What a change has put away is no reason to leave the limits as they were, and goes wherever it is by then.
test_moved_with_something_to_sweep() { each to_sweep; }

to_sweep() {
	local dir

	dir=$(user_dir u1)
	disk_limits ''
	expect_status 0 ssh_as u1 'echo mine >/root/file'
	nothing_left
	left_over "$dir"
	disk_limits 'disk = "16M"; inodes = "300";'
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq mine "$output"
	nothing_left
	wait_until 30 is_swept "$dir"

	[ "$method" = image ] || return 0
	mkdir -p "$work/image"
	mount -o loop "$dir/disk.img" "$work/image"
	left_over "$work/image"
	umount "$work/image"
	disk_limits 'disk = "12M"; inodes = "200";'
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq mine "$output"
	nothing_left
	[ "$(files_of u1)" -lt 300 ] || fail "$(storage_line u1)"
}

files_of() { # USER: how many there may be
	storage_line "$1" | sed 's/.* of \([0-9]*\) files.*/\1/'
}

left_over() { # DIRECTORY: as by a change that was killed when it was made
	mkdir -p "$1/.removed.0/upper"
	touch "$1/.removed.0/upper/file" "$(user_dir u1)/remains"
}

is_swept() { # DIRECTORY
	[ ! -e "$1/remains" ] && [ ! -e "$1/.removed.0" ]
}

# No answer is not the answer that there is nothing: a new image would take the place of the user's, without their files.
test_what_cannot_be_looked_for() { each cannot_look; }

cannot_look() {
	local name

	[ "$method" = image ] || return 0
	disk_limits ''
	expect_status 0 ssh_as u1 'echo mine >/root/file; echo mine >/srv/file'
	nothing_left
	disk_limits 'disk = "16M"; inodes = "300";'
	for name in home upper; do # into an image
		cannot_look_for "$name"
	done
	expect_eq 'mine mine' "$(ssh_as u1 'echo $(cat /root/file /srv/file)')"
	nothing_left
	disk_limits 'disk = "12M"; inodes = "200";'
	for name in disk.img home; do # from one to another
		cannot_look_for "$name"
	done
	expect_eq 'mine mine' "$(ssh_as u1 'echo $(cat /root/file /srv/file)')"
	nothing_left
}

cannot_look_for() { # NAME
	expect_status 1 strace -qq -o "$work/trace" -P "$1" -e inject=faccessat2:error=EIO carrelctl apply
	expect_match "'$1'.*Input/output error" "$errors"
	[ ! -e "$(user_dir u1)/disk.img.new" ]
}

# The keeper dies at any moment of the move; then the next login finds all, in one place or the other.
test_killed_while_files_are_moved() { each killed; }

killed() {
	local before i keeper

	need_alpine

	for i in 1 2 3 4 5 6 7 8; do
		rm -rf "$state/users"
		disk_limits ''
		expect_status 0 ssh_as u1 'mkdir /root/d; for i in $(seq 300); do echo $i >/root/d/$i; done; head -c 6m /dev/zero >/srv/zero; rm /etc/motd'
		before=$(ssh_as u1 'cat /root/d/* /srv/zero | md5sum; ls -l /root/d | md5sum; ls /etc')
		nothing_left
		disk_limits 'disk = "40M"; inodes = "2000";'
		ssh_as u1 'sleep 20' >/dev/null 2>&1 & # not over before its keeper is seen
		wait_until 30 pgrep -x carrel-keeper
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
	disk_limits 'disk = "24M";'
	hold_session u1
	in_session u1 "$session" 'echo kept >/root/file'
	kill -KILL "$(keeper_of "$session")"
	end_client
	wait_until 30 none_live
	expect_status 0 ssh_as u1 'cat /root/file'
	expect_eq kept "$output"
	carrelctl gc
}

none_live() {
	! carrelctl list --json | grep -q '"state": *"live"'
}
