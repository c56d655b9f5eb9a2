# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Whose a root filesystem is: uids that change hands, ranges of ids that somebody else has.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

faults=/var/lib/carrel/faults

setup() {
	prepare_versions u1
	install -d -m 700 "$faults"
}

test_a_uid_that_another_account_has_got() {
	local uid dir

	inside u1 'echo secret >~/file; echo secret >/opt/user'
	ids=$(cat "$state/ids")
	uid=$(id -u u1)
	ctl snapshot u1 his
	wait_until 30 userdel u1 # not while sshd's process of the user ends
	useradd -u "$uid" -m -d /home/new -s "$shell_path" -G carrel new
	allow_key new
	expect_eq 'user 1,' "$(inside new 'cat /opt/user ~/file 2>/dev/null' | paste -sd,),"
	expect_ne "$ids" "$(cat "$state/ids")" "the blocks of ids"
	dir=$(basename "$(ls -d "$users/$uid".u1.*)")
	expect_syslog "uid $uid is now 'new' and was 'u1' before, whose files are kept in '$users/$dir'"
	expect_status 0 ctl list
	expect_match "u1 +$uid +kept +v1 .* $dir" "$output"
	expect_match "new +$uid +used +v1 " "$output"
	# The files kept aside are looked at while the new account uses its own.
	hold_session new
	expect_eq 1 "$(overlays)"
	expect_status 0 ctl list
	expect_match "u1 +$uid +kept " "$output"
	expect_eq 1 "$(overlays)" "root filesystems in the vault"
	expect_status 0 ssh_as new true
	release_session
	expect_match 'changed +content .*/opt/user' "$(ctl diff "$dir")"
	expect_eq secret "$(ctl export "$dir" - | tar -xOf - ./root/file)"
	expect_status 0 ctl rollback "$dir" his --yes
	expect_status 0 ctl remove "$dir" --yes
	expect_status 1 ctl diff "$dir"
	expect_eq new "$(ctl list --json | field user | head -n 1)"
	wait_until 30 userdel new
}

test_not_while_the_old_account_is_logged_in() {
	local uid

	add_user u3
	uid=$(id -u u3)
	hold_session u3
	sed -i "s/^u3:/x3:/" /etc/passwd /etc/shadow
	sed -i 's/\bu3\b/u3,x3/' /etc/group
	install -d /home/x3
	expect_status 254 ssh_as x3 true
	expect_syslog "uid $uid was user 'u3' before, who is still logged in"
	sed -i "s/^x3:/u3:/" /etc/passwd /etc/shadow
	release_session
}

# --- the same uid and name ---

# An account with something of everything that is kept of a user.
settle() { # NAME
	add_user "$1"
	uid=$(id -u "$1")
	inside "$1" 'echo secret >~/file; echo secret >/opt/user'
	ctl snapshot "$1" his
	printf '%s\t' time=1700000000 "user=$1" "uid=$uid" "session=$uid-00000001" kind=memory level=session group= limit=1 peak=1 \
		count=1 "process=of-$1" | sed 's/\t$/\n/' >"$faults/$uid"
	expect_match "of-$1 " "$(carrelctl faults "$1")"
}

anew() { # NAME UID
	useradd -u "$2" -m -s "$shell_path" -G carrel "$1"
	allow_key "$1"
}

begins_with_nothing() { # NAME
	expect_eq 'user 1,' "$(inside "$1" 'cat /opt/user ~/file 2>/dev/null' | paste -sd,),"
	expect_no_match his "$(ctl snapshots "$1")"
	expect_no_match ' of-' "$(carrelctl faults "$1"; carrelctl faults "$uid")"
}

has_everything() { # NAME
	expect_eq secret,secret "$(inside "$1" 'cat /opt/user ~/file' | paste -sd,)"
	expect_match his "$(ctl snapshots "$1")"
	expect_match ' of-' "$(carrelctl faults "$uid")"
}

kept_of() { # NAME UID
	compgen -G "$users/$2.$1.*" | xargs -n 1 basename
}

nothing_kept_of() { # NAME UID
	expect_eq '' "$(compgen -G "$users/$2.$1.*" || true)" "what is kept of $1"
}

