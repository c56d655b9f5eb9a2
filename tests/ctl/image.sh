# shellcheck shell=bash
# carrelctl image: import, list and remove of good images. Archives that are none are in image_damaged.sh, those that try to
# get out in image_escape.sh and hostile_images.sh, what is left half done in image_interrupted.sh.

# shellcheck source=tests/lib/images.sh
. "$lib/images.sh"

setup() {
	prepare_images
	carrelctl image import base "$TEST_IMAGE"
}

# --- import ---

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
	refused "image 'base' already exists" "$tar" base
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

test_odd_surroundings() {
	archive <<<'dir implicit/parent mode=750'
	for mask in 0 077; do
		rm -rf "$images/evil"
		(umask "$mask" && carrelctl image import evil "$tar" <&- >&- 2>&-)
		expect_eq "755 750 644" "$(cd "$images/evil" && stat -c %a rootfs/implicit rootfs/implicit/parent manifest | paste -sd' ')"
	done
	drop evil
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

# What cannot be read may be what it is built on.
test_remove_when_a_state_cannot_be_read() {
	mkdir -p /var/lib/carrel/users/4711
	echo 'x y' >/var/lib/carrel/users/4711/image
	expect_status 1 carrelctl image remove base
	expect_match 'which image uid 4711 has is not known' "$errors"
	carrelctl image list | grep -q '^base '
	rm -r /var/lib/carrel/users/4711
}

test_remove_what_a_session_uses() {
	local dir=/run/carrel/sessions/2001-00000001 keeper

	mkdir -p "$dir"
	record 2001-00000001 >"$dir/record"
	flock -o -x "$dir/record" sleep 60 &
	keeper=$!
	wait_until 30 fails flock -xn "$dir/record" true
	expect_status 1 carrelctl image remove --force base
	expect_match "session '2001-00000001' is using image 'base'" "$errors"
	kill "$keeper"
	wait "$keeper" || true
	wait_until 30 flock -xn "$dir/record" true
	expect_status 0 carrelctl image remove --force base
	expect_eq '' "$(image_names)"
	rm -r /run/carrel
}
