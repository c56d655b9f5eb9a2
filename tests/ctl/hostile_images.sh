# shellcheck shell=bash
# Archives and layers that are made to do harm to who imports them. Each is refused, with its reason, and the host is as
# it was: the files that they aim at, by their digests, and the table of mounts. What lies in image_escape.sh and
# image_damaged.sh one by one is here together, beside the layers of OCI images.

# shellcheck source=tests/lib/images.sh
. "$lib/images.sh"

refusals=0

setup() {
	prepare_images
}

# Refused, with a reason that names the source, and counted.
turned_away() { # REASON [SOURCE]
	refused "$@"
	expect_match "^carrelctl: cannot import '${2-$tar}': " "$errors" reason
	no_images
	refusals=$((refusals + 1))
	printf '%s\n' "$errors" >>"$work/reasons"
}

# A tar archive of a shell and the entries on standard input.
hostile() { # REASON
	archive
	turned_away "$1"
}

test_control_they_do_harm_to_the_careless() {
	local names

	mkdir /tmp/careless
	{
		shell_entries
		entries <<-END
			symlink out to=$watched
			file out/planted data=x
			file ../../../../../../../../../../../../..$watched/climbed data=x
			hardlink linked to=$watched/secret
			char device mode=666
		END
		entry end
	} >"$tar"
	tar -xPf "$tar" -C /tmp/careless
	expect_eq 2 "$(stat -c %h "$watched/secret")" "links of the secret"
	[ -c /tmp/careless/device ]
	names=$(find "$watched" -mindepth 1 -printf '%f\n' | sort | paste -sd' ')
	expect_eq "climbed empty planted secret" "$names"
	rm -rf /tmp/careless "$watched"/{climbed,planted}
}

# The archives, in one test, so that they are counted.
test_thirty_and_more() {
	local long deep many

	long=$(printf 'n%.0s' {1..256})
	deep=$(printf 'd/%.0s' {1..300})
	many=$(printf '../%.0s' {1..40})

	# Names that lead out.
	hostile "'../outside': the path leads out" <<<'file ../outside data=x'
	hostile 'leads out' <<<'dir bin/../../outside'
	hostile 'leads out' <<<'file bin/.. data=x'
	hostile 'leads out' <<<"file x pax=path:${many}tmp/watched/secret data=x"
	hostile 'leads out' <<<"file $watched/secret data=x"
	hostile 'leads out' <<<"symlink $watched/planted to=/"
	hostile 'leads out' <<<"dir //tmp//planted"
	hostile 'leads out' <<<"fifo ../pipe"

	# Links that are written through.
	hostile symlink <<-END
		symlink out to=$watched
		file out/secret data=x
	END
	hostile symlink <<-END
		symlink out to=../../../../../..$watched
		dir out/planted
	END
	hostile symlink <<-END
		symlink a to=b
		symlink b to=$watched
		symlink a/planted to=x
	END
	hostile symlink <<-END
		symlink out to=$watched
		fifo out/pipe
	END
	hostile symlink <<-END
		symlink proc to=/proc/self/root
		file proc/tmp/watched/secret data=x
	END
	hostile symlink <<-END
		dir usr
		symlink usr/lib to=/etc
		file usr/lib/planted data=x
	END

	# Hard links to what is not the image's.
	hostile 'hard link leads out' <<<"hardlink stolen to=$watched/secret"
	hostile 'hard link leads out' <<<"hardlink stolen to=../../../../../..$watched/secret"
	hostile symlink <<-END
		symlink out to=$watched
		hardlink stolen to=out/secret
	END
	hostile "'stolen'" <<<'hardlink stolen to=bin/nothing'
	hostile "'stolen'" <<<'hardlink stolen to=bin'

	# Owners that are somebody else's.
	hostile 'above 65535' <<<'file x uid=65536'
	hostile 'above 65535' <<<'file x gid=100000'
	hostile 'above 65535' <<<'file x pax=uid:4294967295'
	hostile '' <<<'file x pax=gid:-1'

	# Too much of something.
	hostile 'too long or too deep' <<<"file x pax=path:${deep}x"
	hostile 'too long or too deep' <<<"dir x pax=path:$long"
	hostile 'too long or too deep' <<<"hardlink x pax=linkpath:$long to=bin/sh"
	hostile 'larger than 64 GiB' <<<'file x pax=size:70000000000 data=x'
	hostile '' <<<'file x pax=GNU.sparse.major:1 pax=GNU.sparse.minor:0 pax=GNU.sparse.realsize:1152921504606846976 data=0'
	hostile 'the image is larger than 64 GiB' <<-'END' # each is within the limit, and costs nothing on disk
		file a pax=GNU.sparse.size:40000000000 pax=GNU.sparse.numblocks:1 pax=GNU.sparse.map:0,1 data=x
		file b pax=GNU.sparse.size:40000000000 pax=GNU.sparse.numblocks:1 pax=GNU.sparse.map:0,1 data=x
	END

	# One thing in the place of another.
	hostile "'bin'" <<<'file bin data=x'
	hostile "'bin/sh/x'" <<<'file bin/sh/x data=x'
	hostile 'no /bin/sh in the image' <<<'symlink bin/sh to=/usr/bin/env'
	hostile 'no /bin/sh in the image' <<<'fifo bin/sh mode=777'

	# The sftp-server that is added is not led out either.
	hostile 'usr/lib' <<-'END'
		dir usr
		file usr/lib data=x
	END

	# Not whole, or not what it says it is.
	{ shell_entries && entry file x zeros=50000; } >"$tar"
	truncate -s -30000 "$tar"
	turned_away '[Tt]runcated'
	shell_entries >"$tar"
	turned_away 'cut off'
	{ shell_entries && entry file x && entry end; } >"$tar"
	printf 'X' | dd of="$tar" bs=1 seek=1600 conv=notrunc status=none
	turned_away '[Dd]amaged'
	{ shell_entries && entry end; } | gzip -c | gzip -c >"$tar"
	turned_away 'compressed more than once'
	head -c 20000 /dev/urandom >"$tar"
	turned_away 'not a tar archive'
	rm "$tar"
	mkfifo "$tar"
	turned_away 'not a regular file'
	rm "$tar"
	expect_match '^(3[0-9]|4[0-9])$' "$refusals" "how many were refused"
	sort -u "$work/reasons"
}