test_an_account_made_anew() {
	local uid ids dir

	settle ann
	ids=$(cat "$users/$uid/ids")
	wait_until 30 userdel -r ann
	anew ann "$uid"
	begins_with_nothing ann
	dir=$(kept_of ann "$uid")
	expect_syslog "the account 'ann' with uid $uid was made anew .* the files of the one before are kept in '$users/$dir'"
	expect_ne "$ids" "$(cat "$users/$uid/ids")" "the blocks of ids"
	expect_match "ann +$uid +kept +v1 .* $dir" "$(ctl list)"
	# It is the very same again at the next login, also with another password.
	inside ann 'echo since >~/since'
	chpasswd <<<ann:new
	expect_eq since "$(inside ann 'cat ~/since')"
	# The way back, which shows that all of it was there: what the new account had is kept in its turn.
	expect_status 0 ctl adopt ann "$dir" --yes
	expect_match "what 'ann' had until now is kept aside as '$uid.ann.[0-9]+'" "$output"
	has_everything ann
	expect_eq "$ids" "$(cat "$users/$uid/ids")"
	dir=$(kept_of ann "$uid")
	expect_status 0 ctl adopt ann "$dir" --yes
	expect_eq since "$(inside ann 'cat ~/since')"
	expect_no_match ' of-' "$(carrelctl faults "$uid")"
	wait_until 30 userdel -r ann
}

# Each of these alone is no new account.
test_a_home_that_was_moved_and_a_new_password() {
	local uid

	settle bob
	chage -d 2020-01-01 bob
	mv /home/bob /home/bob.old
	cp -a /home/bob.old /home/bob
	has_everything bob
	expect_eq "home.inode=$(stat -c %i /home/bob)" "$(grep ^home.inode "$users/$uid/owner")"
	wait_until 30 usermod -d /srv/bob -m bob
	has_everything bob
	chpasswd <<<bob:new # the home is not another one than at the last login
	has_everything bob
	nothing_kept_of bob "$uid"
	# An owner of an earlier version says nothing of the home: from now on it is known.
	sed -i /^home/d "$users/$uid/owner"
	rm -r /srv/bob
	install -d -o bob -g bob /srv/bob
	allow_key bob
	has_everything bob
	rm -r /home/bob.old
	cp -a /srv/bob /srv/bob2
	usermod -d /srv/bob2 bob
	begins_with_nothing bob
	expect_ne '' "$(kept_of bob "$uid")"
	wait_until 30 userdel bob
}

# There is no room for the home to be remembered: after an update of Carrel, say, or when homes were moved.
test_a_full_disk_locks_nobody_out() {
	local uid

	settle dan
	sed -i /^home/d "$users/$uid/owner"
	mount -o remount,size=$(($(du -sm /var/lib/carrel | cut -f 1) + 1))m /var/lib/carrel
	expect_status 1 dd if=/dev/zero of=/var/lib/carrel/filler bs=4k
	expect_match 'No space left' "$errors"
	expect_eq secret "$(inside dan 'cat /opt/user')"
	expect_syslog "the home of user 'dan' is not remembered: cannot write 'owner' of uid $uid: No space left on device"
	expect_eq "$uid dan" "$(cut -d ' ' -f 1,2 "$users/$uid/owner")"
	rm /var/lib/carrel/filler
	mount -o remount,size=50% /var/lib/carrel
	remember_mounts # the size is an option of it now
	has_everything dan
	expect_eq "home.inode=$(stat -c %i /home/dan)" "$(grep ^home.inode "$users/$uid/owner")"
	wait_until 30 userdel -r dan
}

# Where the user could arrange another home nothing is made of it.
test_a_home_that_is_not_roots_to_give() {
	local uid

	settle eve
	install -d -o eve -g eve /srv/eve
	cp -a /home/eve /srv/eve/home
	usermod -d /srv/eve/home eve
	chpasswd <<<eve:new
	has_everything eve
	nothing_kept_of eve "$uid"
	wait_until 30 userdel eve
}

