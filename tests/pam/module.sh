# shellcheck shell=bash
# pam_carrel.so alone: what it makes of every kind of keeper, and what it leaves of the program that loads it. The
# keeper is tests/helpers/fake_keeper.c, which does what its mode file says.

fake=$work/fake-keeper
keeper=/usr/local/libexec/carrel/carrel-keeper
module=$(pkg-config --variable=libdir pam)/security/pam_carrel.so
id=5001-0123abcd
sorry='says carrel: your session could not be started; please tell the administrator'

setup() {
	start_syslog
	install -D -m 644 "$B/pam_carrel.so" "$module"
	install_keeper
	mkdir "$fake"
	useradd -u 5001 -s "$shell_path" covered
	useradd -u 5002 -s /bin/sh plain
	useradd -u 5003 -s /bin/sh returning
	mkdir -p /var/lib/carrel/users/5003
	# Alone in its stack, so that PAM_IGNORE shows. The time is for a busy machine; what takes all of it has another service.
	service probe timeout=30
	service hurried timeout=1
}

install_keeper() {
	install -D -m 755 "$B/tests/helpers/fake_keeper" "$keeper"
}

service() { # NAME [ARGUMENT]…
	echo "session required pam_carrel.so ${*:2}" >"/etc/pam.d/$1"
}

keeper_does() { # WORD…
	rm -rf "$fake/seen" "$fake/told" /run/carrel
	forget_syslog
	printf '%s\n' "$*" >"$fake/mode"
}

probe() { # ARGUMENT…       what it printed is in $output; fails unless the process is unchanged
	expect_status 0 timeout 60 "$B/tests/helpers/pam_probe" "$@"
}

listed() { # LINE…
	printf '%s\n' "$@"
}

# That exactly one line was logged, by now and since keeper_does, and is this.
expect_logged() { # LEVEL REGEX
	expect_match "^<$((10 * 8 + $1))>pam_probe\[[0-9]+\]: pam_carrel\([a-z]+:session\): $2$" "$(syslog)" syslog
}

stack=probe # the service that is used below

expect_refused() { # USER REASON
	probe "$stack" "$1" open
	expect_eq "$(listed "$sorry" 'open PAM_SESSION_ERR' unchanged)" "$output"
	expect_logged 3 "session for user $1 refused: $2"
	forget_syslog
}

expect_let_through() { # USER REASON
	probe "$stack" "$1" open
	expect_eq "$(listed 'open PAM_IGNORE' unchanged)" "$output"
	expect_logged 4 "user $1 is let through, having no sandbox: $2"
	forget_syslog
}

# The rule for the time when nobody can say what the policy is.
expect_decided_without_keeper() { # REASON
	expect_refused covered "$1"
	expect_refused returning "$1"
	expect_let_through plain "$1"
	probe probe root open close
	expect_eq "$(listed 'open PAM_IGNORE' 'close PAM_IGNORE' unchanged)" "$output"
	expect_eq "" "$(syslog)" syslog
}

test_exports_only_the_entry_points() {
	expect_eq "$(listed pam_sm_close_session pam_sm_open_session)" \
		"$(nm -D --defined-only "$module" | awk '{ print $3 }' | sort)"
}

test_links_libpam_alone() {
	expect_eq "$(listed libc.so.6 libpam.so.0)" \
		"$(readelf -d "$module" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)"
}

test_loads_with_all_symbols_bound() {
	expect_status 0 "$B/tests/helpers/pam_probe" --dlopen "$module"
	expect_eq loaded "$output"
}

test_a_session_is_opened_and_closed() {
	keeper_does ready $id
	probe probe covered open close
	expect_eq "$(listed 'open PAM_SUCCESS' "session $id" 'close PAM_SUCCESS' unchanged)" "$output"
	expect_eq 2 "$(syslog | wc -l)" "lines in syslog"
	expect_match "<86>pam_probe\[[0-9]+\]: pam_carrel\(probe:session\): session $id for user covered opened in [0-9]+ ms" \
		"$(head -n 1 "$work/syslog")"
	expect_match "<86>pam_probe\[[0-9]+\]: pam_carrel\(probe:session\): session $id for user covered closed in [0-9]+ ms" \
		"$(tail -n 1 "$work/syslog")"
	test ! -e /run/carrel/sessions/$id
}

