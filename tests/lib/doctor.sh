# shellcheck shell=bash
# For suites about carrelctl doctor: . "$lib/doctor.sh"
#
# A good host, and what it is to say of one that is not.

conf=/etc/carrel/carrel.conf
drop_in=/etc/ssh/sshd_config.d/50-carrel.conf

prepare_doctor() {
	prepare
	add_user u1
	cp /etc/ssh/sshd_config "$work/sshd_config.good"
	grep -v pam_motd /etc/pam.d/sshd >"$work/pam.good"
	ssh_as u1 true # so that there is a state to look at
	nothing_left
}

mend() {
	write_config <<<'covers = [ "@carrel" ];'
	chmod 644 "$conf"
	cp "$work/pam.good" /etc/pam.d/sshd
	cp "$work/sshd_config.good" /etc/ssh/sshd_config
	sed "s|/usr/bin/carrel-shell|$shell_path|" "$repo/config/sshd_config.d/50-carrel.conf" >"$drop_in"
	usermod -s "$shell_path" u1
}

# What it then says is in $output.
finds() { # STATUS RESULT WHAT REGEX [USER]
	local status=$1 result=$2 what=$3 regex=$4
	shift 4

	expect_status "$status" carrelctl doctor "$@"
	grep -qE "^$result +$what +.*$regex" <<<"$output" || fail "no $result of '$what' with '$regex': $output $errors"
}

problem() { # WHAT REGEX [USER]
	finds 1 problem "$@"
}

warning() { # WHAT REGEX [USER]: and no problem
	finds 0 warning "$@"
}

# The same where something is mounted over, which ends with the call. STEPS is for a shell.
with() { # STEPS FUNCTION ARGUMENT…
	local steps=$1 finder=$2
	shift 2

	carrelctl() {
		unshare --mount --propagation private sh -ec "$steps"'; exec carrelctl "$@"' sh "$@"
	}
	"$finder" "$@"
	unset -f carrelctl
}
