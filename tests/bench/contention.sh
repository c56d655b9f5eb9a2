# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # what is quoted is for the other side; what `run` has set
# Of tests/bench/run: what users at their limits take from each other. Part of it beside users of the same host without a
# sandbox, and with bubblewrap, who do the same.

seconds=5 # that processors are shared for

contention_users() {
	local user

	for user in one two nested joined again; do
		add_user "$user"
	done
	for user in plain-one plain-two; do
		add_user "$user" /bin/sh
	done
	put_helper two hog
	install -m 755 "$B/tests/helpers/hog" /usr/local/bin/hog
}

# --- shares of the processors ---

weights() { # OF-ONE OF-TWO
	write_config <<-END
		covers = [ "@carrel" ];
		defaults = { limits = { cpus = "max"; }; };
		rules = ( { match = "one"; user_limits = { cpu_weight = "$1"; }; }, { match = "two"; user_limits = { cpu_weight = "$2"; }; } );
	END
}

loops() { # COUNT: a shell's command that runs them
	echo "for i in \$(seq $1); do (while :; do :; done) & done; echo looping; wait"
}

# Start COMMAND… in the background; it says "looping" when it does.
start() {
	local out

	out=$(mktemp "$work/loops.XXXXXX")
	# Not the function: $! would be a shell that waits for ssh.
	[ "$1" != ssh_as ] || set -- ssh "${ssh_options[@]}" -l "$2" 127.0.0.1 "$3"
	"$@" >"$out" 2>&1 </dev/null &
	started+=($!)
	wait_until 30 grep -q looping "$out"
}

stop() {
	kill "${started[@]}" 2>/dev/null || true
	wait "${started[@]}" 2>/dev/null || true
	started=()
	wait_until 30 no_sessions
	# What is not in a sandbox outlives its terminal.
	pkill -KILL -u plain-one,plain-two 2>/dev/null || true
}

no_sessions() {
	[ -z "$(find /run/carrel/sessions -mindepth 1 -maxdepth 1)" ]
}

# Microseconds of processor time, as the user's group has them, or the user's processes where there is none.
time_of() { # USER
	local id level file

	id=$(session_ids "$1")
	if [ -z "$id" ]; then
		pgrep -u "$1" | sed 's#.*#/proc/&/stat#' | xargs cat 2>/dev/null | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n * 10000 }'
		return
	fi
	level=$(dirname "$(group_of "$id")")
	file=$(level_file "$level" cpuacct cpuacct.usage cpu.stat)
	case $file in
	*cpuacct.usage) echo $(($(<"$file") / 1000)) ;;
	*) sed -n 's/^usage_usec //p' "$(level_file "$level" cpu - cpu.stat)" ;;
	esac
}

# One line of the table: the share that the first of two users has of what both get.
share() { # TEXT AIM USER-ONE USER-TWO
	local one two

	sleep 0.5
	one=$(time_of "$3") two=$(time_of "$4")
	sleep "$seconds"
	one=$(($(time_of "$3") - one)) two=$(($(time_of "$4") - two))
	stop
	awk -v text="$1" -v aim="$2" -v a="$one" -v b="$two" -v s="$seconds" \
		'BEGIN { printf "  %-58s %5.1f : %-5.1f %8.2f  %s\n", text, 100 * a / (a + b), 100 * b / (a + b), (a + b) / s / 1e6, aim }'
}

in_bwrap() { # USER COUNT
	as_user "$1" bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev /bin/sh -c "$(loops "$2")"
}

bench_shares() {
	local each=$((2 * $(nproc))) many=$((8 * $(nproc))) started=()

	printf '\n%-60s %13s %8s\n' "Two users who load all processors ($seconds s)" "% : %" "of cores"
	weights 100 100
	start ssh_as one "$(loops $each)"
	start ssh_as two "$(loops $each)"
	share "cpu_weight 1:1" "aim: 50 ± 5" one two
	weights 100 300
	start ssh_as one "$(loops $each)"
	start ssh_as two "$(loops $each)"
	share "cpu_weight 1:3" "aim: 25 : 75 ± 6" one two
	weights 100 100
	start ssh_as one "$(loops $each)"
	start ssh_as two "$(loops $many)"
	share "cpu_weight 1:1, the second with 4 times the processes" "aim: 50 ± 5" one two
	start ssh_as plain-one "$(loops $each)"
	start ssh_as plain-two "$(loops $many)"
	share "  the same, plain users of the host" "" plain-one plain-two
	start in_bwrap plain-one $each
	start in_bwrap plain-two $many
	share "  the same, each in bwrap --unshare-all" "" plain-one plain-two
}

