# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Root of the sandbox and its powers over the machine: capabilities, namespaces, kernel files, devices, setuid files.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

probe=/usr/local/bin/inside_probe # inside
upper=/var/lib/carrel/users       # …/UID/upper: what a user wrote to the rootfs

setup() {
	prepare
	add_user u1
	add_user plain /bin/sh
	put_helper u1 inside_probe
	ssh_as u1 'grep -q ^nobody: /etc/passwd || echo nobody:x:65534:65533::/:/bin/false >>/etc/passwd'
	upper=$upper/$(id -u u1)/upper
}

# A rootless container as anybody can make one, without any of Carrel's guards: the control of much below.
rootless() { # COMMAND
	unshare --user --map-root-user --mount --net --pid --ipc --uts --fork \
		sh -c "mount -t proc proc /proc && mount -t sysfs sysfs /sys && $1"
}

policy() { # DEFAULTS: settings
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 };"
}

# Of the process that looks, without leading zeros.
sets='sed -n "s/^Cap\(Prm\|Eff\|Bnd\|Inh\|Amb\):[^0-9a-f]*0*/\1 /p" /proc/self/status | tr "\n" " "'

test_capabilities_are_those_of_the_policy() {
	expect_status 0 ssh_as u1 "$sets"
	expect_eq 'Inh  Prm a00405fb Eff a00405fb Bnd a00405fb Amb  ' "$output" "by default"
	policy 'capabilities = [ "chown", "kill" ];'
	expect_status 0 ssh_as u1 "$sets"
	expect_eq 'Inh  Prm 21 Eff 21 Bnd 21 Amb  ' "$output" "chown and kill"
	policy 'capabilities = [ "chown" ]; login_as = "user";'
	expect_status 0 ssh_as u1 "$sets"
	expect_eq 'Inh  Prm  Eff  Bnd 1 Amb  ' "$output" "of one who is not root"
	policy ''

	expect_status 0 rootless "$sets"
	expect_match 'Bnd [0-9a-f]{9,} ' "$output" "the control"
}

# A file that carries every capability gives no more than the bounding set has.
test_no_file_gives_more() {
	local file=/usr/local/bin/caps

	expect_status 0 ssh_as u1 "cp $probe $file; inside_probe filecaps $file; $file caps; su nobody -s /bin/sh -c '$file caps'"
	expect_eq $'done\n00000000a00405fb\n00000000a00405fb' "$output"

	cp "$B/tests/helpers/inside_probe" "$work/caps"
	"$work/caps" filecaps "$work/caps"
	expect_status 0 as_user plain "$work/caps" caps
	expect_match '^000001[0-9a-f]{10}$' "$output" "the control"
	rm "$work/caps"
}

test_no_nested_user_namespaces() {
	expect_status 1 ssh_as u1 'unshare -U true'
	expect_status 1 ssh_as u1 'echo 100 >/proc/sys/user/max_user_namespaces'
	expect_status 0 ssh_as u1 'cat /proc/sys/user/max_user_namespaces'
	expect_eq 0 "$output"
}

# Each of the two guards is enough by itself, and without both it is possible.
test_control_of_nested_user_namespaces() {
	policy 'seccomp = "off";'
	expect_status 1 ssh_as u1 'unshare -U true'
	policy ''
	expect_match 'No space left' "$errors" "by the limit alone"
	expect_status 1 "$B/tests/helpers/seccomp_probe" --exec unshare --user true
	expect_match 'not permitted' "$errors" "by the filter alone"
	expect_status 0 rootless 'unshare --user true'
}

