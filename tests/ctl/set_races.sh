# shellcheck shell=bash
# carrelctl set and apply while sessions of the same user are opened and closed.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	# A login that is kept waiting here is not to be given up.
	sed -i 's/pam_carrel.so.*/pam_carrel.so timeout=120/' /etc/pam.d/sshd
	add_user u1
	printf '%s required pam_permit.so\n' auth account session >/etc/pam.d/carrel-test
	echo 'session required pam_carrel.so' >>/etc/pam.d/carrel-test
	override=/run/carrel/overrides/$(id -u u1)
	files=/var/lib/carrel/users/$(id -u u1)
}

policy() { # DEFAULTS [RULE]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 }; rules = ( ${2-} );"
}

pids_of() { # ID: of the session
	cat "$(group_file "$1" pids pids.max pids.max)"
}

user_pids() { # ID: of all of its user's sessions
	cat "$(level_file "$(dirname "$(group_of "$1")")" pids pids.max pids.max)"
}

pids_are() { # ID VALUE
	[ "$(pids_of "$1" 2>/dev/null)" = "$2" ]
}

user_pids_are() { # ID VALUE
	[ "$(user_pids "$1")" = "$2" ]
}

# Another process, a login or `apply`, writes to the file of a group between the write and the look at what became of it.
interfere() { # FILE VALUE COMMAND…
	local status=0

	rm -f "$work/trace"
	strace -f -o "$work/trace" -P "$1" -e trace=write -e inject=write:delay_exit=1000000:when=1 "${@:3}" >"$work/said" 2>&1 &
	wait_until 30 grep -qs '^[0-9]* *write(.*(DELAYED)' "$work/trace"
	echo "$2" >"$1"
	wait $! || status=$?
	[ $status = 0 ] || fail "status $status, and it said: $(<"$work/said")"
}

hold_lock() {
	exec {lock}<"$files"
	flock "$lock"
}

release_lock() { # which what runs meanwhile has inherited
	flock -u "$lock"
	exec {lock}<&-
}

has_files_open() { # PID: it waits for the lock, or has it
	find "/proc/$1/fd" -lname "$files" 2>/dev/null | grep -q .
}

# A login that has read the policy and waits for the lock. Then `$second` is the client, whose output is in $work/second.
login_that_waits() {
	local known

	known=$(pgrep -x carrel-keeper | sort)
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'echo up; exec sleep 100001' >"$work/second" 2>&1 </dev/null &
	second=$!
	wait_until 30 another_keeper "$known"
	keeper=$(another_keeper "$known")
	wait_until 30 has_files_open "$keeper"
}

# Of a keeper that is opening a session it is init.
stop_first_child() { # PID
	local child=''

	until [ -n "$child" ]; do
		read -r child <"/proc/$1/task/$1/children" || true
	done
	kill -STOP "${child%% *}"
}

another_keeper() { # KNOWN
	comm -13 <(echo "$1") <(pgrep -x carrel-keeper | sort) | grep .
}

end_second() {
	kill -KILL "$second" 2>/dev/null || true
	wait "$second" 2>/dev/null || true
}

# What set does, at the moment at which the login waits.
test_a_login_that_waits_gets_what_was_set() {
	policy 'limits = { pids = "50"; }; user_limits = { pids = "200"; };'
	hold_session u1
	hold_lock
	login_that_waits
	mkdir -p "${override%/*}"
	printf 'limits.pids=20\nuser_limits.pids=30\n' >"$override"
	echo 30 >"$(level_file "$(dirname "$(group_of "$session")")" pids pids.max pids.max)"
	release_lock
	wait_until 30 grep -qx up "$work/second"
	expect_eq 30 "$(user_pids "$session")" "of the user"
	expect_eq $'20\n50' "$(for session in $(session_ids u1); do pids_of "$session"; done | sort -n)"
	end_second
	release_session
}

