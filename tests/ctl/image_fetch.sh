# shellcheck shell=bash
# carrelctl image fetch, from a mirror on loopback: whole, broken off and gone on with, wrong, and not there.

port=8021
site=$work/site
arch=$(uname -m)
version=3.20.3
archive=alpine-minirootfs-$version-$arch.tar.gz
releases=$site/v3.20/releases/$arch
downloads=/var/lib/carrel/downloads

setup() {
	install -D "$B/carrelctl" /usr/local/sbin/carrelctl
	mkdir -p "$releases" "$site/latest-stable/releases"
	cp "$TEST_IMAGE" "$releases/$archive"
	write_index "$releases/latest-releases.yaml" "$archive" "$version"
	ln -s "$releases" "$site/latest-stable/releases/$arch"
	python3 "$repo/tests/helpers/mirror.py" "$port" "$site" &
	wait_until 30 curl -s -o /dev/null "http://127.0.0.1:$port/log"
}

write_index() { # INDEX FILE VERSION [SUM]        as Alpine writes it
	local sum size

	sum=$(sha512sum <"$TEST_IMAGE")
	size=$(stat -c %s "$TEST_IMAGE")
	cat >"$1" <<-END
		---
		-
		  title: "Standard"
		  desc: |
		    Alpine as it was intended.
		    sha512: 0
		  branch: v3.20
		  arch: $arch
		  version: $3
		  flavor: alpine-standard
		  file: alpine-standard-$3-$arch.iso
		  size: 1
		  sha512: 00
		-
		  title: "Mini root filesystem"
		  desc: |
		    Minimal root filesystem.
		    For use in containers
		    and minimal chroots.
		  branch: v3.20
		  arch: $arch
		  version: $3
		  flavor: alpine-minirootfs
		  file: $2
		  iso: $2
		  date: 2024-09-06
		  time: 11:20:26
		  size: $size
		  sha256: 0
		  sha512: ${4-${sum%% *}}
	END
}

fetch() { # [ARGUMENT…]
	carrelctl image fetch --mirror "http://127.0.0.1:$port/" alpine "$@"
}

manner() { # [HOW]
	: >"$site/log"
	printf '%s\n' "$*" >"$site/manner"
}

nothing_was_made() {
	expect_eq '' "$(find /var/lib/carrel/images -mindepth 1 -maxdepth 1)" images
}

drop() {
	carrelctl image remove "${1-alpine}"
	nothing_was_made
	expect_eq '' "$(find "$downloads" -mindepth 1)" "what is left of downloads"
}

kept() {
	stat -c %s "$downloads/$archive.part"
}

test_fetch_the_latest() {
	local sum

	sum=$(sha512sum <"$TEST_IMAGE")
	manner
	expect_status 0 fetch
	expect_match "^imported image 'alpine'" "$output"
	expect_match "warning: 'http://127.0.0.1:$port' is not https" "$errors"
	expect_status 0 carrelctl image list --json
	expect_match "\"digest\": \"sha512:${sum%% *}\"" "$output"
	expect_match "\"source\": \"http://127.0.0.1:$port/latest-stable/releases/$arch/$archive\"" "$output"
	carrelctl image verify alpine
	expect_status 1 fetch
	expect_match "image 'alpine' already exists" "$errors"
	drop
}

test_fetch_a_branch_under_another_name() {
	manner
	expect_status 0 fetch 3.20 --as alpine-3.20
	expect_status 0 fetch v3.20.3 --no-sftp
	expect_match '"sftp": "none"' "$(carrelctl image list --json)"
	carrelctl image remove alpine-3.20
	drop
	expect_match '/v3.20/releases/' "$(<"$site/log")"
}

# One that its branch's index does not have any more is still there, with its digest beside it.
test_fetch_an_older_release() {
	local older=alpine-minirootfs-3.20.1-$arch.tar.gz

	manner
	cp "$TEST_IMAGE" "$releases/$older"
	(cd "$releases" && sha512sum "$older" >"$older.sha512")
	expect_status 0 fetch 3.20.1
	expect_match "$older" "$(carrelctl image list --json)"
	drop
	sed -i 's/^../zz/' "$releases/$older.sha512"
	expect_status 1 fetch 3.20.1
	expect_match 'is not a line of sha512sum' "$errors"
	expect_status 1 fetch 3.20.2
	expect_match 'alpine-minirootfs-3.20.2-.*404' "$errors"
	nothing_was_made
	rm "$releases/$older"*
}

