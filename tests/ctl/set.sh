# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# carrelctl set and apply: limits of sessions that are open.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
}

policy() { # DEFAULTS [RULE]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 }; rules = ( ${2-} );"
}

memory_limit() { # ID
	cat "$(group_file "$1" memory memory.limit_in_bytes memory.max)"
}

user_file() { # ID CONTROLLER V1-FILE V2-FILE
	level_file "$(dirname "$(group_of "$1")")" "$2" "$3" "$4"
}

test_set_changes_open_sessions() {
	policy 'limits = { memory = "64M"; pids = "50"; };'
	hold_session u1
	expect_status 0 carrelctl set u1 memory=128M limits.pids=60 user_limits.pids=100
	expect_match '^u1: 1 session, [0-9]+ values changed$' "$output"
	expect_eq 134217728 "$(memory_limit "$session")"
	expect_eq 60 "$(<"$(group_file "$session" pids pids.max pids.max)")"
	expect_eq 100 "$(<"$(user_file "$session" pids pids.max pids.max)")"
	expect_status 0 carrelctl explain u1
	expect_match 'limits.memory +carrelctl set +128M' "$output"
	expect_status 0 carrelctl set u1 memory=32M
	expect_eq 33554432 "$(memory_limit "$session")"
	expect_eq 60 "$(<"$(group_file "$session" pids pids.max pids.max)")" "what was set before"
	release_session
}

# It holds for the sessions that the user opens meanwhile, and is gone with the last.
test_set_lasts_as_long_as_the_sessions() {
	policy 'limits = { memory = "64M"; };'
	hold_session u1
	carrelctl set u1 memory=96M >/dev/null
	ssh_as u1 'echo up; exec sleep 100001' >"$work/second" 2>&1 &
	wait_until 30 grep -qx up "$work/second"
	for session in $(session_ids u1); do
		expect_eq 100663296 "$(memory_limit "$session")" "$session"
	done
	expect_eq 2 "$(session_ids u1 | wc -l)" "of sessions"
	pkill -KILL -f '^sleep 100001' || true
	end_client
	wait || true
	nothing_left
	[ ! -e /run/carrel/overrides/"$(id -u u1)" ] || fail "what was set is left"
	hold_session u1
	expect_eq 67108864 "$(memory_limit "$session")"
	release_session
}

# The process sees it at once, both ways: what it could not get it gets, and then no more of it.
test_a_running_process_sees_the_change() {
	local out=$work/live

	policy 'limits = { pids = "20"; };'
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'while sleep 0.2; do
		(for i in $(seq 24); do sleep 0.1 & done; wait; echo all) 2>/dev/null || echo refused; done' >"$out" 2>&1 </dev/null &
	client=$!
	wait_until 30 grep -qx refused "$out"
	expect_status 0 carrelctl set u1 pids=60
	wait_until 30 grep -qx all "$out"
	expect_status 0 carrelctl set u1 pids=20
	: >"$out"
	sleep 1
	: >"$out"
	wait_until 30 grep -qax refused "$out"
	release_session
}

test_refused_values_change_nothing() {
	policy 'limits = { memory = "64M"; };'
	hold_session u1
	expect_status 1 carrelctl set u1 memory=128M pids=2
	expect_eq "carrelctl: 'limits.pids' must be between \"4\" and \"4M\", or \"max\", not \"2\"" "$errors"
	expect_status 1 carrelctl set u1 memory=128M memroy=1G
	expect_eq "carrelctl: unknown setting 'memroy' (did you mean 'memory'?)" "$errors"
	expect_status 1 carrelctl set u1 memory=128M tmp=1G
	expect_eq "carrelctl: 'tmp' cannot be changed while a session runs: set it in the config" "$errors"
	expect_status 1 carrelctl set u1 memory=128M image=other
	expect_match "unknown setting 'image'" "$errors"
	expect_status 1 carrelctl set u1 memory=128M pids
	expect_eq "carrelctl: 'pids' is not KEY=VALUE, for example memory=1G" "$errors"
	expect_status 1 carrelctl set u1 memory=max
	expect_match "'limits.memory' is \"max\", so 'limits.swap' must be \"max\" as well" "$errors"
	expect_status 1 carrelctl set u2 memory=1G
	expect_eq "carrelctl: user 'u2' has no session (limits of later ones are the config's)" "$errors"
	expect_status 1 carrelctl set u2 memroy=1G
	expect_match "unknown setting 'memroy' \(did you mean 'memory'" "$errors"
	expect_status 1 carrelctl set nobody-here memory=1G
	expect_status 2 carrelctl set u1
	expect_eq 67108864 "$(memory_limit "$session")"
	[ ! -e /run/carrel/overrides/"$(id -u u1)" ] || fail "something was set"
	release_session
}

# A session with 40 MiB that cannot be freed.
hold_memory() {
	rm -f "$work/holder" # the one of the test before
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'dd if=/dev/zero bs=40M count=1 2>/dev/null | { head -c 1 >/dev/null; echo up; sleep 1000; }
		sleep 1000' >"$work/holder" 2>&1 </dev/null &
	client=$!
	wait_until 30 grep -q up "$work/holder"
	session=$(session_ids u1)
}

