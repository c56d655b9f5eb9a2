# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# home = "host": the user's home of the host, through an id map.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	echo mine >/home/u1/file
	chown u1:u1 /home/u1/file
	policy
}

policy() { # [DEFAULTS]
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { home = \"host\"; ${1-} };"
}

refused_with() { # REGEX
	expect_status 254 ssh_as u1 'echo leaked'
	expect_match "$1" "$output$errors"
	expect_no_match leaked "$output"
}

test_both_ways() {
	local login inner

	for login in root user; do
		policy "login_as = \"$login\";"
		expect_status 0 ssh_as u1 'cat ~/file; echo new >~/new; mkdir -p ~/dir; ln -sf new ~/link; stat -c "%u:%g" ~ ~/file ~/new ~/dir; id -u'
		inner=$(tail -1 <<<"$output")
		[ "$login" = root ] && expect_eq 0 "$inner" || expect_eq "$(id -u u1)" "$inner"
		expect_eq 4 "$(grep -cx "$inner:$([ "$login" = root ] && echo 0 || id -g u1)" <<<"$output")" "owners: $output"
		expect_eq "$(id -u u1):$(id -g u1)" "$(stat -c %u:%g /home/u1/new)"
		expect_eq "$(id -u u1):$(id -g u1)" "$(stat -c %u:%g /home/u1 /home/u1/dir | sort -u)"
	done
	policy
	expect_status 0 ssh_as u1 'grep " /root" /proc/mounts'
	expect_eq 2 "$(grep -c 'nosuid,nodev' <<<"$output")" "$output"
	nothing_left
	[ ! -e "/var/lib/carrel/users/$(id -u u1)/home/new" ] || fail "written to the private home"
}

test_the_private_home_stays() {
	write_config <<<'covers = [ "@carrel" ];'
	expect_status 0 ssh_as u1 'ls ~; echo private >~/private'
	expect_eq '' "$output"
	policy
	expect_status 0 ssh_as u1 'ls ~/private 2>/dev/null || cat ~/file'
	expect_eq mine "$output"
	write_config <<<'covers = [ "@carrel" ];'
	expect_status 0 ssh_as u1 'ls ~'
	expect_eq private "$output"
	policy
}

test_ephemeral() {
	policy 'rootfs = "ephemeral";'
	expect_status 0 ssh_as u1 'echo kept >~/kept; echo lost >/lost'
	expect_eq kept "$(</home/u1/kept)"
	expect_status 0 ssh_as u1 'cat ~/kept; ls /lost 2>/dev/null; true'
	expect_eq kept "$output"
	policy
}

# ~/.ssh is the same mount as in a private home: noexec, and without sshd's agents if the policy is so.
test_ssh_directory() {
	expect_status 0 ssh_as u1 'ls -A ~/.ssh; grep -c " /root/.ssh .*noexec" /proc/mounts'
	expect_eq $'authorized_keys\n1' "$output"
	policy 'share_ssh_dir = false;'
	expect_status 1 ssh_as u1 'ls -A ~/.ssh; cd; mv .ssh .old && mkdir .ssh'
	expect_eq '' "$output"
	expect_match 'busy' "$errors"
	expect_status 1 ssh_as u1 'echo key >~/.ssh/authorized_keys'
	policy 'share_ssh_dir = false; login_as = "user";'
	stop_sshd
	mkdir -p "$work/keys" && cp "$work/key.pub" "$work/keys/u1"
	start_sshd "AuthorizedKeysFile $work/keys/%u"
	rm -rf /home/u1/.ssh
	expect_status 0 ssh_as u1 'ls -Ad ~/.ssh; ls -A ~/.ssh'
	expect_eq "/home/u1/.ssh" "$output"
	expect_eq "u1 700" "$(stat -c '%U %a' /home/u1/.ssh)"
	rmdir /home/u1/.ssh
	ln -s . /home/u1/.ssh
	refused_with "cannot hide '.ssh' in the home"
	rm /home/u1/.ssh
	allow_key u1
	stop_sshd
	start_sshd
	policy
	nothing_left
}

# usermod does not move the home of a user who has a process, and sshd's may outlive the client.
home_is() { # HOME
	wait_until 30 usermod -d "$1" u1
}

test_homes_that_cannot_be() {
	mv /home/u1 /home/away
	policy 'share_ssh_dir = false;'
	stop_sshd
	mkdir -p "$work/keys" && cp "$work/key.pub" "$work/keys/u1"
	start_sshd "AuthorizedKeysFile $work/keys/%u"
	refused_with "the home '/home/u1' of the host cannot be used: cannot open '/home/u1': No such file"
	install -d -o root -m 755 /home/u1
	refused_with "it belongs to uid 0"
	rmdir /home/u1
	ln -s /home/away /home/u1
	expect_status 0 ssh_as u1 'cat ~/file' # a link of root's
	chown -h u1 /home/u1
	refused_with "'/home/u1', which leads there, belongs to uid $(id -u u1) and not to root"
	rm /home/u1
	install -d -m 777 /home/open
	mv /home/away /home/open/u1
	ln -s open/u1 /home/u1
	refused_with "'/home/open', which leads there, can be written by others than root"
	rm /home/u1
	mv /home/open/u1 /home/u1
	home_is /
	refused_with "is Carrel's own"
	home_is /srv/u1
	install -d -o u1 /srv/u1
	refused_with "its filesystem cannot show other owners"
	home_is /home/u1
	stop_sshd
	start_sshd
	expect_status 0 ssh_as u1 'cat ~/file'
	nothing_left
}

test_explain_names_what_to_close() {
	expect_status 0 carrelctl explain u1
	for door in .config/systemd/user .forward .procmailrc .ssh/rc .ssh/environment .profile; do
		expect_match "carrelctl: warning: /home/u1/$door: " "$errors"
	done
	expect_match 'cron' "$errors"
	write_config <<<'covers = [ "@carrel" ];'
	expect_status 0 carrelctl explain u1
	expect_eq '' "$errors" "the control"
	policy
}
