# shellcheck shell=bash
# shellcheck disable=SC2016,SC1003,SC2094 # what is quoted is for the other side; a file is waited for
# A login with a terminal, as a person has it: the terminal is tmux's, and what its screen shows is asserted.

# shellcheck source=tests/helpers/screen.sh
. "$repo/tests/helpers/screen.sh"

setup() {
	prepare
	add_user u1
}

test_the_terminal_is_the_sandboxes_own() {
	expect_status 0 ssh_as u1 -tt 'tty; test -c "$(tty)" && test -t 0 && test -t 2 && echo terminal; echo $SSH_TTY; echo /dev/pts/*'
	expect_eq $'/dev/pts/0\r\nterminal\r\n/dev/pts/0\r\n/dev/pts/0 /dev/pts/ptmx\r' "$output"
}

test_size_follows_the_window() {
	screen_login u1
	screen_type 'stty size'
	screen_shows '\n24 80\n'
	screen_resize 101x33
	screen_type 'stty size'
	screen_shows '\n33 101\n'
	# Who waits is told.
	screen_type "sh -c 'trap \"echo now \\\$(stty size)\" WINCH; while sleep 0.07; do :; done'"
	wait_until 30 pgrep -fx 'sleep 0.07'
	screen_resize 70x20
	screen_shows '\nnow 20 70\n'
	screen_close
}

in_foreground() { # COMMAND, running, and not stopped
	ps -o stat= -p "$(pgrep -fx "$1")" | grep -q '^[RS].*+'
}

test_control_keys_end_stop_and_continue() {
	screen_login u1
	screen_type 'sleep 1000'
	wait_until 30 pgrep -fx 'sleep 1000'
	screen_keys C-c
	screen_shows '\^C\n'
	screen_type 'echo after $?'
	screen_shows '\nafter 130\n'

	screen_type 'sleep 1001'
	wait_until 30 pgrep -fx 'sleep 1001'
	screen_keys C-z
	screen_shows 'Stopped'
	screen_type 'jobs; fg'
	wait_until 30 in_foreground 'sleep 1001'
	screen_keys C-c
	screen_type 'jobs; echo no jobs $?'
	screen_shows '\nno jobs 0\n'

	screen_type 'sleep 1002'
	wait_until 30 pgrep -fx 'sleep 1002'
	screen_keys 'C-\'
	screen_type 'echo after $?'
	screen_shows '\nafter 131\n'
	screen_keys C-d
	screen_ends 0
	screen_close
	nothing_left
}

test_an_editor_and_a_pager() {
	screen_login u1
	screen_type 'vi /etc/os-release'
	screen_shows '^NAME=.*\n~\n.*/etc/os-release'
	screen_type ':q'
	screen_type 'echo back'
	screen_shows '\nback\n'
	screen_type 'seq 500 | less'
	screen_shows '^1\n2\n.*\n23\n'
	screen_keys q
	screen_type 'clear; echo and back'
	screen_shows '^and back\n'
	screen_close
}

test_colours_and_letters_reach_the_screen() {
	screen_login u1
	screen_type 'clear; printf "\033[31mred\033[0m \033[1;44mbold on blue\033[0m \303\244\342\202\254\n"'
	screen_shows '^red bold on blue ä€\n'
	expect_match $'\e\\[31mred\e\\[39m.*\e\\[1m\e\\[44mbold on blue' "$(on_screen capture-pane -p -e)"
	screen_close
}

every_byte() { # COUNT times all 256
	local i octal

	printf -v octal '\\%03o' {0..255}
	for ((i = 0; i < $1; i++)); do
		# shellcheck disable=SC2059
		printf "$octal"
	done
}

test_every_byte_passes_both_ways() {
	every_byte 40 >"$work/bytes"
	ssh_as u1 'cat >bytes' <"$work/bytes"
	ssh_as u1 -tt -e none 'stty raw; cat bytes' >"$work/back"
	cmp "$work/bytes" "$work/back"
	# In: not before the terminal is raw.
	{
		wait_until 30 test -s "$work/ready"
		cat "$work/bytes"
	} | ssh_as u1 -tt -e none 'stty raw -echo; printf r; head -c 10240 >bytes2; cmp bytes bytes2 && echo same' >"$work/ready"
	expect_eq rsame "$(<"$work/ready")"
}

