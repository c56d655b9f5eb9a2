# shellcheck shell=bash
# carrelctl rootfs on xfs: what only files of xfs have.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"
# shellcheck source=tests/lib/sharing.sh
. "$lib/sharing.sh"

setup() {
	use_filesystem xfs
	prepare_versions u1
	inside u1 true
}

test_snapshots_share_blocks() {
	snapshots_share
}

set_attributes() { # HOW-MANY: of names of 255 bytes
	python3 - "$state/home/many" "$1" <<-'END'
		import os, sys
		open(sys.argv[1], "a").close()
		for i in range(int(sys.argv[2])):
		    os.setxattr(sys.argv[1], "user.%0250d" % i, b"")
	END
}

# More than can be listed. Whose file it is, is said, and nothing is lost.
test_too_many_attributes() {
	set_attributes 250
	expect_status 0 ctl snapshot u1 listed
	expect_eq 250 "$(python3 -c 'import os, sys; print(len(os.listxattr(sys.argv[1])))' "$state/snapshots/listed/home/many")"
	set_attributes 300
	expect_status 1 ctl snapshot u1 many
	expect_match "a file has too many extended attributes \(more than 64 KiB of names\): cannot copy 'many': Argument list too long" "$errors"
	expect_status 0 ssh_as u1 'rm ~/many'
	nothing_left
	expect_status 0 ctl snapshot u1 many
}
