# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The suite of faults as it runs on any machine, here on version 2 and with a keeper that may protect init.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/ssh/faults.sh
. "$repo/tests/ssh/faults.sh"

# Where the runner finds the names: all but those in which this machine is like any other, and those below.
file=$work/tests
{
	grep '^test_' "$repo/tests/ssh/faults.sh" | grep -v '^test_\(memory_on_a_terminal\|history_\|names_are\|many_faults\|no_process\)'
	grep '^test_' "$repo/tests/vm/suites/faults.sh"
} >"$file"

small='covers = [ "@carrel" ]; defaults = { limits = { memory = "64M"; swap = "0"; tmp = "200M"; }; };'

test_init_is_protected() {
	local init pid

	write_config <<<"$small"
	hold_session u1
	init=$(init_of "$session")
	pid=$(pgrep -P "$init" -x sleep)
	expect_eq -999 "$(score_of "$init")" init
	expect_eq -999 "$(score_of "$(keeper_of "$session")")" "the keeper"
	expect_eq 0 "$(score_of "$pid")" "a process of the user's"
	# It can make itself a better victim, and no worse one than it was made.
	expect_status 0 in_session u1 "$session" 'echo 500 >/proc/self/oom_score_adj && echo 0 >/proc/self/oom_score_adj && cat /proc/self/oom_score_adj'
	expect_eq 0 "$output"
	expect_status 1 in_session u1 "$session" 'echo -1 >/proc/self/oom_score_adj'
	expect_status 1 in_session u1 "$session" 'echo 1000 >/proc/1/oom_score_adj'
	release_session
}

# The writer is smaller than init, and has not made itself a better victim.
test_a_full_tmpfs_costs_the_writer() {
	write_config <<<"$small"
	hold_session u1
	expect_status 137 in_session u1 "$session" 'exec head -c 100m /dev/zero >/tmp/large'
	[ -d "/proc/$(init_of "$session")" ] || fail "init was killed"
	: >"/proc/$(init_of "$session")/root/tmp/large"
	expect_status 0 in_session u1 "$session" 'echo alive'
	release_session

	# The control: without its protection it is init.
	hold_session u1
	echo 1000 >"/proc/$(init_of "$session")/oom_score_adj"
	expect_status 125 in_session u1 "$session" 'exec head -c 100m /dev/zero >/tmp/large'
	expect_eq 'carrel: the session ended: out of memory' "$errors"
	end_client
	nothing_left
}
