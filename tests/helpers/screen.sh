# shellcheck shell=bash
# A terminal of this host with a person at it, for suites: tmux, which sends keys and tells what the screen shows.

screen_size=80x24
screen_prompt='(^|\n)(root@)?u1:~#\n$' # Alpine's and our BusyBox image's

on_screen() { # TMUX COMMAND…
	tmux -u -S "$work/screen.socket" -f /dev/null "$@"
}

# Run a command in a new terminal, whose last line then says how it ended.
screen_open() { # COMMAND…
	on_screen start-server \; set -g exit-empty off \; set -g status off \; \
		set -g default-terminal screen-256color
	on_screen kill-session 2>/dev/null || true
	on_screen new-session -d -x "${screen_size%x*}" -y "${screen_size#*x}" \
		"$(printf '%q ' bash -c '"$@"; echo "ended with $?"; exec sleep infinity' - "$@")"
}

screen_close() {
	on_screen kill-session
}

# A login of the user; returns at the shell's prompt.
screen_login() { # USER [OPTION…]
	local user=$1
	shift

	screen_open ssh "${ssh_options[@]}" -tt "$@" -l "$user" 127.0.0.1
	screen_shows "${screen_prompt/u1/"$user"}"
}

screen_text() {
	on_screen capture-pane -p
}

screen_type() { # TEXT, and Enter
	on_screen send-keys -l -- "$1"
	on_screen send-keys Enter
}

screen_keys() { # KEY… as tmux names them: C-c, Enter, q
	on_screen send-keys "$@"
}

screen_matches() { # REGEX, over all lines up to the last that is not empty; each ends with \n
	local regex=${1//\\n/$'\n'} text

	text=$(screen_text)$'\n'
	[[ "$text" =~ $regex ]]
}

# Wait until the screen shows something. What it showed instead is in the message.
screen_shows() { # REGEX
	wait_until 30 screen_matches "$1" >/dev/null || {
		screen_text
		fail "the screen never showed '$1', but what is above"
	}
}

# The size of the window in which the terminal is.
screen_resize() { # COLUMNSxROWS
	on_screen resize-window -x "${1%x*}" -y "${1#*x}"
}

screen_ends() { # STATUS: the command is over
	screen_shows "(^|\n)ended with $1\n$"
}
