# shellcheck shell=bash
# carrelctl image import that does not come to its end: a full disk, signals, kills. Nothing is left half done.

# shellcheck source=tests/lib/images.sh
. "$lib/images.sh"

setup() {
	prepare_images
	carrelctl image import base "$TEST_IMAGE"
}

on_small_disk() { # OPTIONS REASON      or, without a reason, it goes in
	trap 'umount "$images"' EXIT
	mount -t tmpfs -o "mode=700,$1" small "$images"
	if [ $# = 1 ]; then
		expect_status 0 carrelctl image import --no-sftp evil "$tar"
	else
		refused "$2"
	fi
}

test_disk_full() {
	archive <<<'file large zeros=8000000'
	(on_small_disk nr_inodes=6 'No space left on device')
	expect_eq base "$(image_names)"
}

# A twentieth of a disk is left free.
test_disk_nearly_full() {
	local i few='it would leave less than 819K of the disk free'

	archive <<<'file large zeros=15000000'
	(on_small_disk size=16m)
	archive <<<'file large zeros=16000000' # which there is room for, but too little would be left
	(on_small_disk size=16m "'large': $few")
	gzip -c "$tar" >"$tar.gz" # what counts is what comes out
	mv "$tar.gz" "$tar"
	(on_small_disk size=16m "'large': $few")
	for i in {1..250}; do echo "dir d$i"; done | archive
	(on_small_disk nr_inodes=300)
	(on_small_disk nr_inodes=260 "'d2[0-9]*': it would leave room for less than 13 files on the disk")
	# A filesystem that says nothing of either has no limit.
	(on_small_disk size=0,nr_inodes=0)
	expect_eq base "$(image_names)"
}

interrupted_by() { # SIGNAL
	local pid status=0 before

	rm -rf "$images/evil"
	before=$(host)
	env --default-signal=INT carrelctl image import evil "$slow" >/dev/null 2>"$work/interrupted" &
	pid=$!
	wait_until 30 staging_has_content
	kill "-$1" "$pid"
	wait "$pid" || status=$?
	expect_eq $((128 + $(kill -l "$1"))) "$status" "exit status"
	[ "$1" = KILL ] || expect_match 'interrupted; nothing was imported' "$(<"$work/interrupted")"
	expect_eq "$before" "$(host)" "the host"
}

test_signals() {
	local signal

	slow_archive
	for signal in INT TERM HUP; do
		interrupted_by "$signal"
		expect_eq base "$(image_names)" "images after SIG$signal"
	done
}

test_progress_and_interrupt_on_a_terminal() {
	local screen

	slow_archive
	screen=$(expect -c "
		set timeout 30
		spawn -noecho carrelctl image import evil $slow
		expect -re {importing evil: +[0-9]+%}
		send \003
		expect eof
		puts [wait]")
	expect_match 'importing evil: +[0-9]+%' "$screen"
	expect_match 'interrupted; nothing was imported' "$screen"
	expect_match 'SIGINT' "$screen" "how it ended"
	expect_eq base "$(image_names)"
}

no_process() { # NAME
	! pgrep -x "$1"
}

test_killed_import_is_swept() {
	slow_archive
	interrupted_by KILL
	wait_until 30 no_process carrelctl # the child dies with its parent
	expect_match '^\.staging-evil-[0-9]+ base$' "$(image_names)"
	archive </dev/null
	accepted
	expect_eq "base evil" "$(image_names)"
	slow_archive
	drop evil
	interrupted_by KILL
	wait_until 30 no_process carrelctl
	expect_status 0 carrelctl gc
	expect_match 'removed 1 unfinished image' "$output"
	expect_eq base "$(image_names)"
}

test_killed_child() {
	local pid status=0

	slow_archive
	carrelctl image import evil "$slow" 2>"$work/killed" &
	pid=$!
	wait_until 30 staging_has_content
	pkill -KILL -P "$pid"
	wait "$pid" || status=$?
	expect_eq 1 "$status"
	expect_match 'died by signal 9' "$(<"$work/killed")"
	expect_eq base "$(image_names)"
}
