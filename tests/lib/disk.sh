# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is for the suites
# For suites about limits of disk space and files: . "$lib/disk.sh"
#
# Each test is a body that runs once for each method by which such a limit can be kept: `each BODY`. Here these are disk images;
# tests/vm/suites/quota.sh runs the same tests by project quotas, which not every kernel has.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

TEST_TIMEOUT=240
state=/var/lib/carrel
methods=(image)
quota_filesystem=ext4

prepare_disk_limits() {
	make_loop_nodes
	prepare
	add_user u1
	add_user u2
	own_device=$(stat -c %d "$state")
	[[ " ${methods[*]} " != *' project '* ]] || make_quota_filesystem
}

make_quota_filesystem() {
	mkdir "$work/quota"
	truncate -s 1G "$work/quota.img"
	case $quota_filesystem in
	ext4) mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota,lazy_itable_init=1 "$work/quota.img" ;;
	xfs) mkfs.xfs -q "$work/quota.img" ;;
	esac
	mount -o loop,prjquota "$work/quota.img" "$work/quota"
	rm -rf "$work/quota/lost+found"
	chmod 700 "$work/quota"
	cp -a "$state/images" "$work/quota/"
}

# The body of a test, once for each method, with no files of users.
each() { # FUNCTION
	for method in "${methods[@]}"; do
		echo "--- by $method"
		until [ "$(stat -c %d "$state")" = "$own_device" ]; do # a test that failed
			umount -l "$state"
		done
		if [ "$method" = project ]; then
			mount --bind "$work/quota" "$state"
		fi
		rm -rf "$state"/users
		remember_mounts
		"$1"
		nothing_left_at_the_end
		rm -rf "$state"/users
		if [ "$method" = project ]; then
			umount "$state"
		fi
	done
}

nothing_left_at_the_end() {
	nothing_left
	expect_eq '' "$(mounts_of vault | grep ext4 || true)" 'in the vault'
	wait_until 30 no_loop_devices
}

no_loop_devices() {
	local file

	for file in "$state"/users/*/disk.img; do
		[ ! -e "$file" ] || [ -z "$(losetup -j "$file")" ] || return 1
	done
}

disk_limits() { # SETTINGS
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { user_limits = { $1 }; };"
}

user_dir() { # USER
	echo "$state/users/$(id -u "$1")"
}

# KiB that a user takes on the host.
taken() { # USER
	du -sk "$(user_dir "$1")" | cut -f1
}

full='No space left|[Qq]uota exceeded'

expect_full() { # COMMAND…
	local status=0

	output=$("$@" 2>&1) || status=$?
	[ "$status" != 0 ] || fail "'$*' had room"
	expect_match "$full" "$output"
}

storage_line() { # USER: as carrelctl explain has it
	carrelctl explain "$1" | sed -n 's/^storage *[^ ]* *//p'
}

none_live() {
	! carrelctl list --json | grep -q '"state": *"live"'
}
