# shellcheck shell=bash
# carrelctl image: import of a good image, and of archives that try to get out or to leave something half done.

images=/var/lib/carrel/images
watched=/tmp/watched # what hostile archives aim at
tar=$work/evil.tar
slow=$work/slow.tar

setup() {
	install -D "$B/carrelctl" /usr/local/sbin/carrelctl
	install -D -m 600 /dev/null "$watched/secret"
	echo untouched >"$watched/secret"
	mkdir "$watched/empty"
	carrelctl image import base "$TEST_IMAGE"
}

# --- building archives ---

entry() {
	"$B/tests/helpers/tar_entry" "$@"
}

shell_entries() { # what every image must have
	entry dir bin
	entry file bin/sh mode=755 data='#!'
}

archive() { # entries on standard input, as arguments of tar_entry, after those of a shell
	local words

	{
		shell_entries
		while read -r -a words; do
			entry "${words[@]}"
		done
		entry end
	} >"$tar"
}

# --- looking at what an import did ---

snapshot() { # everything outside the images that an archive could reach, with times of change
	find "$watched" /etc /root /usr/local /tmp -xdev -printf '%p %y %i %n %m %U %G %s %C@ %l\n' | sort
	find /dev /var/lib/carrel -maxdepth 1 -printf '%p %y %i %m %U %G\n' | sort
	cat "$watched/secret"
}

image_names() {
	find "$images" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort | paste -sd' '
}

refused() { # MESSAGE [NAME]
	local before names

	rm -rf "$images/evil"
	before=$(snapshot)
	names=$(image_names)
	expect_status 1 carrelctl image import "${2-evil}" "$tar"
	expect_match "$1" "$errors" message
	expect_match '^carrelctl: ' "$errors" message
	expect_eq 1 "$(wc -l <<<"$errors")" "lines of the message"
	expect_eq '' "$output" output
	expect_eq "$names" "$(image_names)" images
	expect_eq "$before" "$(snapshot)" "the host's files"
}

accepted() { # as image "evil", under $rootfs; removed by the next call
	local before

	rm -rf "$images/evil"
	before=$(snapshot)
	expect_status 0 carrelctl image import evil "$tar"
	expect_eq "$before" "$(snapshot)" "the host's files"
	rootfs=$images/evil/rootfs
}

fails() {
	! "$@"
}

drop() { # IMAGE…
	local name

	for name in "$@"; do
		carrelctl image remove "$name"
	done
}

# --- a good image ---

test_import_is_what_tar_unpacks() {
	expect_status 0 carrelctl image import --no-sftp fresh "$TEST_IMAGE"
	expect_match "^imported image 'fresh'" "$output"
	expect_eq '' "$errors" "standard error, which is not a terminal"
	mkdir "$work/reference"
	tar -xpzf "$TEST_IMAGE" -C "$work/reference" --numeric-owner
	diff -r --no-dereference "$work/reference" "$images/fresh/rootfs"
	diff <(cd "$work/reference" && find . -mindepth 1 ! -type c ! -type b -printf '%p %y %m %U %G %l %Ts\n' | sort) \
		<(cd "$images/fresh/rootfs" && find . -mindepth 1 -printf '%p %y %m %U %G %l %Ts\n' | sort)
	rm -rf "$work/reference"
	expect_eq "755 0 0" "$(stat -c '%a %u %g' "$images/fresh/rootfs")"
	expect_eq 700 "$(stat -c %a "$images/fresh")"
	drop fresh
}

test_sftp_server_is_bundled() {
	local root=$images/base/rootfs

	expect_match '"sftp": *"host"' "$(carrelctl image list --json)"
	expect_eq "scp sftp-server" "$(cd "$root/usr/lib/carrel/bin" && echo *)"
	[ -x "$root/usr/lib/carrel/lib/loader" ]
	# They start, under their own loader, whatever the image's C library is (there is no /dev/null here).
	expect_match 'sftp-server|/dev/null' "$(chroot "$root" /usr/lib/carrel/bin/sftp-server -h 2>&1 || true)"
	expect_match 'usage: scp|/dev/null' "$(chroot "$root" /usr/lib/carrel/bin/scp 2>&1 || true)"
}

test_a_bundle_cannot_be_led_out() {
	local tree=$work/bundle

	mkdir -p "$tree/bin" "$tree/usr"
	cp /bin/busybox "$tree/bin/sh"
	ln -s /etc "$tree/usr/lib"
	tar -C "$tree" -cf "$work/bundle.tar" .
	expect_status 1 carrelctl image import evil "$work/bundle.tar"
	[ ! -e /etc/carrel/bin ] && [ ! -e /etc/carrel/lib ]
}

