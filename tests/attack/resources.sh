# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Whatever a session takes of the machine it takes from its own limits: memory in every form, processes, files. Each form
# is taken nearly three times over its limit (tests/helpers/hog.c), and, as the control, with a limit above that: then it is had,
# and the kernel has counted it as the session's, so what holds under the small limit is not only that nobody looked.

# Others with the same ids would share what the kernel counts per user:
# runs alone

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

small=12 # MiB
wanted=32

setup() {
	prepare
	state_on_disk
	add_user u1
	add_user other
	put_helper u1 hog
	put_helper other hog
	hold_session other
	other=$session
}

# The throw-away host keeps all in memory; a cache that can be given back needs a filesystem on a disk.
state_on_disk() {
	make_loop_nodes
	truncate -s 2G "$work/state.img"
	mkfs.ext4 -q -E lazy_itable_init=1 -O ^has_journal "$work/state.img"
	install -d -m 711 /var/lib/carrel/users
	mount -o loop "$work/state.img" /var/lib/carrel/users
	cut -d' ' -f5- /proc/self/mountinfo | sort >"$work/mounts"
}

policy() { # LIMITS [PIDS [MORE SETTINGS]]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { limits = { cpus = \"2\"; tmp = \"1G\"; tmp_inodes = \"2M\"; pids = \"${2-400}\"; $1 }; ${3-} };"
}

mib() { # V1-FILE V2-FILE of the session's memory; nothing when the session is gone
	local file

	file=$(level_file "$level" memory "$1" "$2")
	echo $(($(cat "$file" 2>/dev/null || true) + 0 >> 20))
}

# Version 1 counts the buffers of TCP and UDP apart, with a limit of their own.
in_use() {
	echo $(($(mib memory.usage_in_bytes memory.current) + $(mib memory.kmem.tcp.usage_in_bytes -)))
}

# By the line that every session leaves in syslog, when it is gone.
peak() {
	local line

	line=$(syslog " id=$session " | sed -nE "s/.* memory_peak=([0-9]+) .*/\1/p")
	[ -z "$line" ] || echo $((line >> 20))
	[ -n "$line" ] || mib memory.max_usage_in_bytes memory.peak
}

# Run the hog in a session of its own. Then $result is "all", "refused" or "killed" (the hog was, or with it the session: what is
# in pipes or files is no process' own), and $got how many MiB it had.
hog() { # FORM AMOUNT [DIR]
	local out=$work/hog

	rm -f "$out"
	rm -f "$work/go"
	mkfifo "$work/go"
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 "echo up; read -r go; hog $*; echo killed \$?; exec sleep 1000" >"$out" 2>&1 <>"$work/go" &
	client=$!
	wait_until 60 grep -qx up "$out" || fail "no session for the hog: $(<"$out")"
	session=$(session_ids u1)
	level=$(group_of "$session")
	echo go >"$work/go"
	wait_until 60 hog_has_ended
	result=$(sed -nE 's/^(all|refused|killed).*/\1/p' "$out" | head -n 1)
	got=$(sed -nE 's/^((all|refused) )?([0-9]+).*/\3/p' "$out" | tail -n 1)
	echo "hog $*: ${result:=killed}, ${got:=0}; in use $(in_use), peak $(peak); said: $(tail -n 1 "$out")"
}

hog_has_ended() {
	grep -qE '^(all|refused|killed)' "$work/hog" || [ ! -d "/proc/$client" ]
}

end_hog() {
	end_client
	wait_until 30 no_session_of u1
}

no_session_of() {
	[ -z "$(session_ids "$1")" ]
}

others_are_well() {
	expect_eq alive "$(in_session other "$other" 'echo alive')" "another user's session"
}

# What cannot be taken back from who holds it: under the limit they are refused or killed.
check_refused() { # FORM [DIR]
	policy "memory = \"${small}M\";"
	hog "$1" $wanted "${2-}"
	expect_ne all "$result" "$1"
	[ "$got" -le $((small * 5 / 4)) ] || fail "$1: it had $got MiB under a limit of $small"
	others_are_well
	end_hog
}

