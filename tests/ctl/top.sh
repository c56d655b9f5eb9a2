# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# carrelctl top, show and list: what sessions use of what they may use.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"
# shellcheck source=tests/helpers/screen.sh
. "$repo/tests/helpers/screen.sh"

few_limits='covers = [ "@carrel" ];
	defaults = { limits = { memory = "64M"; swap = "0"; cpus = "0.2"; pids = "40"; }; user_limits = { pids = "90"; }; };
	rules = ( { match = "u3"; limits = { memory = "max"; swap = "max"; cpus = "max"; pids = "max"; }; user_limits = { pids = "max"; }; } );'

setup() {
	prepare
	write_config <<<"$few_limits"
	add_user u1
	add_user u2
	add_user u3
}

teardown() {
	local user

	screen_close 2>/dev/null || true
	for user in u1 u2 u3; do
		carrelctl kill "$user" >/dev/null 2>&1 || true
	done
	nothing_left
}

# A session of the user that runs a command in the background.
busy_session() { # USER COMMAND
	hold_session "$1"
	in_session "$1" "$session" "$2" >/dev/null 2>&1 </dev/null &
}

# A value of the JSON object that has this text in it.
json_of() { # TEXT NAME
	tr -d '\n' | grep -o '{[^{}]*}' | grep -F -- "$1" | sed -n 's/.*"'"$2"'": *"\{0,1\}\([^",}]*\)"\{0,1\}.*/\1/p' | tr -d ' '
}

between() { # LOW HIGH VALUE WHAT
	awk -v low="$1" -v high="$2" -v value="$3" 'BEGIN { exit !(value != "" && value >= low && value <= high) }' ||
		fail "$4 is '$3', not between $1 and $2"
}

# --- list and show ---

test_list_has_use_and_limit() {
	local used

	hold_session u1
	expect_status 0 carrelctl list
	expect_match "STATE .* MEMORY +PIDS"$'\n' "$output"
	expect_match "$session +u1 +live .* [0-9.]+[KM]/64M +[0-9]+/40\$" "$output"
	expect_status 0 carrelctl list --json
	expect_eq 67108864 "$(json_of "$session" memory_limit <<<"$output")"
	expect_eq 40 "$(json_of "$session" pids_limit <<<"$output")"
	used=$(json_of "$session" memory <<<"$output")
	between 4096 67108864 "$used" memory
}

test_no_limit_is_not_shown_as_a_number() {
	hold_session u3
	expect_status 0 carrelctl list
	expect_match "$session .* [0-9.]+[KM] +[0-9]+\$" "$output"
	expect_status 0 carrelctl list --json
	expect_eq null "$(json_of "$session" memory_limit <<<"$output")"
	expect_status 0 carrelctl show "$session"
	expect_match 'session memory +[0-9.]+[KM] +none ' "$output"
	expect_match 'session cpu +[0-9.]+s +none ' "$output"
}

test_show_one_session() {
	hold_session u1
	expect_status 0 carrelctl show "$session"
	expect_match "^session  $session \(live\)"$'\n'"user     u1 \($(id -u u1)\)"$'\n'"from     127.0.0.1 by sshd"$'\n' "$output"
	expect_match $'\n''since    [0-9-]+ [0-9:]+ \([0-9smh]+\)'$'\n''idle     0s \(1 connection, 0 on a terminal\)'$'\n''image    alpine'$'\n'"cgroup   .*/$session"$'\n' "$output"
	expect_match 'LEVEL +RESOURCE +USED +LIMIT +PEAK +THROTTLED' "$output"
	expect_match 'session memory +[0-9.]+[KM] +64M +[0-9.]+[KM] ' "$output"
	expect_match 'session cpu +[0-9.]+s +0.2 +- +[0-9.]+%' "$output"
	expect_match 'session pids +[0-9]+ +40 ' "$output"
	expect_match 'user +memory +[0-9.]+[KM] +none ' "$output"
	expect_match 'user +pids +[0-9]+ +90 ' "$output"
}

