# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Budgets: what all sessions of a user, and all users of a group, have together. Each with five sessions that would get
# more without it, and then do.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

users=(u1 u2 u3 u4 u5)

setup() {
	local user

	prepare
	for user in "${users[@]}" other; do
		add_user "$user"
	done
}

policy() { # LIMITS [RULE]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 }; rules = ( ${2-} );"
}

# A session for each of these users (who may be the same), all running COMMAND, which says "ready" when it holds what it
# shall hold, and then stays. `above` is the group over all of them.
start_sessions() { # COMMAND USER…
	local command=$1 user out id
	shift

	clients=() outs=()
	for user in "$@"; do
		out=$(mktemp "$work/budget.XXXXXX")
		ssh "${ssh_options[@]}" -l "$user" 127.0.0.1 "$command" >"$out" 2>&1 </dev/null &
		clients+=($!)
		outs+=("$out")
	done
	for out in "${outs[@]}"; do
		wait_until 30 grep -q '^ready\|^carrel: ' "$out" # some may be too many to start at all
	done
	id=$(session_ids "$1" | sed q)
	above=$(dirname "$(group_of "$id")")
}

end_sessions() {
	kill "${clients[@]}" 2>/dev/null || true
	wait "${clients[@]}" 2>/dev/null || true
	nothing_left
}

value() { # CONTROLLER V1-FILE V2-FILE, of the level above the sessions
	cat "$(level_file "$above" "$1" "$2" "$3")"
}

# dd has all of its buffer when it has written the first bytes of it. A killed one says so at once.
hold_memory='dd if=/dev/zero bs=30M count=1 2>/dev/null | { head -c 1 >/dev/null; echo ready; sleep 1000; }
	echo "ready, or rather killed"; sleep 1000'
hold_processes='i=0; while [ $i -lt 30 ]; do i=$((i + 1)); (exec sleep 1000) & done 2>/dev/null; echo ready; sleep 1000'
fork_until_refused='trap "" TERM; i=0; while [ $i -lt 30 ]; do i=$((i + 1)); sleep 1000 & done; echo all; sleep 1000'
burn='for i in 1 2; do (while :; do :; done) & done; echo ready; sleep 1000'

memory_held() {
	value memory memory.usage_in_bytes memory.current
}

oom_kills() {
	value memory memory.oom_control memory.events | sed -n 's/^oom_kill //p'
}

# The kills are counted in the groups of those who died, and on version 2 also above.
any_killed() {
	local file dir

	dir=$(dirname "$(level_file "$above" memory memory.oom_control memory.events)")
	for file in "$dir"/memory.{oom_control,events} "$dir"/*/memory.{oom_control,events} "$dir"/*/*/memory.{oom_control,events}; do
		[ ! -e "$file" ] || ! grep -qE '^oom_kill [1-9]' "$file" || return 0
	done
	return 1
}

# Microseconds of processor time.
time_used() {
	case $(level_file "$above" cpuacct v1 v2) in
	*v1) echo $(($(value cpuacct cpuacct.usage -) / 1000)) ;;
	*) value cpu - cpu.stat | sed -n 's/^usage_usec //p' ;;
	esac
}

# Hundredths of a processor over two seconds, or as long as they take.
share_used() {
	local from to start=${EPOCHREALTIME/[.,]/}

	from=$(time_used)
	sleep 2
	to=$(time_used)
	echo $(((to - from) * 100 / (${EPOCHREALTIME/[.,]/} - start)))
}

check_memory() { # SETTINGS-WITH SETTINGS-WITHOUT USER…
	local with=$1 without=$2
	shift 2

	policy "$with" "${rule_with-}"
	start_sessions "$hold_memory" "$@"
	any_killed || fail "nobody was killed, with $(memory_held) bytes in use"
	[ "$(memory_held)" -le $((80 * 1024 * 1024)) ] || fail "$(memory_held) bytes are in use under a limit of 80M"
	expect_status 0 ssh_as other 'echo alive'
	end_sessions

	policy "$without" "${rule_without-}"
	start_sessions "$hold_memory" "$@"
	[ "$(memory_held)" -gt $((140 * 1024 * 1024)) ] || fail "the control: only $(memory_held) bytes are in use"
	end_sessions
}

check_processes() { # SETTINGS-WITH SETTINGS-WITHOUT USER…
	local with=$1 without=$2 out refused=0
	shift 2

	policy "$with" "${rule_with-}"
	clients=()
	start_sessions "echo ready; sleep 3; $fork_until_refused" "$@" # all are in by then
	for ((i = 0; i < 300 && refused < 1; i++)); do
		sleep 0.1
		refused=$(cat "${outs[@]}" | grep -c "can't fork" || true)
	done
	[ "$refused" -ge 1 ] || fail "nobody was refused a process"
	[ "$(value pids pids.current pids.current)" -le 90 ] || fail "$(value pids pids.current pids.current) under a limit of 90"
	end_sessions

	policy "$without" "${rule_without-}"
	start_sessions "$hold_processes" "$@"
	[ "$(value pids pids.current pids.current)" -ge 150 ] || fail "the control: only $(value pids pids.current pids.current) processes"
	end_sessions
}

check_processors() { # SETTINGS-WITH SETTINGS-WITHOUT USER…
	local with=$1 without=$2 share
	shift 2

	policy "$with" "${rule_with-}"
	start_sessions "$burn" "$@"
	share=$(share_used)
	end_sessions
	[ "$share" -le 45 ] || fail "cpus = 0.4 got $share hundredths of a processor"
	policy "$without" "${rule_without-}"
	start_sessions "$burn" "$@"
	prefer_sessions
	for ((i = 0; i < 5; i++)); do
		share=$(share_used)
		[ "$share" -lt 55 ] || break
	done
	end_sessions
	[ "$share" -ge 55 ] || fail "the control: without a limit it got $share hundredths"
}

