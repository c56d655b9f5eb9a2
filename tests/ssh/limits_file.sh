# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# /run/carrel/limits: the user's own limits and use, live, and no way to get at or burden the host.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

limits_file=/run/carrel/limits
few_limits='covers = [ "@carrel" ];
	defaults = { limits = { memory = "64M"; swap = "0"; cpus = "0.5"; pids = "40"; }; user_limits = { pids = "90"; }; };'

setup() {
	prepare
	groupadd students
	add_user u1
	add_user u2
	usermod -aG students u2
	write_config <<<"$few_limits"
}

teardown() {
	local user

	for user in u1 u2; do
		carrelctl kill "$user" >/dev/null 2>&1 || true
	done
	nothing_left
}

inside() { # COMMAND…
	in_session u1 "$session" "$*"
}

value() { # LEVEL RESOURCE COLUMN
	inside "cat $limits_file" | awk -v level="$1" -v resource="$2" -v column="$3" '$1 == level && $2 == resource { print $column }'
}

test_limits_of_the_session_and_the_user() {
	hold_session u1
	expect_status 0 inside cat $limits_file
	expect_match '^LEVEL +RESOURCE +USED +LIMIT +PEAK +THROTTLED'$'\n' "$output"
	expect_match 'session +memory +[0-9.]+[KM] +64M ' "$output"
	expect_match 'session +cpu +[0-9.]+s +0.5 +- +[0-9.]+%' "$output"
	expect_match 'session +pids +[0-9]+ +40 ' "$output"
	expect_match 'user +pids +[0-9]+ +90 ' "$output"
	expect_no_match 'group' "$output"
	expect_eq '' "$(grep -vE '^(LEVEL|session|user) +[A-Za-z]+( +[0-9A-Za-z.%-]+){4}$' <<<"$output" || true)"
}

test_budget_of_the_group() {
	write_config <<<'covers = [ "@carrel" ]; rules = ( { match = "@students"; group_limits = { pids = "300"; }; } );'
	expect_status 0 ssh_as u2 "cat $limits_file"
	expect_match 'group +pids +[0-9]+ +300 ' "$output"
	expect_no_match 'students|carrel' "$output"
	write_config <<<"$few_limits"
}

test_it_is_true_when_it_is_read() {
	local before

	hold_session u1
	before=$(value session pids 3)
	inside 'for i in 1 2 3 4 5; do sleep 1000 & done' >/dev/null 2>&1
	# Waiting: within a moment of a reading the last text still counts as new.
	wait_until 30 says $((before + 5)) session pids 3
	expect_eq 64M "$(value session memory 4)"
	carrelctl set u1 memory=96M >/dev/null
	wait_until 30 says 96M session memory 4
}

says() { # WANT LEVEL WHAT COLUMN
	[ "$(value "${@:2}")" = "$1" ]
}

test_each_session_has_its_own() {
	local first before

	hold_session u1
	first=$session
	before=$(value session pids 3)
	hold_session u1
	inside 'sleep 1000 & sleep 1000 &' >/dev/null 2>&1
	wait_until 30 says $((before + 2)) session pids 3
	expect_ne "$(value session pids 3)" "$(session=$first value session pids 3)"
	expect_eq "$(value user memory 4)" "$(session=$first value user memory 4)"
}

test_nothing_of_the_host_is_in_it() {
	hold_session u1
	expect_status 0 inside "grep ' $limits_file ' /proc/self/mountinfo | cut -d' ' -f4-"
	expect_match '^/limits /run/carrel/limits ro,nosuid,nodev,noexec(,relatime)? - tmpfs carrel rw,size=16k,nr_inodes=4,mode=755(,inode64)?$' "$output"
	# It does not tell how many sessions there are either.
	expect_status 0 inside "stat -f -c '%b %c %d' $limits_file"
	expect_match '^4 4 2$' "$output"
	expect_status 0 inside "find / -xdev -name limits 2>/dev/null; ls /run/carrel"
	expect_no_match 'mnt|u1|1001' "$output"
	expect_status 0 inside 'ls -A /mnt'
	expect_eq '' "$output"
}

# --- attacks ---

try_to_write='for what in "echo x >$f" "echo x >>$f" "chmod 666 $f" "chown 0 $f" "rm -f $f" "mv $f /tmp" "ln $f /run/l" "truncate -s 0 $f"; do
	eval "$what" 2>/dev/null && echo "$what worked"; done; true'