test_the_keeper_starts_clean() {
	local hardships=(--umask --blocked --low-fds --sigchld=ignore --real-user) hardship

	service hard timeout=7 debug conf=/etc/other.conf
	for hardship in "" "${hardships[*]}"; do
		keeper_does text 'IGNORE\nno reason'
		# shellcheck disable=SC2086
		(cd /tmp && LEAK=1 probe $hardship hard covered open 7</etc/passwd)
		expect_eq "$(listed 'arg carrel-keeper' 'arg open' 'arg covered' 'arg --conf=/etc/other.conf' \
			'arg --timeout=7' 'arg --service=hard' 'arg --debug')" "$(grep ^arg "$fake/seen")"
		expect_eq "" "$(grep ^env "$fake/seen" || true)" environment
		expect_eq "$(listed 'fd 0 /dev/null' 'fd 1 /dev/null' 'fd 2 /dev/null' 'fd 3 socket:' \
			'fd 4 anon_inode:')" "$(grep ^fd "$fake/seen")"
		expect_eq "$(listed 'cwd /' 'umask 022' 'session own')" "$(grep '^cwd\|^umask\|^session' "$fake/seen")"
		expect_eq "$(printf 'Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t ')" "$(grep '^Uid\|^Gid\|^Groups' "$fake/seen")"
		# 32 and 33 are the C library's own, which no program can set; make leaves them ignored in what it starts.
		expect_eq "SigBlk SigIgn SigCgt " \
			"$(sed -n 's/^\(Sig...\):\t0000000\(00\|18\)0000000$/\1/p' "$fake/seen" | tr '\n' ' ')"
	done
}

test_the_keeper_gets_a_pidfd_of_the_opener() {
	keeper_does text 'REFUSE\na\nb'
	probe probe covered open
	expect_eq "$(syslog | sed 's/.*pam_probe\[\([0-9]*\)\].*/\1/')" "$(sed -n 's/^Pid:\t//p' "$fake/seen")"
}

test_nothing_is_started_for_root() {
	keeper_does text 'REFUSE\na\nb'
	probe probe root open close
	expect_eq "$(listed 'open PAM_IGNORE' 'close PAM_IGNORE' unchanged)" "$output"
	expect_eq "" "$(syslog)" syslog
	test ! -e "$fake/seen"
}

test_root_needs_no_user_database() {
	mv /etc/passwd /etc/passwd-away
	keeper_does text 'REFUSE\na\nb'
	probe probe root open
	mv /etc/passwd-away /etc/passwd
	expect_eq "$(listed 'open PAM_IGNORE' unchanged)" "$output"
}

test_an_unknown_user_is_refused() {
	keeper_does text 'IGNORE\nno reason'
	expect_refused nobody-here 'there is no such user'
}

test_a_user_who_is_not_covered_is_ignored() {
	keeper_does text 'IGNORE\nno rule names them'
	probe probe plain open close
	expect_eq "$(listed 'open PAM_IGNORE' 'close PAM_IGNORE' unchanged)" "$output"
	expect_eq "" "$(syslog)" syslog
	service debugging timeout=30 debug
	probe debugging plain open
	expect_logged 7 'user plain is not covered: no rule names them'
}

test_a_refusal_has_one_line_for_the_user_and_one_for_the_log() {
	keeper_does text 'REFUSE\ncarrel: all 8 sessions are open\nsession.max reached'
	probe probe plain open
	expect_eq "$(listed 'says carrel: all 8 sessions are open' 'open PAM_SESSION_ERR' unchanged)" "$output"
	expect_logged 3 'session for user plain refused: session.max reached'
}

test_nothing_is_said_when_the_program_asks_for_silence() {
	keeper_does text 'REFUSE\ncarrel: all 8 sessions are open\nsession.max reached'
	probe probe covered silent-open
	expect_eq "$(listed 'silent-open PAM_SESSION_ERR' unchanged)" "$output"
	expect_logged 3 'session for user covered refused: session.max reached'
}

test_what_cannot_be_printed_is_replaced() {
	keeper_does text $'REFUSE\\na\e[2J%s%n\\nb\x07\xc3\xa9%s%n'
	probe probe covered open
	expect_eq "$(listed 'says a?[2J%s%n' 'open PAM_SESSION_ERR' unchanged)" "$output"
	expect_logged 3 'session for user covered refused: b\?\?\?%s%n'
}

test_a_keeper_that_says_nothing() {
	keeper_does exit
	expect_decided_without_keeper 'the keeper ended without an answer'
}

test_a_keeper_that_talks_nonsense() {
	local text

	for text in '' HELLO 'IGNORE\0' 'READ\nY' 'GONE\n' ready; do
		keeper_does text "$text"
		expect_decided_without_keeper "the keeper('s answer (cannot be understood|makes no sense here)| ended without an answer)"
	done
	keeper_does long
	expect_decided_without_keeper "the keeper's answer cannot be understood"
}

