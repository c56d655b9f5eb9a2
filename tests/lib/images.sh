# shellcheck shell=bash
# shellcheck disable=SC2034,SC2164 # what is set here is for the suites; a failing cd ends the test
# For suites about carrelctl image: . "$lib/images.sh"
#
# Archives made by tar_entry, imports of them, and what these have done to the host.

images=/var/lib/carrel/images
watched=/tmp/watched # what hostile archives aim at
tar=$work/evil.tar
layout=$work/layout # of an OCI image
slow=$work/slow.tar

prepare_images() {
	install -D "$B/carrelctl" /usr/local/sbin/carrelctl
	mkdir -p "$watched/empty" "$images"
	echo untouched >"$watched/secret"
	chmod 600 "$watched/secret"
	chmod 700 /var/lib/carrel "$images"
}

# --- building archives ---

entry() {
	"$B/tests/helpers/tar_entry" "$@"
}

entries() { # lines of arguments of tar_entry on standard input
	local words

	while read -r -a words; do
		entry "${words[@]}"
	done
}

shell_entries() { # what every image must have
	entry dir bin
	entry file bin/sh mode=755 data='#!'
}

archive() { # entries on standard input, after those of a shell
	{ shell_entries && entries && entry end; } >"$tar"
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

layered() { # TAR…        an OCI layout of these layers
	local layer

	rm -rf "$layout"
	umoci init --layout "$layout"
	umoci new --image "$layout:latest"
	for layer in "$@"; do
		umoci raw add-layer --image "$layout:latest" "$layer"
	done
}

# --- looking at what an import did ---

describe() { # ROOTFS
	(
		cd "$1"
		find . -mindepth 1 -printf '%p %y %m %U %G %l\n' | sort
		find . -type f -exec sha256sum {} + | sort -k 2
	)
}

as_umoci_unpacks() { # IMAGE, which was imported from $layout
	rm -rf "$work/bundle"
	umoci unpack --image "$layout:latest" "$work/bundle"
	diff <(describe "$work/bundle/rootfs") <(describe "$images/$1/rootfs")
}

# The host, as far as it could be changed: contents, and what a stat shows, with times of change. And who is mounted where.
host() {
	find "$watched" /etc/pam.d /etc/ssh /etc/passwd /etc/shadow /root -xdev -type f -exec sha256sum {} + | sort -k 2
	find "$watched" /etc /root /usr/local/*bin /tmp /home -xdev -printf '%p %y %i %n %m %U %G %s %C@ %l\n' | sort
	find /dev /var/lib/carrel -maxdepth 2 ! -path "$images/*" -printf '%p %y %i %m %U %G\n' | sort
	cat /proc/self/mountinfo
}

known='' # how the host is, unless the test itself has changed it since

image_names() {
	find "$images" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort | paste -sd' '
}

refused() { # REASON [SOURCE [NAME]]: $tar or another source, as image "evil" or another
	local names

	rm -rf "$images/evil"
	[ -n "$known" ] || known=$(host)
	names=$(image_names)
	expect_status 1 carrelctl image import "${3-evil}" "${2-$tar}"
	expect_match '^carrelctl: ' "$errors" reason
	expect_match "$1" "$errors" reason
	expect_eq 1 "$(wc -l <<<"$errors")" "lines of the reason"
	expect_eq '' "$output" output
	expect_eq "$names" "$(image_names)" images
	expect_eq "$known" "$(host)" "the host"
}

accepted() { # $tar as image "evil", under $rootfs; removed by the next call
	local before

	rm -rf "$images/evil"
	before=$(host)
	expect_status 0 carrelctl image import evil "$tar"
	expect_eq "$before" "$(host)" "the host"
	rootfs=$images/evil/rootfs
}

no_images() {
	expect_eq '' "$(find "$images" -mindepth 1 -maxdepth 1)" images
}

drop() { # IMAGE…
	local name

	for name in "$@"; do
		carrelctl image remove "$name"
	done
}

fails() {
	! "$@"
}
