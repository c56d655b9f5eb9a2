# shellcheck shell=bash
# shellcheck disable=SC2164 # a failing cd ends the test
# What images are made from beside plain archives: layers of OCI and Docker images, this host's busybox. And what is said
# of them afterwards: list and verify.

images=/var/lib/carrel/images
layout=$work/layout

setup() {
	install -D "$B/carrelctl" /usr/local/sbin/carrelctl
	make_layers
	umoci init --layout "$layout"
	umoci new --image "$layout:latest"
	umoci raw add-layer --image "$layout:latest" "$work/one.tar"
	umoci raw add-layer --image "$layout:latest" "$work/two.tar"
	umoci raw add-layer --image "$layout:latest" "$work/three.tar"
	skopeo --insecure-policy copy --quiet "oci:$layout:latest" "docker-archive:$work/saved.tar:site/base:1"
}

entry() {
	"$B/tests/helpers/tar_entry" "$@"
}

# Everything that a layer may do to those below it.
make_layers() {
	local name dir

	{
		entry dir bin
		entry file bin/sh data='#!' mode=755
		entry dir etc
		for name in kept gone changed file-to-link file-to-dir other; do entry file "etc/$name" data=one; done
		entry hardlink etc/linked to=etc/changed
		for dir in opaque opaque-late removed dir-to-file dir-to-link; do
			entry dir "$dir"
			entry dir "$dir/sub"
			entry file "$dir/below" data=one
			entry file "$dir/sub/deep" data=one
		done
		entry symlink link-to-dir to=etc
		entry end
	} >"$work/one.tar"
	{
		entry file etc/.wh.gone
		entry file etc/changed data=two mode=640 uid=7
		entry symlink etc/file-to-link to=kept
		entry dir etc/file-to-dir
		entry file etc/file-to-dir/inside data=two
		entry file opaque/.wh..wh..opq
		entry dir opaque mode=700
		entry file opaque/above data=two
		# What a layer takes away and has itself, in either order.
		entry dir opaque-late
		entry file opaque-late/above data=two
		entry file opaque-late/.wh..wh..opq
		entry file .wh.removed
		entry file dir-to-file data=two
		entry symlink dir-to-link to=etc
		entry dir link-to-dir
		entry file link-to-dir/own data=two
		entry file .wh.nothing
		entry file nowhere/.wh.nothing
		entry file .wh..wh.plnk
		entry end
	} >"$work/two.tar"
	{
		entry dir removed
		entry file removed/again data=three
		entry file etc/.wh.file-to-dir
		entry file etc/.wh.other
		entry file etc/other data=three
		entry end
	} >"$work/three.tar"
}

