# shellcheck shell=bash
# carrelctl doctor: nothing to say of a good host; then one thing at a time is wrong, and it says which.

# shellcheck source=tests/lib/doctor.sh
. "$lib/doctor.sh"

setup() {
	prepare_doctor
}

test_a_good_host_has_no_problem() {
	local arguments

	mend
	for arguments in '' u1 root; do
		# shellcheck disable=SC2086
		expect_status 0 carrelctl doctor $arguments
		expect_no_match $'\nproblem' "$output" "doctor $arguments"
		expect_match '0 problems, [0-9]+ warning' "$output"
		expect_eq '' "$errors"
	done
	expect_status 0 carrelctl doctor u1
	for what in kernel namespaces overlay config names 'cgroup memory' image pam nss ids state sshd shell limits home; do
		expect_match $'\n'"ok +$what " "$output"
	done
	expect_match "ok +user +u1 +covered: matches covers '@carrel'" "$output"
}

test_command_line() {
	mend
	expect_status 1 carrelctl doctor nobody-there
	expect_match "^carrelctl: no such user 'nobody-there'$" "$errors"
	expect_eq '' "$output"
	expect_status 2 carrelctl doctor u1 u1
	expect_match 'too many arguments' "$errors"
	expect_status 1 setpriv --reuid=65534 --regid=65534 --clear-groups carrelctl doctor
	expect_match 'must be run as root' "$errors"
	expect_status 1 sh -c 'carrelctl doctor >/dev/full'
}

test_json() {
	mend
	rm "$drop_in"
	expect_status 1 carrelctl doctor --json
	python3 -c '
import json, sys
lines = json.load(sys.stdin)["doctor"]
assert all(set(l) == {"result", "what", "user", "finding", "remedy"} for l in lines)
assert {l["result"] for l in lines} <= {"ok", "warning", "problem"}
assert [l for l in lines if l["result"] == "problem" and l["what"] == "sshd" and l["user"] == "u1" and l["remedy"]]
' <<<"$output"
}

picture() {
	cut -d' ' -f3- /proc/self/mountinfo
	find /sys/fs/cgroup -type d
	find /run/carrel /var/lib/carrel /home /etc -printf '%p %i %m %u %s %T@ %C@\n'
	find /tmp
	ip -o link
}

test_it_changes_nothing() {
	local client

	mend
	write_config <<<'covers = [ "@carrel" ]; defaults = { home = "host"; };'
	ssh "${ssh_options[@]}" -l u1 127.0.0.1 sleep 60 &
	client=$!
	wait_until 10 sh -c 'carrelctl list | grep -q live'
	picture >"$work/before"
	carrelctl doctor >/dev/null || true
	carrelctl doctor u1 >/dev/null || true
	picture >"$work/after"
	diff "$work/before" "$work/after"
	carrelctl kill u1
	wait "$client" || true
	nothing_left
	picture >"$work/before"
	carrelctl doctor u1 >/dev/null || true
	picture >"$work/after"
	diff "$work/before" "$work/after"
}

# --- the host ---

test_kernel() {
	mend
	with "echo 0 >$work/zero; mount --bind $work/zero /proc/sys/user/max_net_namespaces" problem namespaces 'max_net_namespaces.* is 0'
	with "echo >$work/zero; mount --bind $work/zero /proc/filesystems; mkdir -p /lib/modules; mount -t tmpfs none /lib/modules" \
		problem overlay 'no overlayfs'
}

test_cgroups() {
	local steps="umount /sys/fs/cgroup/pids"

	mend
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] ||
		steps="echo cpu memory io >$work/controllers; mount --bind $work/controllers /sys/fs/cgroup/cgroup.controllers"
	with "$steps" problem cgroup "controller 'pids'"
}

test_policy() {
	mend
	write_config <<<'covers = [ "@carrel" ]; defaults = { memroy = "1G"; };'
	problem config "carrel.conf:1: unknown setting 'memroy'"
	problem config "carrel.conf:1: unknown setting 'memroy'" u1
	mend
	chmod 666 "$conf"
	problem config "$conf"
	mend
	rm "$conf"
	problem config "$conf"
	mend
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "missing"; };'
	problem image "'missing' is not imported"
	mend
	write_config <<<'covers = [ ];'
	finds 1 warning config 'names nobody'
}

