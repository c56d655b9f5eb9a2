# shellcheck shell=bash
# For suites that run on a real system with systemd, and not in the throw-away host: what prepare() does there. Carrel
# is installed in /usr already, sshd is the distribution's service, syslog is the journal.

shell_path=/usr/bin/carrel-shell
ssh_options=(-F /dev/null -i "$work/key" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes
	-o StrictHostKeyChecking=yes -o UserKnownHostsFile="$work/known_hosts" -o ConnectTimeout=30 -o LogLevel=ERROR)
scope=/sys/fs/cgroup/carrel.slice/carrel-sessions.scope

start_syslog() {
	journalctl --no-pager -o cat -n 0 -f >"$work/syslog" &
	: >"$work/sshd.log"
}

# The journal has it in order, so what was logged before a mark is there when the mark is.
flush_syslog() {
	local mark="mark $$ $RANDOM$RANDOM"

	logger -t carrel-test "$mark"
	wait_until 30 grep -aqF "$mark" "$work/syslog"
}

install_carrel() {
	getent group carrel >/dev/null || groupadd --system carrel
	write_config <<<'covers = [ "@carrel" ];'
}

import_image() {
	[ -d /var/lib/carrel/images/alpine ] || carrelctl image import alpine "$TEST_IMAGE"
}

start_sshd() { # [LINE OF sshd_config]…
	printf '%s\n' 'UseDNS no' 'PermitRootLogin prohibit-password' 'MaxStartups 200' "$@" >/etc/ssh/sshd_config.d/carrel-test.conf
	systemctl restart ssh
	systemctl show --value -p MainPID ssh >"$work/sshd.pid"
	echo "127.0.0.1 $(</etc/ssh/ssh_host_ed25519_key.pub)" >"$work/known_hosts"
	allow_key root
}

leftovers() {
	local namespace

	namespace=$(readlink /proc/self/ns/pid)
	find /run/carrel/sessions -mindepth 1 -maxdepth 1 -printf 'session directory %p\n' 2>/dev/null
	[ ! -d "$scope" ] || echo "cgroup $scope"
	pgrep -a '^carrel-' | sed 's/^/process /'
	find /proc/[0-9]*/ns/pid -not -lname "${namespace/[/\\[}" -printf 'process in a sandbox: %p\n' 2>/dev/null
	diff "$work/mounts" <(cut -d' ' -f5- /proc/self/mountinfo | grep -vE '^/run/(carrel(/ns/[^/ ]*)?|user/[0-9]*) ' | sort) |
		sed -n 's/^>/mount &/p'
	ip -o link | sed -n '/^[0-9]*: lo:/!s/^/network device /p'
}
