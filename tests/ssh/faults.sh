# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# When a limit bites: the line for the user, the one in syslog, the history; and whom the OOM killer takes.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"
# shellcheck source=tests/helpers/screen.sh
. "$repo/tests/helpers/screen.sh"

hog='dd if=/dev/zero of=/dev/null bs=200M count=1'
history=/var/lib/carrel/faults

setup() {
	prepare
	add_user u1
	add_user u2
}

fault_lines() { # USER KIND
	syslog "user='$1' kind=$2 " | grep -ao "fault: session=.*" || true
}

# The user is told first, then syslog, then the history.
expect_logged() { # USER KIND REGEX
	wait_until 30 is_logged "$@" >/dev/null || fail "no line of $1 for $2 matches '$3': $(fault_lines "$1" "$2")"
	wait_until 30 is_remembered "$1" "$2"
}

is_logged() { # USER KIND REGEX
	fault_lines "$1" "$2" | grep -aqE -e "$3"
}

is_remembered() { # USER KIND
	members kind "$1" | grep -qx "\"$2\""
}

# A member of every object that `carrelctl faults --json` prints, as it is written.
members() { # NAME [USER]
	carrelctl faults "${@:2}" --json | sed -n "s/^ *\"$1\": \(.*[^,]\),*\$/\1/p"
}

forget() {
	nothing_left
	rm -rf "$history"
	forget_syslog
}

test_memory_on_standard_error() {
	forget
	limits 'memory = "64M"; swap = "0";'
	expect_status 137 ssh_as u1 "exec $hog"
	expect_eq "carrel: memory limit of 64M reached, 'dd' was killed" "$errors"
	expect_eq "" "$output"
	nothing_left
	expect_logged u1 memory \
		"^fault: session='$(id -u u1)-[0-9a-f]{8}' user='u1' kind=memory level=session limit=67108864 peak=6[67][0-9]+ count=1 process='dd'\$"
	expect_status 0 carrelctl faults
	expect_match "20[0-9-]+ [0-9:]+ +u1 +$(id -u u1)-[0-9a-f]{8} +memory +session +dd +64M +[0-9.]+[MK] +1" "$output"
	expect_eq '"memory" "session" null "dd" 67108864 1' \
		"$(echo "$(members kind u1) $(members level u1) $(members group u1) $(members process u1) $(members limit u1) $(members count u1)")"
	expect_eq "" "$(members kind u2)"

	limits 'memory = "512M";'
	expect_status 0 ssh_as u1 "$hog"
	expect_no_match carrel: "$errors" "the control"
}

test_memory_on_a_terminal() {
	limits 'memory = "64M"; swap = "0";'
	screen_login u1
	screen_type "$hog"
	screen_shows $'\ncarrel: memory limit of 64M reached, \'dd\' was killed\n'
	screen_type 'echo still $((1 + 1)) here'
	screen_shows 'still 2 here'
	screen_type exit
	screen_shows 'ended with'
	screen_close
}

test_processes() {
	forget
	limits 'pids = "20";'
	expect_status 2 ssh_as u1 'for i in $(seq 30); do sleep 2 & done'
	expect_match 'carrel: limit of 20 processes reached('$'\n''|$)' "$errors" # the shell's own line may have begun
	expect_logged u1 pids "^fault: session='[^']*' user='u1' kind=pids level=session limit=20 peak=20 count=1 process=''\$"
	expect_status 0 carrelctl faults u1
	expect_match 'pids +session +- +20 +20 +1$' "$output"

	forget
	limits 'pids = "256";'
	expect_status 0 ssh_as u1 'for i in $(seq 30); do sleep 2 & done; kill $(jobs -p)'
	expect_eq "" "$errors$(fault_lines u1 pids)" "the control"
}

# A thousand faults are a line a second, and none of them is forgotten.
test_many_faults_are_few_lines() {
	local start lines sum most

	forget
	limits 'pids = "20";'
	start=$SECONDS
	# There is one place left, for the subshell, which ends when it cannot start another process.
	expect_status 0 ssh_as u1 '
		for i in $(seq 17); do sleep 100 & done
		for i in $(seq 1000); do (sleep 100 & sleep 100 &) 2>/dev/null; done
		sleep 3; kill $(jobs -p)'
	most=$((SECONDS - start + 2))
	lines=$(grep -c '^carrel: limit of 20 processes reached' <<<"$errors") || true
	{ [ "$lines" -ge 1 ] && [ "$lines" -le "$most" ]; } || fail "$lines lines on standard error: $errors"
	nothing_left
	lines=$(fault_lines u1 pids | wc -l)
	[ "$lines" -le "$((most + 1))" ] || fail "$lines lines in syslog"
	expect_eq "$lines" "$(members count u1 | wc -l)" "lines in the history"
	sum=$(($(members count u1 | paste -sd+)))
	[ "$sum" -ge 900 ] || fail "only $sum refused forks were counted"
}

