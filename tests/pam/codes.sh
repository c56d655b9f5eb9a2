# shellcheck shell=bash
# Every answer of the installed whole: which users get a sandbox, are refused or are left alone, with a good policy, a
# broken one, and with parts of Carrel missing. pamtester and pam_probe (tests/helpers) open the sessions.

keeper=/usr/local/libexec/carrel/carrel-keeper

setup() {
	start_syslog
	install_carrel
	import_image
	add_user covered
	add_user plain /bin/bash
	add_user other_shell /bin/bash
	gpasswd -a other_shell carrel >/dev/null
	add_user exempted
	groupadd wardens
	gpasswd -a exempted wardens >/dev/null
	# A service as sites have it, and one with the module alone, where PAM_IGNORE shows.
	printf '%s\n' 'session required pam_permit.so' 'session required pam_carrel.so' >/etc/pam.d/tester
	echo 'session required pam_carrel.so timeout=10' >/etc/pam.d/probe
	good_config
}

good_config() {
	write_config <<'END'
covers = [ "@carrel" ];
exempt = [ "@wardens" ];
END
}

# What the module returns for an open, by its name.
expect_code() { # CODE USER
	forget_syslog
	expect_status 0 timeout 60 "$B/tests/helpers/pam_probe" probe "$2" open close
	expect_match $'(^|\n)'"open $1"$'\n' "$output" "$2"
	expect_match $'(^|\n)unchanged$' "$output" "$2"
}

# The same as an application sees it, in a stack where somebody else succeeds.
expect_pamtester() { # STATUS USER
	expect_status "$1" timeout 60 pamtester tester "$2" open_session close_session
}

expect_sandbox() { # USER
	expect_code PAM_SUCCESS "$1"
	expect_match $'\n'"session $(id -u "$1")-[0-9a-f]{8}"$'\n''close PAM_SUCCESS' "$output" "$1"
	expect_pamtester 0 "$1"
	nothing_left
}

# Refused with one line for the user and one of the module for the log.
expect_refused() { # USER REASON
	expect_code PAM_SESSION_ERR "$1"
	expect_eq 1 "$(grep -c '^says ' <<<"$output")" "lines for the user"
	expect_match "<83>[^"$'\n'"]*pam_carrel\(probe:session\): session for user $1 refused: [^"$'\n'"]*$2" "$(syslog)"
	expect_eq 1 "$(syslog 'pam_carrel\(' | wc -l)" "lines of the module"
	expect_pamtester 1 "$1"
	nothing_left
}

expect_left_alone() { # USER
	expect_code PAM_IGNORE "$1"
	expect_no_match 'says ' "$output"
	expect_pamtester 0 "$1"
}

test_a_covered_user_gets_a_sandbox() {
	expect_sandbox covered
}

test_a_second_session_of_the_same_process() {
	expect_status 0 timeout 60 "$B/tests/helpers/pam_probe" probe covered open close open close
	expect_eq 4 "$(grep -c 'PAM_SUCCESS' <<<"$output")"
	expect_match $'\nunchanged$' "$output"
	nothing_left
}

test_an_exempt_user_is_left_alone() {
	expect_left_alone exempted
}

test_root_is_left_alone() {
	write_config <<<'covers = [ "*" ];'
	expect_left_alone root
	good_config
}

test_an_uncovered_user_is_left_alone() {
	expect_left_alone plain
}

test_a_covered_user_with_another_shell_is_refused() {
	expect_refused other_shell "shell"
}

# While the policy cannot be read, whoever has carrel-shell or has had a sandbox counts as covered.
expect_refused_and_the_rest_left_alone() { # REASON
	expect_refused covered "$1"
	expect_left_alone plain
	expect_left_alone root
}

test_no_config() {
	rm /etc/carrel/carrel.conf
	expect_refused_and_the_rest_left_alone "carrel.conf"
	good_config
}

test_a_broken_config() {
	write_config <<<'covers = [ "@carrel" ]; defaults = { limits = { memroy = "64M"; }; };'
	expect_refused_and_the_rest_left_alone "carrel.conf:1: .*memroy"
	good_config
}

test_a_config_that_others_may_write() {
	chmod 666 /etc/carrel/carrel.conf
	expect_refused_and_the_rest_left_alone "carrel.conf"
	chmod 644 /etc/carrel/carrel.conf
	expect_sandbox covered
}

test_a_missing_image() {
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "no-such-image"; };'
	add_user fresh # the others were given their image already
	expect_refused fresh "no-such-image"
	expect_left_alone plain
	expect_left_alone root
	good_config
}

test_a_user_who_has_had_a_sandbox_counts_as_covered() {
	add_user former
	expect_sandbox former
	usermod -s /bin/bash former
	write_config <<<'covers = nonsense'
	expect_refused former "carrel.conf"
	mv "$keeper" "$keeper-away"
	expect_refused former "carrel-keeper"
	mv "$keeper-away" "$keeper"
	good_config
}