test_show_all_sessions_of_a_user() {
	local first

	hold_session u1
	first=$session
	hold_session u1
	expect_status 0 carrelctl show u1
	expect_eq "$(session_ids u1)" "$(awk '$1 == "session" && $3 == "(live)" { print $2 }' <<<"$output")"
	expect_eq 2 "$(grep -c '^session memory' <<<"$output")"
	expect_eq 1 "$(grep -c '^user *memory' <<<"$output")" "what they share, once"
	expect_status 0 carrelctl show --json u1
	expect_eq 3 "$(grep -c '"level"' <<<"$output")"
	expect_eq 40 "$(json_of "\"id\": \"$first\"" pids_limit <<<"$output")"
	expect_eq 90 "$(json_of '"level": "user"' pids_limit <<<"$output")"
	expect_eq 200 "$(json_of "\"id\": \"$first\"" cpu_limit <<<"$output")"
	between 2 80 "$(json_of '"level": "user"' pids <<<"$output")" "processes of both"
}

test_show_a_group_budget() {
	groupadd students
	usermod -aG students u2
	write_config <<<'covers = [ "@carrel" ]; rules = ( { match = "@students"; group_limits = { pids = "300"; }; } );'
	hold_session u2
	expect_status 0 carrelctl show u2
	expect_match 'group +pids +[0-9]+ +300 ' "$output"
	expect_status 0 carrelctl show --json "$session"
	expect_eq 300 "$(json_of '"level": "group"' pids_limit <<<"$output")"
	write_config <<<"$few_limits"
}

test_show_what_is_not_there() {
	expect_status 1 carrelctl show u1
	expect_eq "carrelctl: user 'u1' has no session" "$errors"
	expect_status 1 carrelctl show nosuchuser
	expect_match "neither a session's ID nor a user" "$errors"
	expect_status 1 carrelctl show 2001-00000000
	expect_match "there is no session '2001-00000000'" "$errors"
}

test_show_a_stale_session() {
	local keeper

	hold_session u1
	keeper=$(keeper_of "$session")
	# The keeper cleans up when the login dies, and the login does when the keeper dies: neither may.
	kill -STOP "$keeper"
	kill -KILL "$(monitor_of "$session")"
	kill -KILL "$keeper"
	wait_until 30 sh -c "carrelctl show $session | grep -q '^session  $session (stale)'"
	carrelctl gc >/dev/null
}

# --- top ---

test_batch() {
	local busy idle

	hold_session u2
	idle=$session
	busy_session u1 'while :; do :; done'
	busy=$session
	prefer_sessions
	expect_status 0 carrelctl top --batch -n 2 -d 1.5
	expect_eq 2 "$(grep -c '^ID ' <<<"$output")"
	expect_match "^ID +USER +SESSIONS +MEMORY +CPU +PIDS +READ +WRITTEN +THROTTLED +AGE +IDLE"$'\n'"$busy +u1 " "$output"
	expect_status 0 carrelctl top --batch -n 1 -d 2 --json
	# Of a whole processor it wants, it gets a fifth at most: on a busy machine less.
	between 1 30 "$(json_of "$busy" cpu <<<"$output")" "cpu of a loop"
	between 10 99 "$(json_of "$busy" throttled <<<"$output")" "throttled share of a loop"
	between 0 5 "$(json_of "$idle" cpu <<<"$output")" "cpu of a sleep"
	between 0 1 "$(json_of "$idle" throttled <<<"$output")" "throttled share of a sleep"
	expect_eq 40 "$(json_of "$busy" pids_limit <<<"$output")"
	between 0 300 "$(json_of "$busy" age <<<"$output")" age
}

