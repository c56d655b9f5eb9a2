# shellcheck shell=bash
# shellcheck disable=SC2016,SC2164 # what is quoted is for the other side; a failing cd ends the test
# Files: sftp, both protocols of scp, rsync and git, through the user's own programs inside.

copy_options=("${ssh_options[@]/#-p/-P}" -q -c aes128-gcm@openssh.com) # scp and sftp have another letter for the port
remote_shell="ssh $(printf '%q ' "${ssh_options[@]}")"
at=u1@127.0.0.1

setup() {
	prepare
	add_user u1
	install_inside /usr/local/bin /opt/host rsync git git-upload-pack git-receive-pack
	mkdir "$work/files"
	head -c 104857600 /dev/urandom >"$work/files/large"
	make_tree "$work/files/tree"
}

install_inside() { # BINDIR LIBDIR PROGRAM…
	"$repo/tests/helpers/bundle.sh" "$@" | ssh_as u1 'tar -x -C /'
}

# Names and modes that get lost when a shell looks at them.
make_tree() {
	mkdir -p "$1/with space" "$1/deep/er/still" "$1/empty dir"
	echo one >"$1/with space/and *star* ?"
	echo two >"$1/deep/er/still/-dash"
	echo three >"$1/deep/\"quote' \$HOME \`id\`; ls"
	echo four >"$1/deep/"$'new\nline'
	echo five >"$1/deep/"$'\xc3\xa4\xe2\x82\xac'
	: >"$1/empty"
	chmod 750 "$1/deep"
	chmod 755 "$1/deep/er/still/-dash"
	chmod 600 "$1/empty"
}

# Names, modes and contents, to compare.
describe() { # FOLDER
	(cd "$1" && find . -printf '%m %y %p\n' | sort && find . -type f -exec sha256sum {} + | sort)
}

sftp_does() { # COMMAND OF SFTP…
	printf '%s\n' "$@" | sftp "${copy_options[@]}" -b - "$at"
}

inside() { # the sum of a file there
	ssh_as u1 "sha256sum <'$1'"
}

test_sftp_lists_makes_renames_and_removes() {
	cd "$work/files/tree"
	expect_status 0 sftp_does 'mkdir "a folder"' 'cd "a folder"' 'put empty "x y"' 'put deep/er/still/-dash new' \
		'chmod 640 new' 'rename new newer' 'ls -l' pwd
	expect_match '-rw-r----- +[?1] root +root +4 [^/]* newer' "$output"
	expect_match '-rw------- +[?1] root +root +0 [^/]* x y' "$output"
	expect_match 'Remote working directory: /root/a folder' "$output"
	expect_eq 'two' "$(ssh_as u1 'cat "a folder/newer"')"
	expect_status 0 sftp_does 'rm a\ folder/*' 'rmdir "a folder"' 'symlink /etc/passwd link'
	expect_status 1 ssh_as u1 'test -e "a folder"'
	expect_eq /etc/passwd "$(ssh_as u1 'readlink link')"
	expect_status 0 sftp_does 'rm link'
	expect_status 1 sftp_does 'get /no/such/file'
	expect_match 'not found' "$errors"
}

test_sftp_sees_the_sandbox_and_not_the_host() {
	echo host >/etc/host-mark
	echo host >/home/u1/host-mark
	expect_status 1 sftp_does 'ls /etc/host-mark'
	expect_status 1 sftp_does 'ls /home/u1/host-mark'
	expect_status 0 sftp_does "get /etc/passwd $work/passwd"
	expect_eq "$(ssh_as u1 'cat /etc/passwd')" "$(<"$work/passwd")"
}

test_sftp_carries_trees_and_100_mib() {
	cd "$work/files"
	expect_status 0 sftp_does 'put -rp tree sftp-tree' 'put large sftp-large'
	expect_eq "$(sha256sum <large)" "$(inside sftp-large)"
	expect_status 0 sftp_does 'get -rp sftp-tree tree-sftp' 'get sftp-large large-sftp'
	expect_eq "$(describe tree)" "$(describe tree-sftp)"
	cmp large large-sftp
	rm large-sftp
	ssh_as u1 'rm -r sftp-*'
}