test_names_that_are_nobodys() {
	mend
	printf 'covers = [ "@carrel",\n"@carell" ]; exempt = [ "amdin", "root" ];\nrules = ( { match = [ "*", "uid:1-2", "@no" ]; } );' |
		write_config
	warning names "carrel.conf:2: '@carell' in 'covers' means nobody: there is no such group "
	expect_match "names .*carrel.conf:2: 'amdin' in 'exempt' means nobody: there is no such user " "$output"
	expect_match "names .*carrel.conf:3: '@no' in 'match' means nobody: there is no such group " "$output"
	expect_eq 3 "$(grep -c '^warning *names' <<<"$output")"
}

test_shadow_mode_with_the_shell_and_the_drop_in_of_enforce() {
	mend
	write_config <<<'covers = [ "@carrel" ]; mode = "shadow";'
	problem shell 'locked out: not sandboxed'
	expect_match 'warning +config .*nobody is sandboxed' "$output"
	usermod -s /bin/bash u1
	problem sshd 'locked out: not sandboxed'
	rm "$drop_in"
	warning config 'nobody is sandboxed'
}

test_programs() {
	mend
	mv /usr/local/libexec/carrel/carrel-keeper "$work/"
	problem programs 'carrel-keeper'
	mv "$work/carrel-keeper" /usr/local/libexec/carrel/
	chmod 777 "$shell_path"
	problem programs "somebody else than root can change '$shell_path'"
	chmod 755 "$shell_path"
	echo "$shell_path" >>/etc/shells
	warning shells chsh
	sed -i '/carrel-shell/d' /etc/shells
}

test_pam() {
	local line='session required pam_carrel.so'

	mend
	sed -i /pam_carrel/d /etc/pam.d/sshd
	problem pam 'no session module'
	echo '#'"$line" >>/etc/pam.d/sshd
	problem pam 'no session module'
	mend
	sed -i '/pam_carrel/s/required/optional/' /etc/pam.d/sshd
	problem pam "'optional'"
	mend
	sed -i '/pam_carrel/i session sufficient pam_permit.so' /etc/pam.d/sshd
	problem pam 'pam_permit.so.*ends the stack'
	mend
	echo '@include common-session' >>/etc/pam.d/sshd
	warning pam 'comes after pam_carrel.so'
	mend
	sed -i '/pam_carrel/i session optional pam_exec.so /bin/true' /etc/pam.d/sshd
	warning pam 'pam_exec.so comes before pam_carrel.so: .*in the network of the sandbox'
	sed -i '1i session optional pam_carrel.so leave' /etc/pam.d/sshd
	expect_status 0 carrelctl doctor
	expect_match 'ok +pam ' "$output"
	mend
	sed -i 's|pam_carrel.so|pam_carrel.so debug timeout=1m|' /etc/pam.d/sshd
	problem pam "knows no argument 'timeout=1m'"
	mend
	sed -i 's|pam_carrel.so|/opt/pam_carrel.so|' /etc/pam.d/sshd
	problem pam "'/opt/pam_carrel.so' is not there"
	rm /etc/pam.d/sshd
	problem pam "cannot read '/etc/pam.d/sshd'"
	mend
}

test_names_of_users_from_the_network() {
	mend
	cp /etc/nsswitch.conf "$work/nsswitch.conf"
	sed -i 's/^passwd:.*/passwd: files ldap/' /etc/nsswitch.conf
	problem sshd 'does not join the sandbox' u1
	expect_match "warning +nss .*'ldap'" "$output"
	sed -i 's/AllowTcpForwarding yes/AllowTcpForwarding no/' "$drop_in"
	warning nss ldap
	cp "$work/nsswitch.conf" /etc/nsswitch.conf
}

test_logs() {
	mend
	expect_status 0 carrelctl doctor
	expect_match $'\nok +syslog .*\nok +kmsg ' "$output"
	: >"$work/nobody"
	with "mount --bind $work/nobody /dev/log" warning syslog "nobody listens at '/dev/log' \(.*refused\)"
	mkdir "$work/dev"
	: >"$work/dev/null"
	with "mount --bind /dev/null $work/dev/null; mount --rbind $work/dev /dev" warning syslog "'/dev/log' \(No such file"
	expect_match $'\nwarning +kmsg .*cannot be read \\(No such file' "$output"
}

# --- sshd ---