check_held() { # FORM [DIR]
	check_refused "$@"
	check_peak "$1"
	check_control "$@"
}

check_control() { # FORM [DIR]
	policy 'memory = "1G";'
	hog "$1" $wanted "${2-}"
	expect_eq all "$result" "the control of $1"
	[ "$(in_use)" -ge $((wanted * 2 / 3)) ] || fail "$1: of $got MiB only $(in_use) were counted as the session's"
	end_hog
}

# The session is over; its last line has it all.
check_peak() { # FORM
	local most

	expect_syslog " id=$session [^"$'\n'"]* memory_peak="
	most=$(peak)
	{ [ "$most" -gt $((small / 2)) ] && [ "$most" -le $small ]; } || fail "$1: at most $most MiB were in use under a limit of $small"
}

# What the kernel gives up again by itself: no one is refused, and never more is in use than may be.
check_given_back() { # FORM DIR
	policy "memory = \"${small}M\";"
	hog "$1" $wanted "$2"
	expect_eq all "$result" "$1"
	others_are_well
	end_hog
	check_peak "$1"
	check_control "$@"
}

# How a hog ends in the other user's session, and on the host. It is gone afterwards.
ask_hog='out=$(mktemp); "$hog" $form $amount >$out 2>&1 & until grep -qE "^(all|refused)" $out || ! kill -0 $!; do sleep 0.05; done
	tail -n 1 $out; kill $!; rm $out'

in_other() { # FORM AMOUNT
	in_session other "$other" "hog=hog form=$1 amount=$2; $ask_hog"
}

on_host() { # FORM AMOUNT
	hog="$B/tests/helpers/hog" form=$1 amount=$2 sh -c "$ask_hog"
}

memory_forms='malloc shared memfd shm tables mappings'
queue_forms='pipes unix datagrams messages sockets'
object_forms='open timers epolls semaphores'
task_forms='forks threads zombies'

test_memory_of_processes() {
	for form in $memory_forms; do
		check_held $form
	done
}

test_files_in_memory() {
	for dir in /tmp /run /dev/shm; do
		check_held files $dir
	done
	check_held empty /tmp
	check_held attributes /tmp
}

test_cache_of_files() {
	check_given_back cache /root
}

test_names_that_are_not_there() {
	check_given_back missing /root
}

test_pipes_sockets_and_queues() {
	for form in $queue_forms; do
		check_held $form
	done
}

# Version 1 counts them apart from memory, and gives every stream its first buffer whatever the limit says: there TCP is only
# counted (docs/security.md).
test_buffers_of_the_network() {
	case $(group_file "$other" memory v1 v2) in
	*v2) check_refused tcp ;;
	esac
	check_control tcp
	check_refused udp
	check_control udp
}

test_small_objects_of_the_kernel() {
	for form in $object_forms; do
		check_held $form
	done
}

# What the kernel itself bounds for each user, whatever the limits of the session, and the ids are this user's alone.
test_what_each_user_has_of_the_kernel() {
	policy 'memory = "1G";'
	for form in secret in-flight mqueues inotify signals; do
		hog $form 512
		expect_eq refused "$result" $form
		[ "$(in_use)" -le 80 ] || fail "$form: $(in_use) MiB are in use"
		expect_match '^all' "$(in_other $form 0.01)" "$form of another user"
		end_hog
	done
}

test_processes_threads_and_zombies() {
	for form in $task_forms; do
		policy 'memory = "1G";' 60
		hog $form 300
		expect_eq refused "$result" $form
		[ "$got" -le 60 ] || fail "$form: $got under a limit of 60"
		[ "$(cat "$(level_file "$level" pids pids.current pids.current)")" -le 60 ] || fail "more than 60 in one session"
		others_are_well
		expect_status 0 ssh_as other true
		end_hog
		policy 'memory = "1G";'
		hog $form 300
		expect_eq all "$result" "the control of $form"
		end_hog
	done
}

