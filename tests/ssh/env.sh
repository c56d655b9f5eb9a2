# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The environment inside: what describes the inside is made there, and of the client's variables only those of the list and those
# that the policy names come in, here with an sshd that takes all of them.

# What the shell was started with, sorted, without the addresses of the connection.
show='tr "\0" "\n" </proc/$$/environ | grep -v "^SSH_C" | sort'

setup() {
	start_syslog
	install_carrel
	enable_pam sshd
	sed -i '/pam_env/d' /etc/pam.d/sshd # its LANG would depend on the machine
	import_image
	start_sshd 'AcceptEnv *' 'PermitUserEnvironment yes'
	write_config <<-'END'
		covers = [ "@carrel" ];
		rules = (
		  { match = "named"; login_as = "user"; env = [ "MY_*", "GIT_AUTHOR_NAME" ]; }
		);
	END
	add_user u1
	add_user named
	add_user plain /bin/bash
}

environment_of() { # USER [OPTION…]
	ssh_as "$@" "$show"
}

lines_of() { # LINE…
	printf '%s\n' "$@" | LC_ALL=C sort
}

test_of_root() {
	expect_eq "$(lines_of HOME=/root LOGNAME=root MAIL=/var/mail/root SHELL=/bin/sh USER=root \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/carrel/bin)" \
		"$(environment_of u1)"
	expect_eq '/root' "$(ssh_as u1 pwd)"
}

test_of_a_user() {
	expect_eq "$(lines_of HOME=/home/named LOGNAME=named MAIL=/var/mail/named SHELL=/bin/sh USER=named \
		PATH=/usr/local/bin:/usr/bin:/bin:/usr/lib/carrel/bin)" \
		"$(environment_of named)"
	expect_eq '/home/named' "$(ssh_as named pwd)"
}

test_of_a_terminal() {
	expect_status 0 env TERM=vt100 ssh "${ssh_options[@]}" -tt u1@127.0.0.1 "$show"
	expect_match $'(^|\n)SSH_TTY=/dev/pts/0\r\nTERM=vt100\r\n' "$output"$'\n'
}

test_the_connection() {
	expect_match '^127.0.0.1 [0-9]+ 2222 127.0.0.1 [0-9]+ 127.0.0.1 2222$' "$(ssh_as u1 'echo $SSH_CLIENT $SSH_CONNECTION')"
}

hostile="LD_PRELOAD=/x LD_LIBRARY_PATH=/x LD_AUDIT=/x GLIBC_TUNABLES=x MALLOC_CHECK_=3 BASH_ENV=/x ENV=/x IFS=x PS4=x
	CARREL_SESSION=1-00000000 CARREL_COOKIE=00 CARREL_X=x PATH=/x HOME=/x USER=x LOGNAME=x SHELL=/x MAIL=/x PWD=/x
	SSH_TTY=/x SSH_AUTH_SOCK=/x SSH_ORIGINAL_COMMAND=false SSH_USER_AUTH=/x DISPLAY=x XAUTHORITY=/x
	XDG_RUNTIME_DIR=/x DBUS_SESSION_BUS_ADDRESS=x NODE_OPTIONS=x PERL5LIB=/x PYTHONPATH=/x LOCPATH=/x NLSPATH=/x
	TERMINFO=/x TERMCAP=x TMPDIR=/x HTTP_PROXY=x EDITOR=/x TERMX=x LANGX=x TZDIR=/x LC=x MY=x GIT_AUTHOR_NAMES=x"
friendly="LANG=C.UTF-8 LC_ALL=C LC_X=x COLORTERM=truecolor TZ=UTC MY_ONE=1 MY_=0 GIT_AUTHOR_NAME=a=b"

test_only_the_list_and_what_the_policy_names() {
	local -a set=(-o "SetEnv=$(tr -s '[:space:]' ' ' <<<"$hostile $friendly")")

	expect_eq "$( (environment_of u1; lines_of LANG=C.UTF-8 LC_ALL=C LC_X=x COLORTERM=truecolor TZ=UTC) | LC_ALL=C sort)" \
		"$(environment_of u1 "${set[@]}" | LC_ALL=C sort)"
	# shellcheck disable=SC2086 # words
	expect_eq "$( (environment_of named; lines_of $friendly) | LC_ALL=C sort)" \
		"$(environment_of named "${set[@]}" | LC_ALL=C sort)"
	# The control: sshd took them all.
	expect_match 'BASH_ENV=/x.*PS4=x.*TERMX=x' "$(ssh_as plain "${set[@]}" env | sort | tr '\n' ' ')"
}

test_a_file_of_the_user_is_no_other_way() {
	ssh_as u1 'printf "%s\n" LD_PRELOAD=/x BASH_ENV=/x FOO=x CARREL_SESSION=x HOME=/x LC_OF_FILE=x >.ssh/environment'
	expect_eq "$( (ssh_as u1 'mv .ssh/environment .ssh/off'; environment_of u1; echo LC_OF_FILE=x) | LC_ALL=C sort)" \
		"$(ssh_as u1 'mv .ssh/off .ssh/environment'; environment_of u1 | LC_ALL=C sort)"
	ssh_as u1 'rm .ssh/environment'
}

test_so_many_that_not_all_fit() {
	local many

	many=$(printf 'LC_%d=x ' {1..125})
	expect_eq 9 "$(environment_of u1 -o "SetEnv=$many" | grep -cE '^(HOME|LOGNAME|MAIL|SHELL|USER|PATH)=|^LC_(1|2|3)=')"
	expect_eq 0 "$(environment_of u1 -o "SetEnv=LC_BIG=$(head -c 100000 /dev/zero | tr '\0' x)" | grep -vcE '^(HOME|LOGNAME|MAIL|SHELL|USER|PATH|LC_BIG)=')"
}

# CARREL_SESSION is only a name: of a session of one's own, or of nothing.
test_a_session_is_not_chosen_by_the_client() {
	local other

	nothing_left
	ssh_as named 'sleep 100' </dev/null &
	wait_until 30 eval 'ls /run/carrel/sessions | grep .'
	other=$(ls /run/carrel/sessions)
	expect_eq u1 "$(ssh_as u1 -o "SetEnv=CARREL_SESSION=$other" hostname)"
	kill $!
	wait
}

test_nothing_is_left() {
	nothing_left
}