# What is in use: version 1 refuses the value, and version 2 takes it and kills for it.
test_less_memory_than_is_in_use() {
	local before status=0

	policy 'limits = { memory = "128M"; swap = "0"; pids = "50"; };'
	hold_memory
	before=$(memory_limit "$session")
	carrelctl set u1 pids=60 memory=16M >"$work/set" 2>&1 || status=$?
	if [ "$status" = 1 ]; then
		expect_match "limit 'limits.memory' was refused: more than that is in use" "$(<"$work/set")"
		expect_eq "$before" "$(memory_limit "$session")"
		expect_eq 50 "$(<"$(group_file "$session" pids pids.max pids.max)")"
	else
		expect_match 'the kernel ends processes of it if it must' "$(<"$work/set")"
		expect_eq 16777216 "$(memory_limit "$session")"
	fi
	release_session
}

# The last of three values is refused, and so the first two are as they were: of the session, which is lowered before what is above
# it, and of the user.
test_what_was_changed_before_a_refusal_is_put_back() {
	local status=0

	policy 'limits = { memory = "128M"; swap = "0"; pids = "50"; cpus = "1"; }; user_limits = { memory = "256M"; swap = "0"; pids = "90"; };'
	hold_memory
	carrelctl set u1 pids=30 cpus=0.5 user_limits.pids=80 user_limits.memory=16M >"$work/set" 2>&1 || status=$?
	if [ "$status" = 1 ]; then
		expect_match "limit 'user_limits.memory' was refused: more than that is in use" "$(<"$work/set")"
		expect_eq 50 "$(<"$(group_file "$session" pids pids.max pids.max)")" "of the session"
		expect_eq 90 "$(<"$(user_file "$session" pids pids.max pids.max)")" "of the user"
		expect_eq 100000 "$(<"$(group_file "$session" cpu cpu.cfs_quota_us -)")"
		[ ! -e /run/carrel/overrides/"$(id -u u1)" ] || fail "something was set"
	else # version 2 refuses no such value
		expect_eq 30 "$(<"$(group_file "$session" pids pids.max pids.max)")"
		expect_eq 16777216 "$(<"$(user_file "$session" memory - memory.max)")"
	fi
	release_session
}

# A file that takes everything that is written and then has nothing in it: what was not accepted is not said to hold.
test_values_are_read_back() {
	local file

	policy 'limits = { pids = "50"; }; user_limits = { pids = "90"; };'
	hold_session u1
	file=$(user_file "$session" pids pids.max pids.max)
	mount --bind /dev/null "$file"
	expect_status 1 carrelctl set u1 user_limits.pids=100
	expect_match "limit 'user_limits.pids' was not accepted: pids.max is '' after '100' was written" "$errors"
	expect_status 254 ssh_as u1 'echo leaked'
	expect_syslog "limit 'user_limits.pids' was not accepted: pids.max is '' after '90' was written"
	umount "$file"
	expect_eq 90 "$(<"$file")"
	expect_status 0 ssh_as u1 true
	release_session
}

# Version 1 lets no group have more processors than the one above it, at any moment.
test_processors_down_and_up() {
	local value

	policy 'limits = { cpus = "2"; }; user_limits = { cpus = "2"; };'
	hold_session u1
	for value in 0.5 3 1 max 0.2; do
		expect_status 0 carrelctl set u1 user_limits.cpus=$value cpus=$value
		expect_status 0 carrelctl set u1 user_limits.cpus=$value
		expect_status 0 carrelctl set u1 cpus=$value
	done
	expect_status 0 carrelctl set u1 user_limits.cpus=1 cpus=2
	case $(group_file "$session" cpu v1 v2) in
	*v1) expect_eq 100000 "$(<"$(group_file "$session" cpu cpu.cfs_quota_us -)")" ;;
	*v2) expect_eq '100000 100000' "$(<"$(group_file "$session" cpu - cpu.max)")" ;;
	esac
	release_session
}

test_apply_takes_the_config() {
	local other

	policy 'limits = { memory = "64M"; };' '{ match = "@carrel"; group_limits = { pids = "500"; }; }'
	hold_session u2
	other=$session
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'echo up; exec sleep 100001' >"$work/other" 2>&1 </dev/null &
	wait_until 30 grep -qx up "$work/other"
	session=$(session_ids u1)
	carrelctl set u1 memory=96M >/dev/null
	policy 'limits = { memory = "80M"; cpus = "0.5"; }; user_limits = { cpus = "0.7"; };' \
		'{ match = "@carrel"; group_limits = { pids = "400"; cpus = "0.6"; }; }'
	expect_status 0 carrelctl apply
	expect_match '^2 sessions of 2 users, [0-9]+ values changed$' "$output"
	expect_eq 83886080 "$(memory_limit "$session")"
	expect_eq 83886080 "$(memory_limit "$other")"
	expect_eq 400 "$(<"$(level_file "$(dirname "$(dirname "$(group_of "$other")")")" pids pids.max pids.max)")"
	[ ! -e /run/carrel/overrides/"$(id -u u1)" ] || fail "what was set before is left"
	expect_status 0 carrelctl apply
	expect_match ' 0 values changed$' "$output"

	# A config with a mistake changes nothing.
	policy 'limits = { memory = "1M"; };'
	expect_status 1 carrelctl apply
	expect_match "carrel.conf:1: 'limits.memory' must be between" "$errors"
	expect_eq 83886080 "$(memory_limit "$session")"
	# Nobody is covered any more: sessions stay as they are.
	write_config <<<'covers = [ ];'
	expect_status 0 carrelctl apply
	expect_match "the policy does not cover them any more" "$errors"
	pkill -KILL -f '^sleep 100001' || true
	write_config <<<'covers = [ "@carrel" ];'
	end_client
	wait || true
	nothing_left
}

