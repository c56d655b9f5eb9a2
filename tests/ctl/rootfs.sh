# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# carrelctl rootfs: what a user has, and back to what they had.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

setup() {
	prepare_versions u1 u2
	inside u1 true
}

# The whole of a user's root filesystem and home as they see it, as text.
view_of() { # USER
	inside "$1" 'cd / && for d in opt etc root srv; do find $d | sort; done |
		while read -r f; do
			stat -c "%n %F %a %u %g %s" "$f"
			[ -L "$f" ] && readlink "$f"
			[ ! -f "$f" ] || [ -L "$f" ] || md5sum <"$f"
		done'
}

test_diff_of_a_fresh_one() {
	expect_eq '' "$(changes u1)"
	expect_status 0 ctl diff u1
	expect_status 1 ctl diff u2
	expect_match "'u2' has no root filesystem: it is made at the first login" "$errors"
	expect_status 1 ctl diff nobody-knows
	expect_match "there is no user 'nobody-knows'" "$errors"
	expect_status 1 ctl diff 1001.nobody.1700000000
	expect_match "there is no root filesystem '1001.nobody.1700000000'" "$errors"
}

test_diff() {
	inside u1 'cd /opt && echo mine >user && touch same && chmod 600 image && rm deleted && mkdir -p made/by/me &&
		echo x >made/by/me/file && ln -s /etc link && rm -r data && mkdir data && echo y >data/other &&
		rm -r gone && echo z >gone && echo "a\\b" >"odd
name" && truncate -s 1M big'
	expect_eq "$(sort <<-'END'
		added - /opt/big
		added - /opt/data/other
		added - /opt/link
		added - /opt/made
		added - /opt/made/by
		added - /opt/made/by/me
		added - /opt/made/by/me/file
		added - /opt/odd\x0aname
		changed attributes /opt/image
		changed content /opt/user
		changed type /opt/gone
		deleted - /opt/data/hard3
		deleted - /opt/data/sub
		deleted - /opt/deleted
	END
	)" "$(changes u1)"
	expect_status 0 ctl diff u1
	expect_match 'changed +content +file +5B +/opt/user' "$output"
	expect_match 'added +- +file +1.0M +/opt/big' "$output"
	# The same while a session is open.
	before=$(changes u1)
	hold_session u1
	expect_eq "$before" "$(changes u1)"
	release_session
	expect_status 0 ctl reset u1 --yes
	expect_eq '' "$(changes u1)"
}

# Whose paths nobody can open, and whose names in full would fill the memory of the host.
test_diff_of_a_deep_tree() {
	local name

	name=$(printf 'd%.0s' {1..200})
	# From the bottom up, as a shell cannot go down so far.
	inside u1 "cd /opt && mkdir top && echo x >top/file && deep=n && for i in \$(seq 15); do deep=\$deep/$name; done &&
		for i in 1 2 3; do mkdir -p \$deep && mv top \$deep && mv n top || exit 1; done"
	expect_status 0 ctl diff u1
	expect_match 'carrelctl: warning: [0-9]+ more differences are not listed' "$errors"
	expect_eq 22 "$(grep -c "^added" <<<"$output")" "directories up to the longest path there is"
	expect_status 0 ctl diff u1 --json
	expect_status 0 ctl export u1 "$work/deep.tar"
	expect_match 'warning: [0-9]+ files left out: their paths are too long' "$errors"
	rm "$work/deep.tar"
	ctl reset u1 --yes
	expect_eq '' "$(changes u1)"
}

# Such a session uses none of it.
test_while_an_ephemeral_session_is_open() {
	inside u1 'echo mine >/opt/user; echo mine >~/file'
	expect_eq 'changed content /opt/user' "$(changes u1)"
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v1"; rootfs = "ephemeral"; };'
	touch -d 2001-01-01 "$state/owner"
	hold_session u1
	expect_status 0 ctl list --json
	expect_eq '1 1' "$(field sessions <<<"$output") $(field changed <<<"$output")"
	expect_match "^$(date +%Y)-" "$(field last_login <<<"$output")" "a login to no files is one"
	expect_eq 'changed content /opt/user' "$(changes u1)"
	expect_status 0 ctl du u1
	expect_status 0 ctl snapshots u1
	expect_status 0 ctl export u1 "$work/beside.tar"
	tar -tf "$work/beside.tar" | grep -qx ./root/file
	rm "$work/beside.tar"
	expect_status 1 ctl reset u1 --yes
	expect_match 'has 1 open session' "$errors"
	release_session
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v1"; };'
	ctl reset u1 --yes
}

