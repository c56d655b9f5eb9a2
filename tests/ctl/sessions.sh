# shellcheck shell=bash
# carrelctl list, kill and gc with real sessions.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
}

teardown() { # nothing a test opened stays, and nothing of it is left
	local user

	for user in u1 u2; do
		carrelctl kill "$user" >/dev/null 2>&1 || true
	done
	nothing_left
}

sessions_of() { # USER
	carrelctl list | awk -v user="$1" '$2 == user { print $1 }'
}

has_sessions() { # USER COUNT
	[ "$(carrelctl list | awk -v user="$1" '$2 == user && $3 == "live"' | wc -l)" = "$2" ]
}

# A login that stays, with its command running. Its ssh's pid is then in $client.
log_in() { # USER
	local before

	before=$(sessions_of "$1" | wc -l)
	rm -f "$work/up"
	(trap - ERR && ssh_as "$1" 'echo up; exec sleep 100') >"$work/up" 2>&1 &
	client=$!
	wait_until 30 grep -qx up "$work/up" # a session is listed before its login is let in
	has_sessions "$1" $((before + 1))
}

test_no_session() {
	expect_status 0 carrelctl list
	expect_eq '' "$output"
	expect_status 0 carrelctl list --json
	expect_match '^\{ +"sessions": \[ +\] +\}$' "$(tr '\n' ' ' <<<"$output" | sed 's/ $//')"
	expect_status 1 carrelctl kill u1
	expect_eq "carrelctl: user 'u1' has no session" "$errors"
	expect_status 1 carrelctl kill nosuchuser
	expect_match "neither a session's ID nor a user" "$errors"
	expect_status 1 carrelctl kill 2001-00000000
	expect_match "there is no session '2001-00000000'" "$errors"
	expect_status 0 carrelctl gc
	expect_eq '' "$output"
}

test_list() {
	local id uid

	log_in u1
	id=$(sessions_of u1)
	uid=$(id -u u1)
	expect_match "^$uid-[0-9a-f]{8}$" "$id"
	expect_status 0 carrelctl list
	expect_match '^ID +USER +STATE +STARTED +SERVICE +FROM +IMAGE +MEMORY +PIDS'$'\n' "$output"
	expect_match "$id +u1 +live +[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} +sshd +127.0.0.1 +alpine" "$output"
	expect_status 0 carrelctl list --json
	expect_match "\"id\": \"$id\"" "$output"
	expect_match "\"uid\": $uid" "$output"
	expect_match "\"cgroup\": \"[^\"]*$id\"" "$output"
}

test_kill_by_id() {
	local id status=0

	log_in u1
	id=$(sessions_of u1)
	log_in u1
	expect_status 0 carrelctl kill "$id"
	expect_eq "$id" "$output"
	expect_eq '' "$errors"
	# Gone when the command has returned, and not a moment later.
	fails test -e "/run/carrel/sessions/$id"
	expect_eq '' "$(find /sys/fs/cgroup -type d -name "$id")"
	has_sessions u1 1
	expect_status 1 carrelctl kill "$id"
	expect_match "there is no session '$id'" "$errors"
	teardown
	wait "$client" || status=$?
	expect_ne 0 "$status" "the client of a killed session"
}

test_kill_by_user() {
	local killed

	log_in u1
	log_in u1
	log_in u2
	killed=$(sessions_of u1)
	expect_status 0 carrelctl kill u1
	expect_eq "$killed" "$output"
	has_sessions u1 0
	has_sessions u2 1
	expect_status 0 carrelctl kill "$(id -u u2)" # a number, as when the account was deleted meanwhile
	has_sessions u2 0
}

test_gc_after_a_killed_keeper() {
	local id keeper

	log_in u1
	id=$(sessions_of u1)
	keeper=$(carrelctl list --json | sed -n 's/.*"keeper": \([0-9]*\).*/\1/p')
	# The keeper cleans up when the login dies, and the login does when the keeper dies: neither may.
	kill -STOP "$keeper"
	kill -KILL "$(monitor_of "$id")"
	kill -KILL "$keeper"
	wait_until 30 is_stale "$id"
	expect_status 1 carrelctl kill "$id"
	expect_match "no keeper any more \('carrelctl gc'" "$errors"
	expect_status 0 carrelctl gc
	expect_eq "removed session $id" "$output"
	nothing_left
}

is_stale() { # ID
	carrelctl list | grep -q "^$1 .* stale "
}

test_gc_leaves_the_living_alone() {
	log_in u1
	expect_status 0 carrelctl gc
	expect_eq '' "$output"
	has_sessions u1 1
}

test_image_in_use() {
	log_in u1
	expect_status 1 carrelctl image remove --force alpine
	expect_match "session '[0-9a-f-]+' is using image 'alpine'" "$errors"
	teardown
	expect_status 1 carrelctl image remove alpine
	expect_match "image 'alpine' is what the root filesystem of uid [0-9, ]*$(id -u u1)[0-9, ]* is built on" "$errors"
}

fails() {
	! "$@"
}
