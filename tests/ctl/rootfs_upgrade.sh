# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# carrelctl rootfs upgrade and export: what a user has, on another image and elsewhere.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

setup() {
	prepare_versions u1 u2
	inside u1 true
}

test_export() {
	local out=$work/export.tar

	ctl reset u1 --yes
	inside u1 'echo mine >/opt/user; rm /opt/deleted; ln /opt/user /opt/name2; chown 7:8 /opt/user; echo hers >/opt/hard2
		echo home >~/file; chmod 4711 ~/file; ln -s file ~/link; mkfifo ~/fifo; rm -r /opt/data'
	expect_status 0 ctl export u1 "$out"
	expect_eq 600 "$(stat -c %a "$out")"
	mkdir -p "$work/unpacked"
	tar -C "$work/unpacked" --numeric-owner -xpf "$out"
	cd "$work/unpacked" || return
	expect_eq 'mine' "$(cat opt/user)"
	expect_eq '7:8 2' "$(stat -c '%u:%g %h' opt/name2)"
	expect_eq 'hers hers' "$(cat opt/hard1 opt/hard2 | paste -sd" ")" "by all names"
	expect_eq '0:0 4711' "$(stat -c '%u:%g %a' root/file)"
	expect_eq file "$(readlink root/link)"
	[ -p root/fifo ] && [ ! -e opt/deleted ] && [ ! -e opt/data ] && [ -x bin/busybox ]
	expect_status 1 ctl export u1 "$out"
	expect_match 'exists already' "$errors"
	# With a session open, to a pipe.
	hold_session u1
	expect_eq "$(tar -tf "$out" | sort)" "$(ctl export u1 - | tar -tf - | sort)"
	release_session
	expect_eq 0 "$(overlays)"
	# As on NFS, which cannot rename without replacing.
	expect_status 0 strace -qq -o "$work/trace" -e inject=renameat2:error=EINVAL carrelctl rootfs export u1 "$work/nfs.tar"
	cmp "$out" "$work/nfs.tar"
	[ ! -e "$work/nfs.tar.part" ]
	expect_status 1 strace -qq -f -o "$work/trace" -e inject=access,faccessat,faccessat2:error=ENOENT:when=1 -e inject=renameat2:error=EINVAL \
		-P "$work/nfs.tar" carrelctl rootfs export u1 "$work/nfs.tar"
	expect_match 'File exists' "$errors"
	expect_status 1 ctl export u1 /nowhere/file
	expect_status 1 sh -c 'carrelctl rootfs export u1 - >/dev/full'
	# What was exported is an image.
	expect_status 0 carrelctl image import again "$out"
	carrelctl image remove again
	ctl reset u1 --yes
}