test_manifest_and_list() {
	local sum

	sum=$(sha512sum <"$TEST_IMAGE")
	expect_status 0 carrelctl image list --json
	expect_match "\"digest\": \"sha512:${sum%% *}\"" "$output"
	sum=$(sha256sum <"$images/base/files")
	expect_match "\"tree\": \"sha256:${sum%% *}\"" "$output"
	expect_match "\"source\": \"${TEST_IMAGE##*/}\"" "$output"
	expect_match '"bytes": [0-9]+' "$output"
	expect_status 0 carrelctl image list
	expect_match 'NAME +OS +SIZE +ENTRIES +SFTP +IMPORTED +SOURCE +DIGEST' "$output"
	expect_match $'\n''base ' "$output"
	expect_no_match $'\x1b' "$output" "a table that is not on a terminal"
}

test_alpine_says_what_it_is() {
	need_alpine
	expect_status 0 carrelctl image list
	expect_match 'Alpine Linux v3' "$output"
}

test_name_is_taken() {
	tar=$TEST_IMAGE
	refused "image 'base' already exists" base
}

test_two_imports_at_once() {
	local -a pids=()
	local pid done=0 failed=0 i

	for i in 1 2 3; do
		carrelctl image import same "$TEST_IMAGE" >/dev/null 2>>"$work/same.errors" &
		pids+=($!)
		carrelctl image import "other$i" "$TEST_IMAGE" >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		if wait "$pid"; then done=$((done + 1)); else failed=$((failed + 1)); fi
	done
	expect_eq 4 "$done" "imports that succeeded"
	expect_eq 2 "$failed" "imports that failed"
	expect_eq 2 "$(grep -c 'already exists' "$work/same.errors")"
	expect_eq "base other1 other2 other3 same" "$(image_names)"
	drop other1 other2 other3 same
}

test_compressions() {
	local tool

	archive </dev/null
	cp "$tar" "$work/plain.tar"
	for tool in gzip xz bzip2 zstd; do
		"$tool" -c "$work/plain.tar" >"$tar"
		accepted
		expect_eq '#!' "$(<"$rootfs/bin/sh")" "/bin/sh by $tool"
	done
	drop evil
	gzip -c "$work/plain.tar" | gzip -c >"$tar"
	refused 'compressed more than once'
}

test_names_and_attributes_are_kept() {
	archive <<-'END'
		file plain pax=path:dir/Főtanúsítvány uid=65535 gid=65535
		file setuid mode=4755 uid=7
		file attribute pax=SCHILY.xattr.user.color:blue
		fifo pipe mode=600
		symlink absolute to=/etc/passwd
		dir closed mode=0
		file closed/inside data=x
	END
	accepted
	expect_eq "65535 65535" "$(stat -c '%u %g' "$rootfs/dir/Főtanúsítvány")"
	expect_eq "4755 7" "$(stat -c '%a %u' "$rootfs/setuid")"
	expect_eq blue "$(tar -C "$rootfs" --xattrs --format=pax -c attribute | sed -nz 's/.*SCHILY.xattr.user.color=\([a-z]*\).*/\1/p')"
	expect_eq fifo "$(stat -c %F "$rootfs/pipe")"
	expect_eq /etc/passwd "$(readlink "$rootfs/absolute")"
	expect_eq 0 "$(stat -c %a "$rootfs/closed")"
	expect_eq x "$(<"$rootfs/closed/inside")"
	drop evil
}

# --- archives that reach out ---

# The control for what follows: these archives do harm where nobody looks.
test_control_careless_tar_is_taken_in() {
	archive <<-END
		symlink out to=$watched
		file out/planted data=x
		file ../../../../../../../../../../../../..$watched/climbed data=x
		file $watched/absolute data=x
		hardlink linked to=$watched/secret
	END
	mkdir /tmp/careless
	tar -xPf "$tar" -C /tmp/careless
	expect_eq 2 "$(stat -c %h "$watched/secret")" "links of the secret"
	rm -rf /tmp/careless
	expect_eq "absolute climbed empty planted secret" "$(find "$watched" -mindepth 1 -printf '%f\n' | sort | paste -sd' ')"
	rm "$watched"/{absolute,climbed,planted}
}

test_dot_dot() {
	archive <<<'file ../outside data=x'
	refused "'../outside': the path leads out of the image"
	archive <<<'dir bin/../../outside'
	refused 'leads out of the image'
	archive <<<'file bin/.. data=x'
	refused 'leads out of the image'
	archive <<<"file x pax=path:$(printf '../%.0s' {1..40})tmp/watched/secret data=x"
	refused 'leads out of the image'
}