# The status of a pipe is that of its last command, which has met nothing.
test_a_fault_in_a_command_that_succeeds() {
	forget
	limits 'memory = "64M"; swap = "0"; pids = "20";'
	expect_status 0 ssh_as u1 "$hog | wc -c"
	expect_match "carrel: memory limit of 64M reached, 'dd' was killed" "$errors" # and the shell's own word
	expect_status 0 ssh_as u1 'for i in $(seq 30); do sleep 1 & done 2>&1 | tail -n 1'
	expect_eq 'carrel: limit of 20 processes reached' "$errors"
	expect_status 0 ssh_as u1 true
	expect_eq '' "$errors" "the control"
}

# The kernel tells of every kill at once, on both versions, so only the keeper is in the way of a line for each. Whoever starts the
# victims may be one.
test_many_kills_are_few_lines() {
	local start most lines sum

	forget
	limits 'memory = "64M"; swap = "0";'
	start=$SECONDS
	ssh_as u1 'i=0; while [ $i -lt 40 ]; do i=$((i + 1))
		(echo 1000 >/proc/self/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null); done; sleep 2' \
		>/dev/null 2>"$work/kills" || true
	most=$((SECONDS - start + 2))
	lines=$(grep -c '^carrel: memory limit of 64M reached' "$work/kills") || true
	{ [ "$lines" -ge 1 ] && [ "$lines" -le "$most" ]; } || fail "$lines lines on standard error in $((most - 2)) s: $(<"$work/kills")"
	nothing_left
	lines=$(fault_lines u1 memory | wc -l)
	[ "$lines" -le "$((most + 1))" ] || fail "$lines lines in syslog"
	expect_eq "$lines" "$(members count u1 | wc -l)" "lines in the history"
	sum=$(($(members count u1 | paste -sd+)))
	{ [ "$sum" -gt "$lines" ] && [ "$sum" -le 41 ]; } || fail "$sum kills were counted, of 40, in $lines lines"
}

test_two_sessions_at_once() {
	local first first_client

	forget
	limits 'memory = "64M"; swap = "0";'
	hold_session u1
	first=$session first_client=$client
	hold_session u1
	expect_status 137 in_session u1 "$session" "exec $hog"
	expect_eq "carrel: memory limit of 64M reached, 'dd' was killed" "$errors"
	expect_logged u1 memory "session='$session'"
	expect_no_match "$first" "$(fault_lines u1 memory)" "the other session"
	end_client
	client=$first_client release_session
	expect_eq "\"$session\"" "$(members session)"
}

test_limits_of_all_sessions() {
	local first first_client

	forget
	write_config <<<'covers = [ "@carrel" ]; defaults = { limits = { memory = "256M"; swap = "0"; pids = "60"; };
		user_limits = { memory = "64M"; swap = "0"; pids = "25"; }; };'
	hold_session u1
	first=$session first_client=$client
	hold_session u1
	expect_status 137 in_session u1 "$session" "exec $hog"
	expect_eq "carrel: memory limit of 64M for all your sessions reached, 'dd' was killed" "$errors"
	expect_status 2 in_session u1 "$session" 'for i in $(seq 30); do sleep 3 & done'
	expect_match 'carrel: limit of 25 processes for all your sessions reached' "$errors"
	expect_logged u1 memory 'kind=memory level=user limit=67108864'
	expect_logged u1 pids 'kind=pids level=user limit=25'
	expect_no_match "$first" "$(fault_lines u1 memory)" "the other session"
	end_client
	client=$first_client release_session
}

