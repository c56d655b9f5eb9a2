# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Directories of the host in the sandbox, and who arranges their sources and targets to get at more.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

data=/home/data # can be idmapped, unlike the view's root

setup() {
	prepare
	add_user u1
	binds ''
	ssh_as u1 true
	state=/var/lib/carrel/users/$(id -u u1)
	owner=$(stat -c %u:%g "$state/upper")
	install -d -m 755 $data $data/ro
	install -d -m 755 -o u1 -g u1 $data/rw
	echo one >$data/ro/file
	echo secret >/root/secret
}

binds() { # ENTRIES [DEFAULTS]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { binds = ( $1 ); ${2-} };"
}

host_state() {
	find /etc /root $data -xdev -printf '%p %M %U %G %T@ %l\n' | sort
	cut -d' ' -f5- /proc/self/mountinfo | sort
}

test_links_at_the_target_lead_nowhere() {
	local target before

	binds "{ source = \"$data/rw\"; target = \"/srv/bound/here\"; }"
	for target in /proc /proc/sys/user /dev / ../../../../../../../etc . /nowhere; do
		for place in srv srv/bound srv/bound/here; do
			rm -rf "$state/upper/srv" "$state/upper"/srv.in-the-way-*
			install -d "$state/upper/${place%/*}"
			[ "$place" != srv ] || rmdir "$state/upper/srv"
			ln -s "$target" "$state/upper/$place"
			chown -hR "$owner" "$state/upper/srv"
			before=$(host_state)
			expect_status 0 ssh_as u1 'grep -c " /srv/bound/here " /proc/mounts; cat /proc/sys/user/max_user_namespaces; readlink '"/$place"'.in-the-way-*'
			expect_eq $'1\n0\n'"$target" "$output" "/$place -> $target"
			expect_eq "$before" "$(host_state)" "the host, /$place -> $target"
		done
	done
	nothing_left
	rm -rf "$state/upper/srv" "$state/upper"/srv.in-the-way-*

	# The control: who mounts by name, mounts where the link leads, and here that is what confines the sandbox.
	mkdir -p "$work/naive"
	ln -s /etc "$work/naive/here"
	expect_status 0 unshare --mount --propagation private sh -c "mount --bind $data/rw $work/naive/here && ls -A /etc"
	expect_eq "$(ls -A $data/rw)" "$output" "the control"
}

# Other things that a user could keep themselves from logging in with.
test_other_things_at_the_target() {
	local place what

	binds "{ source = \"$data/ro\"; target = \"/srv/bound/here\"; }, { source = \"$data/ro/file\"; target = \"/srv/file\"; }"
	for place in srv srv/bound srv/bound/here srv/file; do
		for what in touch mkfifo 'mkdir -m 000' 'truncate -s 1T'; do
			rm -rf "$state/upper/srv" "$state/upper"/srv.in-the-way-*
			install -d "$state/upper/${place%/*}"
			[ "$place" != srv ] || rmdir "$state/upper/srv"
			$what "$state/upper/$place"
			chown -hR "$owner" "$state/upper/srv"
			expect_status 0 ssh_as u1 'cat /srv/bound/here/file /srv/file'
			expect_eq $'one\none' "$output" "$what at /$place"
		done
	done
	nothing_left
	rm -rf "$state/upper/srv" "$state/upper"/srv.in-the-way-*
}

test_a_race_for_the_target() {
	local i status refused=0 before

	binds ''
	hold_session u1
	in_session u1 "$session" 'mkdir -p /srv/bound; while [ ! -e /stop ]; do
		mv /srv/bound /srv/away; ln -s /proc /srv/bound; rm /srv/bound; ln -s /etc /srv/bound; rm /srv/bound; mv /srv/away /srv/bound; done' >/dev/null 2>&1 &
	binds "{ source = \"$data/rw\"; target = \"/srv/bound/sys\"; }"
	before=$(host_state | grep -v ' /run/carrel')
	for ((i = 0; i < 15; i++)); do
		status=0
		output=$(ssh_as u1 'grep -c " /proc/sys " /proc/mounts; cat /proc/sys/user/max_user_namespaces' 2>&1) || status=$?
		case $status:$output in
		0:$'1\n0') ;;
		254:carrel:*) refused=$((refused + 1)) ;; # the user's own fault, and they are told
		*) fail "login $i: status $status, '$output'" ;;
		esac
	done
	echo "$refused of 15 refused"
	in_session u1 "$session" 'touch /stop'
	wait $!
	release_session
	expect_eq "$before" "$(host_state | grep -v ' /run/carrel')" "the host"
	expect_status 0 ssh_as u1 'rm -f /stop'
	rm -rf "$state/upper/srv" "$state/upper"/srv.in-the-way-*
}