test_absolute_path() {
	archive <<<"file $watched/planted data=x"
	refused 'leads out of the image'
	archive <<<"symlink $watched/planted to=/"
	refused 'leads out of the image'
}

test_write_through_a_symlink() {
	archive <<-END
		symlink out to=$watched
		file out/planted data=x
	END
	refused 'symlink'
	archive <<-END
		symlink out to=../../../../../..$watched
		dir out/planted
	END
	refused 'symlink'
	archive <<-END
		symlink a to=b
		symlink b to=$watched
		symlink a/planted to=x
	END
	refused 'symlink'
}

test_replacing_a_symlink_does_not_follow_it() {
	archive <<-END
		symlink file to=$watched/secret
		file file data=mine
		symlink directory to=$watched
		dir directory mode=777 uid=5
		symlink pipe to=$watched/secret
		fifo pipe mode=777
	END
	accepted
	expect_eq mine "$(<"$rootfs/file")"
	expect_eq directory "$(stat -c %F "$rootfs/directory")"
	drop evil
}

test_hard_links() {
	archive <<<"hardlink stolen to=$watched/secret"
	refused 'hard link leads out'
	archive <<<"hardlink stolen to=../../../../../..$watched/secret"
	refused 'hard link leads out'
	archive <<-END
		symlink out to=$watched
		hardlink stolen to=out/secret
	END
	refused 'symlink'
	archive <<<'hardlink stolen to=bin/nothing'
	refused "'stolen'"
	# One to a symlink takes the link itself, and data for it must not be written through it.
	archive <<-END
		symlink link to=$watched/secret
		hardlink second to=link
		file second data=x
	END
	accepted
	expect_eq "$watched/secret" "$(readlink "$rootfs/link")"
	drop evil
}

test_devices_are_left_out() {
	archive <<-'END'
		dir dev
		char dev/null
		block dev/sda
		fifo dev/fifo
		char dev/whiteout uid=70
	END
	accepted
	expect_match 'left out 3 device' "$output"
	expect_eq "fifo" "$(find "$rootfs/dev" -mindepth 1 -printf '%f\n')"
	drop evil
}

test_dangerous_attributes_are_left_out() {
	archive <<-'END'
		file a pax=SCHILY.xattr.trusted.overlay.opaque:y pax=SCHILY.xattr.user.overlay.opaque:y
		file b pax=SCHILY.xattr.security.capability:xxxxxxxxxxxxxxxxxxxx pax=SCHILY.xattr.user.ok:y
		file c pax=SCHILY.acl.access:user::rwx,user:5:rwx,group::r-x,mask::rwx,other::r-x
	END
	accepted
	expect_match 'left out 3 extended attributes' "$output"
	tar -C "$rootfs" --xattrs --xattrs-include='*' --acls --format=pax -cf "$work/kept.tar" .
	grep -qa 'SCHILY.xattr.user.ok' "$work/kept.tar"
	fails grep -aE 'overlay|security|SCHILY.acl.access=user::rwx,user' "$work/kept.tar"
	drop evil
}

test_owners_a_sandbox_does_not_have() {
	archive <<<'file x uid=65536'
	refused 'above 65535'
	archive <<<'file x gid=100000'
	refused 'above 65535'
	archive <<<'file x pax=uid:4294967295'
	refused 'above 65535'
	archive <<<'file x pax=gid:-1'
	refused ''
}

test_file_over_a_directory() {
	archive <<<'file bin data=x'
	refused "'bin'"
}

test_the_root_entry_cannot_open_the_image() {
	archive <<-'END'
		dir ./ mode=777 uid=1000 pax=SCHILY.xattr.user.x:y
		dir . mode=777 uid=1000
	END
	accepted
	expect_eq "755 0 0" "$(stat -c '%a %u %g' "$rootfs")"
	drop evil
}

test_duplicate_names() {
	archive <<-'END'
		file twice data=first mode=4755
		file ./twice data=second mode=644
		file bin//sh data=third mode=755
	END
	accepted
	expect_eq second "$(<"$rootfs/twice")"
	expect_eq 644 "$(stat -c %a "$rootfs/twice")"
	expect_eq third "$(<"$rootfs/bin/sh")"
	drop evil
}

test_too_long_and_too_deep() {
	archive <<<"file x pax=path:$(printf 'd/%.0s' {1..300})x"
	refused 'too long or too deep'
	archive <<<"dir x pax=path:$(printf 'n%.0s' {1..256})"
	refused 'too long or too deep'
	archive <<<"hardlink x to=bin/sh pax=linkpath:$(printf 'n%.0s' {1..256})"
	refused 'too long or too deep'
	archive <<<"dir x pax=path:$(printf 'd/%.0s' {1..200})x"
	accepted
	drop evil
}

