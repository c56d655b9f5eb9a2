# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The filter of system calls in a real login: every call that it must refuse, and ordinary ones that it must not.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	put_helper u1 seccomp_probe
}

test_every_attack_is_refused_and_ordinary_calls_work() {
	expect_status 0 ssh_as u1 seccomp_probe
	expect_match '0 of [0-9]+ cases not as expected' "$output"
	expect_no_match 'ALLOWED|BROKEN' "$output"
}

test_control_without_a_filter_every_attack_gets_through() {
	expect_status 0 "$B/tests/helpers/seccomp_probe" --control
	expect_match 'unshare user: reached' "$output"
	expect_match 'bpf: reached' "$output"
}

# Inside, the kernel refuses much by itself, to whoever has no rights over the host. These only the filter does.
test_control_with_the_filter_off_by_policy() {
	write_config <<-'END'
		covers = [ "@carrel" ];
		defaults = { seccomp = "off"; };
	END
	expect_status 1 ssh_as u1 seccomp_probe
	write_config <<<'covers = [ "@carrel" ];'
	expect_match 'ioctl TIOCSTI: ALLOWED' "$output"
	expect_match 'userfaultfd: ALLOWED' "$output"
	expect_match 'keyctl: ALLOWED' "$output"
	expect_match 'call swapped by a tracer: ALLOWED' "$output"
	expect_match 'other protocols of AF_INET: ALLOWED' "$output"
	expect_match 'filter of a socket: ALLOWED' "$output"
	expect_match 'seccomp filter: ALLOWED' "$output"
	expect_match 'huge pages by mmap: ALLOWED' "$output"
}

test_it_is_on_every_process_from_PID_1_on() {
	expect_status 0 ssh_as u1 'sleep 9 & sed -n "s/^Seccomp:[^0-9]*//p" /proc/[0-9]*/status | sort | uniq -c; kill $!'
	expect_match '^ *[4-9] 2$' "$output"
}