test_a_keeper_that_hangs() {
	local start=$SECONDS

	keeper_does hang
	stack=hurried expect_decided_without_keeper 'the keeper did not answer in time'
	((SECONDS - start <= 40)) || fail "waited longer than the timeout"
	wait_until 30 test -e "$fake/told"
	wait_until 30 bash -c '! pgrep -x carrel-keeper'
}

test_a_keeper_that_is_missing() {
	local start=$SECONDS

	keeper_does hang
	rm "$keeper"
	expect_decided_without_keeper "cannot run '$keeper': No such file or directory"
	((SECONDS - start < 30)) || fail "it took as long as a timeout"
	: >"$keeper"
	expect_decided_without_keeper "cannot run '$keeper': Permission denied"
	install_keeper
}

test_a_session_with_a_wrong_name_is_refused() {
	local name

	for name in '' ../../x 5002-0123abcd 5001-0123abcg 5001-0123ABCD 5001-0123abcde 05001-0123abcd 5001_0123abcd; do
		keeper_does text "READY\n$name"
		expect_refused covered "the keeper's session has no valid name"
	done
}

test_wrong_arguments() {
	local argument

	keeper_does text 'IGNORE\nno reason'
	for argument in verbose debug=1 timeout timeout= timeout=0 timeout=301 timeout=1s timeout=-1 timeout=4294967297 \
		conf conf= conf=carrel.conf Debug; do
		service probe timeout=30 "$argument"
		expect_decided_without_keeper "unknown or malformed module argument '$argument'"
	done
	test ! -e "$fake/seen"
	service probe timeout=30
}

test_the_opener_joins_the_network_and_comes_back() {
	keeper_does ready $id netns
	probe probe covered open close
	expect_eq "$(listed 'open PAM_SUCCESS' "session $id" 'close PAM_SUCCESS' unchanged)" "$output"
	keeper_does ready $id netns
	expect_status 1 "$B/tests/helpers/pam_probe" probe covered open
	expect_match $'\n- netns (net:\[[0-9]+\])\n\+ netns net:\[[0-9]+\]$' "$output"
	expect_eq "${BASH_REMATCH[1]}" "$(readlink /proc/self/ns/net)"
}

# libpam closes in the order of the file: without a line that leaves, who comes before ours is in the sandbox's network.
test_a_line_that_leaves_before_others_close() {
	install -m 755 <(printf '#!/bin/sh\nreadlink /proc/self/ns/net >%s\n' "$work/seen") "$work/see"
	service early timeout=30
	sed -i "1i session optional pam_exec.so type=close_session $work/see" /etc/pam.d/early
	keeper_does ready $id netns
	probe early covered open close
	expect_ne "$(readlink /proc/self/ns/net)" "$(<"$work/seen")" "the control"
	sed -i '1i session optional pam_carrel.so leave' /etc/pam.d/early
	keeper_does ready $id netns
	probe early covered open close close
	expect_eq "$(listed 'open PAM_SUCCESS' "session $id" 'close PAM_SUCCESS' 'close PAM_SUCCESS' unchanged)" "$output"
	expect_eq "$(readlink /proc/self/ns/net)" "$(<"$work/seen")"
	service early leave # alone it opens none
	for user in covered plain root; do
		probe early $user open close
		expect_eq "$(listed 'open PAM_IGNORE' 'close PAM_IGNORE' unchanged)" "$output" $user
	done
}

test_what_is_no_network_is_refused_and_the_session_ended() {
	keeper_does ready $id file
	expect_refused covered "cannot join the session's network: Invalid argument"
	test ! -e /run/carrel/sessions/$id
	keeper_does ready $id two
	expect_refused covered "the keeper's answer has the wrong form"
	expect_refused plain "the keeper's answer has the wrong form"
}

test_close_waits_until_the_keeper_has_ended() {
	keeper_does ready $id slow
	probe probe covered open close
	expect_match 'close PAM_SUCCESS' "$output"
	expect_match 'closed in ([5-9][0-9]{2}|[0-9]{4,}) ms' "$(syslog)"
}

test_close_is_bounded() {
	local how start

	for how in deaf mute; do
		keeper_does ready $id $how
		start=$SECONDS
		probe hurried covered open close
		expect_match 'close PAM_SESSION_ERR' "$output"
		((SECONDS - start < 20)) || fail "$how: waited longer than the timeout"
		expect_match "<83>.*session $id for user covered cannot be closed: its keeper did not end in time" \
			"$(syslog)"
	done
}

