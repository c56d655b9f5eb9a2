# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Several channels on one connection, as ControlMaster, programs and editors use them, are one session.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

control=(-S "$work/control" -o ProxyCommand=false) # never by a connection of its own
list_namespaces='for n in user mnt pid net uts ipc cgroup; do readlink /proc/self/ns/$n; done'

setup() {
	prepare
	add_user u1
}

# A command that stays until end_channel. `$NAME` is then the ssh client.
begin_channel() { # NAME [OPTION…] COMMAND
	local name=$1
	shift

	rm -f "$work/$name" "$work/$name.out"
	mkfifo "$work/$name"
	ssh "${ssh_options[@]}" -l u1 "${@:1:$#-1}" 127.0.0.1 "echo up; read -r line; ${*: -1}" \
		<>"$work/$name" >"$work/$name.out" 2>&1 &
	declare -g "$name=$!"
	wait_until 30 grep -q '^up' "$work/$name.out"
}

end_channel() { # NAME
	echo >"$work/$1"
	wait "${!1}"
}

test_terminal_exec_and_sftp_share_one_session() {
	local id

	ssh_as u1 -S "$work/control" -M -N -f </dev/null >/dev/null 2>&1
	ssh_as u1 "${control[@]}" true
	id=$(session_ids u1)
	expect_match '^[0-9]+-[0-9a-f]+$' "$id" "one session"
	expect_eq 7 "$(ssh_as u1 "${control[@]}" "$list_namespaces" | tee "$work/exec.ns" | sort -u | wc -l)"
	ssh_as u1 "${control[@]}" -tt "$list_namespaces" | tr -d '\r' >"$work/terminal.ns"
	expect_eq "$(<"$work/exec.ns")" "$(<"$work/terminal.ns")"
	# /tmp is a session's own: what one channel puts there another finds.
	ssh_as u1 "${control[@]}" 'echo mine >/tmp/mark'
	expect_status 0 sftp -q "${ssh_options[@]/#-p/-P}" -o ControlPath="$work/control" -b - u1@127.0.0.1 <<-END
		get /tmp/mark $work/mark
		rename /tmp/mark /tmp/mark2
	END
	expect_eq mine "$(<"$work/mark")"
	expect_match '^mine' "$(ssh_as u1 "${control[@]}" -tt 'cat /tmp/mark2')"
	expect_eq "$id" "$(session_ids u1)"
	ssh_as u1 "${control[@]}" -O exit 2>/dev/null
	nothing_left
}

test_the_session_ends_after_the_last_channel() {
	local id

	begin_channel first -S "$work/control" -M 'echo bye'
	id=$(session_ids u1)
	begin_channel second "${control[@]}" 'echo bye'
	begin_channel third "${control[@]}" -tt 'echo bye'
	echo >"$work/first" # its client waits for the others: it has the connection
	wait_until 30 grep -q '^bye' "$work/first.out"
	end_channel second
	sleep 0.3
	expect_eq "$id" "$(session_ids u1)"
	expect_eq still "$(ssh_as u1 "${control[@]}" 'echo still')"
	end_channel third
	wait "$first"
	nothing_left
}

test_a_killed_client_of_one_channel_leaves_the_others() {
	local id

	begin_channel first -S "$work/control" -M 'echo bye'
	id=$(session_ids u1)
	begin_channel second "${control[@]}" -tt 'echo bye'
	kill -KILL "$second"
	wait "$second" || true
	wait_until 30 ssh_as u1 "${control[@]}" '[ $(ps -o args | grep -c "^sh -c [e]cho up") = 1 ]'
	expect_eq "$id" "$(session_ids u1)"
	end_channel first
	expect_match 'bye' "$(<"$work/first.out")"
	nothing_left
}

test_two_connections_are_two_sessions() {
	begin_channel first 'cat /tmp/mark'
	begin_channel second 'ls /tmp'
	expect_eq 2 "$(session_ids u1 | wc -l)"
	end_channel first || true
	end_channel second
	expect_match 'No such file' "$(<"$work/first.out")"
	nothing_left
}

test_paramiko() {
	expect_status 0 "$repo/tests/helpers/paramiko_client.py" u1 "$sshd_port" "$work/key"
	expect_eq ok "$output"
	nothing_left
}

# An editor's remote server: one long command that gets its orders on standard input, a server of its own on the
# sandbox's loopback, reached by a dynamic forward, and many helpers. Then the laptop is shut.
test_an_editors_remote_server() {
	local editor id refused

	ssh_as u1 'mkdir -p /usr/local/bin && cat >/usr/local/bin/peer && chmod 755 /usr/local/bin/peer' <"$B/tests/helpers/peer"
	mkfifo "$work/orders"
	ssh "${ssh_options[@]}" -T -D 3080 -o ExitOnForwardFailure=yes -l u1 127.0.0.1 sh \
		<>"$work/orders" >"$work/editor.out" 2>&1 &
	editor=$!
	cat >"$work/orders" <<-'END'
		peer say 9000 'the editor server'
		for i in $(seq 60); do sleep 3000 & done
		(while :; do sleep 0.1; done) &
		setsid sleep 3001 </dev/null >/dev/null 2>&1 &
		until [ "$(ps -o args | grep -c '^sleep 3000')" = 60 ]; do sleep 0.05; done
		echo ready
	END
	wait_until 30 grep -qx ready "$work/editor.out"
	for i in 1 2 3 4 5; do
		expect_eq 'the editor server' "$("$B/tests/helpers/peer" socks 3080 9000)"
	done
	id=$(session_ids u1)
	refused=$(find /sys/fs/cgroup -path "*/$id/pids.events" -exec sed -n 's/^max //p' {} +)
	expect_eq 0 "$refused" "forks refused"
	refused=$(find /sys/fs/cgroup -path "*/$id/memory.failcnt" -exec cat {} + \
		-o -path "*/$id/memory.events" -exec sed -n 's/^max //p' {} +)
	expect_eq 0 "$refused" "memory refused"
	expect_eq "" "$(grep -v ready "$work/editor.out" || true)" "complaints"
	kill -KILL "$editor"
	nothing_left
	expect_eq "" "$(pgrep -fx 'sleep 300[01]' || true)"
}
