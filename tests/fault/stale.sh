# shellcheck shell=bash
# What a crash leaves behind, and state that vanishes: the next login clears up, and works.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
	uid=$(id -u u1)
	cp /etc/pam.d/sshd /etc/pam.d/carrel-test
	sed -i '/pam_limits\|pam_loginuid\|pam_keyinit\|pam_selinux\|pam_nologin/d' /etc/pam.d/carrel-test
}

# Both who would clean up are killed, so that neither does. Then $session is stale.
make_stale_session() { # USER
	local keeper monitor

	hold_session "$1"
	keeper=$(keeper_of "$session")
	monitor=$(monitor_of "$session")
	kill -STOP "$keeper"
	kill -KILL "$monitor"
	kill -KILL "$keeper"
	wait_until 30 test ! -d "/proc/$(init_of "$session")"
	end_client
	[ -d "/run/carrel/sessions/$session" ] || fail "session $session is not stale but gone"
}

cgroups_of() { # ID
	find /sys/fs/cgroup -type d -name "$1"
}

test_a_killed_keeper_leaves_a_record_that_the_next_login_clears() {
	local stale

	make_stale_session u1
	stale=$session
	expect_ne '' "$(cgroups_of "$stale")" "groups of the stale session"
	expect_eq 1 "$(overlays)"
	expect_status 0 ssh_as u2 'echo not concerned'
	[ -d "/run/carrel/sessions/$stale" ] || fail "another user's login has cleared it"
	expect_status 0 ssh_as u1 'hostname'
	expect_eq u1 "$output"
	expect_eq '' "$(cgroups_of "$stale")"
	nothing_left
	expect_eq 0 "$(overlays)"
}

test_several_of_them_while_another_session_lives() {
	local first second

	make_stale_session u1
	first=$session
	make_stale_session u1 # whose login has cleared the first
	second=$session
	[ ! -e "/run/carrel/sessions/$first" ] || fail "$first is still there"
	hold_session u1
	[ ! -e "/run/carrel/sessions/$second" ] || fail "$second is still there"
	expect_status 0 in_session u1 "$session" 'echo alive'
	expect_eq 1 "$(overlays)"
	release_session
	expect_eq 0 "$(overlays)"
}

test_stale_sessions_do_not_count_as_open() {
	write_config <<-'END'
		covers = [ "@carrel" ];
		defaults = { session = { max = "1"; }; };
	END
	make_stale_session u1
	hold_session u1
	expect_status 254 ssh_as u1 true
	expect_match 'you already have 1 session open' "$output$errors" "the control"
	release_session
	write_config <<<'covers = [ "@carrel" ];'
}

test_gc_clears_it() {
	make_stale_session u1
	expect_status 0 carrelctl gc
	nothing_left
}

# As a copy of the files that takes long.
test_a_keeper_that_does_not_get_the_lock() {
	local keeper left lock

	hold_session u1
	left=$session
	keeper=$(keeper_of "$session")
	exec {lock}<"/var/lib/carrel/users/$uid"
	flock "$lock"
	end_client
	wait_until 60 test ! -d "/proc/$keeper"
	expect_syslog "session '$left': cannot lock the files of 'u1': .*; its removal is left to the next login"
	[ -d "/run/carrel/sessions/$left" ] || fail "there was nothing to leave"
	exec {lock}<&-
	expect_status 0 ssh_as u1 true
	nothing_left
}

test_made_up_session_directories() {
	local dir=/run/carrel/sessions/$uid-00000001

	for content in '' 'garbage' "id = \"$uid-00000001\"" $'\x01\x02\xff'; do
		mkdir "$dir"
		[ -z "$content" ] || printf '%s' "$content" >"$dir/record"
		expect_status 0 ssh_as u1 'echo works'
		[ ! -e "$dir" ] || fail "it is still there (record: '$content')"
	done
	# Half made: a socket, no record.
	mkdir "$dir"
	"$B/tests/helpers/logsink" "$dir/socket" "$work/ignored" &
	wait_until 30 test -S "$dir/socket"
	expect_status 0 ssh_as u1 'echo works'
	[ ! -e "$dir" ] || fail "it is still there (with a socket)"
	kill $!
	# Of somebody else: left alone.
	mkdir "/run/carrel/sessions/$(id -u u2)-00000001"
	expect_status 0 ssh_as u1 'echo works'
	rmdir "/run/carrel/sessions/$(id -u u2)-00000001"
	nothing_left
}

