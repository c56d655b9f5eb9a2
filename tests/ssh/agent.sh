# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The agent of a client that forwards it: usable inside, by the user alone, as long as the command runs.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

dropin=/usr/local/share/doc/carrel/50-carrel.conf
keys=$'first key\nsecond key' # their comments, which agent_client lists
agent=$work/agent

setup() {
	local user

	start_syslog
	install_carrel
	enable_pam sshd
	import_image
	start_sshd "Include $dropin"
	write_config <<-'END'
		covers = [ "@carrel" ];
		rules = (
		  { match = "named"; login_as = "user"; },
		  { match = "without"; agent = false; }
		);
	END
	for user in u1 named without; do
		add_user "$user"
	done
	put_client u1
	put_client without
	make_agent "$agent" first second
	make_large_agent
}

# As ssh_as, with the agent. The first of two values of an option counts.
forward_as() { # USER [OPTION…] [COMMAND…]
	local user=$1
	shift

	ssh -o ForwardAgent=yes -o "IdentityAgent=$agent" "${ssh_options[@]}" -l "$user" 127.0.0.1 "$@"
}

put_client() { # USER
	ssh_as "$1" 'cat >/bin/agent_client && chmod 755 /bin/agent_client' <"$B/tests/helpers/agent_client"
}

make_key() { # FILE COMMENT
	[ -e "$1" ] || ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1"
}

make_agent() { # SOCKET KEY…
	local socket=$1 key
	shift

	ssh-agent -a "$socket" >/dev/null
	for key in "$@"; do
		make_key "$work/$key" "$key key"
		SSH_AUTH_SOCK=$socket ssh-add -q "$work/$key"
	done
}

# Its answer, 43 KB, does not fit into a buffer; twenty do not fit into a socket.
make_large_agent() {
	local i

	ssh-agent -a "$work/large" >/dev/null
	for i in {1..20}; do
		ssh-keygen -q -t ed25519 -N '' -C "$i $(head -c 1500 /dev/urandom | base64 -w0)" -f "$work/large.key"
		SSH_AUTH_SOCK=$work/large ssh-add -q "$work/large.key"
		rm "$work/large.key"
	done
}

test_without_a_terminal() {
	expect_status 0 forward_as u1 'agent_client list'
	expect_eq "$keys" "$output"
	expect_eq '' "$errors"
	expect_match '^/run/carrel/agent\.[0-9]+$' "$(forward_as u1 'echo $SSH_AUTH_SOCK')"
}

test_on_a_terminal() {
	expect_status 0 forward_as u1 -tt 'tty; agent_client list'
	expect_eq "/dev/pts/0 ${keys//$'\n'/ }" "$(tr -d '\r' <<<"$output" | tr '\n' ' ' | sed 's/ $//')"
	expect_status 6 forward_as u1 -tt <<<'agent_client list; exit 6'
	expect_match 'second key' "$output"
}

test_only_for_the_user() {
	expect_status 0 forward_as u1 'stat -c "%A %u %g" $SSH_AUTH_SOCK'
	expect_eq 'srw------- 0 0' "$output"
	expect_status 0 forward_as named 'stat -c "%A %u %g" $SSH_AUTH_SOCK; id -u; id -g'
	expect_eq "srw------- $(id -u named) $(id -g named) $(id -u named) $(id -g named)" "$(tr '\n' ' ' <<<"$output" | sed 's/ $//')"
	need_alpine
	expect_status 1 forward_as u1 'adduser -D other; su other -c "SSH_AUTH_SOCK=$SSH_AUTH_SOCK agent_client list"'
	expect_match 'Permission denied' "$errors"
}

test_many_at_once() {
	expect_status 0 forward_as u1 'agent_client list 30'
	expect_eq "30 first key 30 second key" "$(sort <<<"$output" | uniq -c | xargs)"
	# Together not more than are relayed and may wait: each has all of its own open before it reads from one.
	expect_status 0 forward_as u1 'for i in 1 2 3 4; do agent_client list 8 & done; wait'
	expect_eq "32 first key 32 second key" "$(sort <<<"$output" | uniq -c | xargs)"
}

test_large_answers() {
	expect_eq "$(SSH_AUTH_SOCK=$work/large "$B/tests/helpers/agent_client" list 5 | sha256sum)" \
		"$(agent=$work/large forward_as u1 'agent_client list 5' | sha256sum)"
}

# Clients that ask and do not read: the others, and the terminal, do not notice.
test_stalled_clients() {
	local agent=$work/large stall='agent_client stall 15 <>/tmp/f >/tmp/out & stalled=$!
		until grep -q stalled /tmp/out; do sleep 0.1; done'

	expect_status 0 forward_as u1 "mkfifo /tmp/f; $stall; agent_client list 3 | wc -l; kill \$stalled"
	expect_eq 60 "$output"
	expect_status 0 forward_as u1 -tt "mkfifo /tmp/f; $stall; agent_client list 3 | wc -l; kill \$stalled; echo typed"
	expect_match '60.*typed' "$output"
}

# … and a command ends when it ends, whoever hangs on to the agent.
test_the_end_does_not_wait_for_it() {
	agent=$work/large expect_status 9 forward_as u1 'mkfifo /tmp/f
		agent_client stall 16 <>/tmp/f >/tmp/out 2>&1 & until grep -q stalled /tmp/out; do sleep 0.1; done; exit 9'
	nothing_left
}

