# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Whose a root filesystem is: uids that change hands, ranges of ids that somebody else has.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

setup() {
	prepare_versions u1
}

test_a_uid_that_another_account_has_got() {
	local uid dir

	inside u1 'echo secret >~/file; echo secret >/opt/user'
	ids=$(cat "$state/ids")
	uid=$(id -u u1)
	ctl snapshot u1 his
	wait_until 30 userdel u1 # not while sshd's process of the user ends
	useradd -u "$uid" -m -d /home/new -s "$shell_path" -G carrel new
	allow_key new
	expect_eq 'user 1,' "$(inside new 'cat /opt/user ~/file 2>/dev/null' | paste -sd,),"
	expect_ne "$ids" "$(cat "$state/ids")" "the blocks of ids"
	dir=$(basename "$(ls -d "$users/$uid".u1.*)")
	expect_syslog "uid $uid is now 'new' and was 'u1' before, whose files are kept in '$users/$dir'"
	expect_status 0 ctl list
	expect_match "u1 +$uid +kept +v1 .* $dir" "$output"
	expect_match "new +$uid +used +v1 " "$output"
	# The files kept aside are looked at while the new account uses its own.
	hold_session new
	expect_eq 1 "$(overlays)"
	expect_status 0 ctl list
	expect_match "u1 +$uid +kept " "$output"
	expect_eq 1 "$(overlays)" "root filesystems in the vault"
	expect_status 0 ssh_as new true
	release_session
	expect_match 'changed +content .*/opt/user' "$(ctl diff "$dir")"
	expect_eq secret "$(ctl export "$dir" - | tar -xOf - ./root/file)"
	expect_status 0 ctl rollback "$dir" his --yes
	expect_status 0 ctl remove "$dir" --yes
	expect_status 1 ctl diff "$dir"
	expect_eq new "$(ctl list --json | field user | head -n 1)"
	wait_until 30 userdel new
}

test_not_while_the_old_account_is_logged_in() {
	local uid

	add_user u3
	uid=$(id -u u3)
	hold_session u3
	sed -i "s/^u3:/x3:/" /etc/passwd /etc/shadow
	sed -i 's/\bu3\b/u3,x3/' /etc/group
	install -d /home/x3
	expect_status 254 ssh_as x3 true
	expect_syslog "uid $uid was user 'u3' before, who is still logged in"
	sed -i "s/^x3:/u3:/" /etc/passwd /etc/shadow
	release_session
}

# Ranges of /etc/subuid that are not used, and why.
test_ranges_of_ids() {
	local uid=7001 range

	useradd -m -s "$shell_path" -G carrel u4 -u "$uid"
	allow_key u4
	for range in 524288 $((524288 - 1000)) 1879048000 6990; do
		carrelctl rootfs remove u4 --yes 2>/dev/null || true
		sed -i "/^u4:/d" /etc/subuid /etc/subgid
		echo "u4:$range:65536" | tee -a /etc/subuid >>/etc/subgid
		inside u4 true
		expect_match '^2[0-9]{9} ' "$(cat "$users/$uid/ids")" "range $range"
		expect_match "the range of 'u4' in /etc/subuid or /etc/subgid, from $range and $range, is not used: it gets another: it (overlaps with systemd|has ids of the system)" \
			"$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
	done
	# A login's own uid in it.
	ctl remove u4 --yes
	useradd -M -u 2000000005 far
	sed -i "/^u4:/d" /etc/subuid /etc/subgid
	echo "u4:2000000000:65536" | tee -a /etc/subuid >>/etc/subgid
	inside u4 true
	expect_match "it has the uid or group of user 'far' in it" "$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
	# And a good one is used.
	ctl remove u4 --yes
	sed -i "/^u4:/d" /etc/subuid /etc/subgid
	echo "u4:2000100000:65536" | tee -a /etc/subuid >>/etc/subgid
	inside u4 true
	expect_eq '2000100000 2000100000' "$(cat "$users/$uid/ids")"
	# It is refused to those who come later and have it too, and to a login that is one of its ids.
	useradd -m -s "$shell_path" -G carrel -u 7002 u5
	allow_key u5
	sed -i "/^u5:/d" /etc/subuid /etc/subgid
	echo "u5:2000165535:65536" | tee -a /etc/subuid >>/etc/subgid
	inside u5 true
	expect_match "it overlaps with that of '7001'" "$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
	useradd -m -s "$shell_path" -G carrel -u 2000100007 u6
	allow_key u6
	expect_status 254 ssh_as u6 true
	expect_syslog "uid 2000100007 is in the block of ids of the sandbox of '7001'"
}