test_batch_by_user() {
	hold_session u1
	hold_session u1
	hold_session u2
	expect_status 0 carrelctl top --batch -n 1 -d 0.2 --users --sort user
	expect_match "^ID [^"$'\n'"]*"$'\n'"$(id -u u1) +u1 +2 +[0-9.]+[KM] [^"$'\n'"]*/90 [^"$'\n'"]*"$'\n'"$(id -u u2) +u2 +1 " "$output"
	expect_status 0 carrelctl top --batch -n 1 -d 0.2 --users --json
	expect_eq 2 "$(json_of '"u1"' sessions <<<"$output")"
}

test_sorting() {
	local small large

	hold_session u2
	small=$session
	sleep 1.1 # ages are in whole seconds
	busy_session u1 'head -c 20000000 /dev/zero >/tmp/large; exec sleep 1000'
	large=$session
	wait_until 30 sh -c "carrelctl list | grep '^$large' | grep -q ' [12][0-9.]*M/64M'"
	expect_eq "$large $small" "$(carrelctl top --batch -n 1 -d 0.1 --sort memory | awk 'NR > 1 { print $1 }' | xargs)"
	expect_eq "$small $large" "$(carrelctl top --batch -n 1 -d 0.1 --sort age | awk 'NR > 1 { print $1 }' | xargs)"
	expect_eq "$large $small" "$(carrelctl top --batch -n 1 -d 0.1 --sort user | awk 'NR > 1 { print $1 }' | xargs)"
}

test_batch_without_sessions() {
	expect_status 0 carrelctl top --batch -n 1 -d 0.1
	expect_eq '' "$output"
	expect_status 0 carrelctl top --batch -n 1 -d 0.1 --json
	expect_match '"top": \[' "$output"
}

test_usage_errors() {
	local line
	local -a words

	while read -r line; do
		read -ra words <<<"${line%% => *}"
		expect_status 2 carrelctl "${words[@]}"
		expect_match "${line#* => }" "$errors" "$line"
		expect_eq '' "$output"
	done <<-'END'
		top --batch -n 0 => '0' is no number of times
		top --batch -n x => 'x' is no number of times
		top --batch -d 0.01 => is no delay
		top --batch -d 9999 => is no delay
		top --batch -d -1 => is no delay
		top --sort size => cannot sort by 'size'; there are memory,
		top -n 3 => go with '--batch'
		top --json => go with '--batch'
		top --batch -n => '-n' needs a value
		top --sort => '--sort' needs a value
		top u1 => too many arguments
		list -n 3 => 'list' does not take '-n'
		list --sort cpu => 'list' does not take '--sort'
	END
	expect_status 1 carrelctl top
	expect_eq "carrelctl: this is not a terminal: use 'top --batch'" "$errors"
}

# A terminal at a prompt is idle; a command without a terminal never is.
test_idle() {
	hold_session u1
	expect_status 0 carrelctl top --batch -n 1 -d 0.2
	expect_match "$session .* 0s\$" "$output"
	screen_login u2
	sleep 1.5
	expect_status 0 carrelctl top --batch -n 1 -d 0.2 --json
	between 1 60 "$(json_of '"u2"' idle <<<"$output")" "idle"
	expect_status 0 carrelctl show u2
	expect_match 'idle     [1-9][0-9]*s \(1 connection, 1 on a terminal\)' "$output"
	expect_status 0 carrelctl show --json u2
	expect_eq 1 "$(json_of '"level": "session"' terminals <<<"$output")"
	screen_type 'exit 0'
	screen_ends 0
}

# One keeper that does not answer costs its own cell and a moment.
test_a_keeper_that_is_stuck() {
	local stuck start

	hold_session u2
	stuck=$session
	hold_session u1
	kill -STOP "$(keeper_of "$stuck")"
	start=$SECONDS
	expect_status 0 carrelctl top --batch -n 1 -d 0.2
	[ $((SECONDS - start)) -le 25 ] || fail "it took $((SECONDS - start)) s"
	expect_match "$stuck +u2 .* -\$" "$(grep "$stuck" <<<"$output")"
	expect_match "$session +u1 .* 0s\$" "$(grep "$session" <<<"$output")"
	expect_status 0 carrelctl show "$stuck"
	expect_match 'idle     - \(the session does not answer\)' "$output"
	kill -CONT "$(keeper_of "$stuck")"
}

