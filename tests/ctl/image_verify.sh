# shellcheck shell=bash
# carrelctl image verify: what became of an image since it was imported, and of the list that says so.

# shellcheck source=tests/lib/images.sh
. "$lib/images.sh"

setup() {
	prepare_images
}

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
		entry symlink link to=here
		entry file same data=one
		entry file zlast
		entry end
	} >"$work/near.tar"
	carrelctl image import --no-sftp x "$work/near.tar"
	carrelctl image verify x
	rm "$images/x/rootfs/a/b/x" "$images/x/rootfs/a-b"
	: >"$images/x/rootfs/a/b-"
	ln -sfn away "$images/x/rootfs/link" # the same kind, mode and size
	printf two >"$images/x/rootfs/same"
	rm "$images/x/rootfs/zlast"
	expect_eq $'removed /a/b/x -\nadded /a/b- -\nremoved /a-b -\nchanged /link content\nchanged /same content\nremoved /zlast -' "$(changes)"
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
