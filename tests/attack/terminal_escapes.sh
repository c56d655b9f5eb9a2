# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# What a user names goes to an administrator's terminal: names of files and processes with escape sequences in them.

escape=$'\x1b'

setup() {
	prepare
	add_user u1
}

# A title for the terminal, a C1 control as a byte and in UTF-8, a line of its own, quotes.
make_names() {
	expect_status 0 ssh_as u1 "cd /opt && touch \"\$(printf 'a\\033]0;owned\\007')\" \"\$(printf 'b\\2330m')\" \\
		\"\$(printf 'c\\302\\2330m')\" \"\$(printf 'd\\nall is well')\" 'e\"\\'"
	nothing_left
}

no_control_bytes() { # WHAT
	printf '%s\n' "$output$errors" >"$work/printed"
	! LC_ALL=C grep -aPq '[\x00-\x08\x0b-\x1f\x7f-\x9f]' "$work/printed" || fail "$1: $(cat -v "$work/printed")"
}

test_names_of_files() {
	local options

	make_names
	expect_match "$escape" "$(find "/var/lib/carrel/users/$(id -u u1)" -name 'a*')" "the control"
	for options in '' --json; do
		for locale in C C.UTF-8; do
			# shellcheck disable=SC2086
			LC_ALL=$locale expect_status 0 carrelctl rootfs diff $options u1
			no_control_bytes "diff $options in $locale"
			expect_match 'owned' "$output"
		done
	done
	iconv -f UTF-8 -t UTF-8 <<<"$output" >"$work/json" || fail "not UTF-8: $(cat -v <<<"$output")"
	python3 -c 'import json, sys; json.load(sys.stdin)' <"$work/json"
}

# The process that the kernel's OOM killer takes has a name of its own choice, which is in the line for the user, in
# syslog and in the history.
test_name_of_a_process() {
	local format

	write_config <<<'covers = [ "@carrel" ]; defaults = { limits = { memory = "64M"; swap = "0"; }; };'
	expect_status 137 ssh_as u1 'cp /bin/busybox "/opt/$(printf "\033[2Jdd\nx")"; cd /opt; exec -a dd ./*dd* if=/dev/zero of=/dev/null bs=200M'
	expect_match "limit of 64M reached" "$errors"
	no_control_bytes "the user's line"
	nothing_left
	output=$(syslog 'kind=memory') errors=''
	expect_match '2Jdd' "$output"
	no_control_bytes "syslog"
	for format in '' --json; do
		# shellcheck disable=SC2086
		expect_status 0 carrelctl faults $format
		expect_match '2Jdd' "$output"
		no_control_bytes "faults $format"
	done
}
