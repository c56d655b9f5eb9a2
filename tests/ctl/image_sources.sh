# shellcheck shell=bash
# What images are made from beside plain archives: layers of OCI and Docker images, this host's busybox.

# shellcheck source=tests/lib/images.sh
. "$lib/images.sh"

setup() {
	prepare_images
	make_layers
	umoci init --layout "$layout"
	umoci new --image "$layout:latest"
	umoci raw add-layer --image "$layout:latest" "$work/one.tar"
	umoci raw add-layer --image "$layout:latest" "$work/two.tar"
	umoci raw add-layer --image "$layout:latest" "$work/three.tar"
	skopeo --insecure-policy copy --quiet "oci:$layout:latest" "docker-archive:$work/saved.tar:site/base:1"
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

# --- OCI and Docker ---

test_layers_come_to_what_umoci_unpacks() {
	local digest

	digest=$(skopeo inspect --format '{{.Digest}}' "oci:$layout:latest")
	expect_status 0 carrelctl image import --no-sftp layered "oci:$layout:latest"
	expect_match "^imported image 'layered'" "$output"
	expect_eq '' "$errors"
	as_umoci_unpacks layered
	expect_eq one "$(<"$images/layered/rootfs/etc/linked")" "the other name of a file that a layer changed"
	expect_eq three "$(<"$images/layered/rootfs/etc/other")" "a file that a layer takes away and has"
	expect_eq "files manifest rootfs" "$(cd "$images/layered" && echo *)"
	expect_status 0 carrelctl image list --json
	expect_match "\"source\": \"oci:layout:latest\"" "$output"
	expect_match "\"digest\": \"$digest\"" "$output"
	carrelctl image verify layered
	drop layered
}

# What a layer says of lib/NAME, where lib is a link, is said of what that leads to, as tools write it for a merged /usr.
test_layers_through_links() {
	local layout=$work/links layer=$work/links.tar root=$images/links/rootfs

	{
		entry dir bin
		entry file bin/sh data='#!' mode=755
		entries <<-END
			dir usr
			dir usr/lib
			symlink lib to=usr/lib
			symlink absolute to=/usr/lib
			symlink climbing to=../../../usr/./lib/
			symlink chain to=absolute
			symlink dangling to=no/such
			file usr/lib/key data=secret
			file usr/lib/absolute data=secret
			file usr/lib/climbing data=secret
			file usr/lib/chain data=secret
			file usr/lib/keep data=one
			file usr/lib/changed data=one
			dir usr/lib/opaque
			file usr/lib/opaque/below data=one
			dir usr/lib/dir-to-file
			file usr/lib/dir-to-file/below data=one
			dir one
			dir two
			file one/stays data=one
			file one/goes data=one
			file two/goes data=one
			symlink replaced to=one
			symlink moved to=one
			end
		END
	} >"$work/one-links.tar"
	entries >"$layer" <<-END
		file lib/.wh.key
		file absolute/.wh.absolute
		file climbing/.wh.climbing
		file chain/.wh.chain
		file chain/.wh.no-such
		file lib/opaque/.wh..wh..opq
		file lib/opaque/above data=two
		file lib/changed data=two mode=640 uid=7
		file lib/new data=two
		file lib/dir-to-file data=two
		dir lib/sub/deeper mode=700
		file chain/sub/file data=two
		symlink lib/link to=keep
		hardlink hard to=chain/keep
		file dangling/file data=two
		dir replaced
		file replaced/.wh.stays
		symlink moved to=two
		file moved/.wh.goes
		symlink mine to=usr/lib
		file mine/through-its-own data=two
		end
	END
	layered "$work/one-links.tar" "$layer"
	expect_status 0 carrelctl image import --no-sftp links "oci:$layout"
	as_umoci_unpacks links
	expect_eq "changed dir-to-file keep link new opaque sub through-its-own" "$(ls "$root/usr/lib" | paste -sd' ')"
	expect_eq usr/lib "$(readlink "$root/lib")"
	expect_eq "goes stays" "$(ls "$root/one" | paste -sd' ')" "what was below a link that is replaced"
	carrelctl image verify links
	drop links
}

# Not all tools write the blocks that end an archive. Whether a layer is whole, its digest says.
test_layer_without_an_end() {
	local layout=$work/endless

	{ entry dir bin && entry file bin/sh data='#!' mode=755 && entry end; } >"$work/endless.tar"
	{ entry dir etc && entry file etc/last data=x; } >"$work/endless-2.tar"
	layered "$work/endless.tar" "$work/endless-2.tar"
	expect_status 0 carrelctl image import --no-sftp endless "oci:$layout"
	as_umoci_unpacks endless
	truncate -s -100 "$work/endless-2.tar" # the control: in the middle of a file is no end
	layered "$work/endless.tar" "$work/endless-2.tar"
	expect_status 1 carrelctl image import cut "oci:$layout"
	expect_match '[Tt]runcated' "$errors"
	drop endless
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
	no_images
}

on_small_disk() {
	trap 'umount "$images"' EXIT
	mount -t tmpfs -o mode=700,size=1m small "$images"
	expect_status 1 carrelctl image import x "oci:$work/large"
	expect_match "'large': it would leave less than 51.2K of the disk free" "$errors"
	no_images
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
		# While laying out the layers, whichever is seen first.
		expect_match 'skopeo: .*no space left|it would leave less than' "$errors"
		no_images)
}

