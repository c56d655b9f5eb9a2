# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Limits of disk space and files by project quotas of ext4: tests of tests/ssh/disk*.sh, in the throw-away host of a virtual
# machine, whose kernel has the quota format (CONFIG_QFMT_V2).

# shellcheck source=tests/ssh/disk.sh
. "$repo/tests/ssh/disk.sh"
# shellcheck source=tests/ssh/disk_changes.sh
. "$repo/tests/ssh/disk_changes.sh"
# shellcheck source=tests/ssh/disk_moved.sh
. "$repo/tests/ssh/disk_moved.sh"
methods=(project)
TEST_TIMEOUT=600
quota_suites=("$repo/tests/vm/suites/quota.sh" "$file") # of xfs, when it is that
file=$work/tests                                       # where the runner finds the names
{
	grep -h '^test_' "${quota_suites[@]}" | sort -u
	grep -h '^test_\(a_full_disk\|no_files\|raised\|set_in\|reset\|switched\|shown\|snapshots\)' "$repo"/tests/ssh/disk{,_changes,_moved}.sh
} >"$file"

test_the_project_stays() { each project_stays; }

project_stays() {
	local file how

	disk_limits 'disk = "24M"; inodes = "2000";'
	put_helper u1 disk_probe
	for file in /root /var/x; do
		ssh_as u1 "mkdir -p $file; touch $file/f"
		for how in "project $file/f 0" "project $file/f 77" "project $file 0" "leave $file" "flags $file"; do
			expect_status 1 ssh_as u1 "disk_probe $how"
			expect_match 'Invalid argument|not permitted|Function not implemented|Inappropriate' "$output" "$how"
		done
	done
	expect_status 0 ssh_as u1 'touch /root/f && mv /root/f /root/g && mkdir /root/h && mv /root/g /root/h && rm -r /root/h'
	expect_status 0 ssh_as u1 'touch /var/f /etc/motd && mv /var/f /etc/motd && rm /etc/motd && mkdir /etc/motd && rmdir /etc/motd'
	# The control: what may do it, can.
	for how in "project $(user_dir u1)/home/f2 77" "leave $(user_dir u1)/home" "flags $(user_dir u1)/upper"; do
		touch "$(user_dir u1)/home/f2"
		# shellcheck disable=SC2086
		expect_status 0 "$B/tests/helpers/disk_probe" $how
	done
}