# By name: it may have been installed elsewhere before. While all is well, and they are not covered, that is no matter.
test_a_carrel_shell_that_is_elsewhere() {
	add_user moved /opt/elsewhere/carrel-shell
	expect_left_alone moved
	write_config <<<'covers = nonsense'
	expect_refused moved "carrel.conf"
	mv "$keeper" "$keeper-away"
	expect_refused moved "carrel-keeper"
	mv "$keeper-away" "$keeper"
	good_config
}

# What was set for sessions is not read for those who get none.
test_a_damaged_override() {
	local file mode

	file=/run/carrel/overrides/$(id -u covered)
	expect_sandbox covered
	install -d -m 700 /run/carrel/overrides
	echo nonsense >"$file"
	expect_refused covered "no '=' in 'nonsense'"
	for mode in off shadow; do
		write_config <<<"mode = \"$mode\"; covers = [ \"@carrel\" ];"
		expect_left_alone covered
		expect_status 0 carrelctl explain covered
	done
	rm "$file"
	good_config
	expect_sandbox covered
}

test_a_missing_keeper() {
	mv "$keeper" "$keeper-away"
	expect_refused_and_the_rest_left_alone "cannot run '$keeper': No such file or directory"
	mv "$keeper-away" "$keeper"
	expect_sandbox covered
}

test_a_keeper_that_hangs() {
	sed -i 's/timeout=10/timeout=1/' /etc/pam.d/probe
	sed -i 's/pam_carrel.so/pam_carrel.so timeout=1/' /etc/pam.d/tester
	mv "$keeper" "$keeper-away"
	cp "$(command -v sleep)" "$work/hangs"
	printf '#!/bin/sh\nexec %s 60\n' "$work/hangs" >"$keeper"
	chmod 755 "$keeper"
	expect_code PAM_SESSION_ERR covered
	expect_syslog 'session for user covered refused: the keeper did not answer in time'
	expect_pamtester 1 covered
	expect_left_alone plain
	expect_left_alone root
	pkill -x hangs
	mv "$keeper-away" "$keeper"
	sed -i 's/timeout=1$/timeout=10/' /etc/pam.d/probe
	sed -i 's/ timeout=1//' /etc/pam.d/tester
	expect_sandbox covered
}

test_an_unknown_argument() {
	sed -i 's/$/ verbose/' /etc/pam.d/probe
	sed -i '/carrel/s/$/ verbose/' /etc/pam.d/tester
	expect_refused_and_the_rest_left_alone "unknown or malformed module argument 'verbose'"
	sed -i 's/ verbose//' /etc/pam.d/probe /etc/pam.d/tester
	expect_sandbox covered
}

test_another_config_file() {
	write_config <<<'covers = nonsense'
	install -d /etc/other
	echo 'covers = [ "plain" ]; defaults = { forced_command_ok = true; };' >/etc/other/carrel.conf
	sed -i 's,$, conf=/etc/other/carrel.conf,' /etc/pam.d/probe
	expect_code PAM_SUCCESS plain
	expect_code PAM_IGNORE covered
	sed -i 's, conf=.*,,' /etc/pam.d/probe
	good_config
	nothing_left
}

test_debug_says_who_is_ignored_and_why() {
	sed -i 's/$/ debug/' /etc/pam.d/probe
	expect_code PAM_IGNORE plain
	sed -i 's/ debug//' /etc/pam.d/probe
	expect_syslog 'pam_carrel\(probe:session\): user plain is not covered: '
}

test_hardships_of_the_program() {
	local hardship

	for hardship in --low-fds --sigchld=ignore --sigchld=catch --alarms --blocked --umask --real-user; do
		expect_status 0 timeout 60 "$B/tests/helpers/pam_probe" $hardship probe covered open close
		expect_match $'^open PAM_SUCCESS\nsession [0-9]+-[0-9a-f]{8}\nclose PAM_SUCCESS\nunchanged$' "$output" "$hardship"
	done
	nothing_left
}

test_a_program_that_dies_leaves_nothing() {
	local opener

	"$B/tests/helpers/pam_probe" probe covered open wait < <(exec sleep 60) >/dev/null &
	opener=$!
	wait_until 30 bash -c 'ls /run/carrel/sessions/*/control'
	kill -KILL "$opener"
	nothing_left
}

test_close_from_another_process_and_twice() {
	expect_status 0 timeout 60 "$B/tests/helpers/pam_probe" probe covered open child-close close close
	expect_eq 4 "$(grep -c PAM_SUCCESS <<<"$output")"
	nothing_left
}

test_close_after_the_keeper_was_killed() {
	local feed

	exec {feed}> >(exec "$B/tests/helpers/pam_probe" probe covered open wait close >"$work/probe.out")
	wait_until 30 grep -q '^session' "$work/probe.out"
	pkill -KILL -x carrel-keeper
	exec {feed}>&-
	wait_until 30 grep -q '^close' "$work/probe.out"
	expect_match $'\nclose PAM_SUCCESS\n' "$(<"$work/probe.out")"
	nothing_left
}
