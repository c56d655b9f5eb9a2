# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Limits that change while sessions are open: what becomes of logins beside them, and of `carrelctl apply` when something is in its way.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
	printf '%s required pam_permit.so\n' auth account session >/etc/pam.d/carrel-test
	echo 'session required pam_carrel.so' >>/etc/pam.d/carrel-test
}

policy() { # DEFAULTS [RULE]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 }; rules = ( ${2-} );"
}

user_group() { # ID
	dirname "$(group_of "$1")"
}

value() { # GROUP CONTROLLER V1-FILE V2-FILE
	cat "$(level_file "$@")"
}

memory() { # GROUP
	value "$1" memory memory.limit_in_bytes memory.max
}

# Thousandths of a processor.
cpus() { # GROUP
	local value

	value=$(value "$1" cpu cpu.cfs_quota_us cpu.max)
	case ${value%% *} in
	max | -1) echo max ;;
	*) echo $((${value%% *} / 100)) ;;
	esac
}

# A session with 40 MiB that cannot be freed.
hold_memory() {
	rm -f "$work/holder" # the one of the test before
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'dd if=/dev/zero bs=40M count=1 2>/dev/null | { head -c 1 >/dev/null; echo up; sleep 1000; }
		echo killed; sleep 1000' >"$work/holder" 2>&1 </dev/null &
	client=$!
	wait_until 30 grep -q up "$work/holder"
	session=$(session_ids u1)
}

# Version 1 lets no group have more processors than the one above it has at that moment.
test_raised_processors_let_new_logins_in() {
	local group

	policy '' '{ match = "@carrel"; group_limits = { cpus = "0.5"; }; }'
	hold_session u1
	group=$(dirname "$(user_group "$session")")
	expect_eq 500 "$(cpus "$group")"
	policy 'limits = { cpus = "1"; };' '{ match = "@carrel"; group_limits = { cpus = "4"; }; }'
	expect_status 0 ssh_as u2 'echo in'
	expect_eq 4000 "$(cpus "$group")" "of the group, from the first login on"
	expect_eq 500 "$(cpus "$(group_of "$session")")" "of the session that was open"
	expect_status 0 carrelctl apply
	expect_eq 1000 "$(cpus "$(group_of "$session")")" "after apply"
	release_session

	policy 'limits = { cpus = "0.5"; }; user_limits = { cpus = "0.5"; };'
	hold_session u1
	policy 'limits = { cpus = "1"; }; user_limits = { cpus = "2"; };'
	expect_status 0 ssh_as u1 'echo in'
	expect_eq 2000 "$(cpus "$(user_group "$session")")" "of the user"
	release_session
}

test_a_user_in_an_old_budget_opens_a_second_session() {
	policy 'limits = { cpus = "1"; };' '{ match = "u1"; group_limits = { cpus = "0.5"; }; }'
	hold_session u1
	policy 'limits = { cpus = "1"; };' '{ match = "u1"; }, { match = "@carrel"; group_limits = { cpus = "4"; }; }'
	expect_status 0 ssh_as u1 'echo in'
	expect_eq 500 "$(cpus "$(dirname "$(user_group "$session")")")" "of the old budget"
	expect_status 0 carrelctl apply
	release_session
}

# A limit above the sessions is lowered below what is in use: to log in ends no process of another session.
test_a_login_lowers_no_memory_that_is_in_use() {
	policy 'user_limits = { memory = "128M"; swap = "0"; pids = "90"; };'
	hold_memory
	policy 'user_limits = { memory = "16M"; swap = "0"; pids = "80"; };'
	forget_syslog
	expect_status 0 ssh_as u1 'echo in'
	expect_eq 134217728 "$(memory "$(user_group "$session")")"
	expect_eq 80 "$(value "$(user_group "$session")" pids pids.max pids.max)" "what can be lowered"
	expect_syslog "limit 'user_limits.memory' (was refused|stays higher): more than that is in use.*'carrelctl apply' tries again"
	expect_eq up "$(<"$work/holder")"
	release_session
}

