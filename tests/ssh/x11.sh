# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The X11 display of a client that forwards it: DISPLAY and a cookie that works inside, where the policy allows it. The
# client's display is one that answers with the cookie it was shown. (With -Y: what -X adds is between the client
# and a real X server.)

dropin=/usr/local/share/doc/carrel/50-carrel.conf
cookie=0123456789abcdef0123456789abcdef # of the client's display
export DISPLAY=:42 XAUTHORITY=$work/client.xauth

setup() {
	local user

	[ -x /usr/bin/xauth ] || fail "needs xauth(1): sshd runs it (the package xauth)"
	start_syslog
	install_carrel
	enable_pam sshd
	import_image
	sed 's/X11Forwarding no/X11Forwarding yes/' "$dropin" >"$work/dropin"
	start_sshd "Include $work/dropin"
	write_config <<-'END'
		covers = [ "@carrel" ];
		rules = (
		  { match = [ "u1", "named" ]; x11 = true; },
		  { match = "named"; login_as = "user"; }
		);
	END
	for user in u1 named without; do
		add_user "$user"
	done
	for user in u1 without; do
		ssh_as "$user" 'cat >/bin/x11_peer && chmod 755 /bin/x11_peer' <"$B/tests/helpers/x11_peer"
	done
	install -d -m 1777 /tmp/.X11-unix
	setsid "$B/tests/helpers/x11_peer" serve /tmp/.X11-unix/X42
	xauth -q -f "$XAUTHORITY" add "$DISPLAY" MIT-MAGIC-COOKIE-1 "$cookie"
}

test_a_program_reaches_the_display() {
	expect_status 0 ssh_as u1 -Y 'x11_peer connect'
	expect_eq "MIT-MAGIC-COOKIE-1 $cookie" "$output"
	expect_no_match 'carrel' "$errors" # xauth says that it made a file
	expect_status 0 ssh_as u1 -Y -tt 'x11_peer connect'
	expect_match "MIT-MAGIC-COOKIE-1 $cookie" "$output"
}

test_the_variables() {
	expect_match '^localhost:1[0-9]\.0 /run/carrel/xauth\.[0-9]+$' "$(ssh_as u1 -Y 'echo $DISPLAY $XAUTHORITY')"
	expect_eq '-rw------- 0 0' "$(ssh_as u1 -Y 'stat -c "%A %u %g" $XAUTHORITY')"
	expect_eq "-rw------- $(id -u named) $(id -g named)" "$(ssh_as named -Y 'stat -c "%A %u %g" $XAUTHORITY')"
	expect_eq '' "$(ssh_as u1 -Y 'env | grep -i cookie || true')"
}

# A terminal, an agent and a display at once: then init gives all the variables that it has.
test_all_variables_at_once() {
	local name

	ssh-agent -a "$work/agent" >"$work/agent.pid"
	output=$(ssh -o ForwardAgent=yes -o "IdentityAgent=$work/agent" "${ssh_options[@]}" -l u1 127.0.0.1 -tt -Y env)
	for name in PATH=/ HOME=/root USER=root LOGNAME=root SHELL=/bin/sh MAIL=/var/mail/root SSH_TTY=/dev/pts/ \
		SSH_AUTH_SOCK=/run/carrel/agent. DISPLAY=localhost:1 XAUTHORITY=/run/carrel/xauth.; do
		expect_match "(^|"$'\n'")${name//./\\.}" "$output" "$name"
	done
	kill "$(sed -n 's/^SSH_AGENT_PID=\([0-9]*\);.*/\1/p' "$work/agent.pid")"
}

# Exactly the cookie that sshd has given, for no other is let through.
test_the_cookie_is_that_of_sshd() {
	local given

	given=$(ssh_as u1 -Y 'tail -c 16 $XAUTHORITY' | od -An -tx1 | tr -d ' \n')
	expect_match '^[0-9a-f]{32}$' "$given"
	expect_ne "$cookie" "$given" "what the client shows to its host"
	expect_status 1 ssh_as u1 -Y 'x11_peer connect 00000000000000000000000000000000'
	expect_match 'says nothing|went away' "$errors"
}

