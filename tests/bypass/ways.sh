# shellcheck shell=bash
# shellcheck disable=SC2016,SC2088 # what is quoted is for the other side
# The ways themselves, for the host of site.sh. For each way there are functions, named WAY_QUESTION, which take the user:
#
#	read    prints what it could read of the secret's path
#	reach   prints what it heard on port 9000 of the loopback, or "of-the-host" for what else it got hold of there
#	run     runs `sleep $mark` twice, in the background and in front, until its client is killed
#	works   prints what is matched by $it_works if the way leads anywhere at all
#
# A way without one of the first three is nothing by which that could be done.

ways=(shell exec sftp internal-sftp scp scp-O rsync git L R D W socket-L socket-R w X11 agent N rc ControlMaster)

declare -A title=(
	[shell]='shell' [exec]='exec' [sftp]='sftp' [internal-sftp]='internal-sftp' [scp]='scp' [scp-O]='scp -O' [rsync]='rsync'
	[git]='git' [L]='-L' [R]='-R' [D]='-D' [W]='-W' [socket-L]='-L of a unix socket' [socket-R]='-R of a unix socket'
	[w]='-w' [X11]='X11 (-Y)' [agent]='agent (-A)' [N]='-N' [rc]='~/.ssh/rc' [ControlMaster]='ControlMaster'
)

command_read="cat $secret"
command_reach='peer hear 9000'
command_works='echo it-$((6 * 7))' # so that the words are not in the echo of a terminal
it_works='it-42|^root:|refs/heads/main'

command_run() { # in the background, where no hangup finds it, and in front
	echo "setsid sleep $mark </dev/null >/dev/null 2>&1 & sleep $mark"
}

ssh_from_client() { # USER [OPTION…] [COMMAND]
	local user=$1
	shift

	on_client ssh "${client_options[@]}" -l "$user" "$host_address" "$@"
}

