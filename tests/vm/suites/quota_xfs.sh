# shellcheck shell=bash
# The tests of quota.sh on xfs; and what shares blocks there.

# shellcheck source=tests/vm/suites/quota.sh
. "$repo/tests/vm/suites/quota.sh"
quota_filesystem=xfs

test_snapshots_share_blocks() { each snapshots_share; }

# KiB of the filesystem that are in use.
in_use() {
	sync -f "$state"
	df --output=used -k "$state" | tail -n 1
}

snapshots_share() {
	local before used name

	disk_limits ''
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
	[ $(($(in_use) - used)) -lt 10000 ] || fail "a rollback took $(($(in_use) - used)) KiB"
	# The control: a copy takes what it is large.
	cp --reflink=never "$(user_dir u1)/home/large" "$state/copy"
	[ $(($(in_use) - used)) -gt 30000 ] || fail "a copy of 30 MiB took $(($(in_use) - used)) KiB"
	rm "$state/copy"
}