test_limits_of_a_group() {
	forget
	write_config <<<'covers = [ "@carrel" ]; defaults = { limits = { memory = "256M"; swap = "0"; pids = "60"; }; };
		rules = ( { match = "@carrel"; group_limits = { memory = "64M"; swap = "0"; pids = "25"; }; } );'
	hold_session u2
	expect_status 137 ssh_as u1 "exec $hog"
	expect_eq "carrel: memory limit of 64M of the group 'carrel' reached, 'dd' was killed" "$errors"
	expect_status 2 ssh_as u1 'for i in $(seq 30); do sleep 3 & done'
	expect_match "carrel: limit of 25 processes of the group 'carrel' reached" "$errors"
	expect_logged u1 memory "kind=memory level=group limit=67108864"
	expect_eq '"carrel" "carrel"' "$(members group u1 | paste -sd' ')"
	expect_eq "" "$(fault_lines u2 memory)"
	release_session
}

# Beside a session that began under another budget all are in that, and it is its limit.
test_the_group_is_the_one_whose_limit_it_was() {
	forget
	write_config <<<'covers = [ "@carrel" ]; rules = ( { match = "@carrel"; group_limits = { pids = "12"; }; } );'
	hold_session u1
	write_config <<<'covers = [ "@carrel" ]; rules = ( { match = "u1"; group_limits = { pids = "100"; }; } );'
	expect_status 2 ssh_as u1 'for i in $(seq 20); do sleep 3 & done'
	expect_match "carrel: limit of 12 processes of the group 'carrel' reached" "$errors"
	release_session
}

# A process has the name its program's file has.
test_names_are_escaped() {
	forget
	limits 'memory = "64M"; swap = "0";'
	expect_status 137 ssh_as u1 "cp /bin/busybox /root/\"\$(printf 'busybox\\033[2J\\047\\134')\" && exec /root/busybox?* dd if=/dev/zero of=/dev/null bs=200M count=1"
	expect_eq "carrel: memory limit of 64M reached, 'busybox\\x1b[2J'\\x5c' was killed" "$errors"
	nothing_left
	expect_no_match $'\e' "$(syslog)$(carrelctl faults)$(carrelctl faults --json)"
	expect_eq "\"busybox\\\\x1b[2J'\\\\x5c\"" "$(members process)"
	# The test's syslog writes \ as \x5c once more.
	expect_logged u1 memory "process='busybox.x5cx1b\[2J'.x5cx5c'\$"
}

# What is written to a tmpfs stays when its writer was killed for it. It is the writer that dies, and not init.
test_a_full_tmpfs_does_not_cost_the_session() {
	local writer='echo 1000 >/proc/self/oom_score_adj; exec head -c 100m /dev/zero >/tmp/large'

	forget
	limits 'memory = "64M"; swap = "0"; tmp = "200M";'
	hold_session u1
	expect_status 137 in_session u1 "$session" "$writer"
	expect_eq "carrel: memory limit of 64M reached, 'head' was killed" "$errors"
	: >"/proc/$(init_of "$session")/root/tmp/large"
	expect_status 0 in_session u1 "$session" 'echo alive'
	expect_eq alive "$output"
	release_session

	# The control: as a better victim than the writer, it is init. Then everybody is told why the session ended.
	hold_session u1
	echo 1000 >"/proc/$(init_of "$session")/oom_score_adj"
	expect_status 125 in_session u1 "$session" "${writer#*; }"
	expect_eq 'carrel: the session ended: out of memory' "$errors"
	wait "$client" || true
	expect_match 'carrel: the session ended: out of memory' "$(cat "$work"/held.*)"
	nothing_left
	expect_syslog "session ended: .*id=$session .*how=[a-z_-]*memory"
	expect_logged u1 memory "session='$session'.*process='carrel-init'"
}

score_of() {
	cat "/proc/$1/oom_score_adj"
}

group_of() { # PID: its groups, one a line
	cut -d: -f3- "/proc/$1/cgroup"
}

test_whose_memory_and_time_it_is() {
	local process keeper init monitor pid

	limits 'memory = "64M";'
	hold_session u1
	keeper=$(keeper_of "$session")
	init=$(init_of "$session")
	pid=$(pgrep -P "$init" -x sleep)
	monitor=$(monitor_of "$session")
	for process in "$keeper" "$monitor" "$(pgrep -u u1 -x carrel-shell)" "$(<"$work/sshd.pid")"; do
		expect_no_match "$session" "$(group_of "$process")" "$(<"/proc/$process/comm")"
	done
	for process in "$init" "$pid"; do
		expect_match "$session" "$(group_of "$process")" "$(<"/proc/$process/comm")"
	done
	[ "$(score_of "$pid")" -ge 0 ] || fail "a process of the user's has $(score_of "$pid")"
	[ "$(score_of "$pid")" -gt "$(score_of "$init")" ] || fail "init is no worse a victim than the user's processes"
	[ "$(score_of "$monitor")" -lt "$(score_of "$pid")" ] || [ "$(score_of "$monitor")" = 0 ] || fail "sshd has $(score_of "$monitor")"
	release_session
}

