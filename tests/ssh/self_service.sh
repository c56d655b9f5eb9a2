# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# carrel-reset and carrel-snapshot from inside: what the policy allows, when the last session ends.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

setup() {
	prepare
	add_user u1
	allow '"reset", "snapshot"'
	state=$users/$(id -u u1)
}

allow() { # WORDS [MORE SETTINGS]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { self_service = [ $1 ]; ${2-} };"
}

snapshots() {
	ctl snapshots u1 --json | python3 -c 'import json,sys
for r in json.load(sys.stdin)["snapshots"]: print(r["name"], r["by"])'
}

logged() { # TEXT
	wait_until 30 grep -qaF "$1" "$work/syslog"
}

test_snapshot_and_reset() {
	expect_status 0 inside u1 'echo one >/etc/mine; echo home >~/file; carrel-snapshot first'
	expect_match "When your last session ends, your root filesystem and home are kept as 'first'" "$output"
	logged "user 'u1' asked for 'snapshot first': done"
	expect_eq 'first user' "$(snapshots)"
	expect_eq 'snapshot first: done' "$(inside u1 'cat /run/carrel/self-service')"
	expect_status 0 inside u1 'cat ~/file; carrel-reset --keep-home --yes'
	expect_eq 'home,' "$(inside u1 'cat ~/file /etc/mine 2>/dev/null' | paste -sd, | sed 's/$/,/')"
	expect_status 0 inside u1 'carrel-reset --yes'
	expect_eq '' "$(inside u1 'cat ~/file 2>/dev/null; ls -A ~ | grep -v ssh')"
	ctl rollback u1 first --yes
	expect_eq 'one home' "$(inside u1 'echo $(cat /etc/mine ~/file)')"
	expect_eq '' "$(inside u1 'ls -A ~ | grep carrel')" "the request is not in the snapshot"
}

test_both_in_their_order() {
	inside u1 'echo two >/etc/mine; carrel-snapshot second; carrel-reset --yes'
	expect_eq $'first user\nsecond user' "$(snapshots)"
	expect_status 1 inside u1 'cat /etc/mine'
	expect_eq 'snapshot second: done,reset: done' "$(inside u1 'cat /run/carrel/self-service' | paste -sd,)"
	inside u1 'carrel-snapshot second'
	logged "user 'u1' asked for 'snapshot second': there is already a snapshot 'second'"
	expect_match "there is already a snapshot 'second'" "$(inside u1 'carrel-snapshot 2>&1 || true')"
}

test_only_when_the_last_session_has_ended() {
	hold_session u1
	first=$client
	ssh_as u1 'echo there >~/file; carrel-reset --yes'
	wait_until 30 eval '[ "$(session_ids u1 | wc -l)" = 1 ]'
	expect_eq there "$(in_session u1 "$session" 'cat ~/file')"
	client=$first
	release_session
	expect_status 1 inside u1 'cat ~/file'
}

test_what_the_commands_refuse() {
	local word

	for word in '' a/b .x -x 'a b' '*' "$(printf '%064d' 0)"; do
		expect_status 2 inside u1 "carrel-snapshot '$word'"
	done
	expect_status 2 inside u1 'carrel-reset'
	expect_match 'say --yes' "$output$errors"
	expect_status 2 inside u1 'carrel-reset --all'
	expect_eq '' "$(inside u1 'ls -A ~ | grep carrel')"
}

# What is not a request is not carried out, and gone afterwards.
test_files_that_are_something_else() {
	local make

	echo 'reset' >/srv/request
	inside u1 'echo kept >~/file'
	for make in 'echo nonsense >F' 'echo "reset --all" >F' 'printf "snapshot a\\000b\n" >F' 'echo "snapshot ../../x" >F' \
		'mkfifo F' 'mkdir -p F/a/b' 'ln -s /srv/request F' 'ln -s other F; echo reset >other' 'head -c 2000 /dev/zero | tr "\\0" "\\n" >F' \
		'echo reset >x; ln x F' 'echo reset >F; chown 5 F' 'truncate -s 1G F' 'echo " reset" >F' ': >F'; do
		inside u1 "cd; rm -rf other x; ${make//F/.carrel-request}"
		expect_eq kept "$(inside u1 'cat ~/file')" "$make"
		expect_status 1 test -e "$state/home/.carrel-request"
		expect_status 1 test -L "$state/home/.carrel-request"
	done
	expect_eq reset "$(cat /srv/request)"
	expect_eq $'first user\nsecond user' "$(snapshots)"
	# The control: this one is.
	inside u1 'echo reset >~/.carrel-request'
	expect_status 1 inside u1 'cat ~/file'
}

test_not_more_than_is_allowed() {
	allow '"snapshot"'
	expect_status 127 inside u1 'carrel-reset --yes'
	inside u1 'echo kept >~/file; echo reset >~/.carrel-request'
	logged "user 'u1' asked for 'reset': the policy does not allow it"
	expect_eq kept "$(inside u1 'cat ~/file')"
	allow ''
	expect_status 127 inside u1 'carrel-snapshot x'
	inside u1 'echo reset >~/.carrel-request'
	expect_eq 'kept reset' "$(inside u1 'echo $(cat ~/file ~/.carrel-request); rm ~/.carrel-request; test ! -e /run/carrel/bin')"
	allow '"snapshot"'
}

