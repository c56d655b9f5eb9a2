# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The root filesystem belongs to the user, who arranges it to catch the host's root at the next login.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	ssh_as u1 true
	state=/var/lib/carrel/users/$(id -u u1)
	owner=$(stat -c %u:%g "$state/upper") # root of the sandbox
	echo 'watched' >/root/secret
	echo 'watched' >/srv/file
}

policy() { # DEFAULTS: settings
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 };"
}

# Files of the host that the planted links point to: contents, and all that a change of them would change.
host_state() {
	find /etc /srv /root /boot -xdev -type f -exec sha256sum {} + 2>/dev/null | sort
	find /etc /srv /root /home /dev -xdev -printf '%p %M %U %G %T@ %l\n' | grep -v '^/dev/pts\|^/dev/tty' | sort
	cut -d' ' -f5- /proc/self/mountinfo | sort
}

# Put something at a place of the rootfs while nobody is logged in. In the upper directory, with the owner's ids on
# disk, it is what a session would have left there.
plant() { # PLACE COMMAND…: the command makes it, at the path that is added to it
	local place=$1 at=$state/upper/$1
	shift

	[[ "$place" != root/* ]] || at=$state/home/${place#root/}
	[[ "$place" != home/u1 ]] || at=$state/upper/home/u1
	mkdir -p "$(dirname "$at")"
	rm -rf "$at"
	"$@" "$at"
	chown -h "$owner" "$(dirname "$at")" "$at"
}

# The next login works, lands in a whole sandbox, and has touched nothing of the host.
login_is_unharmed() { # WHAT
	local before

	before=$(host_state)
	expect_status 0 ssh_as u1 'cat /proc/self/comm; ls -ldn /dev/null; mount'
	expect_match '^cat' "$output" "$1"
	expect_match 'crw-rw-rw-' "$output" "$1"
	for place in proc sys dev dev/pts dev/shm run tmp; do
		expect_match " on /$place type " "$output" "$1"
	done
	expect_match ' on /(root|home/u1) type ' "$output" "$1"
	nothing_left
	expect_eq "$before" "$(host_state)" "$1: the host"
}

places="proc sys dev dev/pts dev/shm run tmp root root/.ssh"

test_links_at_mount_targets() {
	local place target

	for place in $places; do
		for target in /etc /root ../../../../../../../etc /srv/file . "/$place" /nowhere; do
			plant "$place" ln -s "$target"
			login_is_unharmed "/$place -> $target"
		done
	done
}

test_other_things_at_mount_targets() {
	local place

	for place in $places; do
		plant "$place" touch
		login_is_unharmed "/$place is a file"
		plant "$place" mkfifo
		login_is_unharmed "/$place is a FIFO"
		plant "$place" mkdir -m 000
		login_is_unharmed "/$place is a closed directory"
	done
	chmod 000 "$state/upper"
	login_is_unharmed "/ is closed"
	chmod 755 "$state/upper"
}

# The same from inside, with what a user has: there the targets are in use, but not what leads to them.
test_links_made_from_inside_a_session() {
	policy 'login_as = "root";'
	ssh_as u1 'rm -rf /home; ln -s /etc /home; rm -rf /mnt /media; ln -s / /mnt; cd /root; ln -s /etc/passwd link; cd /etc
		ln -sf /srv/file motd; ln -sf ../../../../../srv/file issue'
	login_is_unharmed "links made by root inside"
	policy 'login_as = "user";'
	login_is_unharmed "the same with login_as = user, whose home is below /home"
	policy ''
}

# How it goes for one who mounts by name: the file of the host behind the link is what is mounted on.
test_control_mounting_by_name() {
	mkdir -p "$work/naive"
	ln -s /etc "$work/naive/dev"
	expect_status 1 unshare --mount --propagation private sh -c \
		'mount -t tmpfs naive /run/test/naive/dev && cat /etc/passwd'
	expect_match 'No such file' "$errors"
}

test_accounts_are_not_written_through_links() {
	local file target

	policy 'login_as = "user";'
	for file in etc/passwd etc/group etc/shadow; do
		for target in "/$file" /srv/file ../../../../../../../srv/file /proc/self/mem /proc/sys/kernel/hostname /nowhere \
			/dev/tty "/$file"; do
			plant $file ln -s "$target"
			login_is_unharmed "/$file -> $target"
		done
		rm "$state/upper/$file"
	done
	policy ''
}

# With a FIFO, opening blocks; with a huge file, reading does.
test_accounts_cannot_block_the_login() {
	local file started

	policy 'login_as = "user";'
	for file in etc/passwd etc/group etc/shadow; do
		started=$SECONDS
		plant $file mkfifo
		login_is_unharmed "/$file is a FIFO"
		plant $file mkdir
		login_is_unharmed "/$file is a directory"
		plant $file truncate -s 1T
		login_is_unharmed "/$file is huge"
		rm -f "$state/upper/$file"
		[ $((SECONDS - started)) -lt 100 ] || fail "it took $((SECONDS - started)) s"
	done
	# The control: who just opens the FIFO waits for ever.
	mkfifo "$work/fifo"
	expect_status 124 timeout 1 bash -c ": >>'$work/fifo'"
	policy ''
}

# A second session changes what leads to the home while others log in.
test_a_race_for_the_path_of_the_home() {
	local before i status refused=0

	policy 'login_as = "root";'
	hold_session u1
	in_session u1 "$session" 'mkdir -p /home /h; while [ ! -e /stop ]; do
		mv /home /h/away; ln -s /etc /home; rm /home; ln -s /proc/1/root/etc /home; rm /home; mv /h/away /home; done' >/dev/null 2>&1 &
	policy 'login_as = "user";'
	before=$(host_state | grep -v ' /run/carrel')
	for ((i = 0; i < 20; i++)); do
		status=0
		output=$(ssh_as u1 hostname 2>&1) || status=$?
		case $status:$output in
		0:u1) ;;
		254:carrel:*) refused=$((refused + 1)) ;; # the user's own fault, and they are told
		*) fail "login $i: status $status, '$output'" ;;
		esac
	done
	echo "$refused of 20 refused"
	in_session u1 "$session" 'touch /stop'
	wait $!
	release_session
	expect_eq "$before" "$(host_state | grep -v ' /run/carrel')" "the host"
	login_is_unharmed "after the race"
	policy ''
}

# ~/.ssh of the host is the user's own to replace, and is opened by the host's root at each login.
test_ssh_directory_as_a_link_is_not_shared() {
	local before target

	stop_sshd
	mkdir -p "$work/keys" && cp "$work/key.pub" "$work/keys/u1"
	start_sshd "AuthorizedKeysFile $work/keys/%u"
	mv /home/u1/.ssh /home/u1/.ssh-real
	for target in /root /etc .ssh-real /home/u1/.ssh-real .; do
		ln -sfn "$target" /home/u1/.ssh
		chown -h u1:u1 /home/u1/.ssh
		expect_one_warning "$target"
	done
	rm /home/u1/.ssh
	for target in 'touch' 'mkfifo' 'install -d -o root -g root -m 777'; do
		$target /home/u1/.ssh
		expect_one_warning "$target"
		rm -rf /home/u1/.ssh
	done
	mv /home/u1/.ssh-real /home/u1/.ssh
	expect_status 0 ssh_as u1 'ls -A ~/.ssh'
	expect_eq authorized_keys "$output" "the control: a true one is shared"
	stop_sshd
	start_sshd
}

expect_one_warning() { # WHAT
	local lines before

	lines=$(syslog | wc -l)
	before=$(host_state)
	expect_status 0 ssh_as u1 'ls -A ~/.ssh 2>/dev/null; grep -c " /root/.ssh " /proc/mounts; true'
	expect_eq 0 "$output" "$1"
	nothing_left
	expect_eq 1 "$(syslog | tail -n "+$((lines + 1))" | grep -c 'is not shared with the sandbox')" "warnings for $1"
	expect_eq "$before" "$(host_state)" "$1: the host"
}