test_close_after_the_keeper_was_killed() {
	local how

	for how in killed crash; do
		keeper_does ready $id $how
		probe probe covered open close
		expect_match 'close PAM_SUCCESS' "$output"
		expect_eq "$(listed 'arg carrel-keeper' 'arg close' "arg $id")" "$(grep ^arg "$fake/seen")"
		test ! -e /run/carrel/sessions/$id
	done
	keeper_does ready $id crash norepair
	probe probe covered open close
	expect_match 'close PAM_SESSION_ERR' "$output"
	expect_match 'cannot be closed: the cgroup is busy' "$(syslog)"
}

test_close_reports_what_the_keeper_answers() {
	keeper_does ready $id talk
	probe probe covered open close
	expect_match 'close PAM_SESSION_ERR' "$output"
	expect_match "cannot be closed: its keeper answered 'no\? way'" "$(syslog)"
}

test_close_twice_and_from_another_process() {
	keeper_does ready $id netns
	probe probe covered open close close
	expect_eq "$(listed 'open PAM_SUCCESS' "session $id" 'close PAM_SUCCESS' 'close PAM_SUCCESS' unchanged)" "$output"
	keeper_does ready $id netns
	probe probe covered open child-close close
	expect_eq "$(listed 'open PAM_SUCCESS' "session $id" 'child-close PAM_SUCCESS' "session $id" \
		'close PAM_SUCCESS' unchanged)" "$output"
}

# The PAM environment may hold what the user chose (pam_env).
test_close_believes_the_environment_only_about_sessions_of_the_user() {
	keeper_does ready $id
	"$B/tests/helpers/pam_probe" probe covered open wait < <(exec sleep 60) >/dev/null &
	wait_until 30 test -S /run/carrel/sessions/$id/control
	probe probe plain set=CARREL_SESSION=$id close
	expect_match 'close PAM_IGNORE' "$output"
	probe probe covered set=CARREL_SESSION=../$id close
	expect_match 'close PAM_IGNORE' "$output"
	test -S /run/carrel/sessions/$id/control
	probe probe covered set=CARREL_SESSION=$id close
	expect_match 'close PAM_SUCCESS' "$output"
	test ! -e /run/carrel/sessions/$id
}

test_open_without_close_ends_with_the_opener() {
	keeper_does ready $id
	probe probe covered open
	wait_until 30 test ! -e /run/carrel/sessions/$id
}

test_hardships_of_the_program() {
	local hardship

	for hardship in --low-fds --sigchld=ignore --sigchld=catch --alarms --blocked --umask --real-user --free-fds=4; do
		keeper_does ready $id netns
		probe $hardship probe covered open close
		expect_eq "$(listed 'open PAM_SUCCESS' "session $id" 'close PAM_SUCCESS' unchanged)" "$output" "$hardship"
		keeper_does text 'REFUSE\na\nb'
		probe $hardship probe covered open
		expect_eq "$(listed 'says a' 'open PAM_SESSION_ERR' unchanged)" "$output" "$hardship"
		keeper_does hang
		probe $hardship hurried covered open
		expect_eq "$(listed "$sorry" 'open PAM_SESSION_ERR' unchanged)" "$output" "$hardship"
	done
}

test_a_program_that_has_run_out() {
	local hardship

	for hardship in --free-fds=1 --free-fds=2 --free-fds=3 --no-fork; do
		keeper_does ready $id netns
		probe $hardship probe covered open
		expect_eq "$(listed "$sorry" 'open PAM_SESSION_ERR' unchanged)" "$output" "$hardship"
		expect_logged 3 'session for user covered refused: cannot .*: (Too many open files|Resource temporarily unavailable)'
		probe $hardship probe plain open
		expect_eq "$(listed 'open PAM_IGNORE' unchanged)" "$output" "$hardship"
		test ! -e /run/carrel/sessions/$id
	done
}

test_a_syslog_daemon_that_is_stuck_holds_up_nothing() {
	local start=${EPOCHREALTIME/./} daemon queue steps

	# More than the socket's queue takes.
	queue=$(</proc/sys/net/unix/max_dgram_qlen)
	mapfile -t steps < <(yes open | head -n $((queue + 5)))
	keeper_does text 'REFUSE\na\nb'
	daemon=$(pgrep -x logsink)
	kill -STOP "$daemon"
	probe probe covered "${steps[@]}"
	kill -CONT "$daemon"
	((${EPOCHREALTIME/./} - start < 50000000)) || fail "it took too long"
}
