# shellcheck shell=bash
# The matrix: for each way (ways.sh) and each kind of user (site.sh) three answers.
#
#	yes        it can
#	no         it cannot; the way is open and leads into the sandbox
#	no (off)   it cannot; the way is closed, or broken
#	–          the way has nothing for this

kinds=(plain bwrap firejail firejail-script carrel carrel-alone)
declare -A kind_title=(
	[plain]='plain shell' [bwrap]='bubblewrap' [firejail]='firejail' [firejail-script]='firejail in a script' [carrel]='Carrel'
	[carrel-alone]='Carrel without its sshd file'
)
mark=70000 # seconds that the sleep of one question takes, by which it is found

# shellcheck source=tests/bypass/site.sh
. "$repo/tests/bypass/site.sh"
# shellcheck source=tests/bypass/ways.sh
. "$repo/tests/bypass/ways.sh"

answer() { # WAY QUESTION USER: sets $answer
	answer=–
	can_be_asked "$1" "$2" || return 0
	if [ "$2" = run ]; then
		answer_run "$1" "$3"
	else
		answer_text "$1" "$2" "$3"
	fi
}

answer_text() { # WAY QUESTION USER
	local text

	text=$(ask "$1" "$2" "$3" 2>&1 </dev/null) || true
	case $text in
	*of-the-host*) answer=yes ;;
	*of-the-sandbox*) answer=no ;;
	*) is_open "$1" "$3" ;;
	esac
	close_what_is_left "$3"
}

is_open() { # WAY USER
	answer='no (off)'
	can_be_asked "$1" works || return 0
	! ask "$1" works "$2" 2>/dev/null </dev/null | grep -qE "$it_works" || answer=no
}

# Start it, see that it runs, and take the client away as a lost connection does. What is to end on its own account, a
# session or a connection with nothing in it, gets as long as it needs on a busy machine.
answer_run() { # WAY USER
	local asked seconds=2

	mark=$((mark + 1))
	ask "$1" run "$2" >/dev/null 2>&1 </dev/null &
	asked=$!
	answer='no (off)'
	if starts "$1" "$2" "$asked" >/dev/null; then
		if [ "$1" = N ] || ! no_session_is_open >/dev/null; then
			seconds=30
		fi
		kill_clients
		answer=yes
		! within "$seconds" nothing_runs "$2" || answer=no
	fi
	close_what_is_left "$2"
}

starts() { # WAY USER PID: or not, by when the client has ended
	until has_started "$1" "$2"; do
		kill -0 "$3" 2>/dev/null || {
			has_started "$1" "$2"
			return
		}
		sleep 0.05
	done
}

nothing_runs() { # USER
	[ -z "$(pgrep -fx "sleep $mark"; pgrep -u "$1"; pgrep '^carrel-')" ]
}

has_started() { # WAY USER
	case $1 in
	N) pgrep -u "$2" ;; # sshd's own process
	*) pgrep -fx "sleep $mark" ;;
	esac
}

connection_is_over() { # USER
	! pgrep -u "$1" '^sshd' && no_session_is_open
}

no_session_is_open() {
	! pgrep '^carrel-'
}

within() { # SECONDS COMMAND…; not more where there is more patience: it is asked for what need not become true, too
	PATIENCE=1 wait_until "$@" >/dev/null 2>&1
}

close_what_is_left() { # USER
	kill_clients
	pkill -KILL -fx "sleep 7[0-9]{4}" || true
	pkill -KILL -u "$1" || true
	rm -f "/home/$1/.ssh/rc-command" "$work/master"
	wait_until 30 connection_is_over "$1" || fail "a connection of $1 does not end"
}

print_matrix() { # KIND…
	local way kind question row=' ' line='---' cell answer

	for kind in "$@"; do
		row+=" | ${kind_title[$kind]}"
		line+='|---'
	done
	echo "|$row |"
	echo "|$line|"
	for way in "${ways[@]}"; do
		row="| ${title[$way]} |"
		for kind in "$@"; do
			cell=
			for question in read reach run; do
				answer "$way" "$question" "$kind-user"
				cell+=" / $answer"
			done
			row+=" ${cell# / } |"
		done
		echo "$row"
	done
}