# The request is in the host's home then, which is neither kept nor emptied.
test_a_home_of_the_host() {
	inside u1 'echo private >~/private'
	allow '"reset", "snapshot"' 'home = "host";'
	expect_status 0 inside u1 'echo three >/etc/mine; echo kept >~/file; carrel-snapshot host; carrel-reset --yes'
	expect_match "your root filesystem is kept as 'host'" "$output"
	expect_match "your root filesystem is what the image has" "$output"
	expect_eq kept "$(</home/u1/file)"
	expect_status 1 test -e /home/u1/.carrel-request
	expect_eq 'kept absent snapshot host: done reset: done' \
		"$(inside u1 'echo $(cat ~/file) $(cat /etc/mine 2>/dev/null || echo absent) $(cat /run/carrel/self-service)')"
	inside u1 'echo reset >~/x; ln ~/x ~/.carrel-request; echo four >/etc/mine'
	expect_eq four "$(inside u1 'cat /etc/mine')" "not a file of one name"
	expect_status 1 test -e /home/u1/.carrel-request
	ctl drop u1 host --yes
	allow '"reset", "snapshot"'
	expect_eq private "$(inside u1 'cat ~/private')" "the private home from before"
}

# What they may not remove they may rename, and the keeper is root.
test_attack_what_is_not_theirs_in_a_home_of_the_host() {
	allow '"reset", "snapshot"' 'home = "host";'
	install -d -m 755 /home/u1/roots
	echo precious >/home/u1/roots/file
	inside u1 'rm -rf ~/roots; mv ~/roots ~/.carrel-request'
	logged "user 'u1' asked for something: cannot remove '.carrel-request' of the home: Is a directory"
	expect_eq precious "$(</home/u1/.carrel-request/file)"
	rm -r /home/u1/.carrel-request
	# The control: what the user may remove is gone.
	install -m 600 /dev/null /home/u1/roots-file
	inside u1 'mv ~/roots-file ~/.carrel-request'
	expect_status 1 test -e /home/u1/.carrel-request
	allow '"reset", "snapshot"'
	# And the control of the tree, in a home in which all is theirs.
	inside u1 'mkdir -p ~/.carrel-request/a; echo x >~/.carrel-request/a/file'
	expect_status 1 test -e "$state/home/.carrel-request"
}

test_how_many_snapshots() {
	local i

	for i in 1 2; do
		inside u1 "for i in 1 2 3 4 5 6 7 8 9 10; do carrel-snapshot n$i-\$i; done"
	done
	logged "user 'u1' asked for too much at once"
	logged "there are 16 snapshots already"
	expect_eq 16 "$(snapshots | wc -l)"
}

# The first snapshot that finds no room is the last one that is tried, and nothing is lost for want of it.
test_no_room() {
	local tried

	add_user u3
	state=$users/$(id -u u3)
	mkdir -p "$state"
	mount -t tmpfs -o size=20M,mode=700 small "$state"
	inside u3 'head -c 12000000 /dev/urandom >~/big; for i in 1 2 3; do carrel-snapshot n$i; done; carrel-reset --yes'
	tried=$(inside u3 'ls ~; cat /run/carrel/self-service' | cut -c1-60)
	expect_eq "big
snapshot n1: cannot copy 'big': No space left on device
snapshot n2: not tried, since there was no room for what cam
snapshot n3: not tried, since there was no room for what cam
reset: not tried, since there was no room for what came befo" "$tried"
	# Alone it works for a full user.
	inside u3 'carrel-reset --yes'
	expect_eq 'reset: done' "$(inside u3 'ls ~; cat /run/carrel/self-service')"
	ctl reset u3 --yes
	wait_until 30 umount "$state"
	rmdir "$state"
	state=$users/$(id -u u1)
}

test_as_the_user() {
	add_user u2
	allow '"reset", "snapshot"' 'login_as = "user";'
	inside u2 'echo mine >~/file; carrel-snapshot one && carrel-reset --yes'
	expect_status 1 inside u2 'cat ~/file'
	ctl rollback u2 one --yes
	expect_eq mine "$(inside u2 'cat ~/file')"
}

# With a terminal it asks.
test_the_question() {
	expect_status 0 inside u2 -tt 'echo y | true; printf "n\n" >/dev/null; carrel-reset --yes </dev/null; rm ~/.carrel-request'
	cat >"$work/ask" <<-END
		set timeout 60
		spawn ssh ${ssh_options[*]} -tt -l u2 127.0.0.1 carrel-reset
		expect "Go on?"
		send "[lindex \$argv 0]\r"
		expect eof
	END
	expect -f "$work/ask" n >/dev/null
	wait_until 30 no_session u2
	expect_eq mine "$(inside u2 'cat ~/file')"
	expect -f "$work/ask" y >/dev/null
	wait_until 30 no_session u2
	expect_status 1 inside u2 'cat ~/file'
}
