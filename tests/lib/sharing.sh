# shellcheck shell=bash
# For suites on filesystems whose files can share blocks: . "$lib/sharing.sh"

# A filesystem of this kind in place of /var/lib/carrel, before anything is there. mount loads what is a module, also from a container.
use_filesystem() { # TYPE
	make_loop_nodes
	truncate -s 1G "$work/filesystem.img"
	case $1 in
	xfs) mkfs.xfs -q "$work/filesystem.img" ;;
	btrfs) mkfs.btrfs -q "$work/filesystem.img" ;;
	esac
	if ! mount -o loop "$work/filesystem.img" /var/lib/carrel; then
		! grep -qw "$1" /proc/filesystems || fail "cannot mount $1"
		skip "this kernel has no $1"
	fi
	chmod 700 /var/lib/carrel
	remember_mounts
}

# KiB of the filesystem that are in use.
in_use() {
	sync -f /var/lib/carrel
	df --output=used -k /var/lib/carrel | tail -n 1
}

# Three snapshots of u1 and a rollback take next to nothing; a copy, the control, does.
snapshots_share() {
	local before used name

	expect_status 0 ssh_as u1 'head -c 30m /dev/urandom >/root/large; md5sum </root/large'
	before=$output
	nothing_left
	used=$(in_use)
	for name in one two three; do
		expect_status 0 carrelctl rootfs snapshot u1 $name
	done
	[ $(($(in_use) - used)) -lt 10000 ] || fail "three snapshots of 30 MiB took $(($(in_use) - used)) KiB"
	expect_status 0 ssh_as u1 'rm /root/large'
	nothing_left
	expect_status 0 carrelctl rootfs rollback --yes u1 two
	expect_eq "$before" "$(ssh_as u1 'md5sum </root/large')"
	nothing_left
	[ $(($(in_use) - used)) -lt 10000 ] || fail "a rollback took $(($(in_use) - used)) KiB"
	cp --reflink=never "/var/lib/carrel/users/$(id -u u1)/home/large" /var/lib/carrel/copy
	[ $(($(in_use) - used)) -gt 30000 ] || fail "a copy of 30 MiB took $(($(in_use) - used)) KiB"
	rm /var/lib/carrel/copy
}