test_20_mib_of_text_are_identical() {
	local sum

	head -c 15728640 /dev/urandom | base64 >"$work/text"
	sum=$(sha256sum <"$work/text")
	ssh_as u1 'cat >text' <"$work/text"
	expect_eq "$sum" "$(ssh_as u1 -tt 'stty -onlcr; cat text' | sha256sum)" "from inside, lines as they are"
	expect_eq "$sum" "$(ssh_as u1 -tt 'cat text' | tr -d '\r' | sha256sum)" "from inside"
	: >"$work/ready"
	{
		wait_until 30 test -s "$work/ready"
		cat "$work/text"
	} | ssh_as u1 -tt -e none "stty raw -echo; printf r; head -c $(stat -c %s "$work/text") | sha256sum" >"$work/ready"
	expect_match "${sum%% *}" "$(<"$work/ready")" "from outside"
}

test_the_end_of_the_client_hangs_up_the_inner_session() {
	local pid

	screen_login u1
	screen_type 'sleep 1003 & trap "echo hung up >/root/hangup" HUP; sleep 1004'
	wait_until 30 pgrep -fx 'sleep 1004'
	pid=$(pgrep -fx 'ssh .* -tt .*')
	kill -KILL "$pid"
	nothing_left
	expect_eq "" "$(pgrep -fx 'sleep 100[34]' || true)"
	screen_close
}

# The session goes on while another channel has it, so here only the hangup ends what had the terminal.
test_a_closed_terminal_is_a_hangup_for_its_own_processes_only() {
	local pid

	ssh_as u1 -M -S "$work/control" -N -f </dev/null >/dev/null 2>&1
	ssh_as u1 -S "$work/control" 'echo up >other; sleep 1005; echo >>other' </dev/null >/dev/null 2>&1 &
	wait_until 30 pgrep -fx 'sleep 1005'
	screen_login u1 -S "$work/control"
	screen_type 'sh -c "trap \"echo hung up >hangup; exit\" HUP; while sleep 0.05; do :; done"'
	wait_until 30 pgrep -fx 'sleep 0.05'
	pid=$(pgrep -fx 'ssh .* -tt .*')
	kill -KILL "$pid"
	wait_until 30 ssh_as u1 -S "$work/control" 'grep -qx "hung up" hangup'
	wait_until 30 ssh_as u1 -S "$work/control" '! ps -o args | grep -q "^-sh"'
	expect_eq up "$(ssh_as u1 -S "$work/control" 'cat other')"
	ssh_as u1 -S "$work/control" -O exit 2>/dev/null
	wait
	nothing_left
}

test_the_local_terminal_is_restored() {
	screen_open bash --norc
	screen_type 'PS1=; stty -g; clear'
	screen_type "stty -g >$work/before; $(printf '%q ' ssh "${ssh_options[@]}" -tt -l u1 127.0.0.1)"
	screen_shows "$screen_prompt"
	screen_type 'stty raw -echo; exit 3'
	sleep 0.1
	wait_until 30 eval '! pgrep -x ssh'
	screen_type ''
	screen_type "stty -g >$work/after; echo done >>$work/after"
	wait_until 30 grep -qx 'done' "$work/after"
	expect_eq "$(<"$work/before")" "$(head -1 "$work/after")"
	screen_close
}

install_inside() { # PROGRAM…
	"$repo/tests/helpers/bundle.sh" /usr/local/bin /opt/host "$@" | ssh_as u1 'tar -x -C /'
}

test_a_terminal_in_the_terminal() {
	install_inside script
	expect_status 0 ssh_as u1 -tt 'tty; script -qc "tty; stty size" /dev/null'
	expect_match $'^/dev/pts/0\r\n/dev/pts/1\r\n' "$output"
}

test_tmux_inside() {
	local dir files=(usr/lib/locale/C.utf8)

	for dir in /lib/terminfo/[st] /usr/share/terminfo/[st]; do # Debian 12 and 13
		[ ! -d "$dir" ] || files+=("${dir#/}")
	done
	install_inside tmux
	tar -C / -ch "${files[@]}" | ssh_as u1 'tar -x -C /'
	screen_login u1
	screen_type 'clear; tmux -u'
	screen_shows '\n\[0\] 0:[^\n]*\n$'
	screen_type 'tty; stty size'
	screen_shows '/dev/pts/1\n23 80\n'

	screen_resize 100x30
	screen_type 'stty size'
	screen_shows '\n29 100\n.*\n\[0\] 0:'

	screen_type 'sleep 1006'
	wait_until 30 pgrep -fx 'sleep 1006'
	screen_keys C-c
	screen_type 'echo after $?'
	screen_shows '\nafter 130\n'

	screen_keys C-b d
	screen_shows '\[detached \(from session 0\)\]'
	screen_type 'tmux ls'
	screen_shows '\n0: 1 windows'
	screen_type 'clear; tmux -u attach'
	screen_shows '\nafter 130\n.*\n\[0\] 0:'
	screen_type 'exit'
	screen_shows '\[exited\]\n'
	screen_type 'exit 5'
	screen_ends 5
	screen_close
	nothing_left
}