test_list_and_du() {
	inside u1 'head -c 300000 /dev/urandom >/opt/random; head -c 200000 /dev/urandom >~/mine; ln ~/mine ~/again; rm /opt/same'
	expect_status 0 ctl list
	expect_match "u1 +$(id -u u1) +used +v1 .* 2 +0 +$(date +%Y)-" "$output"
	expect_no_match u2 "$output"
	hold_session u1
	expect_eq 1 "$(ctl list --json | field sessions)"
	release_session
	expect_eq 0 "$(ctl list --json | field sessions)"
	expect_eq 2 "$(ctl list --json | field changed)"
	ctl snapshot u1 big
	expect_eq $'rootfs\nhome\nsnapshot big\nall' "$(ctl du u1 --json | field part)"
	mapfile -t bytes < <(ctl du u1 --json | field bytes)
	((bytes[0] >= 300000 && bytes[0] < 400000)) || fail "rootfs has ${bytes[0]} bytes"
	((bytes[1] >= 200000 && bytes[1] < 300000)) || fail "a file with two names counts once, home has ${bytes[1]} bytes"
	((bytes[2] >= 500000 && bytes[2] < 700000)) || fail "the snapshot has ${bytes[2]} bytes"
	((bytes[3] >= 1000000)) || fail "all have ${bytes[3]} bytes"
	expect_eq 1 "$(ctl list --json | field snapshots)"
	ctl drop u1 big --yes
	expect_eq '' "$(ctl snapshots u1 --json | field name)"
	expect_eq $'rootfs\nhome\nall' "$(ctl du u1 --json | field part)"
	ctl reset u1 --yes
}

test_snapshot_and_rollback() {
	local first second

	inside u1 'echo first >/opt/user; rm /opt/deleted; echo hers >/opt/hard2; setfacl -m u:5:r /opt/user 2>/dev/null
		mkdir -m 1777 /opt/sticky; mkfifo /opt/fifo; echo s >/opt/suid; chown 12:34 /opt/suid; chmod 4750 /opt/suid
		rm -r /opt/data; mkdir /opt/data; echo home >~/file; ln ~/file ~/file2; touch -d 2001-02-03 ~/old; ln -s nowhere ~/link
		truncate -s 50M /opt/sparse; dd if=/dev/zero of=/opt/sparse bs=1 count=1 seek=30000000 conv=notrunc 2>/dev/null'
	first=$(view_of u1)
	ctl snapshot u1 one
	expect_status 1 ctl snapshot u1 one
	expect_match "there is already a snapshot 'one'" "$errors"
	inside u1 'rm -r /opt/*; echo second >/opt/user; rm -rf ~/* ; echo other >~/file; echo x >/etc/motd'
	second=$(view_of u1)
	ctl snapshot u1 two
	expect_eq $'one\ntwo' "$(ctl snapshots u1 --json | field name)"
	expect_eq $'root\nroot' "$(ctl snapshots u1 --json | field by)"
	expect_status 0 ctl rollback u1 one --yes
	expect_eq "$first" "$(view_of u1)" "after the rollback"
	# A file of the image with three names, changed by one of them, is changed by all, after the copy too.
	expect_eq 'hers hers' "$(inside u1 'echo $(cat /opt/hard1 /opt/hard2)')"
	inside u1 'echo again >/opt/hard1; cat /opt/hard2' | grep -qx again
	expect_eq '2 2001-02-03' "$(inside u1 'stat -c %h ~/file; date -r ~/old +%Y-%m-%d' | tr '\n' ' ' | sed 's/ $//')"
	(($(du -k "$state/upper/opt/sparse" | cut -f1) < 1000)) || fail "holes were filled"
	expect_status 0 ctl rollback u1 two --yes
	expect_eq "$second" "$(view_of u1)" "on to the second"
	expect_status 0 ctl rollback u1 one --yes
	expect_eq "$first" "$(view_of u1)" "and back"
	expect_status 1 ctl rollback u1 three --yes
	expect_match "there is no snapshot 'three'" "$errors"
	ctl drop u1 one --yes
	ctl drop u1 two --yes
	expect_eq "$first" "$(view_of u1)"
	expect_eq '' "$(ls -A "$state/snapshots")"
}

test_reset() {
	local fresh

	ctl reset u1 --yes
	fresh=$(view_of u1)
	inside u1 'echo x >/opt/user; echo kept >~/file; rm -r /opt/data'
	expect_status 0 ctl reset u1 --yes --keep-home
	expect_eq '' "$(changes u1)"
	expect_eq kept "$(inside u1 'cat ~/file')"
	expect_status 0 ctl reset u1 --yes
	expect_eq "$fresh" "$(view_of u1)"
	expect_eq '' "$(inside u1 'ls ~')"
}

test_what_is_asked() {
	local verb

	ctl snapshot u1 asked
	for verb in 'rollback u1 asked' 'drop u1 asked' 'reset u1' 'remove u1' 'upgrade u1 --image v2'; do
		# shellcheck disable=SC2086
		expect_status 2 ctl $verb
		expect_match 'say --yes' "$errors"
	done
	inside u1 'echo here >~/file'
	cat >"$work/answer" <<'END'
set answer [lindex $argv 0]
spawn carrelctl rootfs reset u1
expect {
	"user 'u1': all changes to the root filesystem and the whole home are lost. Go on? \\\[y/N\\\]" {}
	timeout { exit 9 }
}
send "$answer\r"
expect eof
exit [lindex [wait] 3]
END
	expect_status 1 expect -f "$work/answer" n
	expect_match 'nothing was changed' "$output"
	expect_eq here "$(inside u1 'cat ~/file')"
	expect_status 0 expect -f "$work/answer" y
	expect_status 1 inside u1 'cat ~/file'
	ctl drop u1 asked --yes
}