# With 0 the kernel would still start a core handler that is a program, on the host and as root; see keeper. Where root
# cannot raise a limit of 0, it stays, and there is nothing to move.
test_the_core_limit_is_1_and_stays() {
	local most=1

	[ "$(ulimit -Hc)" != 0 ] || most=0
	expect_status 0 ssh_as u1 'sed -n "s/^Max core file size *//p" /proc/self/limits /proc/1/limits | tr -s " "'
	expect_eq "$most $most bytes "$'\n'"$most $most bytes " "$output"
	expect_status 0 ssh_as u1 'inside_probe core 0; inside_probe core 1; inside_probe core $$'
	expect_eq "$most $most"$'\n'"$most $most"$'\n'"$most $most" "$output"
	expect_status 0 "$B/tests/helpers/inside_probe" core 0
	expect_eq '0 0' "$output" "the control"
	expect_status 139 ssh_as u1 'ls -A >/tmp/before; sh -c "kill -SEGV \$\$"; s=$?; ls -A | cmp - /tmp/before && exit $s'
}

test_a_core_limit_of_0_that_root_cannot_raise() {
	stop_sshd
	echo '|/bin/handler' >"$work/core_pattern"
	mount --bind "$work/core_pattern" /proc/sys/kernel/core_pattern
	(
		ulimit -c 0
		sshd_command=(setpriv --bounding-set -sys_resource /usr/sbin/sshd)
		start_sshd
	)
	expect_status 254 ssh_as u1 'echo leaked'
	expect_match 'cannot set the limit of core files to 1: Operation not permitted' "$output$errors"
	expect_no_match leaked "$output"
	umount /proc/sys/kernel/core_pattern
	expect_status 0 ssh_as u1 'ulimit -Hc'
	expect_eq 0 "$output"
	stop_sshd
	start_sshd
}

test_kernel_settings_cannot_be_written() {
	local file

	# Opened for writing only, where a write would be felt by the whole machine.
	for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/overcommit_memory \
		/proc/sys/kernel/sysrq /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/ksm/run \
		/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/hostname \
		/proc/sys/kernel/shmmax /sys/class/net/lo/tx_queue_len /proc/mtrr /proc/acpi/wakeup; do
		[ -e "$file" ] || continue
		expect_status 1 ssh_as u1 ": >>$file"
	done
	# Without the read-only mounts, root of namespaces may change what belongs to them.
	for file in /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/hostname /proc/sys/kernel/shmmax \
		/sys/class/net/lo/tx_queue_len; do
		expect_status 0 rootless ": >>$file"
	done
	[ ! -e /proc/sysrq-trigger ] || (: >>/proc/sysrq-trigger) || fail "the control: root of the host"
}

test_nothing_is_mounted_or_remounted() {
	expect_status 1 ssh_as u1 'mount -t tmpfs tmpfs /mnt'
	expect_status 1 ssh_as u1 'inside_probe mount /mnt'
	expect_status 1 ssh_as u1 'mount -o remount,bind,rw /sys'
	expect_status 1 ssh_as u1 'mount -o remount,bind,rw /proc/sys'
	expect_status 1 ssh_as u1 'umount /proc/sys'
	expect_status 1 ssh_as u1 'umount -l /proc'
	expect_status 0 rootless 'mount -t tmpfs -o ro tmpfs /mnt && mount -o remount,bind,rw /mnt && umount /mnt && umount -l /proc'
	expect_status 0 rootless "$B/tests/helpers/inside_probe mount /mnt"
}

# What is there on this machine of the masked list must be empty, and readable by root of the host.
test_what_is_of_the_kernel_alone_is_masked() {
	local path control=0

	for path in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/pressure /proc/latency_stats /proc/sched_debug /proc/scsi \
		/proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware; do
		[ -e "$path" ] || continue
		if [ -d "$path" ]; then
			[ -z "$(ls -A "$path")" ] || control=$((control + 1))
			expect_eq '' "$(ssh_as u1 "ls -A $path")" "$path"
			expect_status 1 ssh_as u1 ": >$path/x"
		else
			[ -z "$(head -c 1 "$path" | tr '\0' x)" ] || control=$((control + 1))
			expect_eq '' "$(ssh_as u1 "head -c 100 $path")" "$path"
		fi
	done
	[ "$control" -ge 2 ] || fail "the control: only $control of them have anything on the host"
}