# --- somebody at the limit, and another who logs in ---

hog_processors="$(loops 16)"
hog_processes='echo looping; while :; do for i in $(seq 100); do sleep 1 & done 2>/dev/null; wait; done'
hog_memory='echo looping; while :; do (timeout 1 hog malloc 400) >/dev/null 2>&1; done'

one_login() { # USER: microseconds
	local start=${EPOCHREALTIME/[.,]/}

	ssh_as "$1" true
	echo $((${EPOCHREALTIME/[.,]/} - start))
}

part() { # TENTHS NUMBERS: 5 tenths is the median
	local tenths=$1
	shift

	printf '%s\n' "$@" | sort -n | sed -n "$((($# * tenths + 9) / 10))p"
}

# Idle and not, in turn, so that a busy machine is busy for both. The noise is what the slow ones of the idle logins, their 90th
# percentile, are above the median.
beside_hog() { # TEXT WHO-LOGS-IN AIM COMMAND…
	local text=$1 who=$2 aim=$3 idle=() busy=() started=() round i
	shift 3

	for round in 1 2 3; do
		for i in 1 2 3 4; do
			idle+=("$(one_login "$who")")
		done
		start "$@"
		sleep 0.3
		for i in 1 2 3 4; do
			busy+=("$(one_login "$who")")
		done
		stop
	done
	awk -v text="$text" -v aim="$aim" -v a="$(part 5 "${idle[@]}")" -v b="$(part 5 "${busy[@]}")" -v c="$(part 9 "${idle[@]}")" \
		'BEGIN { printf "  %-58s %8.1f %8.1f %8.2f %8.2f  %s\n", text, a / 1000, b / 1000, b / a, c / a, aim }'
}

bench_beside_hogs() {
	local aim="aim: ratio at most noise"

	printf '\n%-60s %8s %8s %8s %8s\n' "A login beside another user's (12 of each, medians, ms)" alone beside ratio noise
	write_config <<-'END'
		covers = [ "@carrel" ];
		rules = ( { match = "two"; limits = { memory = "64M"; pids = "60"; cpus = "max"; }; user_limits = { cpus = "0.5"; }; } );
	END
	beside_hog "16 loops, user_limits.cpus = 0.5" one "$aim" ssh_as two "$hog_processors"
	beside_hog "forks without end, limits.pids = 60" one "$aim" ssh_as two "$hog_processes"
	beside_hog "400 MiB again and again, limits.memory = 64M" one "$aim" ssh_as two "$hog_memory"
	beside_hog "  16 loops, plain users of the host" plain-one "" ssh_as plain-two "$hog_processors"
	beside_hog "  16 loops, in bwrap --unshare-all" plain-one "" in_bwrap plain-two 16
	beside_hog "  400 MiB again and again, plain users" plain-one "" ssh_as plain-two "$hog_memory"
}

# --- what the levels cost ---

bench_levels() {
	local budget='user_limits = { memory = "1G"; cpus = "2"; pids = "500"; }; group_limits = { memory = "2G"; cpus = "2"; pids = "900"; };'
	local started=()

	write_config <<-END
		covers = [ "@carrel" ];
		rules = ( { match = "nested"; $budget }, { match = [ "joined", "two" ]; $budget }, { match = "again"; $budget } );
	END
	start ssh_as two 'echo looping; sleep 1000'
	start ssh_as again 'echo looping; sleep 1000'
	measure "$login_rounds" <<-END
		levels-permit	pamtester permit-bench one open_session close_session
		levels-one	pamtester carrel-bench one open_session close_session
		levels-fresh	pamtester carrel-bench nested open_session close_session
		levels-group	pamtester carrel-bench joined open_session close_session
		levels-user	pamtester carrel-bench again open_session close_session
	END
	stop
	heading "Limits at three levels: open+close of a session ($login_rounds rounds)"
	row levels-permit "pam_permit alone"
	row levels-one "limits of the session alone"
	row levels-fresh "of session, user and group, all to be made"
	row levels-group "  the group has another session"
	row levels-user "  the user has another session"
}