test_a_renamed_account() {
	local uid

	settle mia
	wait_until 30 usermod -l mim mia
	begins_with_nothing mim
	expect_status 0 ctl adopt mim "$(kept_of mia "$uid")" --yes
	has_everything mim
	# Before the next login nothing has to be put aside.
	wait_until 30 usermod -l mum mim
	expect_status 1 ctl adopt mum mum --yes
	expect_match "is that of 'mim', who had it before 'mum': name it by the number" "$errors"
	expect_status 0 ctl adopt mum "$uid" --yes
	expect_eq '' "$output"
	has_everything mum
	nothing_kept_of mum "$uid"
	wait_until 30 userdel mum
}

test_what_is_not_adopted() {
	local uid dir

	settle kim
	wait_until 30 userdel -r kim
	anew kim "$uid"
	hold_session kim
	dir=$(kept_of kim "$uid")
	expect_status 2 ctl adopt kim "$dir" </dev/null
	expect_status 1 ctl adopt kim "$dir" --yes
	expect_match "user 'kim' has 1 open session \(--kill ends it\)" "$errors"
	expect_status 1 ctl adopt root "$dir" --yes
	expect_match "'$dir' is of uid $uid, and 'root' has uid 0" "$errors"
	expect_status 1 ctl adopt nobody-has-this-name "$dir" --yes
	expect_status 1 ctl adopt kim "$uid.kim.1" --yes
	expect_eq "$dir" "$(kept_of kim "$uid")"
	expect_status 0 ctl adopt kim "$dir" --yes --kill
	release_session
	has_everything kim
	# What was removed by name is not there for a new account either: for a hook that runs before userdel.
	expect_status 0 ctl remove kim --yes
	wait_until 30 userdel -r kim
	anew kim "$uid"
	begins_with_nothing kim
	wait_until 30 userdel -r kim
}

# Killed at any moment it leaves the user with one of the two, and the same command, or with the number once the state is in its
# place, brings back all of it.
test_adopt_cut_off() {
	local uid dir syscall n status total=0

	settle cas
	wait_until 30 userdel -r cas
	anew cas "$uid"
	inside cas 'echo since >~/since'
	dir=$(kept_of cas "$uid")
	sed 's/of-cas/of-new/' "$users/$dir/faults" >"$faults/$uid"
	cp -a "$users" "$work/users"
	cp -a "$faults" "$work/faults"
	for syscall in renameat renameat2 unlinkat fsync; do
		for ((n = 1; ; n++)); do
			rm -rf "${users:?}" "${faults:?}"/*
			cp -a "$work/users" "$users"
			cp -a "$work/faults/." "$faults"
			status=0
			(exec strace -o /dev/null -e "inject=$syscall:signal=KILL:when=$n" carrelctl rootfs adopt cas "$dir" --yes >"$work/said" 2>&1) 2>/dev/null ||
				status=$?
			[ $status != 0 ] || break
			expect_eq 137 $status "killed before $syscall $n: $(<"$work/said")"
			total=$((total + 1))
			if [ -e "$users/$uid/home/since" ]; then
				expect_status 0 ctl adopt cas "$dir" --yes
			else
				expect_status 0 ctl adopt cas "$uid" --yes
			fi
			expect_eq secret "$(cat "$users/$uid/home/file")" "killed before $syscall $n"
			expect_match ' of-cas ' "$(carrelctl faults cas)" "killed before $syscall $n"
			expect_eq 1 "$(find "$users" -path "*/$uid.cas.*/home/since" | wc -l)" "killed before $syscall $n"
			expect_eq '' "$(find "$users" -mindepth 2 -maxdepth 2 -name '.*' -printf '%P ')" "left, killed before $syscall $n"
		done
	done
	[ $total -gt 8 ] || fail "killed only $total times"
}

# --- blocks of ids ---