describe() { # ROOTFS
	(
		cd "$1"
		find . -mindepth 1 ! -path ./usr ! -path './usr/lib*' -printf '%p %y %m %U %G %l\n' | sort
		find . -type f ! -path './usr/lib/*' -exec sha256sum {} + | sort -k 2
	)
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

# --- OCI and Docker ---

test_layers_come_to_what_umoci_unpacks() {
	local digest

	digest=$(skopeo inspect --format '{{.Digest}}' "oci:$layout:latest")
	expect_status 0 carrelctl image import --no-sftp layered "oci:$layout:latest"
	expect_match "^imported image 'layered'" "$output"
	expect_eq '' "$errors"
	umoci unpack --image "$layout:latest" "$work/bundle"
	diff <(describe "$work/bundle/rootfs") <(describe "$images/layered/rootfs")
	expect_eq one "$(<"$images/layered/rootfs/etc/linked")" "the other name of a file that a layer changed"
	expect_eq three "$(<"$images/layered/rootfs/etc/other")" "a file that a layer takes away and has"
	expect_eq "files manifest rootfs" "$(cd "$images/layered" && echo *)"
	expect_status 0 carrelctl image list --json
	expect_match "\"source\": \"oci:layout:latest\"" "$output"
	expect_match "\"digest\": \"$digest\"" "$output"
	carrelctl image verify layered
	drop layered
}

test_docker_archive() {
	expect_status 0 carrelctl image import --no-sftp saved "docker-archive:$work/saved.tar"
	expect_status 0 carrelctl image import --no-sftp named "docker-archive:$work/saved.tar:site/base:1"
	describe "$images/saved/rootfs" >"$work/saved"
	diff "$work/saved" <(describe "$images/named/rootfs")
	carrelctl image import --no-sftp layered "oci:$layout"
	diff "$work/saved" <(describe "$images/layered/rootfs")
	expect_match '"source": "docker-archive:saved.tar:site/base:1"' "$(carrelctl image list --json)"
	drop saved named layered
}

test_references() {
	umoci new --image "$layout:other"
	expect_status 1 carrelctl image import x "oci:$layout"
	expect_match 'more than one image' "$errors"
	expect_status 1 carrelctl image import x "oci:$layout:other"
	expect_match 'it has no layers' "$errors"
	expect_status 1 carrelctl image import x "oci:$layout:none"
	expect_match 'skopeo: .*none' "$errors"
	expect_status 1 carrelctl image import x "docker-archive:$work/saved.tar:site/base:2"
	expect_match 'skopeo: .*base:2' "$errors"
	umoci rm --image "$layout:other"
	# A colon may be part of the path.
	cp -r "$layout" "$work/with:colon"
	expect_status 0 carrelctl image import x "oci:$work/with:colon:latest"
	drop x
	rm -r "$work/with:colon"
}

test_without_skopeo() {
	mv /usr/bin/skopeo /usr/bin/skopeo.away
	expect_status 1 carrelctl image import x "oci:$layout"
	mv /usr/bin/skopeo.away /usr/bin/skopeo
	expect_match "this needs the program 'skopeo' \(Debian package skopeo\)" "$errors"
	expect_eq '' "$(find "$images" -mindepth 1)"
}

on_small_disk() {
	trap 'umount "$images"' EXIT
	mount -t tmpfs -o mode=700,size=1m small "$images"
	expect_status 1 carrelctl image import x "oci:$work/large"
	expect_match 'No space left on device|no space left on device' "$errors"
	expect_eq '' "$(find "$images" -mindepth 1)"
}

test_disk_full() {
	entry file large zeros=3000000 >"$work/large.tar"
	entry end >>"$work/large.tar"
	umoci init --layout "$work/large"
	umoci new --image "$work/large:latest"
	umoci raw add-layer --image "$work/large:latest" "$work/large.tar"
	(on_small_disk) # while unpacking: it is small when compressed
	skopeo --insecure-policy copy --quiet "oci:$work/large" "docker-archive:$work/large-saved.tar"
	rm -r "$work/large"
	(trap 'umount "$images"' EXIT
		mount -t tmpfs -o mode=700,size=1m small "$images"
		expect_status 1 carrelctl image import x "docker-archive:$work/large-saved.tar"
		expect_match 'skopeo: .*no space left' "$errors" # while laying out the layers
		expect_eq '' "$(find "$images" -mindepth 1)")
}

test_interrupted_in_skopeo() {
	local pid status=0

	cp /usr/bin/skopeo "$work/skopeo"
	printf '#!/bin/sh\n: >/carrel-work/started\nexec sleep 61\n' >/usr/bin/skopeo
	env --default-signal=INT carrelctl image import x "oci:$layout" 2>"$work/interrupted" &
	pid=$!
	wait_until 10 compgen -G "$images/.staging-*/layers/started"
	kill -INT "$pid"
	wait "$pid" || status=$?
	cp "$work/skopeo" /usr/bin/skopeo
	expect_eq 130 "$status"
	expect_match 'interrupted; nothing was imported' "$(<"$work/interrupted")"
	expect_eq '' "$(find "$images" -mindepth 1)"
	fails pgrep -fx 'sleep 61'
}

# --- busybox ---

test_build_busybox() {
	local root=$images/busybox/rootfs

	expect_status 0 carrelctl image build busybox
	expect_match "^imported image 'busybox'" "$output"
	expect_eq BusyBox "$(chroot "$root" /bin/sh -c 'busybox | head -n 1 | cut -d" " -f1')"
	expect_eq "root" "$(chroot "$root" /usr/bin/id -un)"
	expect_eq "1777 700 640" "$(cd "$root" && stat -c %a tmp root etc/shadow | paste -sd' ')"
	expect_match '"os": "BusyBox from ' "$(carrelctl image list --json)"
	carrelctl image verify busybox
	expect_status 1 carrelctl image build busybox
	expect_match 'already exists' "$errors"
	expect_status 0 carrelctl image build busybox small --no-sftp
	expect_status 2 carrelctl image build debian
	expect_match "only 'busybox' can be built" "$errors"
	drop busybox small
}

test_build_without_a_static_busybox() {
	mv /bin/busybox /bin/busybox.away
	cp /bin/true /bin/busybox # one that needs a loader
	expect_status 1 carrelctl image build busybox
	mv /bin/busybox.away /bin/busybox
	expect_match 'no static busybox on this host \(Debian package busybox-static\)' "$errors"
	expect_eq '' "$(find "$images" -mindepth 1)"
}

# --- verify ---

changes() { # what verify says of image x, a line each
	{ carrelctl image verify x 2>"$work/verify.errors" || true; } | awk 'NR > 1 { print $1, $2, $3 $4 $5 $6 }'
}

test_verify_names_what_changed() {
	local root=$images/x/rootfs

	carrelctl image import x "$TEST_IMAGE"
	expect_status 0 carrelctl image verify x
	expect_match "^image 'x' is as it was imported: [0-9]+ entries$" "$output"
	touch -d 2020-01-01 "$root/etc/passwd"
	expect_eq '' "$(changes)" "a time is no change"
	echo evil >>"$root/etc/passwd"
	mkdir "$root/etc/new"
	echo x >"$root/etc/new/file"
	rm -r "$root/srv" "$root/etc/group"
	chmod 4755 "$root/bin/busybox"
	chown 12 "$root/home"
	rm "$root/etc/shells"
	ln -s nowhere "$root/etc/shells"
	printf x >"$root/etc/"$'new\nline'
	chmod 777 "$root"
	setfattr_or_skip "$root/opt"
	expect_eq "changed / mode
changed /bin/busybox mode
removed /etc/group -
added /etc/new -
added /etc/new/file -
added /etc/new\\x0aline -
changed /etc/passwd size,content
changed /etc/shells kind
changed /home owner
changed /opt attributes
removed /srv -" "$(changes)"
	expect_match "image 'x' is not as it was imported: 3 added, 2 removed, 6 changed" "$(<"$work/verify.errors")"
	expect_status 1 carrelctl image verify x --json
	expect_match '"change": "changed",[[:space:]]*"path": "/etc/passwd",[[:space:]]*"what": "size, content"' "$output"
	drop x
}

setfattr_or_skip() { # PATH
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.x", b"y")' "$1"
}

# Names with bytes that come before a slash: a list in the order of whole paths would not match the walk.
test_verify_names_next_to_directories() {
	{
		entry dir bin
		entry file bin/sh mode=755
		for name in a a/b a/c; do entry dir "$name"; done
		for name in a-b 'a b' a.b a+ $'a\x01' ab a/b/x a/c-; do entry file "$name"; done
		entry end
	} >"$work/near.tar"
	carrelctl image import --no-sftp x "$work/near.tar"
	carrelctl image verify x
	rm "$images/x/rootfs/a/b/x" "$images/x/rootfs/a-b"
	: >"$images/x/rootfs/a/b-"
	expect_eq $'removed /a/b/x -\nadded /a/b- -\nremoved /a-b -' "$(changes)"
	drop x
}

test_verify_when_it_cannot() {
	carrelctl image import x "$TEST_IMAGE"
	sed -i 's/ etc\/passwd/ etc\/passwq/' "$images/x/files"
	expect_status 1 carrelctl image verify x
	expect_match 'the list of files is not the one that was made with the image' "$errors"
	: >"$images/x/files"
	expect_status 1 carrelctl image verify x
	expect_match "the list of files is (damaged|not the one)" "$errors"
	rm "$images/x/files"
	expect_status 1 carrelctl image verify x
	expect_match 'cannot open its list of files' "$errors"
	# One that was imported when no list was made.
	sed -i -e '/^tree=/d' -e "s/^digest=sha512:/sha512=/" "$images/x/manifest"
	expect_status 1 carrelctl image verify x
	expect_match "image 'x' has no list of its files: .* import it again" "$errors"
	expect_match '"digest": "sha512:[0-9a-f]{128}"' "$(carrelctl image list --json)"
	drop x
	expect_status 1 carrelctl image verify x
	expect_match "image 'x' is not imported" "$errors"
	expect_status 2 carrelctl image verify ../x
}

# Two imports of one file are one tree, whenever and wherever they were made.
test_the_digest_of_a_tree() {
	carrelctl image import --no-sftp a "$TEST_IMAGE"
	carrelctl image import --no-sftp b "$TEST_IMAGE"
	cmp "$images/a/files" "$images/b/files"
	expect_eq 1 "$(sed -n 's/^tree=//p' "$images"/{a,b}/manifest | sort -u | wc -l)"
	drop a b
}
