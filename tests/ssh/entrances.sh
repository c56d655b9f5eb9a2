# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The ways in that are not ssh. su and login, with the module, lead into the sandbox; whatever starts the user's shell
# without the module is refused in one line, and nothing is run on the host.

# shellcheck source=tests/helpers/screen.sh
. "$repo/tests/helpers/screen.sh"
# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

mark=/tmp/ran-on-the-host

setup() {
	start_syslog
	install_carrel
	import_image
	add_user u1
	add_user plain /bin/sh
	enable_pam su
	enable_pam login
}

without_the_module() { # SERVICE COMMAND…
	local service=$1
	shift

	sed -i '/pam_carrel/s/^/#/' "/etc/pam.d/$service"
	"$@"
	sed -i '/pam_carrel/s/^#//' "/etc/pam.d/$service"
}

# The command would leave a mark on the host.
expect_refused() { # COMMAND… the last word of which runs a command of the user's shell
	expect_status 1 "$@" </dev/null
	expect_eq "" "$output"
	expect_match '^carrel: no session: [^'$'\n'']*$' "$errors" "the one line"
	[ ! -e $mark ] || fail "'$*' ran on the host"
	nothing_left
}

test_su() {
	expect_status 3 su - u1 -c 'echo $(id -u) $(hostname) $0; cat /etc/os-release; exit 3'
	expect_match '^0 u1 ' "$output"
	expect_no_match "ID=$(sed -n 's/^ID=//p' /etc/os-release)" "$output"
	expect_eq "" "$errors"
	expect_eq abc "$(printf abc | su u1 -c cat)"
	expect_status 143 su u1 -c 'kill $$'
	nothing_left
}

test_su_is_a_session_like_any_other() {
	local id

	ns=$(readlink /proc/self/ns/net)
	expect_ne "$ns" "$(su - u1 -c 'readlink /proc/self/ns/net')"
	su - u1 -c 'echo kept >kept'
	expect_eq kept "$(su - u1 -c 'cat kept')"
	su - u1 -c 'sleep 4001 & sleep 4002' </dev/null &
	wait_until 30 pgrep -fx 'sleep 4002'
	id=$(session_ids u1)
	expect_match "^$(id -u u1)-" "$id"
	kill -KILL $! # no close_session
	wait $! || true
	nothing_left
}

test_su_on_a_terminal() {
	# script types a NUL at the end of its input, whose echo comes at any time.
	expect_match $'/dev/pts/0\r\n24 80\r' \
		"$(script -qc 'stty cols 80 rows 24; su - u1 -c "tty; stty size"' /dev/null </dev/null | sed 's/\^@//g')"
	screen_open bash --norc
	screen_type "PS1='host# '; stty -g >$work/before; su - u1"
	screen_shows "$screen_prompt"
	screen_type 'stty size; tty'
	screen_shows '\n24 80\n/dev/pts/0\n'
	screen_resize 99x22
	screen_type 'stty size'
	screen_shows '\n22 99\n'
	screen_type 'sleep 4003'
	wait_until 30 pgrep -fx 'sleep 4003'
	screen_keys C-c
	screen_type 'clear; echo after'
	screen_shows '^after\n'
	screen_type 'stty raw; exit 7'
	screen_shows 'host#\n$'
	screen_type "status=\$?; stty -g >$work/after; echo status \$status"
	screen_shows '\nstatus 7\n'
	expect_eq "$(<"$work/before")" "$(<"$work/after")" "the terminal's modes"
	screen_close
	nothing_left
}

# However the session ends, the shell that su was called from has its terminal as it was.
test_the_terminal_is_restored_when_the_session_is_killed() {
	local how

	for how in 'carrelctl kill u1' 'pkill -TERM -x carrel-shell' 'pkill -SEGV -x carrel-shell' 'pkill -KILL -x carrel-init' \
		'pkill -KILL -x carrel-keeper'; do
		screen_open bash --norc
		screen_type "PS1='host# '; stty -g >$work/before; su - u1"
		screen_shows "$screen_prompt"
		$how
		screen_shows 'host#\n$'
		screen_type "stty -g >$work/after; echo written"
		screen_shows '\nwritten\n'
		expect_eq "$(<"$work/before")" "$(<"$work/after")" "the terminal's modes after $how"
		screen_close
		nothing_left
	done
}

test_su_to_others_is_as_ever() {
	expect_eq "plain $(readlink /proc/self/ns/net)" "$(su - plain -c 'echo $(id -un) $(readlink /proc/self/ns/net)')"
	expect_eq root "$(su - -c 'id -un')"
}

test_login() {
	screen_open "$repo/tests/helpers/console.py" login -f u1
	screen_shows "$screen_prompt"
	screen_type 'clear; tty; grep ^ID= /etc/os-release; hostname'
	case $TEST_IMAGE_KIND in
	alpine) screen_shows '^/dev/pts/0\nID=alpine\nu1\n' ;;
	*) screen_shows '^/dev/pts/0\nID=busybox\nu1\n' ;;
	esac
	screen_type 'exit 6'
	screen_shows 'ended with'
	screen_close
	nothing_left
}

test_su_without_the_module() {
	without_the_module su expect_refused su - u1 -c "touch $mark"
	without_the_module su expect_refused su u1 -c "touch $mark"
	without_the_module su expect_refused su u1
	without_the_module su expect_status 1 script -qec "su - u1 -c 'touch $mark'" /dev/null
	expect_match '^carrel: no session: ' "$output"
	[ ! -e $mark ]
}

test_login_without_the_module() {
	sed -i '/pam_carrel/s/^/#/' /etc/pam.d/login
	screen_open "$repo/tests/helpers/console.py" login -f u1
	screen_shows 'carrel: no session: .*\n'
	screen_shows 'ended with'
	screen_close
	sed -i '/pam_carrel/s/^#//' /etc/pam.d/login
}

test_runuser() {
	expect_refused runuser u1 -c "touch $mark"
	expect_refused runuser - u1 -c "touch $mark"
	expect_refused runuser -l u1 -c "touch $mark"
}

test_sudo() {
	grep -qw -- "$HOSTNAME" /etc/hosts || echo "127.0.0.1 $HOSTNAME" >>/etc/hosts # or sudo says that it is not there
	expect_refused sudo -i -u u1 touch $mark
	expect_refused env SHELL="$shell_path" sudo -s -u u1 touch $mark # the shell is the caller's choice
}

# What cron, at, a mail filter or a hook of the user's do: the shell of passwd with a command and their own environment.
test_a_job() {
	expect_refused as_user u1 env -i SHELL="$shell_path" HOME=/home/u1 LOGNAME=u1 "$shell_path" -c "touch $mark"
	expect_refused as_user u1 env -i "$shell_path" -l
	expect_refused as_user u1 env -i "$shell_path"
	expect_refused as_user u1 env -i CARREL_SESSION= "$shell_path" -c "touch $mark"
	# In the middle of a script for sh, which is what at makes: the rest is run, without the user's shell.
	expect_status 1 as_user u1 env -i "$shell_path" -c "touch $mark" -c "touch $mark"
	[ ! -e $mark ]
}

test_a_job_cannot_name_a_session() {
	local id

	for id in /etc ../../etc 0 "$(id -u u1)-00000000" "$(id -u plain)-00000000" "$(printf 'x%.0s' {1..5000})"; do
		expect_status 1 as_user u1 env -i CARREL_SESSION="$id" "$shell_path" -c "touch $mark"
		expect_match '^carrel: [^'$'\n'']*$' "$errors"
		[ ! -e $mark ]
	done
}