# --- top on a terminal ---

top_is_up() {
	screen_shows "by $1, every "
}

test_keys() {
	hold_session u2
	sleep 1.1
	busy_session u1 'head -c 20000000 /dev/zero >/tmp/large; while :; do :; done'
	screen_open carrelctl top
	top_is_up cpu
	screen_shows '  2 sessions, .*ID +USER +MEMORY +CPU% +PIDS'
	screen_shows "$session +u1 +[0-9.]+M/64M +[0-9.]+ +[0-9]+/40"
	screen_keys M
	screen_shows 'by memory.*u1 .*u2 '
	screen_keys U
	screen_shows 'by user.*u1 .*u2 '
	screen_keys A
	screen_shows 'by age.*u2 .*u1 '
	screen_keys u
	screen_shows "ID +USER +SESS +MEMORY.*$(id -u u1) +u1 +1 .*/90 "
	screen_keys q
	screen_ends 0
	screen_type 'x' # the terminal is not left in curses' mode
	screen_matches 'MEMORY' && fail "the screen was not given back"
	true
}

test_a_session_that_ends_goes() {
	hold_session u1
	screen_open carrelctl top -d 0.5
	screen_shows "$session +u1"
	end_client
	screen_shows 'no sessions'
	screen_keys q
	screen_ends 0
}

test_resizing() {
	hold_session u1
	screen_open carrelctl top
	top_is_up cpu
	screen_shows 'IDLE'
	screen_resize 30x8
	screen_shows "ID +USER[^I]*\n$session"
	screen_matches 'IDLE' && fail "a column that does not fit is there"
	screen_resize 12x2
	screen_shows "ID"
	screen_resize 1x1
	screen_resize 140x40
	screen_shows 'ID +USER +MEMORY +CPU% +PIDS +READ/s +WRITE/s +THR% +AGE +IDLE'
	screen_keys q
	screen_ends 0
}

test_more_sessions_than_lines() {
	local i

	for i in 1 2 3 4 5; do
		hold_session u1
	done
	screen_open carrelctl top --sort user
	screen_shows '  5 sessions'
	screen_resize 100x5
	screen_shows "ID +USER[^\n]*\n[^\n]*u1[^\n]*\n[^\n]*u1[^\n]*\nq quit"
	screen_keys Down Down Down Down Down
	screen_shows "ID +USER[^\n]*\n[^\n]*\n$(session_ids u1 | tail -n 1) "
	screen_keys q
	screen_ends 0
}

# The modes of the terminal before and after.
test_signals_give_the_terminal_back() {
	local signal status

	hold_session u1
	for signal in INT TERM HUP QUIT; do
		case $signal in INT) status=0 ;; TERM) status=143 ;; HUP) status=129 ;; QUIT) status=131 ;; esac
		screen_open bash -mc 'ulimit -c 0; stty -g >$0/before; carrelctl top; status=$?; stty -g >$0/after; exit $status' "$work"
		top_is_up cpu
		pkill "-$signal" -x carrelctl
		screen_ends "$status"
		expect_eq "$(<"$work/before")" "$(<"$work/after")" "modes after SIG$signal"
		screen_close
	done
	screen_open carrelctl top
	top_is_up cpu
	screen_keys C-c
	screen_ends 0
}

test_a_terminal_that_is_not_known() {
	screen_open env TERM=nonsense carrelctl top
	screen_shows "carrelctl: cannot use the terminal 'nonsense': try 'top --batch'"
	screen_ends 1
}