# The addresses of the kernel are zeros or nothing, and its log is closed.
test_kernel_addresses_and_log_are_closed() {
	expect_eq '' "$(ssh_as u1 'sed "s/^0* .*//; /^$/d" /proc/kallsyms 2>/dev/null | head -n 1')"
	expect_status 1 ssh_as u1 'head -c 1 /proc/kmsg'
	expect_status 1 ssh_as u1 'dmesg'
	expect_status 1 ssh_as u1 'cat /proc/slabinfo'
	expect_status 1 ssh_as u1 'cat /proc/vmallocinfo'
}

test_device_nodes_cannot_be_made() {
	local node

	for node in 'b 7 0' 'c 1 1' 'c 1 3' 'c 5 1' 'c 10 229'; do
		expect_status 1 ssh_as u1 "mknod /tmp/node $node"
		expect_status 1 ssh_as u1 "mknod /root/node $node"
		expect_status 1 ssh_as u1 "mknod /dev/node $node"
	done
	mknod "$work/node" b 7 0 || fail "the control: root of the host"
	rm "$work/node"
}

# One that is there, by whatever mishap, cannot be opened: not in the rootfs, nor in the home, nor in ~/.ssh.
test_device_nodes_cannot_be_opened() {
	local dir

	for dir in "$upper" "$upper/../home" /home/u1/.ssh; do
		mknod -m 666 "$dir/node" c 1 5
		[ "$(head -c 3 "$dir/node" | tr '\0' z)" = zzz ] || fail "the control: $dir/node on the host"
	done
	for dir in / /root /root/.ssh; do
		expect_status 0 ssh_as u1 "[ -c $dir/node ]"
		expect_status 1 ssh_as u1 "head -c 3 $dir/node"
		expect_match 'Permission denied' "$errors" "$dir/node"
	done
	rm "$upper/node" "$upper/../home/node" /home/u1/.ssh/node
}

test_only_harmless_devices_are_there() {
	expect_status 0 ssh_as u1 'find / -xdev \( -type b -o -type c \) ; find /dev /run /tmp -type b -o -type c | sort'
	expect_eq $'/dev/full\n/dev/null\n/dev/pts/ptmx\n/dev/random\n/dev/tty\n/dev/urandom\n/dev/zero' "$output"
}

# What root inside makes setuid or gives capabilities lies on the host's disk. There it must be nothing.
test_setuid_files_are_harmless_on_the_host() {
	local file=$upper/usr/local/bin/powerful

	ssh_as u1 "cp $probe /usr/local/bin/powerful; chmod 6755 /usr/local/bin/powerful"
	expect_eq "regular file 6755 $(stat -c '%u %g' "$upper")" "$(stat -c '%F %a %u %g' "$file")"
	expect_ne 0 "$(stat -c %u "$upper")" "the owner of the root filesystem"
	expect_status 126 as_user plain "$file" caps
	expect_match 'Permission denied' "$errors" "the way to it is closed"

	# Even where the way is open, its owner is nobody.
	mkdir -p "$work/open" && chmod 755 "$work" "$work/open"
	cp -p "$file" "$work/open/powerful"
	expect_status 0 as_user plain "$work/open/powerful" caps
	expect_eq 0000000000000000 "$output"
	chown root:root "$work/open/powerful" && chmod 6755 "$work/open/powerful"
	expect_status 0 as_user plain "$work/open/powerful" caps
	expect_ne 0000000000000000 "$output" "the control: owned by root of the host"
}

test_file_capabilities_are_harmless_on_the_host() {
	local file=$upper/usr/local/bin/capable

	ssh_as u1 "cp $probe /usr/local/bin/capable; inside_probe filecaps /usr/local/bin/capable"
	mkdir -p "$work/view" && mount --bind "$upper/usr/local/bin" "$work/view"
	expect_status 0 as_user plain "$work/view/capable" caps
	expect_eq 0000000000000000 "$output"
	"$B/tests/helpers/inside_probe" filecaps "$file" >/dev/null
	as_user plain "$work/view/capable" caps >"$work/control" 2>&1 || true
	umount "$work/view"
	expect_ne 0000000000000000 "$(<"$work/control")" "the control: given by root of the host"
}