test_wrong_checksum() {
	local zeros

	zeros=$(printf '%0128d' 0)
	manner
	write_index "$releases/latest-releases.yaml" "$archive" "$version" "$zeros"
	expect_status 1 fetch
	expect_match "the SHA-512 of '$archive' begins with [0-9a-f]+, and should with 0000000000000000: the download was removed" "$errors"
	expect_eq '' "$(find "$downloads" -mindepth 1)" "what is left of downloads"
	nothing_was_made
	write_index "$releases/latest-releases.yaml" "$archive" "$version"
}

test_broken_off_and_gone_on_with() {
	manner cut 100000
	expect_status 1 fetch
	expect_match '100000 bytes are kept: the same command goes on from there' "$errors"
	expect_eq 100000 "$(kept)"
	nothing_was_made
	expect_status 1 fetch
	expect_eq 200000 "$(kept)"
	manner
	expect_status 0 fetch
	expect_match "$archive bytes=200000-" "$(<"$site/log")"
	expect_eq 1 "$(grep -c "$archive" "$site/log")" "requests for the archive"
	carrelctl image verify alpine
	drop
}

test_a_server_that_cannot_go_on() {
	manner cut 100000
	expect_status 1 fetch
	manner norange
	expect_status 0 fetch
	expect_eq 2 "$(grep -c "$archive" "$site/log")" "requests for the archive"
	drop
}

test_what_was_kept_is_of_another_file() {
	manner
	install -d -m 700 "$downloads"
	head -c 5000 /dev/zero >"$downloads/$archive.part"
	expect_status 1 fetch
	expect_match 'the download was removed' "$errors"
	head -c 50000000 /dev/zero >"$downloads/$archive.part" # larger than it can be
	expect_status 0 fetch
	drop
}

test_more_than_there_should_be() {
	manner huge
	expect_status 1 fetch # no index has an end either
	nothing_was_made
	manner
	cat "$TEST_IMAGE" "$TEST_IMAGE" >"$releases/$archive"
	expect_status 0 fetch # what is above its size is not taken, and the digest is right
	drop
	cp "$TEST_IMAGE" "$releases/$archive"
}

test_an_index_that_is_none() {
	local index=$releases/latest-releases.yaml

	manner
	head -c 5000 "$TEST_IMAGE" >"$index"
	expect_status 1 fetch
	write_index "$index" "$archive" ../../../etc
	expect_status 1 fetch
	expect_match 'no sound version, size and SHA-512' "$errors"
	write_index "$index" "$archive" "$version"
	sed -i 's/alpine-minirootfs$/alpine-none/' "$index"
	expect_status 1 fetch
	expect_match "the index has no alpine-minirootfs for $arch" "$errors"
	rm "$index"
	expect_status 1 fetch
	expect_match 'latest-releases.yaml: curl: \(.* 404' "$errors"
	write_index "$index" "$archive" "$version"
	nothing_was_made
}

test_a_mirror_that_is_not_there() {
	expect_status 1 carrelctl image fetch alpine --mirror http://127.0.0.1:9
	expect_match "cannot import 'alpine': http://127.0.0.1:9/latest-stable/.*: curl: \(7\)" "$errors"
	expect_status 1 carrelctl image fetch alpine --mirror https://mirror.invalid/alpine
	expect_match 'curl: \(6\)' "$errors"
	nothing_was_made
}

test_interrupted() {
	local pid status=0

	manner slow
	env --default-signal=INT carrelctl image fetch --mirror "http://127.0.0.1:$port" alpine 2>"$work/interrupted" &
	pid=$!
	wait_until 30 test -s "$downloads/$archive.part"
	kill -INT "$pid"
	wait "$pid" || status=$?
	expect_eq 130 "$status" "exit status"
	expect_match 'interrupted; nothing was imported' "$(<"$work/interrupted")"
	nothing_was_made
	wait_until 30 no_curl
	manner
	expect_status 0 fetch
	expect_match "$archive bytes=[1-9]" "$(<"$site/log")"
	drop
}