test_not_where_the_policy_forbids_it() {
	expect_status 0 forward_as without 'echo "<$SSH_AUTH_SOCK>"; ls /run/carrel | grep -vx limits; true'
	expect_eq '<>' "$output"
	expect_status 1 forward_as without 'agent_client list'
	expect_status 0 forward_as without -tt 'echo "<$SSH_AUTH_SOCK>"'
	expect_match '<>' "$output"
}

test_not_where_the_client_forwards_none() {
	expect_eq '<>' "$(ssh_as u1 'echo "<$SSH_AUTH_SOCK>"; ls /run/carrel | grep -vx limits; true')"
}

test_gone_after_the_command() {
	forward_as u1 -M -S "$work/master" -N -f </dev/null >/dev/null 2>&1
	# Two commands of a session have one each; sshd offers the agent to every one of a connection.
	mkfifo "$work/in"
	forward_as u1 -S "$work/master" 'echo $SSH_AUTH_SOCK; read -r line' <>"$work/in" >"$work/one" &
	wait_until 30 test -s "$work/one"
	expect_eq 2 "$(forward_as u1 -S "$work/master" 'ls /run/carrel | grep -vx limits' | wc -l)"
	expect_status 0 forward_as u1 -S "$work/master" "test $(<"$work/one") != \$SSH_AUTH_SOCK && agent_client list"
	echo >"$work/in"
	wait $!
	# A process that stays behind does not keep it.
	forward_as u1 -S "$work/master" '(sleep 100 >/dev/null 2>&1 &)'
	expect_eq 1 "$(forward_as u1 -S "$work/master" 'ls /run/carrel | grep -vx limits' | wc -l)"
	forward_as u1 -S "$work/master" -O exit 2>/dev/null
	nothing_left
}

# Where the socket lies on the host depends on the age of sshd. A process that listens and then becomes carrel-shell stands
# for sshd; it is ssh-agent that can do so.
test_old_and_new_place() {
	local place

	hold_session u1
	install -d -m 700 -o u1 -g u1 /tmp/ssh-AbCdEfGhIj /home/u1/.ssh/agent
	make_key "$work/third" 'third key'
	install -m 600 -o u1 "$work/third" /home/u1/third
	for place in /tmp/ssh-AbCdEfGhIj/agent.4242 /home/u1/.ssh/agent/s.AbCdEfGhIj.sshd.KlMnOpQrSt; do
		expect_eq 'third key' "$(as_user u1 env -i CARREL_SESSION="$session" ssh-agent -a "$place" \
			sh -c "/usr/bin/ssh-add -q /home/u1/third; exec $shell_path -c 'agent_client list'")"
	done
	release_session
}

# A socket in ~/.ssh can be reached through the shared directory (u1, the control), but not where sshd has its own if the
# policy says that there is no agent.
test_sockets_in_ssh_dir_are_hidden() {
	local user

	for user in u1 without; do
		ssh_as "$user" 'cat >/bin/peer && chmod 755 /bin/peer' <"$B/tests/helpers/peer"
		install -d -m 700 -o "$user" -g "$user" "/home/$user/.ssh/agent"
		as_user "$user" "$B/tests/helpers/peer" say "/home/$user/.ssh/agent/s.host" host
	done
	expect_eq host "$(ssh_as u1 'peer hear ~/.ssh/agent/s.host')"
	expect_status 1 ssh_as without 'peer hear ~/.ssh/agent/s.host'
	expect_eq "" "$(ssh_as without 'ls ~/.ssh/agent')"
	expect_status 1 ssh_as without 'mv ~/.ssh/agent ~/.ssh/a || rmdir ~/.ssh/agent'
}

command_runs() {
	[ -e "/proc/$(init_of "$(session_ids u1)")/root/tmp/up" ]
}

# Once the command runs, and so carrel-shell has looked at them.
replace_sockets() {
	local socket

	wait_until 30 command_runs
	shopt -s nullglob
	for socket in /tmp/ssh-*/agent.* /home/u1/.ssh/agent/s.*; do
		ln -sf /tmp/bus "$socket"
	done
}

# Anything else that listens for the user, though SSH_AUTH_SOCK leads there: at most a door that does not open.
test_no_other_socket_of_the_user() {
	ssh_as u1 'cat >/bin/peer && chmod 755 /bin/peer' <"$B/tests/helpers/peer"
	as_user u1 "$B/tests/helpers/peer" say /tmp/bus host
	expect_eq host "$(as_user u1 "$B/tests/helpers/peer" hear /tmp/bus)"
	stop_sshd
	start_sshd 'AcceptEnv *'
	expect_match '^/run/carrel/' "$(ssh_as u1 -o 'SetEnv=SSH_AUTH_SOCK=/tmp/bus' 'echo $SSH_AUTH_SOCK')"
	expect_status 1 ssh_as u1 -o 'SetEnv=SSH_AUTH_SOCK=/tmp/bus' 'peer hear $SSH_AUTH_SOCK'
	expect_match 'nothing was said' "$errors"
	# A link in the place of sshd's own socket.
	nothing_left
	expect_status 1 forward_as u1 ': >/tmp/up; read -r go; peer hear $SSH_AUTH_SOCK' < <(replace_sockets; echo go)
	expect_match 'nothing was said' "$errors"
	stop_sshd
	start_sshd "Include $dropin"
}

test_nothing_is_left() {
	nothing_left
}