# A file may claim to be larger than the disk on which it is to be written down.
test_export_of_what_is_more_than_it_looks() {
	local out=$work/sparse.tar long

	long=$(head -c 6000 /dev/zero | tr '\0' v)
	inside u1 'cd && truncate -s 64G hole && truncate -s 1G parts && echo begin | dd of=parts conv=notrunc status=none &&
		echo middle | dd of=parts bs=1M seek=512 conv=notrunc status=none && truncate -s 3K small && head -c 300000 /dev/urandom >full && sha512sum full >sum'
	python3 - "$state/home" "$long" <<-'END'
		import os, struct, sys
		os.setxattr(sys.argv[1] + "/full", "user.long", sys.argv[2].encode())
		entries = ((1, 6, 0), (2, 4, 12345), (4, 4, 0), (16, 4, 0), (32, 0, 0)) # owner, a user, group, mask, others: acl(5)
		os.setxattr(sys.argv[1] + "/small", "system.posix_acl_access",
			struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
	END
	expect_status 0 ctl export u1 "$out"
	expect_match '^carrelctl: warning: 1 files without their access control lists$' "$errors"
	(($(stat -c %s "$out") < 40000000)) || fail "the archive has $(stat -c %s "$out") bytes"
	rm -rf "$work/unpacked"
	mkdir "$work/unpacked"
	tar -C "$work/unpacked" --xattrs --xattrs-include='*' --numeric-owner -xpf "$out" ./root
	cd "$work/unpacked/root" || return
	expect_eq "$((64 << 30)) $((1 << 30)) 3072" "$(stat -c %s hole parts small | paste -sd' ')"
	expect_eq begin "$(head -c 6 parts)"
	expect_eq middle "$(dd if=parts bs=1M skip=512 count=1 status=none | head -c 7)"
	expect_eq "$((1 << 30)) 13" "$(wc -c <parts) $(tr -d '\0' <parts | wc -c)"
	sha512sum -c --quiet sum
	expect_eq "$long" "$(python3 -c 'import os; print(os.getxattr("full", "user.long").decode())')"
	ctl reset u1 --yes
	rm -rf "$work/unpacked" "$out"
}

test_an_export_that_is_interrupted_leaves_nothing() {
	local status=0

	inside u1 'dd if=/dev/zero of=/root/large bs=1M count=300 status=none'
	: >"$work/cut.tar.part"
	setsid carrelctl rootfs export u1 "$work/cut.tar" 2>"$work/said" &
	wait_until 30 test -s "$work/cut.tar.part"
	kill -TERM $!
	wait $! || status=$?
	expect_eq 143 $status
	expect_match 'interrupted; nothing was exported' "$(<"$work/said")"
	[ ! -e "$work/cut.tar" ] && [ ! -e "$work/cut.tar.part" ]
	# What is beside it is not followed, and not taken over.
	ln -s "$work/elsewhere" "$work/cut.tar.part"
	expect_status 1 ctl export u1 "$work/cut.tar"
	expect_match "cannot make '.*cut.tar.part'" "$errors"
	[ ! -e "$work/elsewhere" ]
	rm "$work/cut.tar.part"
	ctl reset u1 --yes
}

test_upgrade() {
	ctl reset u1 --yes
	inside u1 'cd /opt && echo mine >user && echo mine >both && touch same image && rm deleted deleted2 && echo mine >added && echo gone >gone/file &&
		echo home >~/file && mkdir own && echo own >own/file'
	expect_status 0 ctl upgrade u1 --image v2 --dry-run
	expect_eq "$(sort <<-'END'
		added added /opt/added
		changed changed /opt/both
		changed deleted /opt/gone/file
		deleted changed /opt/deleted2
	END
	)" "$(ctl upgrade u1 --image v2 --dry-run --json | python3 -c 'import json,sys
for r in json.load(sys.stdin)["conflicts"]: print(r["user"], r["image"], r["path"])' | sort)"
	expect_eq v1 "$(ctl list --json | field image)"
	expect_eq 'image 1' "$(inside u1 'cat /opt/image')"
	ctl snapshot u1 before
	expect_status 0 ctl upgrade u1 --image v2 --yes
	expect_match '/opt/both' "$output"
	expect_eq v2 "$(ctl list --json | field image)"
	expect_eq 'same 1,mine,image 2,mine,new,mine,own,home,gone' \
		"$(inside u1 'cd /opt; cat same user image both new added own/file ~/file gone/file' | paste -sd,)"
	expect_status 1 inside u1 'ls /opt/deleted || ls /opt/deleted2'
	expect_status 1 ctl upgrade u1 --image v3 --yes
	expect_match "image 'v3' is not imported" "$errors"
	expect_status 2 ctl upgrade u1 --yes
	# New users are still given the image of the policy; the two live side by side.
	expect_eq 'image 1' "$(inside u2 'cat /opt/image')"
	# The snapshot remembers what it was on.
	expect_status 0 ctl rollback u1 before --yes
	expect_eq 'image 1,mine' "$(inside u1 'cd /opt; cat image both' | paste -sd,)"
	expect_eq v1 "$(ctl list --json | field image | head -n 1)"
}

# A directory that was made anew hides what the image has there: what the user has in it is all that there is.
test_upgrade_of_directories_that_were_made_anew() {
	local seen before

	ctl reset u1 --yes
	seen='find /opt/data /opt/bothdir -exec stat -c "%n %a" {} \; | sort; cat /opt/data/sub/inner /opt/data/own'
	inside u1 'cd /opt && cp -a data /tmp/d && rm -r data && cp -a /tmp/d data && echo own >data/own && rm data/hard3 &&
		cp -a bothdir /tmp/b && rm -r bothdir && cp -a /tmp/b bothdir'
	before=$(inside u1 "$seen")
	expect_match 'inner.own' "$before"
	expect_eq $'added - /opt/data/own\ndeleted - /opt/data/hard3' "$(changes u1)"
	expect_status 0 ctl upgrade u1 --image v2 --yes
	expect_match 'replaced +changed +/opt/bothdir' "$output" "what the new image has changed in it"
	expect_eq "$before" "$(inside u1 "$seen")"
	# One level deeper than the mark.
	inside u1 'rm -r /opt/data/sub && mkdir -p /opt/data/sub'
	expect_match 'deleted - /opt/data/sub/inner' "$(changes u1)"
	ctl reset u1 --yes
	expect_status 0 ctl upgrade u1 --image v1 --yes
}

# While somebody is asked about an upgrade neither of the images goes, nor does the list of conflicts grow unseen.
test_upgrade_while_others_work() {
	local status=0

	ctl reset u1 --yes
	inside u1 'echo mine >/opt/both'
	mkfifo "$work/go"
	cat >"$work/dialogue" <<-END
		set timeout 60
		spawn carrelctl rootfs upgrade u1 --image v2
		expect "Go on?"
		exec sh -c "echo asked >$work/asked; cat $work/go"
		send "yes\\r"
		expect eof
		exit [lindex [wait] 3]
	END
	expect -f "$work/dialogue" >"$work/said" 2>&1 </dev/null &
	wait_until 30 test -s "$work/asked"
	expect_status 1 carrelctl image remove v2
	expect_match "image 'v2' is in use by a login that is not open yet, or by another carrelctl" "$errors"
	expect_status 1 carrelctl image remove --force v2
	expect_status 1 carrelctl image remove --force v1
	inside u1 'echo mine >/opt/image'
	echo >"$work/go"
	wait $! || status=$?
	expect_eq 1 $status
	expect_match 'there are 2 conflicts now and not 1' "$(<"$work/said")"
	expect_eq v1 "$(ctl list --json | field image | head -n 1)"
	expect_eq mine "$(inside u1 'cat /opt/image')"
	ctl reset u1 --yes
}

# An overlay refers to files by their numbers. Those are others in a copy, or in an image that was imported anew.
test_files_from_a_backup_and_an_image_imported_anew() {
	inside u1 'echo mine >/opt/user; echo hers >/opt/hard1; echo home >~/file'
	cp -a "$state" "$work/backup"
	rm -r "$state"
	cp -a "$work/backup" "$state"
	expect_status 254 ssh_as u1 true
	expect_syslog "'carrelctl rootfs upgrade u1 --image v1' mends it"
	expect_status 0 ctl upgrade u1 --image v1 --yes
	expect_eq 'mine,hers,home' "$(inside u1 'cat /opt/user /opt/hard1 ~/file' | paste -sd,)"
	carrelctl image remove --force v1
	carrelctl image import v1 "$work/v1.tar.gz"
	expect_status 254 ssh_as u1 true
	expect_status 0 ctl upgrade u1 --image v1 --yes
	expect_eq 'mine,hers,home' "$(inside u1 'cat /opt/user /opt/hard1 ~/file' | paste -sd,)"
}

test_an_image_of_a_snapshot_is_in_use() {
	ctl upgrade u1 --image v2 --yes
	ctl upgrade u2 --image v2 --yes
	expect_status 1 carrelctl image remove v1
	expect_match "image 'v1' is what" "$errors"
	ctl drop u1 before --yes
	expect_status 0 carrelctl image remove v1
	carrelctl image import v1 "$work/v1.tar.gz"
}