test_too_large() {
	archive <<<'file x pax=size:70000000000 data=x'
	refused 'larger than 64 GiB'
	# A hole of the size of a continent.
	archive <<<'file x pax=GNU.sparse.major:1 pax=GNU.sparse.minor:0 pax=GNU.sparse.realsize:1152921504606846976 data=0'
	refused ''
}

test_terminal_codes_in_names() {
	{
		shell_entries
		entry file $'../\e[2Jgone\nline' data=x
		entry end
	} >"$tar"
	refused 'x1b\[2Jgone.x0aline'
}

# --- archives that are none, or not whole ---

test_not_an_archive() {
	head -c 20000 /dev/zero | tr '\0' x >"$tar"
	refused 'not a tar archive'
	: >"$tar"
	refused ''
	head -c 20000 /dev/zero | gzip -c >"$tar"
	refused 'no /bin/sh'
	head -c 5000 "$B/carrelctl" >"$tar"
	refused 'not a tar archive'
	tar=$work/missing.tar
	refused 'cannot open'
	tar=$work
	refused 'not a regular file'
	mkfifo "$work/fifo"
	tar=$work/fifo
	refused 'not a regular file' # and does not wait for a writer
}

test_cut_off() {
	local whole size

	archive <<-'END'
		file large zeros=50000
		file zeros zeros=512
	END
	size=$(stat -c %s "$tar")
	cp "$tar" "$work/whole.tar"
	head -c $((size - 30000)) "$work/whole.tar" >"$tar"
	refused '[Tt]runcated'
	head -c $((size - 1024)) "$work/whole.tar" >"$tar" # all entries, and no end
	refused 'was cut off'
	gzip -c "$tar" >"$tar.gz"
	mv "$tar.gz" "$tar"
	refused 'was cut off'
	head -c $((size - 512)) "$work/whole.tar" >"$tar" # one of two blocks of zeros is enough
	accepted
	head -c 700 "$work/whole.tar" >"$tar"
	refused ''
	head -c 100000 "$TEST_IMAGE" >"$tar"
	refused '[Tt]runcated'
	gzip -c "$work/whole.tar" >"$work/whole.tar.gz"
	whole=$(stat -c %s "$work/whole.tar.gz")
	head -c $((whole / 2)) "$work/whole.tar.gz" >"$tar"
	refused ''
}

test_damaged_header() {
	archive <<<'file x data=y'
	printf 'X' | dd of="$tar" bs=1 seek=1600 conv=notrunc status=none # in the header of x
	refused '[Dd]amaged'
}