# Whoever can write a directory on the way decides where it leads.
test_a_source_below_a_directory_of_the_users() {
	local source lines

	install -d -o u1 -g u1 /home/u1/share
	install -d -m 1777 $data/tmp
	install -d -m 775 -g u1 $data/group
	mkdir $data/tmp/share $data/group/share
	for source in /home/u1/share $data/tmp/share $data/group/share; do
		binds "{ source = \"$source\"; target = \"/a\"; optional = true; }"
		expect_status 254 ssh_as u1 'ls /a'
		expect_match 'which leads there' "$output$errors" "$source"
	done
	# Also where a link of root's leads through it.
	ln -s /home/u1/share/deep $data/link
	mkdir /home/u1/share/deep
	binds "{ source = \"$data/link\"; target = \"/a\"; }"
	expect_status 254 ssh_as u1 'ls /a'
	expect_match "'/home/u1', which leads there, belongs to uid" "$output$errors"
	ln -sfn ../data/./ro/../ro $data/link
	binds "{ source = \"$data/link\"; target = \"/a\"; readonly = true; }"
	expect_status 0 ssh_as u1 'cat /a/file'
	expect_eq one "$output" "a link of root's"

	# The control: the user has put a link in its place, and a mount by name follows.
	rm -r /home/u1/share
	as_user u1 ln -s /root /home/u1/share
	mkdir -p "$work/point"
	expect_status 0 unshare --mount --propagation private sh -c "mount --bind /home/u1/share $work/point && cat $work/point/secret"
	expect_eq secret "$output" "the control"
	rm /home/u1/share
}

test_a_readonly_bind_stays_so() {
	local how

	binds "{ source = \"$data/ro\"; target = \"/data\"; readonly = true; }" 'seccomp = "off";'
	chown u1 $data/ro $data/ro/file
	for how in remount,bind,rw remount,rw; do
		expect_status 1 ssh_as u1 "mount -o $how /data || mount -o $how none /data"
		expect_match 'denied|not permitted' "$errors" "$how"
	done
	expect_status 1 ssh_as u1 'unshare -m mount -o remount,bind,rw /data'
	expect_status 1 ssh_as u1 'umount /data'
	expect_status 1 ssh_as u1 'echo changed >/data/file'
	expect_match 'Read-only' "$errors"

	# The control: with every capability over the sandbox it can be done, which is why sys_admin and binds do not go together.
	hold_session u1
	expect_status 0 nsenter -t "$(init_of "$session")" -U -m -p /bin/busybox mount -o remount,bind,rw /data
	expect_status 0 in_session u1 "$session" 'echo changed >/data/file'
	expect_eq changed "$(<$data/ro/file)" "the control"
	release_session
	echo one >$data/ro/file
	chown root $data/ro $data/ro/file
	binds "{ source = \"$data/ro\"; target = \"/data\"; readonly = true; }" 'seccomp = "off"; capabilities = [ "sys_admin" ];'
	expect_status 254 ssh_as u1 true
}