test_live_sessions_are_in_the_way() {
	local verb

	ctl snapshot u1 live
	hold_session u1
	for verb in 'snapshot u1 other' 'rollback u1 live --yes' 'drop u1 live --yes' 'reset u1 --yes' 'remove u1 --yes' \
		'upgrade u1 --image v2 --yes'; do
		# shellcheck disable=SC2086
		expect_status 1 ctl $verb
		expect_match "user 'u1' has 1 open session \(--kill ends it\)" "$errors"
	done
	expect_status 0 in_session u1 "$session" true
	expect_status 0 ctl snapshots u1
	expect_status 0 ctl rollback u1 live --yes --kill
	nothing_left
	end_client
	ctl drop u1 live --yes
}

test_names_of_snapshots() {
	local name

	for name in '' . .. a/b -x .hidden 'a b' $'a\nb' "$(printf '%064d' 0)"; do
		expect_status 2 ctl snapshot u1 -- "$name"
		expect_match 'is not a name for a snapshot' "$errors"
	done
	ctl snapshot u1 "$(printf '%063d' 0)"
	ctl drop u1 "$(printf '%063d' 0)" --yes
}

# A lower case of everything that an upper directory can have in it that would lead a copy astray.
test_links_are_not_followed() {
	mkdir /srv/outside
	echo secret >/srv/outside/file
	inside u1 'ln -s /srv/outside ~/out; ln -s /srv/outside/file ~/file; mkdir -p ~/a/b; ln -s ../../../../../srv/outside ~/a/b/c; ln -s /etc/passwd /opt/p'
	ctl snapshot u1 links
	expect_eq '' "$(find "$state" -samefile /srv/outside/file)"
	expect_eq '' "$(grep -rl secret "$state" || true)"
	ctl rollback u1 links --yes
	ctl reset u1 --yes
	ctl drop u1 links --yes
	expect_eq secret "$(cat /srv/outside/file)"
	expect_eq 1 "$(find /srv/outside -mindepth 1 | wc -l)"
}

test_deep_and_wide() {
	inside u1 'cd; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d && i=$((i+1)) || exit 1; done; echo bottom >f
		cd ~ && mkdir w && cd w && i=0; while [ $i -lt 3000 ]; do mkdir $i; i=$((i+1)); done'
	ctl snapshot u1 deep
	ctl reset u1 --yes
	ctl rollback u1 deep --yes
	expect_eq '3000 1501' "$(inside u1 'ls ~/w | wc -l; cd ~; i=0; while cd d 2>/dev/null; do i=$((i+1)); done; cat f >/dev/null && echo $((i+1))' | tr '\n' ' ' | sed 's/ $//')"
	ctl drop u1 deep --yes
	# After a directory that is not empty its parent is read on, and not from its start, where a filesystem may have left room.
	inside u1 'cd; for i in $(seq 200); do mkdir -p many/$i/in; done'
	expect_status 0 strace -o "$work/trace" -e trace=lseek carrelctl rootfs reset u1 --yes
	(($(grep -c 'lseek([0-9]*, [1-9][0-9]*, SEEK_SET)' "$work/trace") >= 200)) || fail "read from the start each time"
	expect_status 1 inside u1 'ls ~/many'
}

test_full_disk_leaves_everything_as_it_was() {
	local before

	# A filesystem of its own for this user, with a little room.
	ctl remove u1 --yes
	mkdir -p "$state"
	mount -t tmpfs -o size=20M,mode=700 small "$state"
	inside u1 'head -c 12000000 /dev/urandom >~/big; echo x >/opt/user'
	before=$(view_of u1)
	expect_status 1 ctl snapshot u1 toobig
	expect_match "cannot copy 'big': No space left on device" "$errors"
	expect_eq "$before" "$(view_of u1)"
	expect_eq '' "$(ctl snapshots u1 --json | field name)"
	expect_eq '' "$(find "$state" -maxdepth 1 -name '.*' -o -maxdepth 1 -name journal)"
	umount "$state"
	rmdir "$state"
	inside u1 true
}

test_remove() {
	expect_status 0 ctl remove u1 --yes
	expect_eq '' "$(ls -d "$state" "$users"/.removed* 2>/dev/null || true)"
	expect_status 1 ctl reset u1 --yes
	expect_eq 'image 1' "$(inside u1 'cat /opt/image')"
	expect_status 0 ctl remove "$(id -u u1)" --yes
}
