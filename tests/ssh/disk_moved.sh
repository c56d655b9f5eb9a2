# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Files that are moved because limits of disk space begin or change, with something in the way, or with keepers that are killed
# meanwhile: nothing is ever lost.

# shellcheck source=tests/lib/disk.sh
. "$lib/disk.sh"

setup() {
	prepare_disk_limits
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
