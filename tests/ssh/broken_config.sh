# shellcheck shell=bash
# A mistake in carrel.conf: who is covered is refused in one line, everybody else is not concerned.

setup() {
	prepare
	add_user u1
	add_user former # covered once: has files from an earlier session, and a plain shell now
	add_user plain /bin/bash
	ssh_as former true
	usermod -s /bin/bash former
	write_config <<-'END'
		covers = [ "@carrel" ];
		defaults = {
		  limits = { memroy = "64M"; };
		};
	END
}

expect_refused() { # USER
	expect_status 254 ssh_as "$1" 'echo got in'
	expect_eq 1 "$(printf '%s%s\n' "$output" "$errors" | wc -l)" "lines the user sees"
	expect_match '^carrel: ' "$output$errors"
	expect_no_match 'got in' "$output"
}

test_covered_users_are_refused_in_one_line() {
	expect_refused u1
	expect_eq 1 "$(syslog 'carrel.*memroy' | wc -l)" "lines in syslog"
	expect_syslog '/etc/carrel/carrel.conf:3: '
	nothing_left
}

test_a_user_with_files_from_before_is_refused_too() {
	expect_refused former
	nothing_left
}

test_others_log_in_as_ever() {
	expect_eq plain "$(ssh_as plain 'id -un')"
	expect_eq root "$(ssh_as root 'id -un')"
}

# Here it is known whom the policy covers, whatever shell they have and without files of an earlier session.
test_a_contradiction_lets_nobody_in_whom_it_covers() {
	local name

	useradd -m -G carrel -s /bin/bash newcomer
	allow_key newcomer
	cp /etc/carrel/carrel.conf "$work/broken"
	write_config <<<'covers = [ "@carrel" ]; defaults = { limits = { memory = "max"; swap = "1M"; }; };'
	for name in newcomer u1; do
		expect_refused "$name"
	done
	expect_eq plain "$(ssh_as plain 'id -un')"
	sed 's/^/mode = "shadow"; /' -i /etc/carrel/carrel.conf
	expect_eq newcomer "$(ssh_as newcomer 'id -un')"
	cp "$work/broken" /etc/carrel/carrel.conf
	nothing_left
}

test_check_names_file_line_and_what_was_meant() {
	expect_status 1 carrelctl check
	expect_match "/etc/carrel/carrel.conf:3: .*'memroy'.*did you mean 'memory'" "$output$errors"
}

test_a_repaired_config_lets_them_in() {
	write_config <<<'covers = [ "@carrel" ];'
	expect_status 0 carrelctl check
	expect_eq u1 "$(ssh_as u1 hostname)"
	nothing_left
}
