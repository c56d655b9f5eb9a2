# shellcheck shell=bash
# shellcheck disable=SC2034 # TEST_TIMEOUT is the suite runner's
# carrelctl rootfs killed before each of its system calls that change something: afterwards there is the old or the new, whole.

# shellcheck source=tests/lib/rootfs_kill.sh
. "$lib/rootfs_kill.sh"

TEST_TIMEOUT=300

copying="symlinkat mknodat sendfile ftruncate setxattr fremovexattr utimensat"

setup() {
	prepare_versions u1
	make_changes
	leave_a_base
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
	local old new now outcome n syscall

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
			old_or_new "after renameat $n and $syscall"
			no_remains
		done
	done
}

# A call that fails tells nothing of what is done already: whatever is carried out then, nothing is skipped.
test_errors() {
	local old new now outcome syscall n calls

	restore
	old=$(picture)
	expect_status 0 strace -o "$work/trace" -e trace=faccessat2,openat,renameat,renameat2 carrelctl rootfs reset u1 --yes
	new=$(picture)
	for syscall in faccessat2 openat renameat renameat2; do
		calls=$(grep -c "^$syscall(" "$work/trace")
		for ((n = 1; n <= calls; n++)); do
			restore
			strace -o /dev/null -e "inject=$syscall:error=EIO:when=$n" carrelctl rootfs reset u1 --yes >/dev/null 2>&1 || true
			expect_status 0 carrelctl gc
			now=$(picture)
			old_or_new "an error of $syscall $n"
			no_remains
		done
	done
}

# A keeper that is killed while it carries out what the user asked for, or before or after it.
test_by_the_keeper() {
	local old new now outcome syscall n both=''

	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v1"; self_service = [ "reset" ]; };'
	restore
	old=$(picture)
	ctl reset u1 --yes
	new=$(picture)
	for syscall in renameat renameat2 unlinkat fsync; do
		for ((n = 1; ; n++)); do
			restore
			keeper_killed_at "$syscall" "$n" || break
			expect_status 0 carrelctl gc
			nothing_left
			rm -f "$state"/home/.carrel-request # of one that was not begun
			now=$(picture)
			old_or_new "the keeper was killed before $syscall $n"
			both+=$outcome
			no_remains
		done
	done
	expect_match old "$both"
	expect_match new "$both"
	nothing_left
}

keeper_killed_at() { # SYSCALL N
	local keeper tracer

	hold_session u1
	keeper=$(keeper_of "$session")
	in_session u1 "$session" 'carrel-reset --yes' >/dev/null
	strace -o "$work/trace" -p "$keeper" -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" 2>/dev/null &
	tracer=$!
	wait_until 30 grep -q "^TracerPid:[[:space:]]*$tracer" "/proc/$keeper/status"
	end_client
	wait $tracer || true
	grep -q '^+++ killed by SIGKILL' "$work/trace"
}