# A name that is escaped in records, and one that is cut there as well.
test_apply_names_that_are_odd() {
	local name

	for name in 'DOM\ann' "DOM\\$(printf '\303\251%.0s' {1..20})"; do
		policy 'limits = { memory = "64M"; };'
		useradd -m -d /home/odd -s "$shell_path" -G carrel odd
		allow_key odd
		sed -i "s/^odd:/${name/\\/\\\\}:/" /etc/passwd /etc/shadow
		sed -i "s/\\bodd\\b/${name/\\/\\\\}/" /etc/group
		hold_session "$name"
		policy 'limits = { memory = "80M"; };'
		expect_status 0 carrelctl apply
		expect_match '^1 session of 1 user, ' "$output"
		expect_eq 83886080 "$(memory_limit "$session")"
		end_client
		nothing_left
		expect_syslog "session ended: user=DOM.x5c(x5c)?(ann|.(x5c)?xc3[^ ]*) id=$session " # once more by the daemon of the tests
		sed -i '/^DOM/d' /etc/passwd /etc/shadow
		sed -i "s/DOM[^,:]*/nobody/" /etc/group
		rm -r /home/odd
	done
}

test_apply_io() {
	policy "limits = { io = ( { device = \"$repo\"; read = \"3M\"; write_ops = \"200\"; } ); };"
	hold_session u1
	policy 'limits = { memory = "64M"; };'
	expect_status 0 carrelctl apply
	case $(group_file "$session" blkio v1 v2) in
	*v1) expect_eq '' "$(<"$(group_file "$session" blkio blkio.throttle.read_bps_device -)")" ;;
	*v2) expect_no_match 'rbps=3145728' "$(<"$(group_file "$session" io - io.max)")" ;;
	esac
	policy "limits = { io = ( { device = \"$repo\"; write = \"5M\"; } ); };"
	expect_status 0 carrelctl apply
	case $(group_file "$session" blkio v1 v2) in
	*v1) expect_match '5242880' "$(<"$(group_file "$session" blkio blkio.throttle.write_bps_device -)")" ;;
	*v2) expect_match 'wbps=5242880' "$(<"$(group_file "$session" io - io.max)")" ;;
	esac
	release_session
}

test_rules_of_open_sessions() {
	policy ''
	hold_session u1
	expect_status 0 carrelctl set u1 idle=1h lifetime=2h
	# A rule that is stricter warns first, for half of what it warns of.
	expect_status 0 carrelctl set u1 lifetime=2s
	wait_until 30 grep -q '^carrel: session ended: ' "$work"/held.*
	wait "$client" || true
	nothing_left
	hold_session u1
	policy 'session = { lifetime = "2s"; };'
	expect_status 0 carrelctl apply
	wait "$client" || true
	nothing_left
	policy ''
}

test_apply_without_sessions() {
	policy ''
	expect_status 0 carrelctl apply
	expect_eq '0 sessions of 0 users, 0 values changed' "$output"
}

count_all() { # groups, mounts, descriptors of the keeper, files of the state
	find /sys/fs/cgroup -type d | wc -l
	wc -l </proc/self/mounts
	ls "/proc/$(keeper_of "$session")/fd" | wc -l
	find /run/carrel /var/lib/carrel -xdev | wc -l
}

# The keeper is done with a change a moment after carrelctl.
nothing_more_than() { # count_all
	[ "$(count_all)" = "$1" ]
}

pages() { # of memory that the keeper has; the kernel counts them in batches
	cut -d' ' -f2 "/proc/$(keeper_of "$session")/statm"
}

test_a_thousand_changes_leak_nothing() {
	local before had i

	policy 'limits = { memory = "64M"; };'
	hold_session u1
	carrelctl set u1 memory=65M pids=60 user_limits.pids=200 >/dev/null
	wait_until 30 eval 'before=$(count_all); sleep 0.2; nothing_more_than "$before"'
	had=$(pages)
	for ((i = 0; i < 1000; i++)); do
		carrelctl set u1 memory=$((64 + i % 7))M pids=$((50 + i % 5)) user_limits.pids=$((200 + i % 3)) >/dev/null
	done
	wait_until 30 nothing_more_than "$before" || expect_eq "$before" "$(count_all)"
	[ "$(pages)" -le $((had + 64)) ] || fail "the keeper had $had pages of memory and has $(pages)"
	release_session
}
