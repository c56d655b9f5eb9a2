# shellcheck shell=bash
# The site: Carrel installed in the view as an administrator would, with syslog, users and a real sshd.

shell_path=/usr/local/bin/carrel-shell
sshd_port=2222
ssh_options=(-F /dev/null -p "$sshd_port" -i "$work/key" -o IdentitiesOnly=yes -o IdentityAgent=none
	-o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$work/known_hosts"
	-o ConnectTimeout=10 -o LogLevel=ERROR)

# Everything that most suites need; the steps can also be taken one by one.
prepare() {
	start_syslog
	install_carrel
	enable_pam sshd
	import_image
	start_sshd
}

start_syslog() { # what programs log is then in $work/syslog
	"$B/tests/helpers/logsink" /dev/log "$work/syslog" &
	wait_until 30 test -S /dev/log
}

# What has been logged by now is in the file only when this returns: the daemon is another process.
flush_syslog() {
	[ ! -S /dev/log ] || "$B/tests/helpers/logsink" /dev/log
}

# All of it, or what matches, a line each (and none is no failure).
syslog() { # [REGEX]
	flush_syslog
	[ $# -gt 0 ] || set -- ''
	grep -aE -e "$1" "$work/syslog" || true
}

forget_syslog() {
	flush_syslog
	: >"$work/syslog"
}

# That it is logged, now or in a moment: a keeper may do so when the client is back already.
expect_syslog() { # REGEX
	wait_until 30 syslog_matches "$1"
}

syslog_matches() { # REGEX
	[[ "$(tr -d '\0' <"$work/syslog")" =~ $1 ]]
}

# The build is made outside; here it is installed from the read-only tree, hence without looking at its age.
install_carrel() {
	make -s -C "$repo" -o all B="$B" install
	getent group carrel >/dev/null || groupadd --system carrel
	write_config <<<'covers = [ "@carrel" ];'
}

write_config() { # text on standard input
	install -d -m 755 /etc/carrel
	cat >/etc/carrel/carrel.conf
}

# The module as the last line of a service. The message of the day and the mail check are left out: they only
# make the output of a login depend on the machine.
enable_pam() { # SERVICE
	sed -i -e '/pam_motd\|pam_mail\|pam_carrel/d' "/etc/pam.d/$1"
	echo "session required pam_carrel.so${PATIENCE:+ timeout=$((10 * PATIENCE))}" >>"/etc/pam.d/$1"
}

# Under the name that the default policy has, whichever of the images it is (see need_alpine).
import_image() { # [NAME]
	carrelctl image import "${1-alpine}" "$TEST_IMAGE"
}

# A user who can log in with the key. With carrel-shell (the default) in group carrel, so covered; with another
# shell not.
add_user() { # NAME [SHELL]
	local name=$1 shell=${2:-$shell_path} home

	useradd -m -s "$shell" "$name"
	[ "$shell" != "$shell_path" ] || gpasswd -a "$name" carrel >/dev/null
	allow_key "$name"
}

allow_key() { # USER
	local home group

	home=$(getent passwd "$1" | cut -d: -f6)
	group=$(id -g "$1")
	[ -e "$work/key" ] || ssh-keygen -q -t ed25519 -N '' -C carrel-test -f "$work/key"
	install -d -m 700 -o "$1" -g "$group" "$home/.ssh"
	install -m 600 -o "$1" -g "$group" "$work/key.pub" "$home/.ssh/authorized_keys"
}

sshd_command=(/usr/sbin/sshd) # and what it is started by

start_sshd() { # [LINE OF sshd_config]…
	local pid

	[ -e "$work/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/host_key"
	echo "[127.0.0.1]:$sshd_port $(<"$work/host_key.pub")" >"$work/known_hosts"
	allow_key root
	cat >"$work/sshd_config" <<-END
		ListenAddress 127.0.0.1
		Port $sshd_port
		HostKey $work/host_key
		PidFile $work/sshd.pid
		UsePAM yes
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		PrintMotd no
		PrintLastLog no
		UseDNS no
		MaxStartups 200
		LogLevel INFO
		Subsystem sftp /usr/lib/openssh/sftp-server
	END
	[ $# = 0 ] || printf '%s\n' "$@" >>"$work/sshd_config"
	: >"$work/sshd.log"
	setsid "${sshd_command[@]}" -D -f "$work/sshd_config" -E "$work/sshd.log" </dev/null >/dev/null 2>&1 &
	pid=$!
	wait_until 30 sshd_listens_or_died "$pid"
	grep -q '^Server listening' "$work/sshd.log" || {
		cat "$work/sshd.log"
		fail "sshd did not start"
	}
}

sshd_listens_or_died() {
	grep -q '^Server listening' "$work/sshd.log" || [ ! -d "/proc/$1" ]
}

stop_sshd() { # its open connections live on, as with the real service
	local pid

	pid=$(<"$work/sshd.pid")
	kill "$pid"
	wait_until 30 test ! -d "/proc/$pid"
}

ssh_as() { # USER [OPTION…] [COMMAND…]
	local user=$1
	shift

	ssh "${ssh_options[@]}" -l "$user" 127.0.0.1 "$@"
}