copy_both_ways() { # [-O]
	cd "$work/files"
	scp "${copy_options[@]}" "$@" -rp tree large "$at:"
	expect_eq "$(sha256sum <large)" "$(inside large)"
	mkdir "back$*"
	scp "${copy_options[@]}" "$@" -rp "$at:tree" "$at:large" "back$*"
	cmp large "back$*/large"
	rm "back$*/large"
	ssh_as u1 'rm -r tree large'
}

test_scp_carries_trees_and_100_mib() {
	copy_both_ways
	expect_eq "$(describe tree)" "$(describe back/tree)"
	scp "${copy_options[@]}" "tree/with space/and *star* ?" "$at:one file"
	scp "${copy_options[@]}" "$at:one file" one
	expect_eq one "$(<one)"
	expect_status 1 scp "${copy_options[@]}" "$at:/no/such" .
}

test_scp_with_the_old_protocol_carries_trees_and_100_mib() {
	mv "$work/files/tree/deep/"$'new\nline' "$work" # its sender writes such names as \^J, to any system
	copy_both_ways -O
	expect_eq "$(describe tree)" "$(describe back-O/tree)"
	mv "$work/"$'new\nline' "$work/files/tree/deep/"
	scp "${copy_options[@]}" -O "tree/with space/and *star* ?" "$at:old"
	expect_eq one "$(scp "${copy_options[@]}" -O "$at:old" /dev/stdout)"
	expect_status 1 scp "${copy_options[@]}" -O "$at:/no/such" .
}

# The sshd of another distribution has its sftp-server elsewhere; each name means the one inside.
test_every_distributions_sftp_server_is_the_inner_one() {
	local path

	for path in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server \
		/usr/libexec/sftp-server internal-sftp; do
		expect_status 0 sftp -b - -D "ssh ${ssh_options[*]} $at $path -l INFO" <<<'pwd'
		expect_match 'Remote working directory: /root' "$output" "$path"
	done
}

test_rsync_both_ways() {
	cd "$work/files"
	rsync -a -e "$remote_shell" tree/ "$at:rsync tree/"
	echo changed >"tree/with space/changed"
	rm tree/empty
	expect_status 0 rsync -ai --delete -e "$remote_shell" tree/ "$at:rsync tree/"
	expect_match '\*deleting +empty' "$output"
	expect_match '<f\+* with space/changed' "$output"
	rsync -a -e "$remote_shell" "$at:rsync tree/" tree-rsync/
	expect_eq "$(describe tree)" "$(describe tree-rsync)"
	rsync -e "$remote_shell" large "$at:large"
	expect_eq "$(sha256sum <large)" "$(inside large)"
	ssh_as u1 'rm -r large rsync*'
}

test_git_push_and_clone() {
	export GIT_SSH_COMMAND=$remote_shell GIT_CONFIG_GLOBAL=$work/gitconfig
	git config --global user.email test@localhost
	git config --global user.name test
	cd "$work/files/tree"
	git init -q -b main
	git add .
	git commit -q -m first
	ssh_as u1 'git init -q --bare -b main "a project.git"'
	git push -q "$at:a project.git" main
	git clone -q "ssh://$at/root/a%20project.git" "$work/files/clone"
	expect_eq "$(git rev-parse HEAD)" "$(git -C "$work/files/clone" rev-parse HEAD)"
	expect_eq 'changed' "$(<"$work/files/clone/with space/changed")"
	git -C "$work/files/clone" commit -q --allow-empty -m second
	git -C "$work/files/clone" push -q
	git pull -q "$at:a project.git" main
	expect_eq second "$(git log -1 --format=%s)"
}

test_nothing_is_left() {
	nothing_left
}
