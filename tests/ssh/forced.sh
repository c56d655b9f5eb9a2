# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The drop-in for sshd and its ForceCommand: everything that can be asked of sshd is done inside, for users whose shell is
# carrel-shell and for those with another one. The controls show what happens without the file.

dropin=/usr/local/share/doc/carrel/50-carrel.conf
sftp_options=("${ssh_options[@]/#-p/-P}")

setup() {
	start_syslog
	install_carrel
	enable_pam sshd
	import_image
	write_config <<-'END'
		covers = [ "@carrel" ];
		exempt = [ "@sudo" ];
		rules = ( { match = "shelled"; forced_command_ok = true; } );
	END
	with_dropin
	add_user u1
	add_user shelled /bin/bash # covered, and made possible by the rule
	add_user refused /bin/bash # covered, without that
	add_user exempt /bin/bash
	add_user plain /bin/bash
	usermod -aG carrel shelled
	usermod -aG carrel refused
	usermod -aG carrel,sudo exempt
	echo 'of the host' >/srv/where
	chmod 644 /srv/where
	for user in u1 shelled; do
		ssh_as "$user" 'echo of the sandbox >/srv/where'
	done
}

with_dropin() {
	[ ! -e "$work/sshd.pid" ] || stop_sshd
	start_sshd "Subsystem host internal-sftp" "$@" "Include $dropin"
}

without_dropin() {
	stop_sshd
	start_sshd "Subsystem host internal-sftp" "$@"
}

# The file as sftp gets it. Status 1 when it does not.
sftp_get() { # USER SUBSYSTEM FILE
	rm -f "$work/got"
	sftp -q -b - "${sftp_options[@]}" -s "$2" "$1@127.0.0.1" <<<"get $3 $work/got" >/dev/null && cat "$work/got"
}

effective() { # USER KEYWORD
	/usr/sbin/sshd -T -f "$work/sshd_config" -C "user=$1,host=h,addr=127.0.0.1" | sed -n "s/^$2 //p"
}

test_sshd_takes_the_file() {
	/usr/sbin/sshd -t -f "$work/sshd_config"
	expect_eq "$shell_path" "$(effective u1 forcecommand)"
	expect_eq none "$(effective plain forcecommand)"
	expect_eq none "$(effective root forcecommand)"
}

test_it_closes_what_is_open_for_others() {
	with_dropin 'AcceptEnv *' 'PermitTunnel yes' 'AllowStreamLocalForwarding yes' 'StreamLocalBindUnlink yes' \
		'PermitUserRC yes' 'X11Forwarding yes' 'GatewayPorts yes'
	expect_eq no "$(effective u1 permittunnel)"
	expect_eq no "$(effective u1 allowstreamlocalforwarding)"
	expect_eq no "$(effective u1 streamlocalbindunlink)"
	expect_eq no "$(effective u1 permituserrc)"
	expect_eq no "$(effective u1 x11forwarding)"
	expect_eq no "$(effective u1 gatewayports)"
	expect_eq 'LANG LC_* COLORTERM' "$(effective u1 acceptenv | tr '\n' ' ' | sed 's/ $//')"
	expect_eq yes "$(effective plain permittunnel)"
	expect_eq '*' "$(effective plain acceptenv)"
	expect_eq yes "$(effective exempt permituserrc)"
	with_dropin
}

test_a_command() {
	local user

	for user in u1 shelled; do
		expect_status 7 ssh_as "$user" 'cat /srv/where; echo err >&2; exit 7'
		expect_eq 'of the sandbox' "$output"
		expect_eq err "$errors"
		expect_status 137 ssh_as "$user" 'kill -9 $$'
		expect_eq 5 "$(printf abcde | ssh_as "$user" 'wc -c')"
		# What a shell of the host on the way would change: quotes, dollars, blanks.
		expect_status 0 ssh_as "$user" "printf '%s|' \"a  b\" '\$HOME' '\\\\' \"it's\"; echo \$0"
		expect_eq "a  b|\$HOME|\\\\|it's|sh" "$output"
		# And its name is no way to another shell.
		expect_status 0 ssh_as "$user" "$shell_path; cat /srv/where" 2>/dev/null
		expect_eq 'of the sandbox' "$output"
	done
}

test_a_login_shell_on_a_terminal() {
	local user

	for user in u1 shelled; do
		expect_status 3 ssh_as "$user" -tt <<<'echo "<$0 $(tty) $(cat /srv/where)>"; exit 3'
		expect_match '<-sh /dev/pts/0 of the sandbox>' "$output"
	done
}

test_a_login_shell_without_a_terminal() {
	local user

	for user in u1 shelled; do
		expect_status 4 ssh_as "$user" -T <<<'echo "<$0 $(cat /srv/where)>"; exit 4'
		expect_eq '<-sh of the sandbox>' "$output"
	done
}

test_a_command_on_a_terminal() {
	local user

	for user in u1 shelled; do
		expect_status 5 ssh_as "$user" -tt 'echo "<$0 $(tty)>"; exit 5'
		expect_match '<sh /dev/pts/0>' "$output"
	done
}

test_a_shell_of_the_host_is_refused_without_forced_command_ok() {
	expect_status 254 ssh_as refused 'cat /srv/where'
	expect_match '^carrel: ' "$output$errors"
	expect_no_match 'of the' "$output"
}

