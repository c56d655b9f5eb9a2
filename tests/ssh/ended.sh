# shellcheck shell=bash
# The line in syslog with which every session ends: how it ended and what it used, whatever ended it.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	expect_status 0 ssh_as u1 true # the pinned namespaces are made once
}

end_of() { # ID; fails where there is no such line
	syslog "session ended: .* id=$1 " | grep -ao 'session ended: .*'
}

value_of() { # KEY LINE
	sed -n "s/.* $1=\([^ ]*\).*/\1/p" <<<"$2"
}

# The session held is over: one line, and it says so.
expect_end() { # HOW
	end_client
	nothing_left
	wait_until 30 end_of "$session"
	expect_eq 1 "$(end_of "$session" | wc -l)"
	expect_match "^session ended: user=u1 id=$session from=127.0.0.1 service=sshd how=$1 duration=[0-9]+\.[0-9]{3} cpu=[0-9]+\.[0-9]{3} memory_peak=[0-9]+ pids_peak=([0-9]+|-) read=([0-9]+|-) written=([0-9]+|-)$" \
		"$(end_of "$session")"
}

# The ID of the session that a command of its own tells.
last_session() {
	syslog 'for user u1 opened' | sed -n 's/.*session \([0-9]*-[0-9a-f]*\) for user u1 opened.*/\1/p' | tail -n1
}

test_a_logout_with_what_was_used() {
	local line

	expect_status 0 ssh_as u1 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/tmp/x bs=1M count=20 2>/dev/null; rm /tmp/x; sleep 0.1 & sleep 0.1 & wait'
	client=$$-none
	session=$(last_session)
	nothing_left
	line=$(end_of "$session")
	expect_eq logout "$(value_of how "$line")"
	expect_match '^0\.[1-9]|^[1-9]' "$(value_of cpu "$line")"
	expect_match '^0\.[1-9]|^[1-9]' "$(value_of duration "$line")"
	(($(value_of memory_peak "$line") > 20 << 20)) || fail "the peak of memory: $line"
	[ "$(value_of pids_peak "$line")" = - ] || (($(value_of pids_peak "$line") >= 4 && $(value_of pids_peak "$line") <= 12)) || fail "the peak of processes: $line"
}

test_the_exit_status_does_not_matter() {
	expect_status 7 ssh_as u1 exit 7
	session=$(last_session)
	nothing_left
	expect_match 'how=logout ' "$(end_of "$session")"
}

test_a_client_that_goes_away() {
	hold_session u1
	expect_end disconnected
}

test_an_administrator() {
	hold_session u1
	expect_status 0 carrelctl kill "$session"
	wait_until 30 grep -qx 'carrel: the session was ended by the administrator' "$work"/held.*
	expect_end administrator
}

# init, which would pass the reason on, has no time for it.
test_an_administrator_and_an_init_that_is_stuck() {
	hold_session u1
	kill -STOP "$(init_of "$session")"
	expect_status 0 carrelctl kill "$session"
	wait "$client" || true
	expect_eq $'up\ncarrel: the session was ended by the administrator' "$(cat "$(ls -t "$work"/held.* | head -n 1)")"
	expect_end administrator
}

test_a_signal_to_the_keeper() {
	hold_session u1
	kill -TERM "$(keeper_of "$session")"
	wait_until 30 grep -qx 'carrel: the session was ended because this host is being stopped' "$work"/held.*
	expect_end signal
}

# A session that is being opened when the signal comes is opened, and ended as any other: its login is none that failed.
test_a_signal_to_a_keeper_that_is_opening() {
	local lock login user

	user=/var/lib/carrel/users/$(id -u u1)
	exec {lock}<"$user"
	flock -x "$lock"
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'echo up; exec sleep 100000' >"$work/opening" 2>&1 </dev/null &
	login=$!
	wait_until 30 waits_for "$user"
	pkill -TERM -x carrel-keeper
	exec {lock}<&-
	wait "$login" || true
	expect_no_match 'could not be started' "$(<"$work/opening")"
	session=$(last_session)
	nothing_left
	expect_match 'how=signal ' "$(end_of "$session")"
}

waits_for() { # DIRECTORY: that the keeper has opened, and somebody else has locked
	find "/proc/$(pgrep -x carrel-keeper)/fd" -lname "$1" | grep -q .
}

test_the_death_of_sshd() {
	hold_session u1
	kill -KILL "$(monitor_of "$session")"
	expect_end opener-died
}

test_the_death_of_init() {
	hold_session u1
	kill -KILL "$(init_of "$session")"
	expect_end init-died
}