# Without the keeper's answer a process would have init's value: it is not started.
test_no_process_without_its_score() {
	hold_session u1
	kill -STOP "$(keeper_of "$session")"
	expect_status 125 in_session u1 "$session" 'echo leaked'
	expect_eq "" "$output"
	expect_match 'carrel: cannot start a process in the sandbox' "$errors"
	kill -CONT "$(keeper_of "$session")"
	expect_status 0 in_session u1 "$session" 'echo served'
	release_session
}

# The user's files on a small disk of their own, as a quota would have it.
test_full_disk() {
	forget
	mkdir -p /var/lib/carrel/users
	mount -t tmpfs -o mode=700,size=24m,nr_inodes=1000 small /var/lib/carrel/users
	write_config <<<'covers = [ "@carrel" ];'
	expect_status 1 ssh_as u1 'head -c 100m /dev/zero >/root/large'
	expect_match 'carrel: the disk of the host is full' "$errors"
	expect_status 0 ssh_as u1 'rm /root/large' # says that it is full, if the removal takes its time
	expect_status 0 ssh_as u1 'head -c 1m /dev/zero >/root/small; rm /root/small'
	expect_eq "" "$errors" "with room again"
	expect_status 1 ssh_as u1 'mkdir /root/many; cd /root/many; for i in $(seq 2000); do : >$i || exit 1; done'
	expect_match 'carrel: the disk of the host has no room for more files' "$errors"
	wait_until 30 no_sessions
	wait_until 30 umount /var/lib/carrel/users
	expect_logged u1 disk "kind=disk level=host limit=- peak=2[0-9]{7} count=1"
	expect_logged u1 inodes "kind=inodes level=host limit=- peak=1000 count=1"
	expect_status 0 carrelctl faults u1
	expect_match 'disk +host +- +- +[0-9.]+[MK] +1' "$output"
	nothing_left
}

no_sessions() {
	[ -z "$(session_ids u1)" ]
}

test_history_is_bounded_and_survives_damage() {
	local uid line

	forget
	uid=$(id -u u1)
	limits 'memory = "64M"; swap = "0";'
	expect_status 137 ssh_as u1 "exec $hog"
	nothing_left
	line=$(<"$history/$uid")
	{
		echo 'damaged'
		for ((i = 0; i < 2000; i++)); do echo "$line"; done
		head -c 100 /dev/urandom
		printf 'half a line'
	} >"$history/$uid"
	[ "$(stat -c %s "$history/$uid")" -gt 65536 ]
	expect_status 137 ssh_as u1 "exec $hog"
	nothing_left
	expect_eq 1 "$(wc -l <"$history/$uid")" "the new file"
	[ "$(carrelctl faults u1 | wc -l)" -gt 300 ] || fail "the old one is not read"
	carrelctl faults u1 | tail -n 1 | grep -q 'dd '
	expect_status 137 ssh_as u1 "exec $hog"
	nothing_left
	expect_eq 2 "$(wc -l <"$history/$uid")"
	expect_eq 600 "$(stat -c %a "$history/$uid")"
	expect_eq 700 "$(stat -c %a "$history")"
}

test_history_of_a_deleted_user() {
	local uid

	forget
	add_user gone
	uid=$(id -u gone)
	limits 'memory = "64M"; swap = "0";'
	expect_status 137 ssh_as gone "exec $hog"
	nothing_left
	wait_until 30 userdel gone # not while sshd's process of the user ends
	expect_status 0 carrelctl faults gone
	expect_match 'gone .*memory' "$output"
	expect_status 0 carrelctl faults "$uid"
	expect_match 'gone .*memory' "$output"
	expect_status 1 carrelctl faults nobody-has-this-name
	expect_eq "carrelctl: there is no user 'nobody-has-this-name'" "$errors"
	expect_status 0 carrelctl gc
	expect_status 0 carrelctl faults gone # their files are still there
	rm -rf "/var/lib/carrel/users/$uid"
	expect_status 0 carrelctl gc
	expect_eq "removed the faults of uid $uid" "$output"
	expect_status 1 carrelctl faults gone
}
