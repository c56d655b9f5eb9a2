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
	expect_status 1 ctl export u1 /nowhere/file
	expect_status 1 sh -c 'carrelctl rootfs export u1 - >/dev/full'
	# What was exported is an image.
	expect_status 0 carrelctl image import again "$out"
	carrelctl image remove again
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
	)" "$(conflicts u1 v2 | sort)"
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

conflicts() { # USER IMAGE
	ctl upgrade "$1" --image "$2" --dry-run --json | python3 -c 'import json,sys
for r in json.load(sys.stdin)["conflicts"]: print(r["user"], r["image"], r["path"])'
}

# A directory that was removed and put back hides that of the image: nothing of the image shows in it, also where it is the same.
test_upgrade_of_a_directory_that_the_user_put_back() {
	local seen

	ctl reset u1 --yes
	inside u1 'cp -a /opt/data /opt/bothdir ~ && rm -r /opt/data /opt/bothdir && cp -a ~/data ~/bothdir /opt && touch -d @1000 /opt/data/sub
		mkdir /opt/made && echo mine >/opt/made/file'
	seen=$(inside u1 'cd /opt && find data bothdir made ! -type d -exec md5sum {} + | sort')
	expect_match 'data/sub/inner' "$seen"
	expect_match 'data/hard3' "$seen"
	expect_match 'bothdir/file' "$seen"
	expect_eq "replaced changed /opt/bothdir" "$(conflicts u1 v2)" "what both changed"
	expect_status 0 ctl upgrade u1 --image v2 --yes
	expect_eq "$seen" "$(inside u1 'cd /opt && find data bothdir made ! -type d -exec md5sum {} + | sort')" "what they had put there"
	expect_eq '755 755' "$(inside u1 'cd /opt && stat -c %a bothdir data/sub | paste -sd" "')"
	# And back: `gone` is a directory that only the first image has, and that the user has made meanwhile.
	inside u1 'mkdir -p /opt/gone/sub && echo here >/opt/gone/mine'
	expect_match 'added added /opt/gone' "$(conflicts u1 v1)"
	expect_status 0 ctl upgrade u1 --image v1 --yes
	expect_eq "$seen" "$(inside u1 'cd /opt && find data bothdir made ! -type d -exec md5sum {} + | sort')" "what they had put there"
	expect_eq 'mine sub' "$(inside u1 'ls /opt/gone | paste -sd" "')"
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