# It has read the config of before, and all but its own group is changed before it goes on.
test_a_login_that_waits_gets_what_was_applied() {
	local id apply status=0

	policy 'limits = { pids = "50"; }; user_limits = { pids = "200"; };'
	hold_session u1
	hold_lock
	login_that_waits
	policy 'limits = { pids = "60"; }; user_limits = { pids = "100"; };'
	carrelctl apply >"$work/apply" 2>&1 &
	apply=$!
	wait_until 30 user_pids_are "$session" 100
	release_lock
	wait "$apply" || status=$?
	expect_eq 0 "$status" "$(<"$work/apply")"
	wait_until 30 grep -qx up "$work/second"
	expect_eq 100 "$(user_pids "$session")" "of the user"
	for id in $(session_ids u1); do
		expect_eq 60 "$(pids_of "$id")" "of $id"
	done
	end_second
	release_session
}

# It has given up the lock, and its group has the limits of before, when others are set.
test_a_login_that_is_half_open_gets_what_was_set() {
	local id stopper

	policy 'limits = { pids = "50"; }; user_limits = { pids = "200"; };'
	hold_session u1
	hold_lock
	login_that_waits
	stop_first_child "$keeper" &
	stopper=$!
	release_lock
	wait "$stopper"
	id=$(session_ids u1 | grep -vx "$session")
	wait_until 30 pids_are "$id" 50
	expect_status 0 carrelctl set u1 pids=20 user_limits.pids=30
	expect_match '^u1: 1 session, ' "$output"
	expect_eq 50 "$(pids_of "$id")"
	pkill -CONT -P "$keeper"
	wait_until 30 grep -qx up "$work/second"
	expect_eq 20 "$(pids_of "$id")"
	expect_eq 30 "$(user_pids "$session")" "of the user"
	end_second
	release_session
}

# Whatever the moment: what was set last holds, once the logins that were on their way are open.
test_set_beside_logins_and_logouts() {
	local i j logins

	policy 'limits = { pids = "50"; }; user_limits = { pids = "200"; };'
	hold_session u1
	for ((i = 0; i < 15; i++)); do
		logins=()
		for ((j = 0; j < 3; j++)); do
			pamtester carrel-test u1 open_session close_session open_session close_session >>"$work/pam" 2>&1 &
			logins+=($!)
		done
		for ((j = 0; j < 3; j++)); do
			expect_status 0 carrelctl set u1 user_limits.pids=$((100 + 3 * i + j)) idle=1h
			expect_eq '' "$errors"
		done
		for j in "${logins[@]}"; do
			wait "$j" || fail "$(<"$work/pam")"
		done
		expect_eq $((102 + 3 * i)) "$(user_pids "$session")" "round $i"
	done
	release_session
	[ ! -e "$override" ] || fail "what was set is left"
}

# The last session ends when set has seen it, and has not the lock yet.
test_set_for_a_session_that_ends() {
	local set status=0

	policy 'limits = { pids = "50"; };'
	hold_session u1
	hold_lock
	carrelctl set u1 pids=60 >"$work/set" 2>&1 &
	set=$!
	wait_until 30 has_files_open "$set"
	kill -STOP "$set"
	end_client
	release_lock
	nothing_left
	kill -CONT "$set"
	wait "$set" || status=$?
	expect_eq 1 "$status"
	expect_eq "carrelctl: user 'u1' has no session (limits of later ones are the config's)" "$(<"$work/set")"
	[ ! -e "$override" ] || fail "it was saved"
	hold_session u1
	expect_eq 50 "$(pids_of "$session")"
	release_session
}

# The rules are the keeper's own business; limits are in force without it.
test_a_keeper_that_does_not_answer() {
	policy 'limits = { pids = "50"; };'
	hold_session u1
	kill -STOP "$(keeper_of "$session")"
	expect_status 0 carrelctl set u1 pids=60
	expect_eq '' "$errors"
	expect_status 0 carrelctl set u1 pids=70 idle=1h
	expect_match "the keeper of session '$session' does not answer: it may not have the new rules" "$errors"
	expect_eq 70 "$(pids_of "$session")"
	kill -CONT "$(keeper_of "$session")"
	release_session
}