# All sandboxes of a host share kernel.pty.max.
test_terminals() {
	policy 'memory = "1G";'
	hog ptys 300
	expect_eq refused "$result"
	[ "$got" -le 128 ] || fail "one session has $got terminals"
	expect_match '^all' "$(in_other ptys 20)"
	end_hog
	expect_match '^all' "$(on_host ptys 300)" "the control"
}

# One number for the whole host, fs.aio-max-nr.
test_asynchronous_io() {
	expect_eq 'refused 0 ENOSYS' "$(in_other aio 1)"
	expect_match '^all' "$(on_host aio 0.05)" "the control"
}

# Compiled, they are of one amount that the whole host has (net.core.bpf_jit_limit), and are not counted as the session's.
test_programs_of_the_packet_filter() {
	for form in filters group-filters; do
		expect_eq 'refused 0 ENOPROTOOPT' "$(in_other $form 1)" $form
	done
	expect_eq 'refused 0 EINVAL' "$(in_other seccomp 1)"
	policy 'memory = "1G";' 400 'seccomp = "off";'
	for form in filters group-filters seccomp; do
		hog $form 8
		expect_eq all "$result" "the control of $form"
		end_hog
	done
}

# What the host itself counts, and not the group: on a busy machine others take and give back too, so the best of some.
lost() { # FORM FILE-OF-/proc WORD MIB OF-THAT-IN-A-MIB [DIR]
	local before after

	before=$(awk "$3" "$2")
	hog "$1" "$4" "${6-}"
	after=$(awk "$3" "$2")
	end_hog
	taken=$(((after - before) / $5))
}

check_lost() {
	local i best=1000000

	for i in 1 2 3; do
		policy "memory = \"${small}M\";"
		lost "$@"
		[ "$taken" -ge "$best" ] || best=$taken
		policy 'memory = "1G";'
		lost "$@"
		echo "$1: the host lost at most $best MiB under the limit, $taken without"
		[ "$best" -ge $((small * 5 / 4)) ] || [ "$taken" -lt $(($4 * 3 / 4)) ] || return 0
	done
	fail "$1: of the host $best MiB under a limit of $small, and $taken without"
}

test_the_host_has_lost_no_more() {
	check_lost shared /proc/meminfo '/^Shmem:/ { print $2 }' 64 1024
	check_lost open /proc/sys/fs/file-nr '{ print $1 }' 20 5461
	check_lost empty /proc/sys/fs/inode-nr '{ print $1 - $2 }' 24 1498 /tmp
}

# The user's other session goes on, the full one can be ended, and the next works.
test_a_full_session_among_others() {
	policy "memory = \"${small}M\";" 40
	hold_session u1
	beside=$session held=$client
	rm -f "$work/hog" # the one of the test before
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'hog forks 300' >"$work/hog" 2>&1 </dev/null &
	client=$!
	wait_until 30 grep -q '^refused' "$work/hog"
	expect_eq alive "$(in_session u1 "$beside" 'echo alive')"
	session=$(session_ids u1 | grep -vx "$beside")
	expect_status 0 carrelctl kill "$session"
	expect_eq "$beside" "$(session_ids u1)"
	expect_eq again "$(ssh_as u1 'echo again')"
	end_client
	client=$held
	end_hog
}

# Needs rights that nobody has inside; the filter of system calls stands before some of it (seccomp.sh).
test_what_knows_no_namespace_is_closed() {
	expect_eq max=0 "$(in_session other "$other" 'echo max=$(cat /proc/sys/user/max_user_namespaces)')"
	expect_no_match '^0$' "$(</proc/sys/user/max_user_namespaces)" "the control"
}

# What the kernel counts for a user over all their sessions does not keep them from opening another.
test_in_flight_descriptors_do_not_lock_the_user_out() {
	policy 'memory = "1G";'
	hog in-flight 512
	expect_eq refused "$result"
	expect_status 0 ssh_as u1 'echo again'
	expect_status 0 ssh_as u1 -tt 'echo again'
	expect_match again "$output" "on a terminal"
	expect_eq alive "$(in_session u1 "$session" 'echo alive')"
	end_hog
}