# forced_command_ok without ForceCommand: this is what the setting trusts sshd with.
test_control_a_shell_of_the_host_without_the_file() {
	without_dropin
	expect_eq 'of the host' "$(ssh_as shelled 'cat /srv/where')"
	expect_eq 'of the sandbox' "$(ssh_as u1 'cat /srv/where')"
	with_dropin
}

test_every_sftp_is_inside() {
	local user

	for user in u1 shelled; do
		expect_eq 'of the sandbox' "$(sftp_get "$user" sftp /srv/where)"
		expect_eq 'of the sandbox' "$(sftp_get "$user" host /srv/where)"
		# A program of the host's choice, as a command.
		expect_eq 'of the sandbox' "$(sftp_get "$user" /usr/lib/openssh/sftp-server /srv/where)"
		# internal-sftp, not as a subsystem but as a command.
		printf '#!/bin/sh\nexec %s\n' "$(printf '%q ' ssh "${ssh_options[@]}" "$user@127.0.0.1" internal-sftp)" >"$work/direct"
		chmod +x "$work/direct"
		rm -f "$work/got"
		sftp -q -b - -D "$work/direct" <<<"get /srv/where $work/got" >/dev/null
		expect_eq 'of the sandbox' "$(<"$work/got")"
	done
	expect_eq 'of the host' "$(sftp_get plain host /srv/where)"
}

test_control_internal_sftp_is_on_the_host_without_the_file() {
	without_dropin
	expect_eq 'of the sandbox' "$(sftp_get u1 sftp /srv/where)"
	expect_eq 'of the host' "$(sftp_get u1 host /srv/where)"
	with_dropin
}

# A user's own authorized_keys, which can be written from inside, asks for internal-sftp.
key_asks() { # USER COMMAND
	ssh_as "$1" "sed -i 's|^.*ssh-ed|command=\"$2\" ssh-ed|' .ssh/authorized_keys"
}

test_a_key_cannot_ask_for_internal_sftp() {
	key_asks u1 internal-sftp
	expect_match '^command="internal-sftp" ' "$(</home/u1/.ssh/authorized_keys)"
	expect_eq 'of the sandbox' "$(sftp_get u1 sftp /srv/where)"
	without_dropin
	expect_eq 'of the host' "$(sftp_get u1 sftp /srv/where)" # the control
	with_dropin
	allow_key u1
}

# As documented: ForceCommand replaces what a key asks for.
test_the_command_of_a_key_has_no_effect() {
	key_asks u1 'echo restricted'
	expect_eq free "$(ssh_as u1 'echo free')"
	without_dropin
	expect_eq restricted "$(ssh_as u1 'echo free')"
	allow_key u1
	with_dropin
}

test_the_rc_file_is_not_run_on_the_host() {
	local rc='cat /srv/where >/tmp/rc'

	ssh_as shelled "echo '$rc' >.ssh/rc"
	ssh_as shelled true
	[ ! -e /tmp/rc ] || fail ".ssh/rc was run on the host"
	without_dropin
	ssh_as shelled true
	expect_eq 'of the host' "$(cat /tmp/rc)" # the control
	rm /tmp/rc
	ssh_as shelled 'rm .ssh/rc'
	with_dropin
}

# bash reads the file that BASH_ENV names; ~/.ssh is shared.
test_no_variable_reaches_a_shell_of_the_host() {
	local options=(-o 'SetEnv=BASH_ENV=/home/shelled/.ssh/env SHLVL=5') # in the first shell of sshd bash reads ~/.bashrc instead

	ssh_as shelled 'echo "cat /srv/where >/tmp/env" >.ssh/env'
	with_dropin 'AcceptEnv *'
	expect_eq 'of the sandbox' "$(ssh_as shelled "${options[@]}" 'cat /srv/where')"
	[ ! -e /tmp/env ] || fail "BASH_ENV was used on the host"
	sed '/AcceptEnv/d' "$dropin" >"$work/no-accept"
	stop_sshd
	start_sshd 'AcceptEnv *' "Include $work/no-accept"
	ssh_as shelled "${options[@]}" true
	expect_eq 'of the host' "$(cat /tmp/env)" # the control
	rm /tmp/env
	with_dropin
}

test_others_are_not_forced() {
	local user

	for user in plain exempt root; do
		expect_eq "$user of the host" "$(ssh_as "$user" 'echo $(id -un) $(cat /srv/where)')"
	done
}

# Without a session there is no shell, whatever was asked for.
test_not_without_a_session() {
	stop_sshd
	sed -i '/pam_carrel/d' /etc/pam.d/sshd
	with_dropin
	for user in u1 shelled exempt; do
		[ "$user" != exempt ] || continue
		expect_status 1 ssh_as "$user" 'cat /srv/where'
		expect_match '^carrel: no session: ' "$errors"
		expect_eq "" "$output"
		expect_status 1 ssh_as "$user" -T <<<'cat /srv/where'
		expect_eq "" "$output"
	done
	expect_status 255 sftp_get u1 host /srv/where
	enable_pam sshd
}

test_nothing_is_left() {
	nothing_left
}
