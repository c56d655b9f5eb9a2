# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The limits of the policy hold, and only whoever meets them feels it.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
}

test_values_are_in_the_kernel() {
	local file

	limits 'memory = "64M"; swap = "32M"; cpus = "0.5"; pids = "40";'
	hold_session u1
	file=$(group_file "$session" memory memory.limit_in_bytes memory.max)
	expect_eq 67108864 "$(<"$file")" memory
	case $file in
	*.max) [ ! -e "${file%.max}.swap.max" ] || expect_eq 33554432 "$(<"${file%.max}.swap.max")" swap ;;
	*) # both together; and buffers of TCP apart
		file=${file%.limit_in_bytes}
		[ ! -e "$file.memsw.limit_in_bytes" ] || expect_eq 100663296 "$(<"$file.memsw.limit_in_bytes")" swap
		[ ! -e "$file.kmem.tcp.limit_in_bytes" ] || expect_eq 67108864 "$(<"$file.kmem.tcp.limit_in_bytes")" TCP
		;;
	esac
	expect_eq 40 "$(<"$(group_file "$session" pids pids.max pids.max)")" pids
	case $(group_file "$session" cpu v1 v2) in
	*v1) expect_eq 50000 "$(<"$(group_file "$session" cpu cpu.cfs_quota_us -)")" cpus ;;
	*v2) expect_eq '50000 100000' "$(<"$(group_file "$session" cpu - cpu.max)")" cpus ;;
	esac
	release_session
}

test_every_process_is_in_the_group_from_birth() {
	local inside controller

	hold_session u1
	in_session u1 "$session" 'for i in 1 2 3; do sleep 1000 & done; sleep 1000 >/dev/null 2>&1 </dev/null &' >/dev/null 2>&1 || true
	inside=$(pgrep --ns "$(init_of "$session")" --nslist pid . | sort)
	[ "$(wc -l <<<"$inside")" -ge 4 ] || fail "only these are in the sandbox: $inside"
	for controller in memory cpu pids; do
		expect_eq "$inside" "$(sort "$(group_file "$session" $controller cgroup.procs cgroup.procs)")" "$controller"
	done
	release_session
}

test_memory() {
	local sshd

	sshd=$(<"$work/sshd.pid")
	limits 'memory = "64M"; swap = "0";'
	hold_session u2
	expect_status 137 ssh_as u1 'exec dd if=/dev/zero of=/dev/null bs=200M count=1' # in one buffer
	# The other session, of another user, has not noticed, nor has sshd.
	expect_status 0 in_session u2 "$session" 'echo alive'
	expect_eq "$sshd" "$(<"$work/sshd.pid")"
	[ -d "/proc/$sshd" ] || fail "sshd is gone"
	expect_status 0 ssh_as u1 'echo again'
	release_session

	limits 'memory = "512M";'
	expect_status 0 ssh_as u1 'dd if=/dev/zero of=/dev/null bs=200M count=1'
	expect_match '1\+0 records out' "$errors" "the control"
}

# What is written to a tmpfs is memory, too, and stays when the writer has been killed for it; so this may cost the
# session, and nothing else.
test_memory_of_files_in_tmp() {
	local status=0

	limits 'memory = "64M"; swap = "0"; tmp = "200M";'
	hold_session u2
	ssh_as u1 'head -c 100m /dev/zero >/tmp/large' || status=$?
	expect_match '^(137|125)$' "$status"
	expect_status 0 in_session u2 "$session" 'echo alive'
	release_session
	expect_status 0 ssh_as u1 'echo again'
	limits 'memory = "512M"; tmp = "200M";'
	expect_status 0 ssh_as u1 'head -c 100m /dev/zero >/tmp/large'
}

test_tmp_is_limited_by_itself() {
	local dir

	limits 'tmp = "8M"; tmp_inodes = "100";'
	for dir in /tmp /run /dev/shm; do
		expect_status 1 ssh_as u1 "head -c 9m /dev/zero >$dir/large"
		expect_status 0 ssh_as u1 "head -c 7m /dev/zero >$dir/large"
		expect_status 1 ssh_as u1 "cd $dir && for i in \$(seq 200); do touch \$i || exit 1; done"
		expect_match 'No space left' "$errors" "$dir"
		expect_status 0 ssh_as u1 "cd $dir && for i in \$(seq 90); do touch \$i || exit 1; done"
	done
}

many_sleeps='for i in $(seq 80); do sleep 30 & done; echo started; kill $(jobs -p)'

test_processes() {
	local current

	limits 'pids = "40";'
	hold_session u2
	expect_status 2 ssh_as u1 "$many_sleeps"
	expect_match "can't fork" "$errors"
	expect_no_match 'started' "$output"
	hold_session u1
	in_session u1 "$session" "$many_sleeps" >/dev/null 2>&1 || true
	current=$(<"$(group_file "$session" pids pids.current pids.current)")
	[ "$current" -le 40 ] || fail "$current processes under a limit of 40"
	pkill -KILL -f '^sleep 100000' || true
	nothing_left

	limits 'pids = "256";'
	expect_status 0 ssh_as u1 "$many_sleeps"
	expect_eq started "$output" "the control"
}

# A full session says so instead of hanging.
test_no_process_left_for_one_more_command() {
	local number

	limits 'pids = "12";'
	hold_session u1
	# The shell that cannot fork ends, which makes room for one more.
	for number in 1 2; do
		in_session u1 "$session" 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done' >/dev/null 2>&1 || true
	done
	in_session u1 "$session" 'exec sleep 1000' >/dev/null 2>&1 &
	number=$(group_file "$session" pids pids.current pids.current)
	wait_until 30 grep -qx 12 "$number"
	expect_status 125 in_session u1 "$session" 'echo leaked'
	expect_eq 'carrel: cannot start a process in the sandbox: the limit of processes is reached' "$errors"
	release_session
}

# Hundredths of a core that loops on all processors get, over 3 seconds.
burn() {
	ssh_as u1 'read -r start rest </proc/uptime
		for i in 1 2 3 4; do (while :; do :; done) & pids="$pids $!"; done
		sleep 3
		ticks=$(cat $(for p in $pids; do echo /proc/$p/stat; done) | sed "s/.*) //" | cut -d" " -f12,13 | tr " " "\n" | paste -sd+ | bc)
		read -r end rest </proc/uptime
		kill $pids
		echo "scale=0; 100 * $ticks / (100 * ($end - $start))" | bc'
}

# Other programs on the machine can only take from the share, so one good measurement of several shows that it is given.
best_share() { # WANTED
	local share best=0 i

	for ((i = 0; i < 5 && best < $1; i++)); do
		share=$(burn)
		echo "$share hundredths of a core" >&2
		[ "$share" -le "$best" ] || best=$share
	done
	echo "$best"
}

test_processor_time() {
	local share

	ssh_as u1 true # now there is a group of all sessions
	prefer_sessions
	limits 'cpus = "0.5";'
	share=$(best_share 45)
	{ [ "$share" -ge 45 ] && [ "$share" -le 55 ]; } || fail "cpus = 0.5 got $share hundredths of a core"
	limits 'cpus = "max";'
	share=$(best_share 70)
	[ "$share" -ge 70 ] || fail "the control: without a limit it got $share hundredths of a core"
}

test_open_files() {
	limits 'open_files = "100";'
	expect_status 0 ssh_as u1 'ulimit -n; ulimit -Hn'
	expect_eq $'100\n100' "$output"
	expect_status 1 ssh_as u1 'ulimit -n 101'
}
