# shellcheck shell=bash
# carrelctl doctor USER: one thing at a time is wrong with one user.

# shellcheck source=tests/lib/doctor.sh
. "$lib/doctor.sh"

setup() {
	prepare_doctor
}

test_shell() {
	mend
	usermod -s /bin/bash u1
	problem shell "u1 +locked out: covered, and the shell is '/bin/bash'"
	problem shell "u1 +locked out: covered, and the shell is '/bin/bash'" u1
	mend
	write_config <<<'covers = [ "nobody-else" ];'
	problem shell 'u1 +locked out: not sandboxed, and the shell is'
}

test_the_same_of_several_users_is_one_line() {
	local n

	mend
	for n in 2 3 4 5; do useradd -M -s /bin/bash -G carrel "many$n"; done
	problem shell 'many2, many3, many4 and 1 more +locked out'
	expect_eq 1 "$(grep -c 'locked out' <<<"$output")"
	for n in 2 3 4 5; do userdel "many$n"; done
}

test_image_of_a_user() {
	mend
	mv /var/lib/carrel/images/alpine /var/lib/carrel/images/other
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "other"; };'
	problem image "u1 +locked out: image 'alpine' is not imported"
	mv /var/lib/carrel/images/other /var/lib/carrel/images/alpine
}

test_limits() {
	local limits='limits = { io = ( { device = "/proc"; read = "1M"; } ); };'

	mend
	write_config <<<"covers = [ \"@carrel\" ]; rules = ( { match = \"u1\"; $limits } );"
	problem limits "u1 +locked out: limit 'limits.io' cannot be enforced"
	write_config <<<"covers = [ \"@carrel\" ]; rules = ( { match = \"u1\"; $limits optional = [ \"limits.io\" ]; } );"
	warning limits 'optional, and not kept here: limits.io'
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $limits };"
	problem cgroup "limit 'limits.io' cannot be enforced"
}

# As tests/ssh/disk.sh has it of a login: each limit that is set must be listed, and not one of them.
test_limits_of_disk_space_that_cannot_be_kept() {
	local user other both='user_limits = { disk = "24M"; inodes = "2k"; };' gone='rm -f /dev/loop-control'

	mend
	add_user fresh # has no files yet
	for user in u1 fresh; do
		for other in disk inodes; do
			write_config <<<"covers = [ \"@carrel\" ]; defaults = { $both optional = [ \"user_limits.$other\" ]; };"
			with "$gone" problem storage "$user .*there are no loop devices" "$user"
		done
		write_config <<<"covers = [ \"@carrel\" ]; defaults = { $both optional = [ \"user_limits.disk\", \"user_limits.inodes\" ]; };"
		with "$gone" warning storage "$user .*there are no loop devices" "$user"
	done
	userdel fresh
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $both rootfs = \"ephemeral\"; };"
	with "$gone" finds 0 ok storage 'u1 .*of the memory' u1
}

test_binds() {
	local bind='{ source = "/srv/data"; target = "/data"; }'

	mend
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { binds = ( $bind ); };"
	problem binds "u1 +locked out: '/srv/data' at '/data'"
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { binds = ( ${bind/\}/optional = true; \}} ); };"
	warning binds "goes without '/srv/data'"
	mkdir -m 777 /srv/data /srv/data/below
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { binds = ( ${bind/data/data/below} ); };"
	problem binds "'/srv/data/below'"
	# A tmpfs of the throw-away host, unlike its /srv, can be idmapped.
	mkdir -m 755 /run/source
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { binds = ( ${bind//\/srv\/data//run/source} ); };"
	expect_status 0 carrelctl doctor u1
	expect_match "ok +binds +u1 +'/run/source' at" "$output"
	rm -r /srv/data /run/source
}

test_home_that_cannot_be_idmapped() {
	local over='mount -t overlay -o lowerdir=/home/u1:/usr none /home/u1'

	mend
	with "$over" warning home 'u1 +~/.ssh is not shared'
	write_config <<<'covers = [ "@carrel" ]; defaults = { home = "host"; };'
	with "$over" problem home 'u1 +locked out: the filesystem of the home'
}

test_doors_of_a_host_home() {
	mend
	write_config <<<'covers = [ "@carrel" ]; defaults = { home = "host"; };'
	sed -i 's/user_readenv=1//' /etc/pam.d/sshd
	expect_status 0 carrelctl doctor u1
	expect_no_match 'is open' "$(grep -v '^warning' <<<"$output")"
	cp "$work/pam.good" /etc/pam.d/sshd
	echo 'session required pam_env.so user_readenv=1' >/etc/pam.d/also
	sed -i '/pam_carrel/i session include also' /etc/pam.d/sshd
	problem home '/.pam_environment is open' u1
	sed -i '/session include also/d; s/user_readenv=1//' /etc/pam.d/sshd
	sed -i '1i PermitUserEnvironment yes' /etc/ssh/sshd_config
	problem home '/.ssh/environment is open' u1
	cp "$work/sshd_config.good" /etc/ssh/sshd_config
	install -D /dev/null /var/spool/cron/crontabs/u1
	problem home 'u1 .*a door elsewhere is open' u1
	rm /var/spool/cron/crontabs/u1
	[ -e /usr/sbin/sendmail ] || install -m 755 /bin/true /usr/sbin/sendmail
	warning home '/.forward is open' u1
	write_config <<<'covers = [ "@carrel" ]; defaults = { home = "host"; forced_command_ok = true; };'
	usermod -s /bin/bash u1
	problem home '/.profile is open' u1
}
