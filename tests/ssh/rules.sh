# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# session.idle, session.lifetime, session.warn and session.max, with real terminals.

# shellcheck source=tests/helpers/screen.sh
. "$repo/tests/helpers/screen.sh"
# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
	enable_pam su
	expect_status 0 ssh_as u1 true # the pinned namespaces are made once
}

rules() { # SETTINGS of session = { … }
	write_config <<-END
		covers = [ "@carrel" ];
		defaults = { session = { $1 }; };
	END
}

control() { # ID WORD
	"$B/tests/helpers/control" "$@"
}

status_of() { # ID KEY
	control "$1" status | sed -n "s/^$2=//p"
}

is_open() {
	[ "$(status_of "$(session_ids u1)" state)" = open ]
}

last_end() { # the last session's line in syslog
	syslog 'session ended: ' | grep -ao 'session ended: .*' | tail -n1
}

ended_by() { # WORD
	last_end | grep -q " how=$1 "
}

no_session() {
	[ -z "$(session_ids u1)" ]
}

test_an_idle_terminal_is_warned_and_ended() {
	rules 'idle = "4s"; warn = "2s";'
	screen_login u1
	screen_shows '\ncarrel: this session ends in 2 s: no input or output for 2 s\n'
	screen_shows '\ncarrel: session ended: idle for 4 s\n'
	screen_ends 125
	screen_close
	nothing_left
	expect_match 'how=idle ' "$(last_end)"
}

test_input_after_the_warning_keeps_it() {
	rules 'idle = "8s"; warn = "3s";'
	screen_login u1
	screen_shows '\ncarrel: this session ends in 3 s'
	screen_keys a
	wait_until 30 is_open # when the end that was announced is past
	# And it is warned again.
	screen_shows 'ends in 3 s.*ends in 3 s'
	screen_ends 125
	screen_close
	nothing_left
}

test_output_is_activity() {
	rules 'idle = "3s"; warn = "off";'
	screen_login u1
	screen_type 'clear; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; echo $i; done; echo the end'
	screen_shows '\n10\nthe end\n'
	screen_ends 125
	screen_close
	expect_no_match 'this session ends' "$(screen_text)"
	nothing_left
}

test_a_command_without_a_terminal_is_not_idle() {
	rules 'idle = "1s"; warn = "off";'
	expect_status 0 ssh_as u1 'sleep 3; echo done'
	expect_eq "done" "$output"
	expect_eq '' "$errors"
	wait_until 30 ended_by logout
}

test_a_connection_that_runs_nothing_is_idle() {
	rules 'idle = "2s"; warn = "1s";'
	ssh "${ssh_options[@]}" -N -l u1 127.0.0.1 </dev/null &
	client=$!
	wait_until 30 ended_by idle
	end_client
	nothing_left
}

test_lifetime_ends_what_is_busy() {
	rules 'lifetime = "4s"; warn = "2s";'
	expect_status 125 ssh_as u1 'while sleep 0.2; do echo busy; done'
	expect_match '^carrel: this session ends in [0-9]+ s: it has been open for [0-9]+ s' "$errors"
	expect_match 'carrel: session ended: it has been open for [0-9]+ s$' "$errors"
	nothing_left
	expect_match 'how=lifetime ' "$(last_end)"
}

test_lifetime_on_a_terminal() {
	rules 'lifetime = "4s"; warn = "2s";'
	screen_login u1
	screen_type 'clear; while sleep 0.3; do date >/dev/null; done'
	screen_shows '\ncarrel: this session ends in [0-9]+ s: it has been open for [0-9]+ s\n'
	screen_shows '\ncarrel: session ended: it has been open for [0-9]+ s\n'
	screen_ends 125
	screen_close
	nothing_left
}

test_status() {
	rules 'idle = "1h"; lifetime = "2h";'
	hold_session u1
	expect_match "^state=open
age=[0-9]+
idle=0
connections=1
commands=1
terminals=0
fresh=1
idle_max=3600000
lifetime=7200000
warn=60000$" "$(control "$session" status)"
	release_session

	screen_login u1
	session=$(session_ids u1)
	sleep 1
	expect_match 'commands=1.*terminals=1' "$(control "$session" status)"
	(($(status_of "$session" idle) >= 900)) || fail "idle for $(status_of "$session" idle) ms"
	screen_keys a
	wait_until 30 eval '(($(status_of "$session" idle) < 900))'
	screen_close
	nothing_left
}