test_with_a_shell_of_the_host() {
	usermod -s /bin/bash u1
	echo 'defaults = { forced_command_ok = true; };' >/etc/carrel/conf.d/forced.conf
	expect_eq "MIT-MAGIC-COOKIE-1 $cookie" "$(ssh_as u1 -Y 'x11_peer connect')"
	rm /etc/carrel/conf.d/forced.conf
	usermod -s "$shell_path" u1
}

test_several_at_once() {
	ssh_as u1 -Y -M -S "$work/master" -N -f </dev/null >/dev/null 2>&1
	for _ in 1 2 3; do
		ssh_as u1 -Y -S "$work/master" 'x11_peer connect; echo $DISPLAY $XAUTHORITY; until [ -e /tmp/go ]; do sleep 0.1; done' &
	done >"$work/answers"
	wait_until 30 eval '[ "$(grep -c ^localhost "$work/answers")" = 3 ]'
	ssh_as u1 -S "$work/master" 'touch /tmp/go'
	wait
	expect_eq 3 "$(grep -c "^MIT-MAGIC-COOKIE-1 $cookie$" "$work/answers")"
	expect_eq 3 "$(grep '^localhost' "$work/answers" | cut -d' ' -f2 | sort -u | wc -l)"
	expect_eq '' "$(ssh_as u1 -S "$work/master" 'ls /run/carrel | grep -vx limits; true')" "left of commands that have ended"
	ssh_as u1 -S "$work/master" -O exit 2>/dev/null
	nothing_left
}

test_not_where_the_policy_forbids_it() {
	expect_eq '<><>' "$(ssh_as without -Y 'echo "<$DISPLAY><$XAUTHORITY>"; ls /run/carrel | grep -vx limits; true')"
	expect_status 1 ssh_as without -Y 'x11_peer connect'
	# Without the cookie the display stays closed, though its port is in the sandbox's network.
	expect_status 1 ssh_as without -Y 'DISPLAY=localhost:10.0 x11_peer connect 00'
	expect_match 'says nothing|went away' "$errors"
}

test_not_where_the_client_forwards_none() {
	expect_eq '<><>' "$(ssh_as u1 'echo "<$DISPLAY><$XAUTHORITY>"')"
}

test_not_with_the_file_as_it_is_shipped() {
	stop_sshd
	start_sshd 'X11Forwarding yes' "Include $dropin"
	expect_eq '<><>' "$(ssh_as u1 -Y 'echo "<$DISPLAY><$XAUTHORITY>"')"
	stop_sshd
	start_sshd "Include $work/dropin"
}

# What a client's variables say about a display is not believed, and neither is a file that is not as sshd makes it.
test_no_other_display_or_file() {
	rm -f /home/u1/.Xauthority # sshd leaves the cookies of displays that are gone
	stop_sshd
	start_sshd 'AcceptEnv *'
	expect_eq '<><>' "$(ssh_as u1 -o 'SetEnv=DISPLAY=localhost:10.0 XAUTHORITY=/etc/hostname' 'echo "<$DISPLAY><$XAUTHORITY>"')"
	expect_eq '<><>' "$(ssh_as u1 -o 'SetEnv=DISPLAY=:0 CARREL_COOKIE=00' 'echo "<$DISPLAY><$XAUTHORITY>"')"
	expect_eq '<><>' "$(ssh_as u1 -o 'SetEnv=DISPLAY=localhost:10.0 CARREL_COOKIE=00' 'echo "<$DISPLAY><$XAUTHORITY>"')"
	stop_sshd
	start_sshd "Include $work/dropin"
}

test_nothing_is_left() {
	nothing_left
}
