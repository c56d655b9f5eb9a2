# shellcheck shell=bash
# carrelctl image remove beside those who begin to use the image at that moment, or of whom it cannot tell whether they do.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

images=/var/lib/carrel/images
keeper=/usr/local/libexec/carrel/carrel-keeper

setup() {
	prepare_versions u1 u2
	inside u1 true
	ctl snapshot u1 first
	mv "$keeper" "$keeper.real"
	ln -s carrel-keeper.real "$keeper"
}

teardown() {
	ln -sfn carrel-keeper.real "$keeper"
	for name in v1 v2; do
		[ -d "$images/$name" ] || carrelctl image import "$name" "$work/$name.tar.gz"
	done
}

# Stopped in a system call, at its end: which is when this is true. Its pid is $stopped.
start_stopped() { # SYSCALL COMMAND…
	local syscall=$1
	shift
	: >"$work/trace"
	strace -o "$work/trace" -e "trace=$syscall" -e "inject=$syscall:signal=STOP:when=1" "$@" >"$work/said" 2>&1 &
	tracer=$!
	wait_until 30 grep -q 'stopped by SIGSTOP' "$work/trace"
	stopped=$(pgrep -P "$tracer")
}

go_on() { # STATUS
	local status=0

	kill -CONT "$stopped"
	wait "$tracer" || status=$?
	expect_eq "$1" "$status" "exit status: $(<"$work/said")"
}

no_hidden() {
	expect_eq '' "$(find "$images" -name '.*')" "what is left of images"
}

# --- beside a change (one that asks: rootfs_upgrade.sh) ---

test_a_rollback_at_work() {
	ctl upgrade u1 --image v2 --yes
	start_stopped syncfs carrelctl rootfs rollback u1 first --yes
	expect_status 1 carrelctl image remove --force v1
	expect_match "image 'v1' is in use by" "$errors"
	go_on 0
	expect_eq 'image 1' "$(inside u1 'cat /opt/image')"
}

# Killed when it was decided and not yet carried out: what is remembered is the old image, and the user is on the new one.
test_an_upgrade_that_was_killed() {
	local n status

	for ((n = 1; ; n++)); do
		status=0
		(exec strace -o /dev/null -e "inject=renameat:signal=KILL:when=$n" carrelctl rootfs upgrade u1 --image v2 --yes) >/dev/null 2>&1 || status=$?
		expect_eq 137 "$status" "exit status with the kill before rename $n"
		! grep -q 'committed=1' "$state/journal" || break
	done
	expect_eq v1 "$(<"$state/image")"
	expect_status 1 carrelctl image remove v2
	expect_match "uid ${state##*/} is built on" "$errors"
	expect_eq 'image 2' "$(inside u1 'cat /opt/image')"
	ctl upgrade u1 --image v1 --yes
}

# --- beside a login ---

# The keeper of the next login stops when the root filesystem is there, long before the session is.
stop_next_keeper() {
	: >"$work/trace"
	rm "$keeper"
	cat >"$keeper" <<-END
		#!/bin/sh
		exec /usr/bin/strace -D -o "$work/trace" -e trace=utimensat -e inject=utimensat:signal=STOP:when=1 "$keeper.real" "\$@"
	END
	chmod 755 "$keeper"
}

test_a_login_that_is_not_there_yet() {
	local login

	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v2"; };'
	stop_next_keeper
	ssh_as u1 cat /opt/image >"$work/login" 2>&1 &
	login=$!
	wait_until 30 grep -q 'stopped by SIGSTOP' "$work/trace"
	expect_status 1 carrelctl image remove --force v1
	expect_match "image 'v1' is in use by a login" "$errors"
	expect_status 0 carrelctl image remove v2
	pkill -CONT -f "^$keeper.real"
	wait "$login"
	expect_eq 'image 1' "$(<"$work/login")"
	nothing_left
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v1"; };'
}

# While it is asked who uses the image, nobody begins to.
test_a_first_login_during_the_removal() {
	ctl remove u2 --yes 2>/dev/null || true
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v2"; };'
	start_stopped flock carrelctl image remove v2
	expect_status 254 ssh_as u2 true
	expect_syslog "image 'v2' is being removed"
	expect_status 0 ssh_as u1 true # on another
	[ ! -e "$users/$(id -u u2)/image" ]
	[ -d "$images/v2" ]
	go_on 0
	[ ! -e "$images/v2" ]
	no_hidden
	expect_status 254 ssh_as u2 true
	expect_syslog "image 'v2' is not imported"
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v1"; };'
}

# An image that is in use is never out of sight, so nothing takes it for the remains of one.
test_a_removal_that_is_refused_or_killed() {
	start_stopped flock carrelctl image remove --force v1
	expect_status 0 carrelctl gc
	kill -KILL "$stopped"
	wait "$tracer" || true
	expect_status 0 carrelctl gc
	expect_eq 'image 1' "$(inside u1 'cat /opt/image')"
	start_stopped flock carrelctl image remove v2
	expect_status 1 carrelctl image import v2 "$work/v1.tar.gz"
	expect_match 'already exists' "$errors"
	echo v2 >"$state/image"
	go_on 1
	echo v1 >"$state/image"
	expect_match 'is built on' "$(<"$work/said")"
	[ -d "$images/v2" ]
	no_hidden
}

# Most removals are refused, and then nobody has had to wait.
test_a_removal_that_is_refused_waits_for_nobody() {
	start_stopped getdents64 carrelctl image remove v1
	expect_eq 'image 1' "$(inside u1 'cat /opt/image')"
	go_on 1
}

# --- what cannot be read ---

unknown() { # FILE: of u1, damaged
	mv "$state/$1" "$work/kept"
	printf '\001\n' >"$state/$1"
	expect_status 1 carrelctl image remove v2
	expect_match "which image uid ${state##*/} has is not known: $2" "$errors"
	mv "$work/kept" "$state/$1"
}

test_what_cannot_be_read_is_in_use() {
	unknown image 'the remembered image is damaged'
	unknown snapshot.first "the record of snapshot 'first' is damaged"
	: >"$state/journal"
	unknown journal 'cannot read the journal'
	rm "$state/journal"
	# Nobody's: a file, and a directory in which there is nothing.
	: >"$users/notes"
	mkdir "$users/lost+found"
	expect_status 0 carrelctl image remove v2
	rm -r "$users/notes" "$users/lost+found"
	carrelctl image import v2 "$work/v2.tar.gz"
	mv "$state/image" "$work/kept"
	echo '!' >"$state/image"
	expect_status 0 carrelctl image remove --force v2
	mv "$work/kept" "$state/image"
}