session_limits='limits = { memory = "64M"; cpus = "1"; pids = "60"; };'

test_user_memory() {
	check_memory "$session_limits user_limits = { memory = \"80M\"; swap = \"0\"; };" "$session_limits" u1 u1 u1 u1 u1
}

test_user_processes() {
	check_processes "$session_limits user_limits = { pids = \"90\"; };" "$session_limits" u1 u1 u1 u1 u1
}

test_user_processors() {
	check_processors "$session_limits user_limits = { cpus = \"0.4\"; };" "$session_limits" u1 u1 u1 u1 u1
}

# The rule matches five of the six users.
budget() { # LIMITS
	rule_with="{ match = [ \"u1\", \"u2\", \"u3\", \"u4\", \"u5\" ]; group_limits = { $1 }; }"
	rule_without='{ match = [ "u1", "u2", "u3", "u4", "u5" ]; group_limits = { cpu_weight = "100"; }; }'
}

start_of_group() {
	above=$(dirname "$above")
}

# In a group the level above the users is meant.
eval "$(declare -f start_sessions | sed '1s/.*/start_user_sessions()/')"
group_tests() {
	start_sessions() {
		start_user_sessions "$@"
		start_of_group
	}
}

test_group_memory() {
	group_tests
	budget 'memory = "80M"; swap = "0";'
	check_memory "$session_limits" "$session_limits" "${users[@]}"
}

test_group_processes() {
	group_tests
	budget 'pids = "90";'
	check_processes "$session_limits" "$session_limits" "${users[@]}"
}

test_group_processors() {
	group_tests
	budget 'cpus = "0.4";'
	check_processors "$session_limits" "$session_limits" "${users[@]}"
}

test_groups_are_nested() {
	local id

	policy "$session_limits user_limits = { memory = \"100M\"; };" '{ match = "@carrel"; group_limits = { memory = "1G"; }; }'
	hold_session u1
	id=$session
	expect_match "/group-@carrel/$(id -u u1)/$id\$" "$(group_of "$id")"
	expect_eq 67108864 "$(<"$(group_file "$id" memory memory.limit_in_bytes memory.max)")" session
	above=$(dirname "$(group_of "$id")")
	expect_eq 104857600 "$(value memory memory.limit_in_bytes memory.max)" user
	above=$(dirname "$above")
	expect_eq 1073741824 "$(value memory memory.limit_in_bytes memory.max)" group
	release_session
	[ ! -e "$(level_file "$above" memory '' '')" ] || fail "the group's cgroup is left"
}

# A user whose budget changes stays in the old one until the last session has ended: a cap holds over all of them.
test_a_changed_budget_waits_for_the_last_session() {
	local first

	policy "$session_limits" '{ match = "u1"; group_limits = { pids = "100"; }; }'
	hold_session u1
	first=$(group_of "$session")
	policy "$session_limits" '{ match = "u1"; }, { match = "@carrel"; group_limits = { pids = "50"; }; }'
	ssh_as u1 'echo up; exec sleep 1000' >"$work/second" 2>&1 &
	wait_until 30 grep -qx up "$work/second"
	expect_eq 2 "$(find "$(dirname "$(dirname "$(level_file "$first" pids x x)")")" -mindepth 1 -maxdepth 1 -type d | wc -l)" "sessions there"
	expect_eq 100 "$(<"$(level_file "$(dirname "$(dirname "$first")")" pids pids.max pids.max)")" "the limit of the old budget"
	pkill -KILL -f '^sleep 1000' || true
	wait || true
	nothing_left
	hold_session u1
	expect_match '/group-@carrel/' "$(group_of "$session")"
	release_session
}

# A limit above the sessions may be lowered below what is in use; whoever logs in meanwhile is not refused for it.
test_a_lowered_budget_does_not_refuse_logins() {
	policy "$session_limits user_limits = { memory = \"max\"; cpus = \"2\"; };"
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 "$hold_memory" >"$work/holder" 2>&1 </dev/null &
	client=$!
	wait_until 30 grep -q '^ready' "$work/holder"
	policy "$session_limits user_limits = { memory = \"16M\"; swap = \"0\"; cpus = \"0.5\"; };"
	ssh_as u1 'echo welcome' >"$work/out" 2>&1 || true # version 2 may kill something for it
	expect_no_match 'could not be started' "$(<"$work/out")"
	release_session
}

# Microseconds that a user's sessions have had.
time_of() { # USER
	above=$(dirname "$(group_of "$(session_ids "$1")")")
	time_used
}

# What two users' sessions have got of the processors in some seconds, as $light and $heavy. Again, up to five times, until it is as
# it should be: others on the machine can only take from that.
share_until() { # EXPRESSION
	local one two i

	start_sessions "$burn" u1 u2
	prefer_sessions
	for ((i = 0; i < 5; i++)); do
		one=$(time_of u1) two=$(time_of u2)
		sleep 2
		light=$(($(time_of u1) - one)) heavy=$(($(time_of u2) - two))
		(($1)) && break
	done
	end_sessions
}

test_weights_share_the_processors() {
	local light heavy

	policy 'limits = { cpus = "max"; };' '{ match = "u1"; user_limits = { cpu_weight = "50"; }; }, { match = "u2"; user_limits = { cpu_weight = "400"; }; }'
	share_until 'heavy >= light * 2'
	[ "$heavy" -ge $((light * 2)) ] || fail "weights 50 and 400 got $light and $heavy microseconds"

	policy 'limits = { cpus = "max"; };'
	share_until 'heavy < light * 2'
	[ "$heavy" -lt $((light * 2)) ] || fail "the control: equal weights got $light and $heavy microseconds"
}