# In the root filesystem, in the home, and where they come with the image.
test_setuid_files_have_no_effect_for_one_who_is_not_root() {
	local image=/var/lib/carrel/images/alpine/rootfs/usr/bin/powerful-too

	ssh_as u1 "for dir in /usr/local/bin ~; do cp $probe \$dir/powerful; chmod 6755 \$dir/powerful; done; chmod 755 ~"
	expect_status 0 ssh_as u1 'su nobody -s /bin/sh -c "powerful caps; /root/powerful caps"'
	expect_eq $'00000000a00405fb\n00000000a00405fb' "$output" "the control: where root logs in"
	policy 'login_as = "user";'
	expect_status 0 ssh_as u1 'id -u; powerful caps; ~/powerful caps'
	expect_eq "$(id -u u1)"$'\n0000000000000000\n0000000000000000' "$output"
	nothing_left
	install -m 6755 "$B/tests/helpers/inside_probe" "$image"
	policy 'rootfs = "ephemeral";'
	expect_status 0 ssh_as u1 'su nobody -s /bin/sh -c "powerful-too caps"'
	expect_eq 00000000a00405fb "$output" "the control, in memory"
	policy 'rootfs = "ephemeral"; login_as = "user";'
	expect_status 0 ssh_as u1 'id -u; powerful-too caps'
	expect_eq "$(id -u u1)"$'\n0000000000000000' "$output"
	policy ''
	rm "$image"
	ssh_as u1 'rm ~/powerful; chmod 700 ~'
}

test_no_new_privs_by_policy() {
	expect_status 0 ssh_as u1 'grep NoNewPrivs /proc/self/status'
	expect_match '0$' "$output" "the control"
	policy 'no_new_privs = true;'
	expect_status 0 ssh_as u1 'grep NoNewPrivs /proc/self/status'
	expect_match '1$' "$output"
	expect_status 0 ssh_as u1 'cp /usr/local/bin/inside_probe /tmp/s; chmod 6755 /tmp/s; su nobody -s /bin/sh -c "/tmp/s caps"'
	policy ''
	expect_eq 0000000000000000 "$output"
}

# What the kernel counts per user, it counts for the owner of a user namespace as well: here the user's own block, and not
# root, who would then have none left.
test_counts_of_the_user_are_not_roots() {
	local most pid

	most=$(($(</proc/sys/fs/inotify/max_user_instances) + 10))
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 "$probe inotify $most" >"$work/taken" 2>&1 </dev/null &
	client=$!
	wait_until 30 test -s "$work/taken"
	[ "$(<"$work/taken")" -ge $((most - 10)) ] || fail "only $(<"$work/taken") instances inside"
	expect_status 0 "$B/tests/helpers/inside_probe" inotify 1
	end_client
	nothing_left

	# Made as root, a namespace takes root's.
	mkfifo "$work/mapped"
	: >"$work/taken"
	unshare --user --keep-caps sh -c 'read -r line <"$1"; shift; exec setpriv --reuid 0 --regid 0 --clear-groups "$@"' sh \
		"$work/mapped" "$B/tests/helpers/inside_probe" inotify $most >"$work/taken" &
	pid=$!
	wait_until 30 sh -c "[ \$(readlink /proc/$pid/ns/user) != \$(readlink /proc/self/ns/user) ]"
	echo '0 100000 10' >/proc/$pid/uid_map
	echo '0 100000 10' >/proc/$pid/gid_map
	echo go >"$work/mapped"
	wait_until 30 test -s "$work/taken"
	expect_status 1 "$B/tests/helpers/inside_probe" inotify 1
	kill $pid
	wait $pid || true
}