# What cannot be saved is not changed.
test_nothing_is_set_that_cannot_be_saved() {
	policy 'limits = { pids = "50"; };'
	hold_session u1
	mkdir -p "${override%/*}"
	mount -t tmpfs -o ro,mode=700 none "${override%/*}"
	expect_status 1 carrelctl set u1 pids=60
	expect_match "cannot write '$override'" "$errors"
	umount "${override%/*}"
	expect_eq 50 "$(pids_of "$session")"
	release_session
}

test_apply_goes_on_after_a_user_it_fails_for() {
	local other

	policy 'limits = { pids = "50"; };'
	hold_session u1
	other=$session
	add_user u2
	rm -f "$work/second" # "up" of a test before
	ssh "${ssh_options[@]}" -l u2 127.0.0.1 'echo up; exec sleep 100001' >"$work/second" 2>&1 </dev/null &
	second=$!
	wait_until 30 grep -qx up "$work/second"
	carrelctl set u1 user_limits.pids=90 >/dev/null
	policy 'limits = { pids = "70"; };' '{ match = "u1"; limits = { io = ( { device = "/proc"; read = "3M"; } ); }; }'
	expect_status 1 carrelctl apply
	expect_match "user 'u1': .*'limits.io' cannot be enforced" "$errors"
	expect_match '^2 sessions of 2 users, ' "$output"
	expect_eq 70 "$(pids_of "$(session_ids u2)")" "of u2"
	[ ! -e "$override" ] || fail "what was set before is left"
	end_second
	session=$other
	release_session
}

# Version 2 takes a limit below what is in use, which set warns of, and so does apply. Version 1 refuses it.
test_apply_warns_of_use() {
	local status=0

	policy 'limits = { memory = "128M"; swap = "0"; };'
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'dd if=/dev/zero bs=40M count=1 2>/dev/null | { head -c 1 >/dev/null; echo up; sleep 1000; }
		sleep 1000' >"$work/holder" 2>&1 </dev/null &
	client=$!
	wait_until 30 grep -q up "$work/holder"
	policy 'limits = { memory = "16M"; swap = "0"; };'
	carrelctl apply >"$work/apply" 2>&1 || status=$?
	case $(group_file "$(session_ids u1)" memory v1 v2) in
	*v1) expect_eq 1 "$status" ;;
	*v2) expect_match 'more than 16M: the kernel ends processes of it if it must' "$(<"$work/apply")" ;;
	esac
	release_session
}

# What the config would do without is left out, and set says so as apply does.
test_set_names_what_is_left_out() {
	local file

	policy 'limits = { pids = "50"; }; optional = [ "user_limits.pids" ];'
	hold_session u1
	file=$(level_file "$(dirname "$(group_of "$session")")" pids pids.max pids.max)
	mount --bind /dev/null "$file"
	expect_status 0 carrelctl set u1 user_limits.pids=100
	expect_match 'warning: .*: not enforced here: user_limits.pids' "$errors"
	umount "$file"
	release_session
}

# What holds in the end is what was asked for, and nobody is refused because somebody else was at it as well.
test_two_who_write_one_value() {
	local file

	policy 'user_limits = { pids = "90"; };'
	hold_session u1
	file=$(level_file "$(dirname "$(group_of "$session")")" pids pids.max pids.max)
	interfere "$file" 55 carrelctl set u1 user_limits.pids=100
	expect_eq 100 "$(<"$file")"
	echo 70 >"$file"
	interfere "$file" 56 pamtester carrel-test u1 open_session close_session
	expect_eq 100 "$(<"$file")"
	release_session
}