test_nobody_inside_can_write_it() {
	hold_session u1
	expect_status 0 inside "f=$limits_file; $try_to_write"
	expect_eq '' "$output"
	# The control: with a file of the sandbox all of it works.
	expect_status 0 inside "f=/run/mine; >\$f; $try_to_write"
	expect_match 'echo x >/run/mine worked' "$output"
	expect_match 'rm -f /run/mine worked' "$output"
}

# With the capability to make the mount writable it is still the file of an owner whom the sandbox does not have.
test_nobody_with_sys_admin_either() {
	# As in the default policy, and SYS_ADMIN.
	write_config <<<'covers = [ "@carrel" ]; defaults = { seccomp = "off"; share_ssh_dir = false;
		capabilities = [ "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SYS_ADMIN" ]; };'
	hold_session u1
	expect_status 0 inside "mount -o remount,bind,rw $limits_file && grep -c ' $limits_file rw' /proc/self/mountinfo"
	expect_eq 1 "$output" "the control: now it is writable"
	expect_status 0 inside "f=$limits_file; $try_to_write"
	expect_no_match '(echo|chmod|chown|truncate).*worked' "$output"
	release_session
	write_config <<<"$few_limits"
}

switches() { # of the keeper: how often it went to sleep
	awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "/proc/$(keeper_of "$session")/status"
}

test_nobody_reads_and_the_keeper_sleeps() {
	local before start passed

	hold_session u1
	inside "cat $limits_file" >/dev/null
	sleep 0.3
	before=$(switches) start=$SECONDS
	sleep 2
	passed=$((SECONDS - start + 1))
	[ $(($(switches) - before)) -le $passed ] || fail "the keeper woke up $(($(switches) - before)) times in $passed s"
}

# The keeper works outside the session's limits. It answers ten readers a second at most.
test_a_flood_of_readers_does_not_burden_the_keeper() {
	local before opened start

	hold_session u1
	start=$SECONDS
	before=$(switches)
	opened=$(inside 'end=$(($(date +%s) + 3)) n=0; while [ $(date +%s) -lt $end ]; do
		for i in 1 2 3 4 5 6 7 8 9 10; do read -r x <'"$limits_file"' && n=$((n + 1)); done; done; echo $n')
	[ "$opened" -ge 200 ] || fail "only $opened opens: no flood"
	# Three wakings each time: the reader, the end of the rest, and what may come between.
	[ $(($(switches) - before)) -le $((30 * (SECONDS - start + 2))) ] || fail "$opened opens woke the keeper $(($(switches) - before)) times"
}

test_held_open_it_stays_true_for_others() {
	local before

	hold_session u1
	inside "exec 9<$limits_file; exec sleep 1009" >/dev/null 2>&1 </dev/null &
	wait_until 30 pgrep -fx 'sleep 1009'
	before=$(value session pids 3)
	inside 'for i in 1 2 3 4 5; do sleep 1000 & done' >/dev/null 2>&1
	wait_until 30 more_processes $((before + 5))
}

more_processes() { # NUMBER
	[ "$(value session pids 3)" -ge "$1" ]
}

when_told=': >/tmp/go; echo up; until [ -s /tmp/go ]; do sleep 0.1; done;'

tell() { # what waits in the session
	echo go >"/proc/$(init_of "$session")/root/tmp/go"
}

# A keeper that does not answer: the reader can be interrupted, and nothing else notices. The kernel ends the wait by itself after
# fs.lease-break-time, which is the host's.
test_a_keeper_that_is_stuck_does_not_hold_a_reader() {
	local keeper reader

	hold_session u1
	keeper=$(keeper_of "$session")
	# What is to read must have been started by then: the keeper has a part in every start of a command.
	inside "$when_told timeout 1 cat $limits_file; echo \$?; timeout 5 ls -l $limits_file >/dev/null; echo \$?" >"$work/reader" 2>&1 &
	reader=$!
	wait_until 30 grep -qx up "$work/reader"
	sleep 0.3 # past the time in which the last text still counts as new
	kill -STOP "$keeper"
	tell
	wait_until 30 grep -qx 0 "$work/reader"
	grep -qx 143 "$work/reader" || fail "the control: the reader did not wait"
	kill -CONT "$keeper"
	wait $reader
	wait_until 30 value session memory 4
}

# Whoever waits is let go when the session ends, and when the keeper dies.
test_the_end_while_somebody_waits() {
	local keeper

	hold_session u1
	keeper=$(keeper_of "$session")
	rm -f "$work/reader" # the one of the test before
	inside "$when_told cat $limits_file" >"$work/reader" 2>&1 </dev/null &
	wait_until 30 grep -qx up "$work/reader"
	sleep 0.3
	kill -STOP "$keeper"
	tell
	sleep 1
	kill -KILL "$keeper"
	end_client
	nothing_left
}
