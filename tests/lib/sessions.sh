# shellcheck shell=bash
# For suites that work on a session from outside and from inside at once: . "$lib/sessions.sh"

limits() { # SETTINGS: the policy, with these limits of each session
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { limits = { $1 }; };"
}

# Open a session and keep it open. Then `$session` is its ID and `$client` the pid of the ssh client.
hold_session() { # USER
	local out before

	before=$(session_ids "$1")
	out=$(mktemp "$work/held.XXXXXX")
	# Not ssh_as: $! would be a shell that waits for ssh.
	ssh "${ssh_options[@]}" -l "$1" 127.0.0.1 'echo up; exec sleep 100000' >"$out" 2>&1 </dev/null &
	client=$!
	wait_until 30 grep -qx up "$out" || {
		cat "$out"
		return 1
	}
	session=$(comm -13 <(echo "$before") <(session_ids "$1"))
	[[ "$session" =~ ^[0-9]+-[0-9a-f]{8}$ ]] || fail "one new session of $1, but: '$session'"
	wait_until 30 pgrep -P "$(init_of "$session")" -x sleep # and not the shell any more
}

session_ids() { # USER
	{ find /run/carrel/sessions -mindepth 1 -maxdepth 1 -name "$(id -u "$1")-*" -printf '%f\n' 2>/dev/null || true; } | sort
}

# End the client of hold_session, as when its machine is switched off, and see that all of the session goes.
release_session() {
	end_client
	nothing_left
}

end_client() {
	kill -KILL "$client" 2>/dev/null || true
	wait "$client" 2>/dev/null || true
}

keeper_of() { # ID
	sed -n 's/^keeper *[=:]* *//p' "/run/carrel/sessions/$1/record"
}

init_of() { # ID: the pid on the host
	sed -n 's/^init *[=:]* *//p' "/run/carrel/sessions/$1/record"
}

shell_of() { # ID: the carrel-shell that it was opened for
	local shell

	for shell in $(pgrep -x carrel-shell); do
		if grep -qzxF "CARREL_SESSION=$1" "/proc/$shell/environ"; then
			echo "$shell"
			return
		fi
	done
	return 1
}

# The sshd, root's, that opened a session and will close it; one of an earlier session may be there for a moment still.
monitor_of() { # ID
	wait_until 30 shell_of "$1"
	ps -o ppid= -p "$(ps -o ppid= -p "$(shell_of "$1")" | tr -d ' ')" | tr -d ' '
}

group_of() { # ID: its cgroup, below each controller's mount
	sed -n 's/^cgroup *[=:]* *//p' "/run/carrel/sessions/$1/record"
}

# A file of a cgroup, whichever version the controller is on.
level_file() { # GROUP CONTROLLER V1-FILE V2-FILE
	if [ -d "/sys/fs/cgroup/$2/$1" ]; then
		echo "/sys/fs/cgroup/$2/$1/$3"
	elif [ -d "/sys/fs/cgroup/unified/$1" ]; then
		echo "/sys/fs/cgroup/unified/$1/$4"
	else
		echo "/sys/fs/cgroup/$1/$4"
	fi
}

# The same of a session's own group.
group_file() { # ID CONTROLLER V1-FILE V2-FILE
	level_file "$(group_of "$1")" "$2" "$3" "$4"
}

# Run a program of the host with a user's ids, as sshd would after the login. setpriv keeps its capabilities until it
# execs, so it may exec what the user may not; hence env.
as_user() { # USER COMMAND…
	local name=$1
	shift

	setpriv --reuid="$name" --regid="$(id -g "$name")" --clear-groups --inh-caps=-all env "$@"
}

# One more command in a session that is open, by the user's own carrel-shell.
in_session() { # USER ID COMMAND
	as_user "$1" -i CARREL_SESSION="$2" "$shell_path" -c "$3"
}

# Bring a program into a user's root filesystem, as they would themselves.
put_helper() { # USER NAME…
	local name=$1 helper
	shift

	for helper in "$@"; do
		ssh_as "$name" "mkdir -p /usr/local/bin && cat >/usr/local/bin/$helper && chmod 755 /usr/local/bin/$helper" <"$B/tests/helpers/$helper"
	done
}

# The table of one of Carrel's own mount namespaces.
mounts_of() { # vault | template
	"$B/tests/helpers/namespace_mounts" "/run/carrel/ns/$1"
}

overlays() { # how many root filesystems are mounted in the vault
	mounts_of vault | grep -c ' - overlay ' || true
}

# Those that are ours do not count as left behind.
remember_mounts() {
	cut -d' ' -f5- /proc/self/mountinfo | grep -vE '^/run/carrel(/ns/[^/ ]*)? ' | sort >"$work/mounts"
}

# The view's own /dev has none, and of the host's any may be free.
make_loop_nodes() {
	local i

	mknod /dev/loop-control c 10 237
	for ((i = 0; i < 64; i++)); do
		mknod "/dev/loop$i" b 7 "$i"
	done
}

# Give the groups above the sessions', which there are from the first session on, so much that a busy machine cannot keep them
# from what they may use. The hierarchy's root, and that of a cgroup namespace, cannot be changed.
prefer_sessions() {
	local file

	for file in /sys/fs/cgroup/{cpu,cpu/carrel}/cpu.shares; do
		[ ! -e "$file" ] || echo 262144 2>/dev/null >"$file" || true
	done
	for file in /sys/fs/cgroup/{,carrel/}cpu.weight; do
		[ ! -e "$file" ] || echo 10000 2>/dev/null >"$file" || true
	done
}