test_a_process_left_in_a_stale_group_is_ended() {
	local group stray

	make_stale_session u1
	sleep 1000 &
	stray=$!
	while read -r group; do
		echo $stray >"$group/cgroup.procs"
	done < <(cgroups_of "$session")
	expect_status 0 ssh_as u1 'echo works'
	wait_until 30 test ! -d "/proc/$stray"
	nothing_left
}

test_the_list_of_sessions_removed_while_one_lives() {
	hold_session u1
	rm -rf /run/carrel/sessions
	expect_status 0 ssh_as u1 'echo works'
	expect_eq works "$output"
	expect_status 0 ssh_as u2 'echo works'
	expect_status 0 ssh_as u1 'echo "works again"'
	release_session
	expect_status 0 ssh_as u1 'echo "and after it"'
	nothing_left
	expect_eq 0 "$(overlays)"
}

test_everything_in_run_removed_while_one_lives() {
	hold_session u1
	umount -l /run/carrel
	rm -rf /run/carrel
	expect_status 0 ssh_as u2 'echo works'
	end_client
	wait_until 30 no_init
	expect_status 0 ssh_as u1 'echo works'
	expect_eq works "$output"
	nothing_left
	expect_eq 0 "$(overlays)"
}

no_init() {
	! pgrep -x carrel-init
}

# As after a reboot where /run is a disk: files of the right names that pin nothing.
test_namespaces_that_are_no_longer_pinned() {
	umount -l /run/carrel
	mkdir -p /run/carrel/ns /run/carrel/sessions
	: >/run/carrel/ns/vault
	: >/run/carrel/ns/template
	expect_status 0 ssh_as u1 'echo works'
	nothing_left
}

test_close_without_open_twice_and_never() {
	expect_status 0 pamtester carrel-test u1 open_session close_session
	nothing_left
	expect_status 0 pamtester carrel-test u1 open_session close_session close_session
	nothing_left
	# Never: the program that opened the session ends, and with it the session.
	expect_status 0 pamtester carrel-test u1 open_session
	nothing_left
	# Twice opened by one program: two sessions, both gone with it.
	expect_status 0 pamtester carrel-test u1 open_session open_session close_session
	nothing_left
	expect_status 0 ssh_as u1 'echo works'
}

test_keeper_killed_before_close() {
	local keeper

	hold_session u1
	keeper=$(keeper_of "$session")
	kill -KILL "$keeper"
	# The login ends by itself, its monitor has everything removed.
	wait_until 30 test ! -d "/proc/$client"
	nothing_left
	expect_status 0 ssh_as u1 'echo works'
}

# A session whose user is deleted meanwhile is closed like any other.
test_user_deleted_while_logged_in() {
	add_user gone
	hold_session gone
	sed -i '/^gone:/d' /etc/passwd /etc/shadow /etc/group
	release_session
}

# Their number given to somebody else: nothing of the first is theirs.
test_uid_reused_by_another_account() {
	local id

	useradd -u 3333 -m -s "$shell_path" -G carrel old # not the number of a user above
	allow_key old
	id=3333
	ssh_as old 'echo secret >/root/diary'
	sed -i '/^old:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow
	useradd -u "$id" -m -s "$shell_path" -G carrel new
	allow_key new
	expect_status 1 ssh_as new 'cat /root/diary'
	expect_no_match secret "$output"
	nothing_left
	expect_eq secret "$(cat /var/lib/carrel/users/3333.old.*/home/diary)" "kept aside"
}

# As another version or an administrator may have left it: then the user's own processes on the host would have rights inside.
test_a_block_that_has_the_login_in_it() {
	local ids

	add_user u9
	expect_status 0 ssh_as u9 true
	ids=/var/lib/carrel/users/$(id -u u9)/ids
	cp "$ids" "$work/ids"
	echo '1000 1000' >"$ids"
	expect_status 254 ssh_as u9 'echo leaked'
	expect_syslog "uid $(id -u u9) is in its own block of ids"
	cp "$work/ids" "$ids"
	expect_status 0 ssh_as u9 true
}

# Its descriptors would have the numbers of those that pam_carrel.so gives it.
test_a_keeper_started_by_hand_does_nothing() {
	local keeper=/usr/local/libexec/carrel/carrel-keeper

	expect_status 2 timeout 30 "$keeper" open u1 </dev/null 3<&- 4<&-
	expect_match '^usage: .*Started by pam_carrel.so' "$errors"
	expect_status 2 timeout 30 "$keeper" open u1 3</dev/null 4</dev/null
	expect_status 2 timeout 30 "$keeper" close "$uid-0badc0de" 3<&- 4<&-
	nothing_left
}
