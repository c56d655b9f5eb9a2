# shellcheck shell=bash
# For suites about changes of a root filesystem that are cut off: . "$lib/rootfs_kill.sh"
#
# $state is the first user's, plain or with a disk image in it; what they have at the start is put aside by leave_a_base.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

# Everything by which a verb changes what is on disk, or makes sure of it. (A new file is there before the first write to it.)
changing="mkdirat renameat renameat2 unlinkat linkat write fsync syncfs umount2"

# What a user has who is about to lose it, and a snapshot of what they had before.
make_changes() {
	inside u1 'cd /opt && echo first >user && echo all >hard1 && rm -r data && mkdir data && ln -s x link && mknod p p && echo f >~/file'
	ctl snapshot u1 early
	inside u1 'cd /opt && echo second >user && rm same && ln user name2 && mkdir -p own/dir && echo g >own/dir/file && rm ~/file && echo h >~/other'
}

# All that counts of the user's state.
picture() {
	if [ -e "$state" ]; then
		with_storage python3 "$repo/tests/helpers/state_picture.py" "$state"
	else
		echo "no state"
	fi
}

# Run a command with the directory that has upper, work, home and snapshots in it as its last argument.
with_storage() { # COMMAND…
	local status=0

	if [ ! -e "$state/disk.img" ]; then
		"$@" "$state"
		return
	fi
	wait_until 30 image_is_free
	mkdir -p "$work/image"
	mount -o loop "$state/disk.img" "$work/image"
	"$@" "$work/image" || status=$?
	umount "$work/image"
	wait_until 30 image_is_free
	return $status
}

image_is_free() {
	[ -z "$(losetup -j "$state/disk.img")" ]
}

leave_a_base() {
	[ ! -e "$state/disk.img" ] || wait_until 30 image_is_free
	# An index refers to the very directory that it is the index of.
	[ -e "$state/disk.img" ] || python3 -c 'import os, sys; os.removexattr(sys.argv[1], "trusted.overlay.upper")' "$state/work/index"
	cp -a "$state" "$work/base"
}

restore() {
	rm -rf "$state"
	cp -a "$work/base" "$state"
}

# Nothing of a change is left, whether it was finished or undone.
no_remains() {
	local remains

	remains=$(find "$users" -maxdepth 2 \( -name '.?*' -o -name journal -o -name remains \) -print
		[ ! -e "$state" ] || with_storage names_of_remains)
	expect_eq '' "$remains" "remains of a change"
}

names_of_remains() { # DIRECTORY
	find "$1" -maxdepth 1 -name '.?*' -print
}

# Run a verb, killed before its Nth call of SYSCALL. False when it ended by itself before that.
killed_at() { # SYSCALL N VERB…
	local syscall=$1 n=$2 status=0
	shift 2

	(exec strace -o /dev/null -e "inject=$syscall:signal=KILL:when=$n" carrelctl "$@" >"$work/said" 2>&1) 2>/dev/null || status=$?
	case $status in
	137) ;;
	0) return 1 ;;
	*) fail "killed before $syscall $n: status $status: $(<"$work/said")" || exit 1 ;;
	esac
}

# Which of $old and $new is $now: then in $outcome.
old_or_new() { # WHEN
	outcome=old
	[ "$now" != "$old" ] || return 0
	outcome=new
	[ "$now" != "$new" ] || return 0
	echo "$1:"
	diff <(echo "$old") <(echo "$now") || true
	diff <(echo "$new") <(echo "$now") || true
	fail "neither the old nor the new"
}

kill_everywhere() { # VERB…
	local old new now outcome syscall n both='' total=0

	restore
	old=$(picture)
	expect_status 0 carrelctl "$@"
	new=$(picture)
	expect_ne "$old" "$new" "what '$*' does"
	no_remains
	for syscall in $changing; do
		for ((n = 1; ; n++)); do
			restore
			killed_at "$syscall" "$n" "$@" || break
			total=$((total + 1))
			expect_status 0 carrelctl gc
			now=$(picture)
			no_remains
			old_or_new "killed before $syscall $n"
			both+=$outcome
		done
	done
	echo "$total kills"
	expect_match old "$both"
	expect_match new "$both"
	expect_eq "$new" "$(picture)" "the last one, which was not killed"
	expect_status 0 ssh_as u1 'cat /opt/image'
	nothing_left
}