test_no_shell() {
	{ entry file etc/os-release data=x && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry dir bin/sh && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry file bin/sh mode=644 && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	# One that the host has and the image has not.
	{ entry symlink bin/sh to=/usr/bin/env && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry symlink bin/sh to=../../../../../../usr/bin/env && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry symlink bin/sh to=sh && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry symlink bin/sh to=/busy && entry file busy && entry end; } >"$tar"
	accepted
	drop evil
}

test_os_release_that_is_not_one() {
	archive <<-END
		dir etc
		symlink etc/os-release to=$watched/secret
	END
	accepted
	expect_eq 1 "$(grep -cx 'os=' "$images/evil/manifest")"
	archive <<<'fifo etc/os-release mode=666'
	accepted # and does not wait for a writer
	{
		shell_entries
		entry file etc/os-release data=$'ID=x\nPRETTY_NAME="Evil\e[2J \\"Linux\\""\n'
		entry end
	} >"$tar"
	accepted
	expect_eq 'os=Evil\x1b[2J "Linux"' "$(grep '^os=' "$images/evil/manifest")"
	drop evil
}

# --- imports that are interrupted ---

on_small_disk() { # OPTIONS
	trap 'umount "$images"' EXIT
	mount -t tmpfs -o "mode=700,$1" small "$images"
	refused 'No space left on device'
}

test_disk_full() {
	archive <<<'file large zeros=8000000'
	(on_small_disk size=4m)
	(on_small_disk nr_inodes=6)
	expect_eq base "$(image_names)"
}

# One that takes seconds and no space: the same names over and over.
slow_archive() {
	local i

	[ ! -e "$slow" ] || return 0
	for i in {1..100}; do
		entry symlink "again$i" to=x
	done >"$work/block"
	for i in {1..40}; do cat "$work/block"; done >"$work/blocks"
	{
		shell_entries
		for i in {1..100}; do cat "$work/blocks"; done
		entry end
	} | gzip -1 >"$slow"
}

staging_has_content() {
	compgen -G "$images/.staging-*/rootfs/again1"
}

interrupted_by() { # SIGNAL
	local pid status=0 before

	rm -rf "$images/evil"
	before=$(snapshot)
	env --default-signal=INT carrelctl image import evil "$slow" >/dev/null 2>"$work/interrupted" &
	pid=$!
	wait_until 10 staging_has_content
	kill "-$1" "$pid"
	wait "$pid" || status=$?
	expect_eq $((128 + $(kill -l "$1"))) "$status" "exit status"
	[ "$1" = KILL ] || expect_match 'interrupted; nothing was imported' "$(<"$work/interrupted")"
	expect_eq "$before" "$(snapshot)"
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
	wait_until 5 no_process carrelctl # the child dies with its parent
	expect_match '^\.staging-evil-[0-9]+ base$' "$(image_names)"
	archive </dev/null
	accepted
	expect_eq "base evil" "$(image_names)"
	slow_archive
	drop evil
	interrupted_by KILL
	wait_until 5 no_process carrelctl
	expect_status 0 carrelctl gc
	expect_match 'removed 1 unfinished image' "$output"
	expect_eq base "$(image_names)"
}

test_odd_surroundings() {
	archive <<<'dir implicit/parent mode=750'
	for mask in 0 077; do
		rm -rf "$images/evil"
		(umask "$mask" && carrelctl image import evil "$tar" <&- >&- 2>&-)
		expect_eq "755 750 644" "$(cd "$images/evil" && stat -c %a rootfs/implicit rootfs/implicit/parent manifest | paste -sd' ')"
	done
	drop evil
}

test_killed_child() {
	local pid status=0

	slow_archive
	carrelctl image import evil "$slow" 2>"$work/killed" &
	pid=$!
	wait_until 10 staging_has_content
	pkill -KILL -P "$pid"
	wait "$pid" || status=$?
	expect_eq 1 "$status"
	expect_match 'died by signal 9' "$(<"$work/killed")"
	expect_eq base "$(image_names)"
}

# --- command line, remove ---

test_usage() {
	local word

	for word in ../x .x -x a/b '' "$(printf 'n%.0s' {1..64})" 'a b'; do
		expect_status 2 carrelctl image import -- "$word" "$TEST_IMAGE"
	done
	expect_status 2 carrelctl image import x
	expect_status 1 setpriv --reuid=65534 --clear-groups carrelctl image import x "$TEST_IMAGE"
	expect_match 'must be run as root' "$errors"
	expect_status 1 setpriv --reuid=65534 --clear-groups carrelctl image list
	expect_eq base "$(image_names)"
}

pin() { # UID
	install -d -m 700 "/var/lib/carrel/users/$1"
	echo base >"/var/lib/carrel/users/$1/image"
}

test_remove_what_users_have() {
	install -d -m 700 /var/lib/carrel/users
	pin 2001
	expect_status 1 carrelctl image remove base
	expect_match 'the root filesystem of uid 2001 is built on' "$errors"
	pin 2002 && pin 2003 && pin 2004 && pin 2005
	expect_status 1 carrelctl image remove base
	expect_match 'uid [0-9]+, [0-9]+, [0-9]+ and 2 more' "$errors"
	expect_eq base "$(image_names)"
	expect_status 1 carrelctl image remove nothing
	expect_match "image 'nothing' is not imported" "$errors"
	expect_status 2 carrelctl image remove ../users
}

record() { # ID
	printf 'id=%s\nuid=%s\nuser=u\nimage=base\nservice=s\nrhost=\ntty=\ncgroup=c\nstarted=1\nkeeper=1\ninit=1\n' \
		"$1" "${1%-*}"
}

test_remove_what_a_session_uses() {
	local dir=/run/carrel/sessions/2001-00000001 keeper

	mkdir -p "$dir"
	record 2001-00000001 >"$dir/record"
	flock -o -x "$dir/record" sleep 60 &
	keeper=$!
	wait_until 5 fails flock -xn "$dir/record" true
	expect_status 1 carrelctl image remove --force base
	expect_match "session '2001-00000001' is using image 'base'" "$errors"
	kill "$keeper"
	wait "$keeper" || true
	wait_until 5 flock -xn "$dir/record" true
	expect_status 0 carrelctl image remove --force base
	expect_eq '' "$(image_names)"
	rm -r /run/carrel
}