# Ranges of /etc/subuid that are not used, and why.
test_ranges_of_ids() {
	local uid=7001 range

	useradd -m -s "$shell_path" -G carrel u4 -u "$uid"
	allow_key u4
	for range in 524288 $((524288 - 1000)) 1879048000 6990; do
		carrelctl rootfs remove u4 --yes 2>/dev/null || true
		sed -i "/^u4:/d" /etc/subuid /etc/subgid
		echo "u4:$range:65536" | tee -a /etc/subuid >>/etc/subgid
		inside u4 true
		expect_match '^2[0-9]{9} ' "$(cat "$users/$uid/ids")" "range $range"
		expect_match "the range of 'u4' in /etc/subuid or /etc/subgid, from $range and $range, is not used: it gets another: it (overlaps with systemd|has ids of the system)" \
			"$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
	done
	# A login's own uid in it.
	ctl remove u4 --yes
	useradd -M -u 2000000005 far
	sed -i "/^u4:/d" /etc/subuid /etc/subgid
	echo "u4:2000000000:65536" | tee -a /etc/subuid >>/etc/subgid
	inside u4 true
	expect_match "it has the uid or group of user 'far' in it" "$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
	# And a good one is used.
	ctl remove u4 --yes
	sed -i "/^u4:/d" /etc/subuid /etc/subgid
	echo "u4:2000100000:65536" | tee -a /etc/subuid >>/etc/subgid
	inside u4 true
	expect_eq '2000100000 2000100000' "$(cat "$users/$uid/ids")"
	# It is refused to those who come later and have it too, and to a login that is one of its ids.
	useradd -m -s "$shell_path" -G carrel -u 7002 u5
	allow_key u5
	sed -i "/^u5:/d" /etc/subuid /etc/subgid
	echo "u5:2000165535:65536" | tee -a /etc/subuid >>/etc/subgid
	inside u5 true
	expect_match "it overlaps with the range of 'u4' in /etc/subuid" "$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
	# Also when the file does not say any more whose it is.
	ctl remove u5 --yes
	sed -i "/^u4:/d" /etc/subuid /etc/subgid
	inside u5 true
	expect_match "it overlaps with that of '7001'" "$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
	useradd -m -s "$shell_path" -G carrel -u 2000100007 u6
	allow_key u6
	expect_status 254 ssh_as u6 true
	expect_syslog "uid 2000100007 is in the block of ids of the sandbox of '7001'"
}

# Somebody who is not covered has containers of their own with these ids: they would be those of the sandbox.
test_a_range_that_another_user_has() {
	local uid=7101 file

	useradd -m -s /bin/sh -u 7100 podman
	useradd -m -s "$shell_path" -G carrel -u "$uid" u7
	allow_key u7
	for file in uid gid; do
		sed -i "/^\(podman\|u7\):/d" /etc/subuid /etc/subgid
		printf '%s\n' podman:1900000000:65536 'not a line' >>/etc/subuid
		printf '%s\n' u7:1900000000:65536 >>/etc/subuid
		printf '%s\n' u7:1900000000:65536 >>/etc/subgid
		[ $file = uid ] || sed -i '/^podman:/{
			w /etc/subgid.podman
			d
		}' /etc/subuid
		[ $file = uid ] || cat /etc/subgid.podman >>/etc/subgid
		ctl remove u7 --yes 2>/dev/null || true
		inside u7 true
		expect_match "the range of 'u7' .* is not used: it gets another: it overlaps with the range of 'podman' in /etc/sub$file" \
			"$(syslog 'carrel-keeper.* is not used' | tail -n 1)"
		expect_match '^2[0-9]{9} ' "$(cat "$users/$uid/ids")"
	done
	# Their own line, by name or by number, is in nobody's way: the control.
	sed -i '/^podman:/d; s/^u7:/7101:/' /etc/subuid /etc/subgid
	echo u7:1900000000:65536 | tee -a /etc/subuid >>/etc/subgid
	ctl remove u7 --yes
	inside u7 true
	expect_eq '1900000000 1900000000' "$(cat "$users/$uid/ids")"
	# What was given to somebody else afterwards is said by doctor; the user is not locked out for it.
	echo podman:1900065535:1 >>/etc/subgid
	inside u7 true
	expect_match "the block of ids of uid $uid, from 1900000000 and 1900000000, is not theirs alone: it overlaps with the range of 'podman' in /etc/subgid" \
		"$(carrelctl doctor --json || true)"
}