# Swap and buffers of TCP depend on it, with version 1: they stay with it, and the reason is its own.
test_apply_below_what_is_in_use() {
	local file

	policy 'limits = { memory = "128M"; swap = "0"; pids = "50"; };'
	hold_memory
	policy 'limits = { memory = "16M"; swap = "0"; pids = "40"; };'
	case $(group_file "$session" memory v1 v2) in
	*v1)
		expect_status 1 carrelctl apply
		expect_eq "carrelctl: user 'u1': '$(group_of "$session")': limit 'limits.memory' was refused: more than that is in use and the kernel cannot free it" "$errors"
		for file in limit_in_bytes memsw.limit_in_bytes kmem.tcp.limit_in_bytes; do
			file=$(group_file "$session" memory "memory.$file" -)
			[ ! -e "$file" ] || expect_eq 134217728 "$(<"$file")" "$file"
		done
		;;
	*v2) # takes it
		expect_status 0 carrelctl apply
		expect_eq 16777216 "$(memory "$(group_of "$session")")"
		;;
	esac
	expect_eq 40 "$(value "$(group_of "$session")" pids pids.max pids.max)" "the others"
	release_session
}

# Version 1 wants the limit of memory before that of memory and swap together.
test_optional_memory() {
	local status=0

	policy 'optional = [ "limits.memory" ]; limits = { memory = "128M"; };'
	hold_memory
	expect_eq 134217728 "$(memory "$(group_of "$session")")" "an optional limit that can be enforced"
	# That it need not be enforced where it cannot be is no word about this moment.
	carrelctl set u1 memory=16M >"$work/set" 2>&1 || status=$?
	case $(group_file "$session" memory v1 v2) in
	*v1)
		expect_eq 1 "$status"
		expect_match "limit 'limits.memory' was refused: more than that is in use" "$(<"$work/set")"
		expect_eq 134217728 "$(memory "$(group_of "$session")")"
		;;
	*v2) expect_eq 16777216 "$(memory "$(group_of "$session")")" ;;
	esac
	release_session
}

test_apply_goes_on_with_the_others() {
	local first second

	policy 'limits = { pids = "50"; };'
	hold_session u1
	first=$session
	ssh "${ssh_options[@]}" -l u2 127.0.0.1 'echo up; exec sleep 100001' >"$work/other" 2>&1 </dev/null &
	wait_until 30 grep -qx up "$work/other"
	second=$(session_ids u2)
	policy 'limits = { pids = "70"; };' '{ match = "u1"; limits = { io = ( { device = "/proc"; read = "3M"; } ); }; }'
	expect_status 1 carrelctl apply
	expect_eq "carrelctl: user 'u1': '$(group_of "$first")': limit 'limits.io' cannot be enforced: '/proc' is not on a block device" "$errors"
	expect_match '^2 sessions of 2 users, 2 values changed$' "$output"
	expect_eq 70 "$(value "$(group_of "$second")" pids pids.max pids.max)" "of the other user"
	expect_eq 70 "$(value "$(group_of "$first")" pids pids.max pids.max)" "the user's other limit"
	pkill -KILL -f '^sleep 100001' || true
	end_client
	wait || true
	nothing_left
}

# Open and close sessions, of u2, until there is no file $work/churn.
churn() {
	while [ -e "$work/churn" ]; do
		pamtester carrel-test u2 open_session close_session || echo "a login failed"
	done >"$work/churned" 2>&1
}

test_apply_beside_logins_and_logouts() {
	local i pid

	policy 'limits = { pids = "50"; };'
	hold_session u1
	touch "$work/churn"
	churn &
	pid=$!
	for ((i = 0; i < 60; i++)); do
		policy "limits = { pids = \"$((50 + i % 2))\"; };"
		carrelctl apply || echo "number $i: status $?"
	done >"$work/applied" 2>&1
	rm "$work/churn"
	wait "$pid"
	expect_no_match "limit '|cgroup|not enforced" "$(<"$work/applied")"
	expect_eq '' "$(grep -v 'successfully' "$work/churned" || true)"
	expect_match 'successfully' "$(<"$work/churned")"
	expect_match '2 users, ' "$(<"$work/applied")" "whether the two met"
	release_session
}
