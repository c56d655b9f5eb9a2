# shellcheck shell=bash
# carrelctl image import of archives that try to get out of the image: one way after the other, and what becomes of each.

# shellcheck source=tests/lib/images.sh
. "$lib/images.sh"

setup() {
	prepare_images
}

# The control for what follows: these archives do harm where nobody looks.
test_control_careless_tar_is_taken_in() {
	archive <<-END
		symlink out to=$watched
		file out/planted data=x
		file ../../../../../../../../../../../../..$watched/climbed data=x
		file $watched/absolute data=x
		hardlink linked to=$watched/secret
	END
	mkdir /tmp/careless
	tar -xPf "$tar" -C /tmp/careless
	expect_eq 2 "$(stat -c %h "$watched/secret")" "links of the secret"
	rm -rf /tmp/careless
	expect_eq "absolute climbed empty planted secret" "$(find "$watched" -mindepth 1 -printf '%f\n' | sort | paste -sd' ')"
	rm "$watched"/{absolute,climbed,planted}
}

test_dot_dot() {
	archive <<<'file ../outside data=x'
	refused "'../outside': the path leads out of the image"
	archive <<<'dir bin/../../outside'
	refused 'leads out of the image'
	archive <<<'file bin/.. data=x'
	refused 'leads out of the image'
	archive <<<"file x pax=path:$(printf '../%.0s' {1..40})tmp/watched/secret data=x"
	refused 'leads out of the image'
}

test_absolute_path() {
	archive <<<"file $watched/planted data=x"
	refused 'leads out of the image'
	archive <<<"symlink $watched/planted to=/"
	refused 'leads out of the image'
}

test_write_through_a_symlink() {
	archive <<-END
		symlink out to=$watched
		file out/planted data=x
	END
	refused 'symlink'
	archive <<-END
		symlink out to=../../../../../..$watched
		dir out/planted
	END
	refused 'symlink'
	archive <<-END
		symlink a to=b
		symlink b to=$watched
		symlink a/planted to=x
	END
	refused 'symlink'
}

test_replacing_a_symlink_does_not_follow_it() {
	archive <<-END
		symlink file to=$watched/secret
		file file data=mine
		symlink directory to=$watched
		dir directory mode=777 uid=5
		symlink pipe to=$watched/secret
		fifo pipe mode=777
	END
	accepted
	expect_eq mine "$(<"$rootfs/file")"
	expect_eq directory "$(stat -c %F "$rootfs/directory")"
	drop evil
}

test_hard_links() {
	archive <<<"hardlink stolen to=$watched/secret"
	refused 'hard link leads out'
	archive <<<"hardlink stolen to=../../../../../..$watched/secret"
	refused 'hard link leads out'
	archive <<-END
		symlink out to=$watched
		hardlink stolen to=out/secret
	END
	refused 'symlink'
	archive <<<'hardlink stolen to=bin/nothing'
	refused "'stolen'"
	# One to a symlink takes the link itself, and data for it must not be written through it.
	archive <<-END
		symlink link to=$watched/secret
		hardlink second to=link
		file second data=x
	END
	accepted
	expect_eq "$watched/secret" "$(readlink "$rootfs/link")"
	drop evil
}

test_devices_are_left_out() {
	archive <<-'END'
		dir dev
		char dev/null
		block dev/sda
		fifo dev/fifo
		char dev/whiteout uid=70
	END
	accepted
	expect_match 'left out 3 device' "$output"
	expect_eq "fifo" "$(find "$rootfs/dev" -mindepth 1 -printf '%f\n')"
	drop evil
}

test_dangerous_attributes_are_left_out() {
	archive <<-'END'
		file a pax=SCHILY.xattr.trusted.overlay.opaque:y pax=SCHILY.xattr.user.overlay.opaque:y
		file b pax=SCHILY.xattr.security.capability:xxxxxxxxxxxxxxxxxxxx pax=SCHILY.xattr.user.ok:y
		file c pax=SCHILY.acl.access:user::rwx,user:5:rwx,group::r-x,mask::rwx,other::r-x
	END
	accepted
	expect_match 'left out 3 extended attributes' "$output"
	tar -C "$rootfs" --xattrs --xattrs-include='*' --acls --format=pax -cf "$work/kept.tar" .
	grep -qa 'SCHILY.xattr.user.ok' "$work/kept.tar"
	fails grep -aE 'overlay|security|SCHILY.acl.access=user::rwx,user' "$work/kept.tar"
	drop evil
}

