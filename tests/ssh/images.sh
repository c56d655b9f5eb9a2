# shellcheck shell=bash
# Logins into images of every origin: an OCI image made here with umoci, and one built from this host's busybox. (That of
# the official Alpine minirootfs is what every other suite uses.)

at=127.0.0.1

setup() {
	prepare
	add_user u1
	add_user u2
	write_config <<-'END'
		covers = [ "@carrel" ];
		rules = ( { match = "u1"; image = "layered"; }, { match = "u2"; image = "busybox"; } );
	END
}

# As images are made: a base, changed and packed again, twice.
make_oci_image() {
	umoci init --layout "$work/oci"
	umoci new --image "$work/oci:latest"
	umoci unpack --image "$work/oci:latest" "$work/one"
	tar -xzpf "$TEST_IMAGE" -C "$work/one/rootfs"
	echo first >"$work/one/rootfs/etc/layer"
	umoci repack --image "$work/oci:latest" "$work/one"
	umoci unpack --image "$work/oci:latest" "$work/two"
	echo second >"$work/two/rootfs/etc/layer"
	rm "$work/two/rootfs/etc/profile"
	rm -r "$work/two/rootfs/mnt"
	umoci repack --image "$work/oci:latest" "$work/two"
}

test_an_oci_image_gives_a_login() {
	echo hello >"$work/file"
	make_oci_image
	carrelctl image import layered "oci:$work/oci:latest"
	expect_status 0 ssh_as u1 'cat /etc/layer; id -u; test ! -e /etc/profile && test ! -e /mnt && echo gone'
	expect_eq $'second\n0\ngone' "$output"
	expect_status 0 ssh_as u1 'echo mine >/etc/layer; cat /etc/layer'
	expect_eq mine "$output"
	sftp -q "${ssh_options[@]/#-p/-P}" -b - "u1@$at" <<<"put $work/file file"
	expect_eq hello "$(ssh_as u1 'cat file')"
	nothing_left
	carrelctl image verify layered # a user's changes are the user's
}

test_the_busybox_image_gives_a_login() {
	carrelctl image build busybox
	expect_status 0 ssh_as u2 'id -un; . /etc/os-release; echo $ID'
	expect_eq $'root\nbusybox' "$output"
	sftp -q "${ssh_options[@]/#-p/-P}" -b - "u2@$at" <<<"put $work/file file"
	nothing_left
	carrelctl image verify busybox
}

test_an_image_in_use_is_not_removed() {
	local client

	expect_status 1 carrelctl image remove layered
	expect_match 'the root filesystem of uid [0-9]+ is built on' "$errors"
	ssh_as u1 'echo ready; sleep 60' >"$work/client" &
	client=$!
	wait_until 30 grep -q ready "$work/client"
	expect_status 1 carrelctl image remove --force layered
	expect_match "session '.*' is using image 'layered'" "$errors"
	carrelctl kill u1
	wait "$client" || true
	expect_status 0 carrelctl image remove --force layered
	expect_status 254 ssh_as u1 true
	expect_match "image 'layered' is not imported" "$output"
}
