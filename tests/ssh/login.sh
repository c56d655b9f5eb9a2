# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# A login by a real sshd and the ordinary client: where one lands, what is there, what stays, and who is not concerned.

namespaces="user mnt pid net uts ipc cgroup"

setup() {
	prepare
	add_user u1
	add_user u2
	add_user plain /bin/bash
}

# Start a login that stays open until end_login: runs BEFORE, whose output is then in $work/NAME.out, and at its end AFTER.
begin_login() { # NAME USER BEFORE AFTER
	mkfifo "$work/$1.in"
	ssh_as "$2" "$3; echo ready; read -r line; $4" <>"$work/$1.in" >"$work/$1.out" 2>&1 &
	declare -g "login_$1=$!"
	wait_until 30 grep -qx ready "$work/$1.out"
}

end_login() { # NAME
	local login=login_$1

	echo >"$work/$1.in"
	wait "${!login}"
	rm "$work/$1.in"
}

list_namespaces() {
	local name
	for name in $namespaces; do
		readlink "/proc/self/ns/$name"
	done
}

test_lands_in_the_image() {
	expect_status 0 ssh_as u1 'cat /etc/os-release'
	case $TEST_IMAGE_KIND in
	alpine) expect_match 'NAME="Alpine Linux"' "$output" ;;
	*) expect_match 'NAME="BusyBox"' "$output" ;;
	esac
	expect_eq "" "$errors"
	expect_no_match "ID=debian" "$output"
}

test_is_root_of_a_machine_named_after_the_user() {
	expect_eq "0 root u1 /root" "$(ssh_as u1 'echo $(id -u) $(id -un) $(hostname) $HOME')"
}

test_ps_shows_init_and_the_users_own_processes() {
	local pid args count=0

	expect_status 0 ssh_as u1 'ps -o pid,args; true'
	while read -r pid args; do
		count=$((count + 1))
		case $count:$pid:$args in
		1:PID:*) ;;
		2:1:*) ;; # init
		[34]:*:*'ps -o pid,args'*) ;; # the shell, and ps itself
		*) fail "unexpected process '$pid $args' in: $output" ;;
		esac
	done <<<"$output"
	expect_eq 4 "$count" "lines of ps"
}

test_has_seven_namespaces_of_its_own() {
	local name

	begin_login a u1 "for n in $namespaces; do readlink /proc/self/ns/\$n; done" :
	begin_login b u1 "for n in $namespaces; do readlink /proc/self/ns/\$n; done" :
	list_namespaces >"$work/host.out"
	for name in $namespaces; do
		expect_eq 3 "$(grep -h "^$name:" "$work"/{host,a,b}.out | sort -u | wc -l)" "different $name namespaces"
	done
	end_login a
	end_login b
	nothing_left
}

test_files_stay_for_the_next_login() {
	expect_status 0 ssh_as u1 'echo kept > /etc/mark; mkdir -p /srv/deep/er; echo too > /root/mark'
	nothing_left
	expect_eq "kept too" "$(ssh_as u1 'echo $(cat /etc/mark /root/mark); test -d /srv/deep/er')"
	expect_status 0 ssh_as u1 'rm /etc/mark; rm -r /srv/deep'
	expect_status 0 ssh_as u1 'test ! -e /etc/mark && test ! -e /srv/deep'
}

test_two_logins_at_once_share_the_files() {
	begin_login a u1 'echo from a > /etc/a' 'cat /etc/b'
	expect_eq "from a" "$(ssh_as u1 'echo from b > /etc/b; cat /etc/a')"
	end_login a
	expect_match 'from b$' "$(<"$work/a.out")"
}

test_nobody_else_sees_the_files() {
	expect_status 0 ssh_as u1 'echo secret > /etc/mine; chmod 644 /etc/mine'
	expect_status 1 ssh_as u2 'test -e /etc/mine'
	expect_status 1 ssh_as plain 'test -e /etc/mine'
	expect_status 1 ssh_as plain 'ls /var/lib/carrel/users && exit 0; exit 1'
	[ ! -e /etc/mine ] || fail "the file is on the host"
	expect_eq "" "$(find /var/lib/carrel/images -name mine)" "the file in the image"
}

test_the_hosts_files_are_not_there() {
	echo host secret >/etc/host-mark
	echo host secret >/home/u1/host-mark
	echo host secret >/tmp/host-mark
	expect_eq "" "$(ssh_as u1 'find / -name host-mark 2>/dev/null || true')"
	expect_status 1 ssh_as u1 "test -e '$repo' || test -e /run/test || ls /run/carrel | grep -vx limits"
}

test_package_tools_work() {
	need_alpine
	expect_status 0 ssh_as u1 'apk info'
	expect_match 'alpine-baselayout' "$output"
	expect_match 'musl' "$output"
}

test_users_and_owners_can_be_made() {
	need_alpine
	expect_status 0 ssh_as u1 'adduser -D -u 1500 inner && touch /tmp/file && chown inner:inner /tmp/file &&
		stat -c %U:%u /tmp/file && su inner -c "id -u; touch /home/inner/x" && stat -c %u /home/inner/x'
	expect_eq "inner:1500 1500 1500" "$(tr '\n' ' ' <<<"$output" | sed 's/ $//')"
	expect_eq "1500" "$(ssh_as u1 'stat -c %u /home/inner/x')"
}

test_files_belong_to_no_user_of_the_host() {
	local file uid

	expect_status 0 ssh_as u1 'touch /etc/whose'
	file=$(find /var/lib/carrel/users -name whose)
	uid=$(stat -c %u "$file")
	((uid >= 65536)) || fail "'$file' belongs to uid $uid"
	expect_status 2 getent passwd "$uid"
}

test_exit_status_is_exact() {
	local status

	for status in 0 1 42 125 126 127 128 254 255; do
		expect_status "$status" ssh_as u1 "exit $status"
	done
	expect_status 137 ssh_as u1 'kill -9 $$'
	expect_status 127 ssh_as u1 'no-such-command'
}

test_exit_statuses_on_one_connection() {
	local status

	ssh_as u1 -M -S "$work/control" -N &
	wait_until 30 test -S "$work/control"
	for status in {0..255..5} 1 126 127 128 129 254; do
		expect_status "$status" ssh_as u1 -S "$work/control" "exit $status"
	done
	ssh_as u1 -S "$work/control" -O exit 2>/dev/null
	nothing_left
}

test_output_error_and_input_are_apart() {
	expect_status 0 ssh_as u1 'echo out; echo err >&2'
	expect_eq out "$output"
	expect_eq err "$errors"
	expect_eq 5 "$(printf 'abcde' | ssh_as u1 'wc -c')"
}

test_a_user_who_is_not_covered_is_on_the_host() {
	local host

	host=$(list_namespaces)
	expect_eq "$host" "$(ssh_as plain "for n in $namespaces; do readlink /proc/self/ns/\$n; done")"
	expect_eq "plain none" "$(ssh_as plain 'echo $(id -un) ${CARREL_SESSION-none}')"
	expect_status 7 ssh_as plain 'exit 7'
}

test_root_is_on_the_host() {
	expect_eq "$(list_namespaces)" "$(ssh_as root "for n in $namespaces; do readlink /proc/self/ns/\$n; done")"
	expect_eq "root none" "$(ssh_as root 'echo $(id -un) ${CARREL_SESSION-none}')"
}

test_nothing_is_left() {
	nothing_left
}