# The ways that carry a command of the client's making are asked all questions by one function, `WAY COMMAND`.
ask() { # WAY QUESTION USER
	local way=${1//-/_} command

	if declare -F "${way}_$2" >/dev/null; then
		"${way}_$2" "$3"
	else
		command=command_$2
		[ "$2" != run ] || command_run=$(command_run)
		"${way}_command" "$3" "${!command}"
	fi
}

can_be_asked() { # WAY QUESTION
	declare -F "${1//-/_}_$2" >/dev/null || declare -F "${1//-/_}_command" >/dev/null
}

# On a terminal: typed, and the shell is left. What it runs in front is there until somebody ends it.
shell_command() {
	{
		printf '%s\nexit\n' "$2"
		[[ "$2" != *sleep* ]] || sleep 60
	} | ssh_from_client "$1" -tt
}

exec_command() {
	ssh_from_client "$1" "$2"
}

sftp_fetch() { # USER FILE [SUBSYSTEM]
	rm -f "$work/got"
	on_client sftp -q "${copy_options[@]}" -s "${3-sftp}" -b - "$1@$host_address" <<<"get $2 $work/got" && cat "$work/got"
}

sftp_read() {
	sftp_fetch "$1" "$secret"
}

sftp_works() {
	sftp_fetch "$1" "$harmless"
}

internal_sftp_read() {
	sftp_fetch "$1" "$secret" host
}

internal_sftp_works() {
	sftp_fetch "$1" "$harmless" host
}

scp_fetch() { # USER FILE [-O]
	rm -f "$work/got"
	on_client scp -q "${copy_options[@]}" "${@:3}" "$1@$host_address:$2" "$work/got" && cat "$work/got"
}

scp_read() {
	scp_fetch "$1" "$secret"
}

scp_works() {
	scp_fetch "$1" "$harmless"
}

scp_O_read() {
	scp_fetch "$1" "$secret" -O
}

scp_O_works() {
	scp_fetch "$1" "$harmless" -O
}

# The old protocol, rsync and git have the client name what to run: that may be more than scp, rsync or git.
scp_O_command() {
	scp_fetch "$1" "x; ($2) >&2" -O 2>&1
}

rsync_by() { # USER FILE [OPTION]
	rm -f "$work/got"
	on_client rsync -q -e "$work/ssh" "${@:3}" "$1@$host_address:$2" "$work/got" &&
		cat "$work/got"
}

rsync_read() {
	rsync_by "$1" "$secret"
}

rsync_works() {
	rsync_by "$1" "$harmless"
}

rsync_command() {
	rsync_by "$1" x --rsync-path="($2) >&2; rsync" 2>&1
}

git_from_client() {
	GIT_SSH_COMMAND=$work/ssh on_client git "$@"
}

git_read() {
	rm -rf "$work/clone"
	git_from_client clone -q "$1@$host_address:$repository" "$work/clone" && cat "$work/clone/secret"
}

git_works() {
	git_from_client ls-remote "$1@$host_address:$harmless_repository"
}

git_command() {
	git_from_client ls-remote --upload-pack="($2) >&2; git-upload-pack" "$1@$host_address:$harmless_repository" 2>&1
}

# One connection by whose master other things are done.
open_master() { # USER [OPTION…]
	ssh_from_client "$@" -o ControlPath="$work/master" -M -N -f </dev/null >/dev/null 2>&1
}

# … with a server inside, which answers where none of the host does.
open_forwards() { # USER [OPTION…]
	open_master "$@"
	by_master 'peer say 9000 of-the-sandbox' >/dev/null 2>&1 || true
}

by_master() { # [OPTION…] [COMMAND…]; never by a connection of its own
	on_client ssh "${client_options[@]}" -o ControlPath="$work/master" -o ProxyCommand=false "$host_address" "$@" </dev/null
}

close_master() {
	by_master -O exit 2>/dev/null || true
}

L_reach() {
	open_forwards "$1" -L 3000:127.0.0.1:9000
	on_client peer hear 3000 || true
	close_master
}

# The other way round: to be a server on the host's loopback, for whoever looks for one there.
R_reach() {
	open_forwards "$1" -R 9100:127.0.0.1:9000
	if peer hear 9100; then echo of-the-host; fi
	by_master 'peer hear 9100' && echo of-the-sandbox
	close_master
}

D_reach() {
	open_forwards "$1" -D 3080
	on_client peer socks 3080 9000 || true
	close_master
}

W_reach() {
	open_forwards "$1"
	by_master -W 127.0.0.1:9000 || true
	close_master
	ssh_from_client "$1" -W 127.0.0.1:9000 </dev/null
}

socket_L_reach() {
	rm -f "$work/forward"
	open_forwards "$1" -L "$work/forward:$socket"
	on_client peer hear "$work/forward" || true
	close_master
}

socket_R_reach() {
	rm -f "/tmp/$1-forward"
	open_forwards "$1" -R "/tmp/$1-forward:127.0.0.1:9000"
	if peer hear "/tmp/$1-forward"; then echo of-the-host; fi
	close_master
}

# A network device of the host that carries packets of the client's.
w_reach() {
	local tun client

	tun=tun$(tunnel_of "$1")
	ssh_from_client "$1" -w "any:${tun#tun}" 'sleep 6' </dev/null &
	client=$!
	while kill -0 "$client" 2>/dev/null; do
		[ "$(cat "/sys/class/net/$tun/carrier")" != 1 ] || {
			echo of-the-host
			break
		}
		sleep 0.05
	done
	kill_clients
	wait "$client" || true
}

# sshd listens for X11 clients on the loopback, from port 6010 on.
X11_reach() {
	local client

	DISPLAY=:7 ssh_from_client "$1" -Y 'sleep 6' </dev/null &
	client=$!
	while kill -0 "$client" 2>/dev/null; do
		[ -z "$(ss -Htln 'sport >= 6010 and sport < 6100')" ] || {
			echo of-the-host
			break
		}
		sleep 0.05
	done
	kill_clients
	wait "$client" || true
}

agent_command() {
	SSH_AUTH_SOCK=$work/agent on_client ssh "${client_options[@]/IdentityAgent=none/IdentityAgent=$work/agent}" -A -l "$1" \
		"$host_address" "$2"
}

# No shell and no command is ever asked for.
N_reach() {
	L_reach "$1"
}

N_run() {
	ssh_from_client "$1" -N </dev/null
}

rc_command() {
	echo "$2" >"/home/$1/.ssh/rc-command"
	ssh_from_client "$1" true </dev/null
}

ControlMaster_command() {
	open_master "$1"
	by_master "$2"
	[[ "$2" == *sleep* ]] || close_master
}

kill_clients() {
	pkill -KILL -x ssh --ns "$client_pid" --nslist net || true
}