# What is not refused, because it does nothing, or is made to: taken in without a trace on the host.
test_what_is_made_harmless() {
	local before rootfs=$images/mild/rootfs

	archive <<-END
		dir dev
		char dev/mem mode=666
		block dev/sda mode=666
		file capable pax=SCHILY.xattr.security.capability:xxxxxxxxxxxxxxxxxxxx
		file opaque pax=SCHILY.xattr.trusted.overlay.opaque:y pax=SCHILY.xattr.user.overlay.opaque:y
		file setuid mode=4755
		fifo pipe mode=666
		symlink dangling to=$watched/secret
		file twice data=first mode=4777
		file twice data=second mode=600
		dir ./ mode=777 uid=1000
	END
	before=$(host)
	expect_status 0 carrelctl image import mild "$tar"
	expect_match 'left out 2 device nodes' "$output"
	expect_match 'left out 3 extended attributes' "$output"
	expect_eq "$before" "$(host)" "the host"
	expect_eq '' "$(find "$rootfs" -type c -o -type b)"
	expect_eq 4755 "$(stat -c %a "$rootfs/setuid")" "a setuid bit is the sandbox's own affair"
	expect_eq "second 600" "$(<"$rootfs/twice") $(stat -c %a "$rootfs/twice")"
	expect_eq "755 0 0" "$(stat -c '%a %u %g' "$rootfs")"
	# Nobody but root comes near them.
	expect_status 2 setpriv --reuid=65534 --clear-groups ls "$rootfs"
	carrelctl image remove mild
}

# --- layers ---

base_layer() {
	{ shell_entries && entry dir etc && entry file etc/keep data=x && entry end; } >"$work/base.tar"
}

hostile_layer() { # REASON        on a layer with a shell
	base_layer
	{ entries && entry end; } >"$tar"
	layered "$work/base.tar" "$tar"
	turned_away "layer sha256:[0-9a-f]*: .*$1" "oci:$layout"
}

test_layers() {
	hostile_layer 'takes away something that is no name' <<<'file .wh...'
	hostile_layer 'takes away something that is no name' <<<'file bin/.wh..'
	hostile_layer 'leads out' <<<'file ../.wh.watched'
	hostile_layer 'leads out' <<<'file bin/../../.wh..wh..opq'
	hostile_layer 'leads out' <<<"hardlink x to=$watched/secret"
	hostile_layer 'above 65535' <<<'file x uid=65536'
	hostile_layer 'too many links lead to it' <<-END
		symlink loop to=loop
		file loop/x
	END
	# Taking away the shell is refused at the end, like a missing one.
	base_layer
	{ entry file bin/.wh.sh && entry end; } >"$tar"
	layered "$work/base.tar" "$tar"
	turned_away 'no /bin/sh in the image' "oci:$layout"
}

