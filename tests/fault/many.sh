# shellcheck shell=bash
# shellcheck disable=SC2012,SC2016,SC2034 # what is quoted is for the other side; TEST_TIMEOUT is the suite runner's
# Many logins at once: each works or is refused by max, a root filesystem is mounted once, nothing stays.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

TEST_TIMEOUT=300
users=20

setup() {
	local i

	prepare
	# A hundred at once wait for each other on a small machine.
	sed -i 's/pam_carrel.so.*/pam_carrel.so timeout=120/' /etc/pam.d/sshd
	add_user u1
	for ((i = 1; i <= users; i++)); do
		add_user "many$i"
	done
	ssh_as u1 true
}

max() { # VALUE
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { session = { max = \"$1\"; }; };"
}

# Start a login that stays for a moment; its output and status are then in $work/many/N.
start_login() { # USER N
	{
		local status=0
		# Its own timeout is for a machine that is not busy; ssh takes the first that is given.
		ssh -o ConnectTimeout=120 "${ssh_options[@]}" -l "$1" 127.0.0.1 'hostname; sleep 0.5' \
			>"$work/many/$2.out" 2>&1 </dev/null || status=$?
		echo "$status" >"$work/many/$2.status"
	} &
}

# Meanwhile, look how many overlays and sessions there are at most: $most_overlays, $most_sessions. No upper directory may
# ever be mounted twice.
watch_logins() { # LOGINS
	local now

	most_overlays=0 most_sessions=0
	while [ "$(find "$work/many" -name '*.status' | wc -l)" -lt "$1" ]; do
		now=$(overlays)
		[ "$now" -le "$most_overlays" ] || most_overlays=$now
		expect_eq '' "$(mounts_of vault | sed -n 's/.*\(upperdir=[^,]*\).*/\1/p' | sort | uniq -d)" "mounted twice"
		now=$(ls /run/carrel/sessions | wc -l)
		[ "$now" -le "$most_sessions" ] || most_sessions=$now
		sleep 0.1
	done
}

a_hundred_logins() {
	local i

	mkdir "$work/many"
	for ((i = 0; i < 100; i++)); do
		start_login u1 $i
	done
	watch_logins 100
}

test_a_hundred_of_one_user() {
	local i

	max off
	a_hundred_logins
	for ((i = 0; i < 100; i++)); do
		expect_eq '0 u1' "$(<"$work/many/$i.status") $(<"$work/many/$i.out")" "login $i"
	done
	rm -r "$work/many"
	[ "$most_overlays" -le 1 ] || fail "$most_overlays root filesystems of one user"
	[ "$most_sessions" -gt 8 ] || fail "the control: only $most_sessions sessions at once"
	nothing_left
	expect_eq 0 "$(overlays)"
}

test_a_hundred_of_one_user_who_may_have_eight() {
	local i served=0 refused=0

	max 8
	a_hundred_logins
	for ((i = 0; i < 100; i++)); do
		case "$(<"$work/many/$i.status") $(<"$work/many/$i.out")" in
		'0 u1') served=$((served + 1)) ;;
		'254 carrel: you already have 8 sessions open') refused=$((refused + 1)) ;;
		*) fail "login $i: status $(<"$work/many/$i.status"), '$(<"$work/many/$i.out")'" ;;
		esac
	done
	rm -r "$work/many"
	echo "$served served, $refused refused, $most_sessions at once"
	[ "$served" -ge 8 ] || fail "only $served were served"
	[ "$refused" -ge 1 ] || fail "the control: none was refused"
	[ "$most_sessions" -le 9 ] || fail "$most_sessions sessions at once" # one may be on its way to being refused
	nothing_left
	expect_status 0 ssh_as u1 hostname
	nothing_left
	expect_eq 0 "$(overlays)"
}

test_twenty_users_five_times_each() {
	local i n

	max off
	mkdir "$work/many"
	for ((n = 1; n <= 5; n++)); do
		for ((i = 1; i <= users; i++)); do
			start_login "many$i" "$i.$n"
		done
	done
	watch_logins $((5 * users))
	for ((i = 1; i <= users; i++)); do
		for ((n = 1; n <= 5; n++)); do
			expect_eq "0 many$i" "$(<"$work/many/$i.$n.status") $(<"$work/many/$i.$n.out")" "login $n of $i"
		done
	done
	rm -r "$work/many"
	[ "$most_overlays" -le "$users" ] || fail "$most_overlays root filesystems of $users users"
	nothing_left
	expect_eq 0 "$(overlays)"
}

# Two logins that follow each other without a pause, twice at the same time: the last one out unmounts what the next
# one in needs.
test_last_logout_against_next_login() {
	local i streams=()

	for ((i = 0; i < 2; i++)); do
		(
			for ((n = 0; n < 25; n++)); do
				expect_status 0 ssh_as u1 "echo $i.$n >/root/last.$i"
			done
		) &
		streams+=($!)
	done
	for ((i = 0; i < 2; i++)); do
		wait "${streams[i]}"
	done
	expect_eq $'0.24\n1.24' "$(ssh_as u1 'cat /root/last.*')"
	nothing_left
	expect_eq 0 "$(overlays)"
}
