# shellcheck shell=bash
# For suites about root filesystems on disk: . "$lib/rootfs.sh"

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

users=/var/lib/carrel/users

# Two versions of an image: what is changed between them, and files with several names.
make_images() {
	local tree=$work/tree name

	mkdir -p "$tree"
	tar -C "$tree" --numeric-owner -xf "$TEST_IMAGE"
	mkdir -p "$tree/opt/data/sub" "$tree/opt/bothdir" "$tree/opt/gone"
	for name in same user image both deleted deleted2; do
		echo "$name 1" >"$tree/opt/$name"
	done
	echo one >"$tree/opt/hard1"
	ln "$tree/opt/hard1" "$tree/opt/hard2"
	ln "$tree/opt/hard1" "$tree/opt/data/hard3"
	echo inner >"$tree/opt/data/sub/inner"
	echo here >"$tree/opt/gone/file"
	echo here >"$tree/opt/bothdir/file"
	tar -C "$tree" --numeric-owner -czf "$work/v1.tar.gz" .
	carrelctl image import v1 "$work/v1.tar.gz"
	for name in image both deleted2; do
		echo "$name 2" >"$tree/opt/$name"
	done
	echo new >"$tree/opt/new"
	echo new >"$tree/opt/added"
	rm -r "$tree/opt/gone"
	chmod 700 "$tree/opt/bothdir"
	tar -C "$tree" --numeric-owner -czf "$work/v2.tar.gz" .
	carrelctl image import v2 "$work/v2.tar.gz"
}

# What most of these suites begin with: everyone's image is v1. The first user's files will be in $state.
prepare_versions() { # [USER…]
	local user

	start_syslog
	install_carrel
	enable_pam sshd
	make_images
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v1"; };'
	start_sshd
	for user in "$@"; do
		add_user "$user"
	done
	[ $# = 0 ] || state=$users/$(id -u "$1")
}

# A login, and its end: the client is back before all of it is gone, and what it asked for is carried out.
inside() { # USER COMMAND
	local status=0

	ssh_as "$@" || status=$?
	wait_until 30 no_session "$1"
	return $status
}

no_session() { # USER: and nobody who is busy with their files
	[ -z "$(session_ids "$1")" ] || return 1
	[ ! -d "$users/$(id -u "$1")" ] || flock -n "$users/$(id -u "$1")" true
}

ctl() {
	carrelctl rootfs "$@"
}

field() { # NAME: of the JSON objects, a line each
	python3 -c 'import json,sys
for row in list(json.load(sys.stdin).values())[0]: print(row[sys.argv[1]])' "$1"
}

changes() { # USER: "change what path", sorted
	ctl diff "$1" --json | python3 -c 'import json,sys
for r in json.load(sys.stdin)["diff"]: print(r["change"], r["what"] or "-", r["path"])' | sort
}