# Layers that go through links of the image stay in the image, and come to what umoci makes of them.
test_layers_through_links_that_lead_out() {
	local before

	{
		shell_entries
		entries <<-END
			symlink out to=$watched
			symlink up to=../../../../../..$watched
			dir etc
			file etc/keep data=x
			file etc/secret data=x
			symlink inside to=etc
		END
		entry end
	} >"$work/base.tar"
	entries >"$tar" <<-END
		file out/.wh.secret
		file out/.wh..wh..opq
		file out/planted data=x
		file up/climbed data=x
		hardlink up/linked to=out/planted
		symlink mine to=/etc
		file mine/passwd data=x
		file inside/.wh.keep
		end
	END
	layered "$work/base.tar" "$tar"
	before=$(host)
	expect_status 0 carrelctl image import --no-sftp mild "oci:$layout"
	expect_eq "$before" "$(host)" "the host"
	expect_eq "passwd secret" "$(ls "$images/mild/rootfs/etc" | paste -sd' ')"
	expect_eq "climbed linked planted" "$(ls "$images/mild/rootfs$watched" | paste -sd' ')"
	as_umoci_unpacks mild
	carrelctl image remove mild
}

# gzip, by its first two bytes.
file_of_layer() {
	local blob

	for blob in "$layout"/blobs/sha256/*; do
		[ "$(head -c 2 "$blob" | od -An -tx1)" != ' 1f 8b' ] || echo "$blob"
	done
}

break_manifests() {
	local blob

	for blob in $(grep -l '"layers"' "$layout"/blobs/sha256/*); do
		echo '{' >"$blob"
	done
}

test_layouts() {
	local blob

	base_layer
	layered "$work/base.tar"
	# A layer that is a link to a file of the host's, with the digest that belongs to it.
	blob=$(file_of_layer)
	[ -f "$blob" ]
	mv "$blob" "$watched/layer"
	ln -s "$watched/layer" "$blob"
	skopeo --insecure-policy copy --quiet "oci:$layout" "dir:$work/control" # the control: it follows links
	turned_away 'skopeo: .*no such file' "oci:$layout"
	rm "$blob"
	head -c 100 "$watched/layer" >"$blob"
	turned_away 'skopeo: ' "oci:$layout"
	cp "$work/base.tar" "$blob" # not what its digest says
	turned_away 'skopeo: .*([Dd]igest|does not match|[Ss]ize)' "oci:$layout"
	rm "$watched/layer"
	known=
	break_manifests
	turned_away 'skopeo: ' "oci:$layout"
	turned_away "there is no" "oci:$work/nothing"
	turned_away 'is not a directory' "oci:$work/base.tar"
	turned_away 'is not a regular file' "docker-archive:$layout"
	turned_away 'skopeo: ' "docker-archive:$work/base.tar"
	mkfifo "$work/fifo"
	turned_away 'is not a regular file' "docker-archive:$work/fifo"
	rm -r "$work/fifo" "$work/control"
}

# --- skopeo itself, taken over ---

probe() { # a program in skopeo's place that says what it can do
	cat <<-'END'
		#!/bin/bash
		exec 3>&2 2>/carrel-work/errors # where it is confined there is no /dev/null, and what cannot be redirected does not run
		can=
		for path in /etc /root /home /var /proc /dev /run /tmp/watched; do
			[ ! -e "$path" ] || can+=" see:$path"
		done
		: >/usr/planted && can+=" write:/usr" && rm /usr/planted
		: >/planted && can+=" write:/" && rm /planted
		: >/carrel-source/planted && can+=" write:/carrel-source" && rm /carrel-source/planted
		mkdir -p /carrel-work/mount && mount -t tmpfs none /carrel-work/mount && can+=" mount" && umount /carrel-work/mount
		mknod /carrel-work/device c 1 3 && can+=" mknod"
		cp /usr/bin/true /carrel-work/true && /carrel-work/true && can+=" exec:/carrel-work"
		chroot / true && can+=" chroot"
		chown 1 /carrel-work && can+=" chown"
		kill -0 "$PPID" && [ "$PPID" != 0 ] && can+=" kill"
		(exec 4<>/dev/tcp/127.0.0.1/8022) && can+=" connect"
		[ -d /carrel-work/mount ] && [ -s /carrel-work/true ] || can+=" nothing, for the probe did not run"
		echo "can:$can" >&3
		exit 1
	END
}

test_a_program_that_was_taken_over() {
	local pid

	base_layer
	layered "$work/base.tar"
	cp /usr/bin/skopeo "$work/skopeo"
	probe >/usr/bin/skopeo
	chmod 755 /usr/bin/skopeo
	mkdir /carrel-source /carrel-work
	python3 -m http.server --bind 127.0.0.1 8022 >/dev/null 2>&1 &
	pid=$!
	wait_until 30 curl -s -o /dev/null http://127.0.0.1:8022
	expect_status 1 skopeo # the control
	expect_eq "can: see:/etc see:/root see:/home see:/var see:/proc see:/dev see:/run see:/tmp/watched write:/usr write:/ write:/carrel-source mount mknod exec:/carrel-work chroot chown kill connect" "$errors"
	rm -r /carrel-source /carrel-work
	turned_away 'skopeo: can:$' "oci:$layout"
	kill "$pid"
	cp "$work/skopeo" /usr/bin/skopeo
}