# The keeper of the session is killed, and its processes with it: whoever clears up writes the line. Then $monitor is the
# session's sshd, stopped.
kill_keeper() {
	local keeper

	hold_session u1
	keeper=$(keeper_of "$session")
	monitor=$(monitor_of "$session")
	# sshd first: it would clear up at once.
	kill -STOP "$monitor"
	kill -KILL "$keeper"
	wait_until 30 test ! -d "/proc/$keeper"
	expect_eq '' "$(end_of "$session" || true)"
}

expect_killed() {
	wait_until 30 end_of "$session"
	expect_eq 1 "$(end_of "$session" | wc -l)"
	expect_match "^session ended: user=u1 id=$session from=127.0.0.1 service=sshd how=keeper-killed duration=- cpu=[0-9]+\.[0-9]{3} memory_peak=[0-9]+ " \
		"$(end_of "$session")"
}

test_a_killed_keeper_is_told_by_the_module() {
	kill_keeper
	kill -CONT "$monitor"
	end_client
	nothing_left
	expect_killed
}

test_a_killed_keeper_is_told_by_the_next_login() {
	kill_keeper
	expect_status 0 ssh_as u1 true
	expect_killed
	kill -KILL "$monitor"
	end_client
	nothing_left
	expect_killed
}

test_a_killed_keeper_is_told_by_gc() {
	kill_keeper
	expect_status 0 carrelctl gc
	expect_killed
	kill -KILL "$monitor"
	end_client
	nothing_left
	expect_killed
}

# A keeper that has told the end, and then was killed or could not clear up.
test_what_was_told_is_not_told_again() {
	kill_keeper
	: >"/run/carrel/sessions/$session/reported"
	expect_status 0 carrelctl gc
	pkill -KILL -P "$(<"$work/sshd.pid")"
	end_client
	nothing_left
	expect_eq '' "$(end_of "$session" || true)"
}

test_a_refused_login_was_no_session() {
	local before

	before=$(syslog 'session ended' | wc -l)
	mv /var/lib/carrel/images/alpine /var/lib/carrel/images/away
	expect_status 254 ssh_as u1 true
	mv /var/lib/carrel/images/away /var/lib/carrel/images/alpine
	nothing_left
	expect_eq "$before" "$(syslog 'session ended' | wc -l)"
}

# init is in the session's group, so it can be the one that the kernel picks.
test_init_killed_for_want_of_memory() {
	local init

	write_config <<<'covers = [ "@carrel" ]; defaults = { limits = { memory = "16M"; }; };'
	# The control: somebody else is picked, and the session stays. The kernel may take one more while the first is dying.
	for _ in 1 2 3; do
		hold_session u1
		in_session u1 "$session" 'tail /dev/zero' >/dev/null 2>&1 || true
		sleep 0.3
		[ ! -d "/proc/$client" ] || break
		release_session
	done
	expect_eq '' "$(end_of "$session" || true)"
	# What runs already does not inherit it.
	in_session u1 "$session" 'until [ -e /tmp/now ]; do sleep 0.05; done; echo 0 >/proc/self/oom_score_adj; exec tail /dev/zero' >/dev/null 2>&1 &
	wait_until 30 pgrep -fx 'sleep 0.05'
	init=$(init_of "$session")
	echo 1000 >"/proc/$init/oom_score_adj"
	in_session u1 "$session" 'touch /tmp/now'
	wait_until 30 test ! -d "/proc/$init"
	write_config <<<'covers = [ "@carrel" ];'
	expect_end out-of-memory
}

# On a disk, since the view keeps all else in memory; past all caches, since what is written later version 1 of cgroups takes for the
# kernel's own; and with a limit, since without one it does not count from Linux 6.10 on.
test_what_was_read_and_written() {
	local line

	make_loop_nodes
	truncate -s 32M "$work/disk.img"
	mkfs.ext4 -q "$work/disk.img"
	mkdir -p "$work/disk"
	mount -o loop "$work/disk.img" "$work/disk"
	chown u1 "$work/disk"
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { binds = ( { source = \"$work/disk\"; target = \"/data\"; } );
		limits = { io = ( { device = \"$work/disk\"; read = \"1G\"; } ); }; };"
	expect_status 0 ssh_as u1 'dd if=/dev/zero of=/data/file bs=1M count=3 oflag=direct && dd if=/data/file of=/dev/null bs=1M iflag=direct && dd if=/data/file of=/dev/null bs=1M iflag=direct'
	session=$(last_session)
	write_config <<<'covers = [ "@carrel" ];'
	wait_until 30 test ! -e "/run/carrel/sessions/$session"
	umount "$work/disk"
	nothing_left
	wait_until 30 end_of "$session"
	line=$(end_of "$session")
	(($(value_of written "$line") >= 3 << 20 && $(value_of written "$line") < 6 << 20)) || fail "3 MiB were written: $line"
	(($(value_of read "$line") >= 6 << 20 && $(value_of read "$line") < 9 << 20)) || fail "6 MiB were read: $line"
}