test_sshd_settings() {
	local edit option

	for edit in AllowStreamLocalForwarding:no:yes StreamLocalBindUnlink:no:yes PermitTunnel:no:yes; do
		mend
		IFS=: read -r option from to <<<"$edit"
		sed -i "s/\b$option $from/$option $to/" "$drop_in"
		problem sshd "u1 +$option is '$to'"
		problem sshd "u1 +$option is '$to'" u1
	done
	for edit in 'PermitUserRC:no:yes' 'GatewayPorts:no:yes' 'AcceptEnv:LANG LC_\* COLORTERM:*' 'AcceptEnv:LANG:LD_*' 'PermitTTY:yes:no'; do
		mend
		IFS=: read -r option from to <<<"$edit"
		sed -i "s/\b$option $from/$option $to/" "$drop_in"
		warning sshd "u1 +$option (is|has) '" u1
	done
	mend
	sed -i '/PermitUserRC/d' "$drop_in"
	usermod -s /bin/bash u1
	write_config <<<'covers = [ "@carrel" ]; defaults = { forced_command_ok = true; };'
	problem sshd "PermitUserRC is 'yes'.* on the host" u1
}

test_sshd_for_everybody() {
	mend
	sed -i '1i PermitUserEnvironment yes' /etc/ssh/sshd_config
	problem sshd "PermitUserEnvironment is 'yes'"
	mend
	sed -i '1i UsePAM no' /etc/ssh/sshd_config
	problem sshd "UsePAM is 'no'"
	mend
	sed -i '1i Nonsense yes' /etc/ssh/sshd_config
	problem sshd 'Bad configuration option'
	mend
	rmdir /run/sshd
	warning sshd 'could not be looked at'
	mkdir -m 755 /run/sshd
}

test_sshd_without_forced_command() {
	mend
	sed -i /ForceCommand/d "$drop_in"
	problem sshd 'u1 .*internal-sftp, which a key in ~/.ssh can name'
	sed -i '/^Subsystem/d; 1i Subsystem sftp internal-sftp' /etc/ssh/sshd_config
	problem sshd 'internal-sftp, which Subsystem names'
	usermod -s /bin/bash u1
	write_config <<<'covers = [ "@carrel" ]; defaults = { forced_command_ok = true; };'
	problem sshd "get the shell '/bin/bash', on the host" u1
}

test_sshd_that_locks_root_out() {
	mend
	sed -i 's/^Match Group.*/Match User */' "$drop_in"
	problem sshd 'root.* locked out: not sandboxed, and ForceCommand'
	problem sshd 'root .*locked out: not sandboxed, and ForceCommand' root
}

# --- what is on disk ---

test_ids() {
	local uid ids

	mend
	uid=$(id -u u1)
	ids=/var/lib/carrel/users/$uid/ids
	cp "$ids" "$work/ids"
	mkdir -m 700 /var/lib/carrel/users/4321
	cp "$ids" /var/lib/carrel/users/4321/ids
	problem ids "overlaps with that of '4321'"
	rm -r /var/lib/carrel/users/4321
	echo "$((uid - 5)) 2147483648" >"$ids"
	problem ids 'not theirs alone'
	echo '600000 600000' >"$ids"
	problem ids "systemd's range"
	echo nonsense >"$ids"
	problem ids 'cannot read the id block'
	cp "$work/ids" "$ids"
}

test_state() {
	local uid users=/var/lib/carrel/users

	mend
	uid=$(id -u u1)
	mkdir "/run/carrel/sessions/$uid-0badc0de"
	: >"/run/carrel/sessions/$uid-0badc0de/record"
	warning state "session '$uid-0badc0de' has no keeper"
	rm -r "/run/carrel/sessions/$uid-0badc0de"
	: >"$users/$uid/journal"
	warning state "'$uid' was interrupted"
	rm "$users/$uid/journal"
	mkdir "$users/$uid.old.1700000000" "$users/.removed-x"
	warning state "'$uid.old.1700000000' is kept"
	expect_match 'warning +state .*half removed' "$output"
	rmdir "$users/$uid.old.1700000000" "$users/.removed-x"
}

test_storage() {
	mend
	with 'mount -t overlay -o lowerdir=/etc:/usr none /var/lib/carrel' problem storage 'an overlay'
	with 'mount -t tmpfs -o size=1M,mode=700 none /var/lib/carrel; head -c 1000K /dev/zero >/var/lib/carrel/x' \
		finds 1 warning space 'are free'
	chmod 777 /var/lib/carrel
	problem storage "'/var/lib/carrel' must be"
	chmod 755 /var/lib/carrel
	warning storage 'can look into'
	chmod 700 /var/lib/carrel
	write_config <<<'covers = [ "@carrel" ]; defaults = { user_limits = { disk = "1G"; }; };'
	with 'rm -f /dev/loop-control' problem storage 'u1 .*need a disk image, and there are no loop devices'
}