test_rules_change_while_the_session_runs() {
	rules 'idle = "off";'
	screen_login u1
	session=$(session_ids u1)
	expect_status 0 control "$session" 'rules idle=3000 warn=1000'
	expect_eq "done" "$output"
	expect_eq 3000 "$(status_of "$session" idle_max)"
	screen_shows 'carrel: this session ends in 1 s: no input or output for [0-9]+ s\n'
	screen_shows 'carrel: session ended: idle for [0-9]+ s\n'
	screen_ends 125
	screen_close
	nothing_left

	# Longer, while it is running out.
	rules 'lifetime = "8s"; warn = "7s";'
	hold_session u1
	expect_status 0 control "$session" 'rules lifetime=off'
	sleep 9
	expect_eq open "$(status_of "$session" state)"
	# A stricter one warns first, even when it is over already.
	expect_status 0 control "$session" 'rules lifetime=2000 warn=1000'
	wait_until 30 ended_by lifetime
	end_client
	nothing_left
}

test_wrong_rules_change_nothing() {
	local word

	rules 'idle = "1h";'
	hold_session u1
	for word in 'rules' 'rules ' 'rules idle=' 'rules idle=x' 'rules idle=5' 'rules idle=-5000' 'rules limes=5000' \
		'rules idle=5000 warn=' 'rules idle=5000 ' 'rules idle=99999999999999999999' 'rulesidle=5000' 'status ' nonsense; do
		expect_status 1 control "$session" "$word"
		expect_match "^control: session '$session': " "$errors" "$word"
	done
	expect_eq 3600000 "$(status_of "$session" idle_max)"
	release_session
}

test_a_client_that_takes_nothing_is_idle() {
	rules 'idle = "3s"; warn = "1s";'
	# Control: with a client that takes its output the session stays.
	ssh "${ssh_options[@]}" -tt -l u1 127.0.0.1 'while :; do echo 0123456789012345678901234567890123456789; done' \
		>/dev/null 2>&1 </dev/null &
	client=$!
	wait_until 30 eval '! no_session'
	sleep 4
	expect_ne '' "$(session_ids u1)"
	kill -STOP "$client"
	wait_until 30 no_session
	expect_match 'how=idle ' "$(last_end)"
	end_client
	nothing_left
}

test_a_stopped_shell_is_idle() {
	rules 'idle = "3s"; warn = "1s";'
	screen_login u1
	screen_type 'while sleep 0.2; do echo busy; done'
	sleep 4
	expect_ne '' "$(session_ids u1)"
	pkill -STOP -u u1 -x carrel-shell
	wait_until 30 no_session
	pkill -CONT -u u1 -x carrel-shell
	screen_ends 125
	screen_close
	nothing_left
	expect_match 'how=idle ' "$(last_end)"
}

# One more than session.max, by every entrance: refused with the number, and logged with the limit.
test_the_maximum_is_told_at_every_entrance() {
	rules 'max = "2";'
	hold_session u1
	local first=$client
	hold_session u1
	local told='carrel: you already have 2 sessions open'

	expect_status 254 ssh_as u1 true
	expect_match "$told" "$output$errors"
	expect_status 254 ssh_as u1 -tt </dev/null
	expect_match "$told" "$output$errors"
	# scp and sftp take sshd's words for an answer of their own kind, which begins with the size of a message.
	expect_status 255 scp "${ssh_options[@]/#-p/-P}" "$work/sshd_config" u1@127.0.0.1:/tmp/x
	expect_match "Received message too long $((16#$(printf carr | od -An -tx1 | tr -d ' ')))" "$errors"
	expect_status 1 scp -O "${ssh_options[@]/#-p/-P}" "$work/sshd_config" u1@127.0.0.1:/tmp/x
	expect_match "$told" "$output$errors"
	expect_syslog "pam_carrel\(sshd:session\): .*'?u1'?.*you already have 2 sessions open \(session.max is 2\)"
	expect_status 1 su - u1 -c true
	expect_match "$told" "$output$errors"
	expect_syslog "pam_carrel\(su-l?:session\): .*you already have 2 sessions open \(session.max is 2\)"
	# Somebody else is not concerned.
	expect_status 0 ssh_as u2 true
	kill -KILL "$first"
	release_session
	expect_status 0 ssh_as u1 true
}