no_curl() {
	! pgrep -x curl
}

test_progress_on_a_terminal() {
	local screen

	manner slow
	screen=$(expect -c "
		set timeout 30
		spawn -noecho carrelctl image fetch --mirror http://127.0.0.1:$port alpine
		expect -re {fetching $archive: +[0-9]+%}
		expect eof
		puts [wait]")
	expect_match "fetching $archive: +[0-9]+%" "$screen"
	drop
}

# Of an older release nobody says how large it is.
test_progress_without_a_size() {
	local screen older=alpine-minirootfs-3.20.1-$arch.tar.gz

	cp "$TEST_IMAGE" "$releases/$older"
	(cd "$releases" && sha512sum "$older" >"$older.sha512")
	manner slow
	screen=$(expect -c "
		set timeout 30
		spawn -noecho carrelctl image fetch --mirror http://127.0.0.1:$port alpine 3.20.1
		expect -re {fetching $older: +[0-9.]+\[KM\]}
		expect eof
		puts [wait]")
	expect_match "fetching $older: +[0-9.]+[KM]" "$screen"
	rm "$releases/$older"*
	drop
}

test_two_at_once() {
	local pid

	manner slow
	fetch >/dev/null 2>&1 &
	pid=$!
	wait_until 30 test -s "$downloads/$archive.part"
	expect_status 1 fetch --as other
	expect_match 'is being fetched already' "$errors"
	wait "$pid"
	drop
}

test_gc_of_downloads() {
	local lock

	install -d -m 700 "$downloads"
	echo x | tee "$downloads"/{old,new,locked}.part "$downloads/old.txt" >/dev/null
	touch -d '8 days ago' "$downloads"/{old,locked}.part "$downloads/old.txt"
	touch -d '6 days ago' "$downloads/new.part"
	exec {lock}<"$downloads/locked.part"
	flock -n "$lock"
	expect_status 0 carrelctl gc
	expect_eq "removed the unfinished download 'old.part'" "$output"
	expect_eq "locked.part new.part old.txt" "$(ls "$downloads" | paste -sd' ')"
	exec {lock}<&-
	expect_status 0 carrelctl gc
	expect_eq "removed the unfinished download 'locked.part'" "$output"
	rm "$downloads"/{new.part,old.txt}
	rmdir "$downloads"
	expect_status 0 carrelctl gc
	expect_eq '' "$output$errors"
}

test_usage() {
	local word

	for word in 3 3.20.3.1 latest ../x 3.20/.. ''; do
		expect_status 2 fetch "$word"
		expect_match 'is not a version of Alpine' "$errors"
	done
	for word in ftp://x file:///etc 127.0.0.1 'http://a b' ''; do
		expect_status 2 carrelctl image fetch alpine --mirror "$word"
		expect_match 'is not an https' "$errors"
	done
	for word in user:hush@127.0.0.1 hush@x/alpine hush:@x?y "user:hush@127.0.0.1:$port/"; do
		expect_status 2 carrelctl image fetch alpine --mirror "http://$word"
		expect_match 'must not have a user or a password in it' "$errors"
		expect_no_match hush "$errors"
	done
	expect_status 1 carrelctl image fetch alpine --mirror "http://127.0.0.1:$port/a@b"
	expect_match '404' "$errors" "an at-sign elsewhere is no password"
	expect_status 2 carrelctl image fetch debian
	expect_match "only 'alpine' can be fetched" "$errors"
	expect_status 2 fetch --as ../x
	expect_status 2 carrelctl image fetch alpine --mirror
	expect_match "'--mirror' needs a value" "$errors"
	nothing_was_made
}

test_without_curl() {
	mv /usr/bin/curl /usr/bin/curl.away
	expect_status 1 fetch
	mv /usr/bin/curl.away /usr/bin/curl
	expect_match "this needs the program 'curl' \(Debian package curl\)" "$errors"
	nothing_was_made
}
