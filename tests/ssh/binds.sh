# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# binds: directories and files of the host in the sandbox, with the right owners.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

# /home is on a filesystem that can be idmapped, the view's root is not.
data=/home/data

setup() {
	prepare
	add_user u1
	add_user u2
	install -d -m 755 $data $data/ro $data/shared $data/homes
	install -d -m 700 -o u1 -g u1 $data/homes/u1
	install -d -m 755 -o u1 -g u1 $data/rw
	chmod 1777 $data/shared
	echo one >$data/ro/file
	echo line >$data/motd
}

binds() { # ENTRIES [DEFAULTS]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { binds = ( $1 ); ${2-} };"
}

refused_with() { # REGEX USER
	local lines

	lines=$(syslog | wc -l)
	expect_status 254 ssh_as "$2" 'echo leaked'
	expect_match "$1" "$output$errors" "what the user is told"
	expect_no_match leaked "$output"
	expect_match "$1" "$(syslog | tail -n "+$((lines + 1))" | sed 's/\\x27/'"'"'/g')" "syslog"
}

test_readonly_and_readwrite() {
	binds "{ source = \"$data/ro\"; target = \"/data/ro\"; readonly = true; }, { source = \"$data/rw\"; target = \"/srv/rw\"; },
		{ source = \"$data/motd\"; target = \"/etc/motd\"; readonly = true; }"
	expect_status 0 ssh_as u1 'cat /data/ro/file /etc/motd; echo new >/srv/rw/new; stat -c "%u:%g %a" /srv/rw /srv/rw/new'
	expect_eq $'one\nline\n0:0 755\n0:0 644' "$output"
	expect_eq "$(id -u u1):$(id -g u1)" "$(stat -c %u:%g $data/rw/new)" "the owner on the host"
	for command in 'echo x >/data/ro/new' 'echo x >/data/ro/file' 'rm /data/ro/file' 'echo x >/etc/motd' 'chmod 777 /data/ro'; do
		expect_status 1 ssh_as u1 "$command"
		expect_match 'Read-only file system|Permission denied|Resource busy' "$errors" "$command"
	done
	expect_eq one "$(<$data/ro/file)"
	expect_status 0 ssh_as u1 'grep " /srv/rw \| /data/ro \| /etc/motd " /proc/mounts'
	expect_eq 3 "$(grep -c 'nosuid,nodev' <<<"$output")" "nosuid,nodev"
	nothing_left
}

test_owners() {
	install -m 600 -o u2 -g u2 /dev/null $data/shared/private
	install -m 644 -o root -g root /dev/null $data/shared/roots
	binds "{ source = \"$data/shared\"; target = \"/shared\"; }"
	expect_status 0 ssh_as u1 'echo 1 >/shared/u1; stat -c "%n %u:%g" /shared/*'
	expect_eq $'/shared/private 65534:65534\n/shared/roots 65534:65534\n/shared/u1 0:0' "$output"
	# Root inside is only that one user there.
	for command in 'cat /shared/private' 'echo x >/shared/roots' 'chown 0 /shared/roots' 'rm -f /shared/private' 'chmod 777 /shared/roots' \
		'chown 33 /shared/u1' 'mv /shared/private /shared/mine'; do
		expect_status 1 ssh_as u1 "$command"
	done
	expect_status 0 ssh_as u2 'cat /shared/private && echo 2 >/shared/u2 && ! echo x >>/shared/u1 && stat -c "%n %u" /shared/u?'
	expect_eq $'/shared/u1 65534\n/shared/u2 0' "$output"
	expect_eq "$(id -u u2)" "$(stat -c %u $data/shared/u2)"

	binds "{ source = \"$data/shared\"; target = \"/shared\"; }" 'login_as = "user";'
	expect_status 0 ssh_as u1 'echo 3 >/shared/three; stat -c %U /shared/three; stat -c %u /shared/three /shared/private'
	expect_eq u1$'\n'"$(id -u u1)"$'\n'65534 "$output"
	expect_eq "$(id -u u1):$(id -g u1)" "$(stat -c %u:%g $data/shared/three)"
	nothing_left
}

test_the_users_name_in_paths() {
	binds "{ source = \"$data/homes/%u\"; target = \"/mine/%u\"; }"
	expect_status 0 ssh_as u1 'echo x >/mine/u1/x; stat -c %u /mine/u1/x'
	expect_eq 0 "$output"
	refused_with "bind '$data/homes/%u' at '/mine/%u': .*No such file" u2
}

test_missing_and_optional() {
	binds "{ source = \"/nowhere\"; target = \"/a\"; }"
	refused_with "bind '/nowhere' at '/a': cannot open '/nowhere': No such file" u1
	# The view's root is an overlay.
	mkdir -p /srv/data
	binds "{ source = \"/srv/data\"; target = \"/a\"; readonly = true; }"
	refused_with "bind '/srv/data' at '/a': its filesystem cannot show other owners" u1
	binds "{ source = \"/nowhere\"; target = \"/a\"; optional = true; }, { source = \"/srv/data\"; target = \"/b\"; optional = true; },
		{ source = \"$data/ro\"; target = \"/c\"; optional = true; }"
	expect_status 0 ssh_as u1 'cat /c/file; ls -d /a /b 2>/dev/null; true'
	expect_eq one "$output"
	expect_syslog "'u1' goes without bind '/nowhere' at '/a'"
	expect_syslog "'u1' goes without bind '/srv/data' at '/b'"
	# What is wrong is not missing.
	binds "{ source = \"/etc\"; target = \"/a\"; optional = true; }"
	refused_with "bind '/etc' at '/a': '/etc/carrel' is Carrel's own" u1
}

test_carrels_own_directories() {
	local source

	mkdir -p $data/alias $data/alias2
	mount --bind /etc $data/alias
	for source in /etc /etc/carrel /var /var/lib /var/lib/carrel /var/lib/carrel/users /var/lib/carrel/images/alpine/rootfs /run \
		/run/carrel /run/carrel/sessions $data/alias; do
		binds "{ source = \"$source\"; target = \"/a\"; readonly = true; }"
		refused_with "is Carrel's own" u1
	done
	umount $data/alias
	nothing_left
}

test_targets_are_made_in_order() {
	mkdir -p $data/rw/inner
	binds "{ source = \"$data/rw\"; target = \"/opt/deep/down\"; }, { source = \"$data/ro\"; target = \"/opt/deep/down/inner\"; },
		{ source = \"$data/ro\"; target = \"/tmp/x/y\"; }, { source = \"$data/ro\"; target = \"/root/work/ro\"; }"
	expect_status 0 ssh_as u1 'cat /opt/deep/down/inner/file /tmp/x/y/file ~/work/ro/file'
	expect_eq $'one\none\none' "$output"
	binds "{ source = \"$data/ro\"; target = \"/home/u1/own/ro\"; }, { source = \"$data/motd\"; target = \"/home/u1/motd\"; }" 'login_as = "user";'
	expect_status 0 ssh_as u1 'cat ~/own/ro/file ~/motd; stat -c %U ~/own'
	expect_eq $'one\nline\nu1' "$output"
	nothing_left
}

test_what_is_in_the_way_is_kept() {
	binds ''
	ssh_as u1 'echo precious >/data1; mkdir /data2; echo precious >/data2/x; ln -s /etc /data3'
	binds "{ source = \"$data/ro\"; target = \"/data1\"; }, { source = \"$data/motd\"; target = \"/data2\"; }, { source = \"$data/ro\"; target = \"/data3/d\"; }"
	expect_status 0 ssh_as u1 'cat /data1/file /data2 /data3/d/file; cat /data1.in-the-way-* /data2.in-the-way-*/x; readlink /data3.in-the-way-*; ls -d /etc/d 2>/dev/null; true'
	expect_eq $'one\nline\none\nprecious\nprecious\n/etc' "$output"
	# Where the image itself is like that, the policy is wrong.
	need_alpine
	binds "{ source = \"$data/ro\"; target = \"/var/run/x\"; }"
	refused_with "a part of the target is a link or a file in the image" u1
	binds "{ source = \"$data/ro\"; target = \"/etc/hosts\"; }"
	refused_with "the target is a file in the image" u1
}

test_more_than_one_message_holds() {
	local entries='' i

	for ((i = 0; i < 32; i++)); do
		mkdir -p $data/many/$i
		echo $i >$data/many/$i/n
		entries+="${entries:+,}{ source = \"$data/many/$i\"; target = \"/many/$i\"; readonly = true; }"
	done
	binds "$entries"
	expect_status 0 ssh_as u1 'cat /many/*/n | sort -n | tr "\n" " "'
	expect_eq "$(seq 0 31 | tr '\n' ' ')" "$output"
	hold_session u1
	release_session
}

test_ephemeral_with_binds() {
	binds "{ source = \"$data/rw\"; target = \"/srv/rw\"; }" 'rootfs = "ephemeral";'
	expect_status 0 ssh_as u1 'echo kept >/srv/rw/kept; cat /srv/rw/kept'
	expect_eq kept "$(<$data/rw/kept)"
}

test_the_policy_is_checked() {
	binds "{ source = \"$data/ro\"; target = \"/a\"; readonly = true; }" 'capabilities = [ "chown", "sys_admin" ];'
	expect_status 1 carrelctl explain u1
	expect_match "carrel.conf:1: sys_admin in 'capabilities' does not go with 'binds'" "$errors"
	binds "{ source = \"$data/ro\"; target = \"/root\"; }"
	expect_status 1 carrelctl explain u1
	expect_match "the target '/root' would hide the home" "$errors"
	binds "{ source = \"$data/ro\"; target = \"/a/b\"; }, { source = \"$data/ro\"; target = \"/a\"; }"
	expect_status 1 carrelctl explain u1
	expect_match "the target '/a' would hide '/a/b': put it first" "$errors"
	binds "{ source = \"$data/ro\"; target = \"/proc/x\"; }"
	expect_status 1 carrelctl check
	expect_match "carrel.conf:1: 'binds.target' must not be in /proc" "$errors"
	binds "{ source = \"$data/ro\"; target = \"/a\"; readonly = true; }"
	expect_match "binds .*\{ source=$data/ro target=/a readonly=true optional=false \}" "$(carrelctl explain u1)"
}