# It is ended when little is left, not when nothing is.
test_skopeo_fills_the_disk() {
	cp /usr/bin/skopeo "$work/skopeo"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nyes | head -c "$(cat /carrel-source/bytes)" >/carrel-work/blob\nexec sleep "$(cat /carrel-source/seconds)"\n' >/usr/bin/skopeo
	mkdir "$work/fills"
	(trap 'umount "$images"; cp "$work/skopeo" /usr/bin/skopeo' EXIT
		mount -t tmpfs -o mode=700,size=16m small "$images"
		echo 16000000 >"$work/fills/bytes"
		echo 63 >"$work/fills/seconds"
		expect_status 1 carrelctl image import x "oci:$work/fills"
		expect_match "cannot import 'oci:$work/fills': it would leave less than 819K of the disk free" "$errors"
		no_images
		fails pgrep -fx 'sleep 63'
		echo 15000000 >"$work/fills/bytes" # the control: it goes on
		echo 0 >"$work/fills/seconds"
		expect_status 1 carrelctl image import x "oci:$work/fills"
		expect_match 'it has no digest|cannot open the layers' "$errors")
	rm -r "$work/fills"
}

test_progress_of_skopeo_on_a_terminal() {
	local screen

	cp /usr/bin/skopeo "$work/skopeo"
	printf '#!/bin/sh\nmkdir /carrel-work/blobs\nyes | head -c 3000000 >/carrel-work/blobs/part\nexec sleep 62\n' >/usr/bin/skopeo
	screen=$(expect -c "
		set timeout 30
		spawn -noecho carrelctl image import x oci:$layout
		expect -re {copying the layers of x: +2\\.[0-9]+M}
		send \003
		expect eof
		puts [wait]")
	cp "$work/skopeo" /usr/bin/skopeo
	expect_match 'copying the layers of x: +2\.[0-9]+M' "$screen"
	expect_match 'interrupted; nothing was imported' "$screen"
	no_images
}

test_interrupted_in_skopeo() {
	local pid status=0

	cp /usr/bin/skopeo "$work/skopeo"
	printf '#!/bin/sh\n: >/carrel-work/started\nexec sleep 61\n' >/usr/bin/skopeo
	env --default-signal=INT carrelctl image import x "oci:$layout" 2>"$work/interrupted" &
	pid=$!
	wait_until 30 compgen -G "$images/.staging-*/layers/started"
	kill -INT "$pid"
	wait "$pid" || status=$?
	cp "$work/skopeo" /usr/bin/skopeo
	expect_eq 130 "$status"
	expect_match 'interrupted; nothing was imported' "$(<"$work/interrupted")"
	no_images
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
	no_images
}