test_owners_a_sandbox_does_not_have() {
	archive <<<'file x uid=65536'
	refused 'above 65535'
	archive <<<'file x gid=100000'
	refused 'above 65535'
	archive <<<'file x pax=uid:4294967295'
	refused 'above 65535'
	archive <<<'file x pax=gid:-1'
	refused ''
}

test_file_over_a_directory() {
	archive <<<'file bin data=x'
	refused "'bin'"
}

test_the_root_entry_cannot_open_the_image() {
	archive <<-'END'
		dir ./ mode=777 uid=1000 pax=SCHILY.xattr.user.x:y
		dir . mode=777 uid=1000
	END
	accepted
	expect_eq "755 0 0" "$(stat -c '%a %u %g' "$rootfs")"
	drop evil
}

test_duplicate_names() {
	archive <<-'END'
		file twice data=first mode=4755
		file ./twice data=second mode=644
		file bin//sh data=third mode=755
	END
	accepted
	expect_eq second "$(<"$rootfs/twice")"
	expect_eq 644 "$(stat -c %a "$rootfs/twice")"
	expect_eq third "$(<"$rootfs/bin/sh")"
	drop evil
}

test_terminal_codes_in_names() {
	{
		shell_entries
		entry file $'../\e[2Jgone\nline' data=x
		entry end
	} >"$tar"
	refused 'x1b\[2Jgone.x0aline'
}

test_a_bundle_cannot_be_led_out() {
	local tree=$work/bundle

	mkdir -p "$tree/bin" "$tree/usr"
	cp /bin/busybox "$tree/bin/sh"
	ln -s /etc "$tree/usr/lib"
	tar -C "$tree" -cf "$work/bundle.tar" .
	expect_status 1 carrelctl image import evil "$work/bundle.tar"
	[ ! -e /etc/carrel/bin ] && [ ! -e /etc/carrel/lib ]
}

# --- the process that unpacks, taken over ---

# What a program can do where the process PID is: in its namespaces, all but that of mounts, so that there are programs.
can_do_as() { # PID
	nsenter -t "$1" --pid --net --ipc --uts -- bash -c '
		can=
		kill -0 "$1" && can+=" kill"
		(exec 4<>/dev/tcp/127.0.0.1/8023) && can+=" connect"
		ipcs -q -i "$2" | grep -q "msqid=" && can+=" ipc"
		echo "can:$can"' probe "$host_pid" "$queue" 2>"$work/probe"
}

# One that leaves something running beside itself, and is then killed: whether that is $left.
leaves_behind() { # PID of one that waits, and what kills it
	nsenter -t "$1" --pid -- sleep 97 &
	wait_until 30 pgrep -fx 'sleep 97'
	"${@:2}"
	left=no
	! pkill -KILL -fx 'sleep 97' || left=yes
}

end_import() {
	kill -TERM "$import"
	wait "$import" || :
}

test_the_process_that_unpacks_taken_over() {
	local listener host_pid plain import child queue left

	python3 -m http.server --bind 127.0.0.1 8023 >/dev/null 2>&1 &
	listener=$!
	wait_until 30 curl -s -o /dev/null http://127.0.0.1:8023
	sleep 98 &
	host_pid=$!
	sleep 99 &
	plain=$!
	queue=$(ipcmk -Q | grep -o '[0-9]*$')
	slow_archive
	carrelctl image import evil "$slow" >"$work/import" 2>&1 &
	import=$!
	wait_until 30 staging_has_content
	child=$(pgrep -P "$import")
	kill -STOP "$child"

	expect_eq "can: kill connect ipc" "$(can_do_as "$plain")" "the control"
	expect_eq "can:" "$(can_do_as "$child")" "where the child is"
	expect_eq 1 "$(awk '/^NSpid:/ { print $NF }' "/proc/$child/status")" "its pid, as it sees it"
	expect_match '^CapEff:\s+000000000000001b$' "$(grep CapEff "/proc/$child/status")" "CHOWN, DAC_OVERRIDE, FOWNER, FSETID"

	leaves_behind "$plain" kill -KILL "$plain"
	expect_eq yes "$left" "the control"
	leaves_behind "$child" end_import
	expect_eq no "$left" "a process of the child's"
	expect_match 'interrupted; nothing was imported' "$(<"$work/import")"
	no_images
	ipcrm -q "$queue"
	kill "$listener" "$host_pid"
}
