# shellcheck shell=bash
# shellcheck disable=SC2034 # TEST_TIMEOUT is the suite runner's
# carrelctl rootfs killed before each of its system calls that change something: afterwards there is the old or the new, whole.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

TEST_TIMEOUT=300

# Everything by which a verb changes what is on disk, or makes sure of it. (A new file is there before the first write to it.)
changing="mkdirat renameat renameat2 unlinkat linkat write fsync syncfs umount2"
copying="symlinkat mknodat sendfile ftruncate setxattr fremovexattr utimensat"

setup() {
	prepare_versions u1
	inside u1 'cd /opt && echo first >user && echo all >hard1 && rm -r data && mkdir data && ln -s x link && mknod p p && echo f >~/file'
	ctl snapshot u1 early
	inside u1 'cd /opt && echo second >user && rm same && ln user name2 && mkdir -p own/dir && echo g >own/dir/file && rm ~/file && echo h >~/other'
	cp -a "$state" "$work/base"
	# An index refers to the very directory that it is the index of.
	python3 -c 'import os, sys; os.removexattr(sys.argv[1], "trusted.overlay.upper")' "$work/base/work/index"
}

picture() {
	python3 "$repo/tests/helpers/state_picture.py" "$state"
}

restore() {
	rm -rf "$state"
	cp -a "$work/base" "$state"
}

# Nothing of a change is left, whether it was finished or undone.
no_remains() {
	local remains

	remains=$(find "$users" -maxdepth 2 \( -name '.?*' -o -name journal \) -print)
	expect_eq '' "$remains" "remains of a change"
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

kill_everywhere() { # VERB…
	local old new now syscall n both='' total=0

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
			case $now in
			"$old") both+=old ;;
			"$new") both+=new ;;
			*)
				echo "killed before $syscall $n:"
				diff <(echo "$old") <(echo "$now") || true
				diff <(echo "$new") <(echo "$now") || true
				fail "neither the old nor the new"
				;;
			esac
		done
	done
	echo "$total kills"
	expect_match old "$both"
	expect_match new "$both"
	expect_eq "$new" "$(picture)" "the last one, which was not killed"
	expect_status 0 ssh_as u1 'cat /opt/image'
	nothing_left
}

test_snapshot() {
	kill_everywhere rootfs snapshot u1 late
}

test_rollback() {
	changing+=" $copying"
	kill_everywhere rootfs rollback u1 early --yes
}

test_reset() {
	kill_everywhere rootfs reset u1 --yes
}

test_drop() {
	kill_everywhere rootfs drop u1 early --yes
}

test_upgrade() {
	kill_everywhere rootfs upgrade u1 --image v2 --yes
}

test_remove() {
	kill_everywhere rootfs remove u1 --yes
}

# Killed once more in the middle of the repair, which is then done by a login.
test_the_repair_is_killed() {
	local old new now n syscall

	restore
	old=$(picture)
	ctl rollback u1 early --yes
	new=$(picture)
	for n in 1 3 4; do
		for syscall in renameat unlinkat; do
			restore
			killed_at renameat "$n" rootfs rollback u1 early --yes
			killed_at "$syscall" 1 gc || continue
			expect_status 0 ssh_as u1 true
			wait_until 30 no_session u1
			expect_status 0 carrelctl gc # a file without a use is no reason to hold up a login
			now=$(picture)
			[ "$now" = "$old" ] || [ "$now" = "$new" ] || {
				diff <(echo "$old") <(echo "$now") || true
				diff <(echo "$new") <(echo "$now") || true
				fail "neither the old nor the new after renameat $n and $syscall"
			}
			no_remains
		done
	done
}
