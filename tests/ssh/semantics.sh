# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The filesystem inside behaves as plain ext4 does, but for the differences that docs/operating.md has.

setup() {
	local case

	# Both on one ext4: what the sandbox is made of, and what it is compared with.
	truncate -s 200M "$work/ext4.img"
	mkfs.ext4 -q -F -b 4096 -I 256 "$work/ext4.img"
	mkdir "$work/ext4"
	mount_image "$work/ext4.img" "$work/ext4"
	mkdir -m 700 "$work/ext4/carrel"
	mount --bind "$work/ext4/carrel" /var/lib/carrel
	prepare
	add_user u1
	install -m 755 "$B/tests/helpers/fs_semantics" /var/lib/carrel/images/alpine/rootfs/usr/bin/fs_semantics
	for top in /var/lib/carrel/images/alpine/rootfs/cases "$work/ext4/cases" "$work/ext4/bound"; do
		mkdir "$top"
		for case in $("$B/tests/helpers/fs_semantics" --given); do
			mkdir -p "$top/$case/given/dir"
			printf given >"$top/$case/given/file"
			ln "$top/$case/given/file" "$top/$case/given/twin"
			printf inner >"$top/$case/given/dir/inner"
		done
	done
	# As root, with what the policy leaves root inside.
	setpriv --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+setfcap,+net_bind_service,+sys_chroot,+audit_write \
		"$B/tests/helpers/fs_semantics" "$work/ext4/cases" >"$work/plain"
}

# The view has no loop devices. The one taken here goes with its last mount. Somebody else may be as quick to take it.
mount_image() { # FILE DIRECTORY
	local device

	[ -e /dev/loop-control ] || mknod -m 600 /dev/loop-control c 10 237
	for _ in 1 2 3 4 5; do
		device=$(losetup --find)
		device=${device%% *} # "(lost)" where there is no such node
		[ -e "$device" ] || mknod -m 600 "$device" b 7 "${device#/dev/loop}"
		losetup "$device" "$1" || continue
		mount -t ext4 "$device" "$2"
		losetup --detach "$device" # when it is unmounted
		return
	done
	fail "no loop device could be had"
}

policy() { # DEFAULTS: settings
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 };"
}

# The lines of the documentation: "`case`" of the table whose first column has it, for a place.
documented() { # PLACE
	sed -n "s/^| \`\([a-z_]*\)\` | .* | \([a-z, ]*\) |\$/\1 \2/p" "$repo/docs/operating.md" | grep -w -- "$1" | cut -d' ' -f1 | sort
}

compare() { # PLACE FILE
	local differ

	differ=$(diff "$work/plain" "$2" || true)
	expect_eq "$(wc -l <"$work/plain")" "$(wc -l <"$2")" "cases in $1"
	expect_eq '' "$(comm -13 <(documented "$1") <(sed -n 's/^[<>] \([a-z_]*\) .*/\1/p' <<<"$differ" | sort -u))" "what else differs in $1: $differ"
}

test_plain_ext4_is_as_expected() {
	expect_match "of $(wc -l <"$work/plain") cases" "$(<"$repo/docs/operating.md")"
	expect_eq '' "$(grep ' died \|ENOSYS' "$work/plain")"
	for line in 'rename_exchange 1' 'link_dir EPERM' 'fallocate_punch 16384' 'flock_conflict EAGAIN' 'mmap_past_end 7' 'given_rename_dir 1'; do
		expect_match "$line" "$(<"$work/plain")"
	done
}

test_root_filesystem() {
	policy ''
	ssh_as u1 'fs_semantics /cases' >"$work/persistent"
	compare persistent "$work/persistent"
}

test_ephemeral() {
	policy 'rootfs = "ephemeral";'
	ssh_as u1 'fs_semantics /cases' >"$work/ephemeral"
	compare ephemeral "$work/ephemeral"
}

test_private_home() {
	policy ''
	ssh_as u1 'mkdir ~/cases; cd ~/cases; for c in $(fs_semantics --given); do
		mkdir -p $c/given/dir; printf given >$c/given/file; ln $c/given/file $c/given/twin; printf inner >$c/given/dir/inner; done
		fs_semantics ~/cases' >"$work/home"
	compare home "$work/home"
}

test_bind() {
	chown -R u1:u1 "$work/ext4/bound"
	policy "binds = ( { source = \"$work/ext4/bound\"; target = \"/bound\"; } );"
	ssh_as u1 'fs_semantics /bound' >"$work/bound"
	compare bind "$work/bound"
}