test_setuid_files() {
	local probe=$B/tests/helpers/inside_probe

	# Its group as well: the bit does not count where one of the two is nobody's inside.
	install -m 4755 -o u1 -g u1 "$probe" $data/rw/suid
	binds "{ source = \"$data/rw\"; target = \"/data\"; }"
	hold_session u1
	expect_status 0 in_session u1 "$session" 'su nobody -s /bin/sh -c "/data/suid caps"'
	expect_eq 0000000000000000 "$output"
	expect_status 0 nsenter -t "$(init_of "$session")" -U -m -p /bin/busybox mount -o remount,bind,suid /data
	expect_status 0 in_session u1 "$session" 'su nobody -s /bin/sh -c "/data/suid caps"'
	expect_ne 0000000000000000 "$output" "the control: without nosuid"
	release_session
	expect_status 0 ssh_as u1 'cp /data/suid /usr/bin/suid; chmod 4755 /usr/bin/suid; su nobody -s /bin/sh -c "/usr/bin/suid caps"; rm /usr/bin/suid'
	expect_ne 0000000000000000 "$output" "the control: in the rootfs, where they do no harm"
	# Nor can one be made there for the host that belongs to somebody else.
	expect_status 1 ssh_as u1 'cp /data/suid /data/other && chown nobody /data/other'
	rm -f $data/rw/suid $data/rw/other
}

test_device_nodes() {
	mknod -m 666 $data/rw/zero c 1 5
	head -c 1 $data/rw/zero >/dev/null || fail "the control"
	binds "{ source = \"$data/rw\"; target = \"/data\"; }"
	expect_status 1 ssh_as u1 'head -c 1 /data/zero'
	expect_match 'ermission denied' "$errors"
	expect_status 1 ssh_as u1 'mknod /data/new c 1 5'
	expect_match 'not permitted' "$errors"
	rm $data/rw/zero
	# And none as a source.
	binds "{ source = \"/dev/null\"; target = \"/data\"; optional = true; }"
	expect_status 254 ssh_as u1 true
	expect_match 'neither a directory nor a regular file' "$output$errors"
}

test_nothing_propagates() {
	mount --make-rshared /
	mount --bind $data/rw $data/rw # a mount of its own, and shared
	mkdir -p $data/rw/sub
	chown u1 $data/rw/sub
	mount -t tmpfs before $data/rw/sub
	echo hidden >$data/rw/sub/before
	binds "{ source = \"$data/rw\"; target = \"/data\"; }"
	hold_session u1
	mount -t tmpfs later $data/rw/sub
	echo hidden >$data/rw/sub/later
	expect_status 0 in_session u1 "$session" 'ls -A /data/sub; grep -cE "shared:|master:" /proc/self/mountinfo; true'
	expect_eq 0 "$output" "mounts of the host inside, and mounts that propagate"
	# The other way, with every capability over the sandbox.
	expect_status 0 nsenter -t "$(init_of "$session")" -U -m -p /bin/busybox mount -t tmpfs inner /data/sub
	expect_status 0 in_session u1 "$session" 'grep -c "^inner /data/sub" /proc/mounts'
	expect_status 1 grep -c '^inner ' /proc/mounts

	# The control: a plain bind has both.
	mkdir -p "$work/plain"
	mount --bind $data/rw "$work/plain"
	mount -t tmpfs control "$work/plain/sub"
	expect_match "$data/rw/sub" "$(grep '^control ' /proc/mounts)" "the control"
	umount "$work/plain/sub" "$work/plain"
	end_client
	wait_until 30 test ! -e "/run/carrel/sessions/$session"
	umount $data/rw/sub $data/rw/sub $data/rw
	mount --make-rprivate /
	nothing_left
}

# Whoever meets others in a bind can give them a directory of theirs, which they then have as long as their session lasts. It is
# the user's own loss: until then their files cannot be mounted again.
test_a_directory_given_to_another_sandbox() {
	local keeps

	add_user u2
	install -d -m 1777 $data/meet
	binds "{ source = \"$data/meet\"; target = \"/meet\"; }"
	put_helper u1 inside_probe
	put_helper u2 inside_probe
	hold_session u2
	in_session u2 "$session" 'inside_probe keep /meet/socket' >"$work/kept" &
	keeps=$!
	wait_until 30 test -S $data/meet/socket
	expect_status 0 ssh_as u1 'inside_probe give / /meet/socket'
	wait_until 30 grep -qx 'done' "$work/kept"
	wait_until 30 eval '[ -z "$(session_ids u1)" ]'
	expect_status 254 ssh_as u1 true
	expect_match "its files are still in use: a process elsewhere, in another user's sandbox perhaps" "$output$errors"
	expect_eq alive "$(in_session u2 "$session" 'echo alive')"
	end_client
	wait "$keeps" || true
	nothing_left
	expect_status 0 ssh_as u1 true # the control
}
