# shellcheck shell=bash
# shellcheck disable=SC2034 # TEST_TIMEOUT is the suite runner's
# SIGKILL of each process that takes part in a login, at random moments of it: nothing stays, and the next login works.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

TEST_TIMEOUT=300
rounds=10

setup() {
	prepare
	add_user u1
	expect_status 0 ssh_as u1 true # the pinned namespaces are made once
	login_ms=${EPOCHREALTIME/[.,]/}
	expect_status 0 ssh_as u1 true
	login_ms=$(((${EPOCHREALTIME/[.,]/} - login_ms) / 1000))
}

keeper() { # the one whose parent is on the host and not a keeper itself: init is its clone and has its name for a while
	local pid parent

	for pid in $(pgrep -x carrel-keeper); do
		parent=$(ps -o ppid= -p "$pid" 2>/dev/null | tr -d ' ')
		if [ -n "$parent" ] && [ "$(cat "/proc/$parent/comm" 2>/dev/null)" != carrel-keeper ]; then
			echo "$pid"
			return
		fi
	done
}

target() { # client | monitor | keeper | init | shell: its pid, or nothing
	local pid

	case $1 in
	client) echo "$client" ;;
	monitor) pgrep -P "$(<"$work/sshd.pid")" ;;
	keeper) keeper ;;
	init)
		pid=$(keeper)
		[ -z "$pid" ] || pgrep -P "$pid"
		;;
	shell) pgrep -x carrel-shell ;;
	esac
}

host_namespaces=$(readlink /proc/self/ns/{net,mnt,ipc,uts,cgroup,user} | sort)

# Processes that nothing_left does not see: in the host's PID namespace, and in another one of the sandbox's.
strays() {
	local process namespaces

	for process in /proc/[0-9]*; do
		namespaces=$(readlink "$process"/ns/{net,mnt,ipc,uts,cgroup,user} 2>/dev/null | sort)
		[ -z "$namespaces" ] || [ "$namespaces" = "$host_namespaces" ] ||
			echo "$process: $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)"
	done
}

no_strays() {
	[ -z "$(strays)" ]
}

random() { # BELOW
	echo $(((RANDOM * 32768 + RANDOM) % $1))
}

session_exists() {
	compgen -G '/run/carrel/sessions/*-*' >/dev/null
}

# One login, and a kill somewhere in it: some time after the process has appeared, or after the session has, which is when
# there is something to leave behind. Sets `hit` when there was somebody to kill.
kill_in_a_login() { # WHO connection|session
	local pid='' delay deadline=$((SECONDS + 10))
	local commands=(true 'sleep 0.2' 'sleep 30' 'yes | head -c 3000000; sleep 30') ranges=(1 20 200 $((login_ms * 3 / 2)))

	hit=
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 "${commands[$(random 4)]}" >/dev/null 2>&1 </dev/null &
	client=$!
	if [ "$2" = session ]; then
		until session_exists || [ $SECONDS -ge $deadline ]; do
			sleep 0.001
		done
	fi
	while [ -z "$pid" ] && [ $SECONDS -lt $deadline ] && kill -0 "$client" 2>/dev/null; do
		pid=$(target "$1" || true)
		pid=${pid%%$'\n'*}
	done
	delay=$(random "${ranges[$(random 4)]}")
	sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
	if [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null; then
		hit=1
	fi
	echo "$1 $pid, $delay ms after it and the $2 appeared${hit:+, killed}"
	# A connection without its session ends by itself. Without carrel-shell the command goes on, as with any shell that is
	# killed, and sshd waits for it.
	case $1:$hit in
	monitor:1 | keeper:1 | init:1) wait_until 30 client_ended ;;
	esac
	kill -KILL "$client" 2>/dev/null || true
	wait "$client" 2>/dev/null || true
}

client_ended() {
	! kill -0 "$client" 2>/dev/null
}

kill_rounds() { # WHO
	local hits=0 tries=0 anchors=(connection session) seed=${CARREL_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}

	echo "CARREL_TEST_SEED=$seed"
	RANDOM=$seed
	while [ $hits -lt $rounds ]; do
		kill_in_a_login "$1" "${anchors[tries++ % 2]}"
		[ -z "$hit" ] || hits=$((hits + 1))
		# What a killed keeper has left is removed by the login's end, or, if that did not know of the session yet,
		# by the next login.
		[ "$1" = keeper ] || nothing_left
		expect_status 0 ssh_as u1 hostname
		expect_eq u1 "$output"
		nothing_left
		wait_until 30 no_strays || {
			strays
			return 1
		}
		expect_eq 0 "$(overlays)" "overlays in the vault"
	done
}

test_client() {
	kill_rounds client
}

test_monitor() {
	kill_rounds monitor
}

test_keeper() {
	kill_rounds keeper
}

test_init() {
	kill_rounds init
}

test_shell() {
	kill_rounds shell
}

# With another session of the same user open, which none of this may touch.
test_all_of_them_beside_a_session_that_lives() {
	local who held_client held_session

	hold_session u1
	held_client=$client
	held_session=$session
	for who in client monitor shell init keeper; do
		hold_session u1
		case $who in
		client) kill -KILL "$client" ;;
		monitor) kill -KILL "$(pgrep -P "$(<"$work/sshd.pid")" -n)" ;;
		shell) kill -KILL "$(pgrep -x -n carrel-shell)" ;;
		init) kill -KILL "$(init_of "$session")" ;;
		keeper) kill -KILL "$(keeper_of "$session")" ;;
		esac
		[ $who != shell ] || kill -KILL "$client"
		wait_until 30 client_ended
		wait_until 30 test ! -e "/run/carrel/sessions/$session"
		expect_status 0 in_session u1 "$held_session" 'echo alive'
		expect_eq 1 "$(overlays)"
	done
	client=$held_client
	release_session
}
