# shellcheck shell=bash
# carrelctl: the command line, check and explain.

conf=/etc/carrel/carrel.conf

setup() {
	install_carrel
	useradd -M -s "$shell_path" -G carrel covered
	useradd -M -s /bin/bash other
}

as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# --- the command line ---

test_help_and_version() {
	local word

	for word in help --help -h; do
		expect_status 0 carrelctl "$word"
		expect_match '^usage: carrelctl VERB' "$output"
		expect_match 'image import NAME SOURCE' "$output"
		expect_eq '' "$errors"
	done
	expect_status 0 carrelctl version
	expect_match '^carrelctl [0-9]+\.[0-9]+\.[0-9]+$' "$output"
	expect_status 0 carrelctl --version
	expect_status 0 carrelctl help image import
	expect_match '^carrelctl image import \[--no-sftp\] \[--sha512 HEX\] NAME SOURCE' "$output"
	expect_status 0 carrelctl kill --help
	expect_match '^carrelctl kill ID\|USER$' "$output"
	expect_status 0 carrelctl help rootfs upgrade
	expect_match ' \[--dry-run\] --image NAME USER' "$output" "what must be given has no brackets"
}

test_uninstall_removes_what_install_puts_there() {
	local tree=$work/tree doc=$work/tree/usr/local/share/doc/carrel

	make -s -C "$repo" -o all B="$B" DESTDIR="$tree" install
	diff -r "$repo/config/examples" "$doc/examples"
	diff "$repo/config/pam.d/sshd.example" "$doc/sshd.example"
	make -s -C "$repo" B="$B" DESTDIR="$tree" uninstall
	expect_eq "$tree/etc/carrel/carrel.conf" "$(find "$tree" -type f)"
	[ ! -e "$doc" ] || fail "$doc is left"
}

test_manual_and_completion_have_every_verb() {
	local name sub _

	while read -r name sub _; do
		[[ "$name" =~ ^(image|rootfs)$ ]] || sub=
		grep -q "^\.Cm $name${sub:+ $sub}\b" "$repo/docs/man/carrelctl.8"
		grep -q "\b$name\b.*'" "$repo/packaging/completions/carrelctl.bash"
		[ -z "$sub" ] || grep -q "'.*\b$sub\b.*'" "$repo/packaging/completions/carrelctl.bash"
	done < <(carrelctl help | sed -n 's/^  //p')
}

test_closed_descriptors() {
	expect_status 0 sh -c 'carrelctl check <&- >&- 2>&-'
	expect_status 2 sh -c 'carrelctl lst <&- >&- 2>&-'
}

usage_error() { # MESSAGE ARGUMENT…
	local message=$1
	shift

	expect_status 2 carrelctl "$@"
	expect_match "^carrelctl: .*$message" "$errors" "message of '$*'"
	expect_eq '' "$output" "output of '$*'"
}

test_usage_errors() {
	expect_status 2 carrelctl
	expect_match '^usage:' "$errors"
	usage_error "unknown verb 'lst' \(did you mean 'list'\?\)" lst
	usage_error "unknown verb 'imgae' \(did you mean 'image'\?\)" imgae
	usage_error "unknown verb 'frobnicate' \('carrelctl help' lists them\)" frobnicate
	usage_error "did you mean 'import'" image improt x y
	usage_error 'needs one of: import, fetch, build, list, verify, remove' image
	usage_error 'needs one of: import, fetch, build, list, verify, remove' image --json
	usage_error 'needs one of: list, du, diff, snapshot, snapshots, rollback, drop, reset, upgrade, export, adopt, remove' rootfs
	usage_error "did you mean 'rollback'" rootfs rolback x y
	usage_error 'verb comes first' --json list
	usage_error "'list' does not take '--jsn'" list --jsn
	usage_error "'list' does not take '--force'" list --force
	usage_error "'list' does not take '--json=yes'" list --json=yes
	usage_error "'rootfs snapshot' does not take '--yes'" rootfs snapshot --yes u1 x
	usage_error "'image import': '--sha512' needs a value" image import --sha512
	usage_error "'../x' is not a name for an image" rootfs upgrade --image ../x u1
	usage_error 'say --image NAME' rootfs upgrade u1
	usage_error 'too few arguments' kill
	usage_error 'too many arguments' kill a b
	usage_error 'too many arguments' check a b
	usage_error 'too few arguments' image import alpine
	usage_error 'unknown verb' help nothing
	usage_error 'unknown verb ..x1b' $'\e[2J'
}

test_verbs_of_later_versions() {
	usage_error "'enter' is not available in this version" enter
}

test_options_anywhere_after_the_verb() {
	expect_status 0 carrelctl explain --json covered
	expect_status 0 carrelctl explain covered --json
	expect_status 1 carrelctl explain -- --json
	expect_match "no such user '--json'" "$errors"
}

test_verbs_that_need_root() {
	local verb

	for verb in doctor list top gc 'show x' 'kill x' 'image list' 'image remove x' 'image verify x' 'image fetch alpine' 'image build busybox' 'rootfs list' 'rootfs reset x --yes'; do
		# shellcheck disable=SC2086
		expect_status 1 as_nobody carrelctl $verb
		expect_match "^carrelctl: .* must be run as root$" "$errors"
	done
}

test_output_that_cannot_be_written() {
	expect_status 1 sh -c 'carrelctl help >/dev/full'
	expect_match 'cannot write the output' "$errors"
}

# --- check ---

test_check_good() {
	write_config <<<'covers = [ "@carrel", "uid:5000-5999" ]; exempt = [ "@sudo" ];
		rules = ( { match = "covered"; limits = { memory = "64M"; }; } );'
	expect_status 0 carrelctl check
	expect_eq "$conf: ok
mode enforce; covers 2 patterns, exempts 1; 1 rule" "$output"
	expect_status 0 as_nobody carrelctl check
	expect_eq '' "$errors" "what nobody can look at is not warned about"
}

test_check_installed_config() {
	make -s -C "$repo" -o all B="$B" DESTDIR=/tmp/fresh install
	install -D /tmp/fresh/etc/carrel/carrel.conf /etc/fresh/carrel.conf
	expect_status 0 carrelctl check /etc/fresh/carrel.conf
	expect_match '^/etc/fresh/carrel.conf: ok' "$output"
}

test_check_near_miss() {
	write_config <<-'END'
		covers = [ "@carrel" ];
		defaults = {
		  limits = { memroy = "64M"; };
		};
	END
	expect_status 1 carrelctl check
	expect_eq "carrelctl: $conf:3: unknown setting 'memroy' (did you mean 'memory'?)" "$errors"
	expect_eq '' "$output"
}

test_check_says_every_error() {
	write_config <<-'END'
		covers = "@carrel";
		mode = "enfroce";
		defaults = { limits = { pids = "many"; cpus = "-1"; }; };
		rules = ( { match = "covered"; shel = "/bin/sh"; } );
	END
	expect_status 1 carrelctl check
	expect_eq 5 "$(grep -c "^carrelctl: $conf:[0-9]*: " <<<"$errors")" "errors"
	expect_match "$conf:4: unknown setting 'shel' \(did you mean 'shell'\?\)" "$errors"
}

test_check_syntax_error() {
	write_config <<<$'covers = [ "@carrel" ];\nmode = = "off";'
	expect_status 1 carrelctl check
	expect_match "^carrelctl: $conf:2: " "$errors"
}

test_check_conf_d() {
	write_config <<<'covers = [ "@carrel" ];'
	echo 'defaults = { limits = { memory = "lots"; }; };' >/etc/carrel/conf.d/10-site.conf
	expect_status 1 carrelctl check
	expect_match 'conf.d/10-site.conf:1: ' "$errors"
	rm /etc/carrel/conf.d/10-site.conf
}

test_check_files_that_cannot_be_trusted() {
	write_config <<<'covers = [ "@carrel" ];'
	chmod 666 "$conf"
	expect_status 1 carrelctl check
	expect_match 'writable' "$errors"
	chmod 644 "$conf"
	chown other "$conf"
	expect_status 1 carrelctl check
	expect_match "^carrelctl: .*$conf" "$errors"
	chown root "$conf"
	expect_status 1 carrelctl check /etc/carrel/nothing.conf
	expect_match 'nothing.conf' "$errors"
	expect_status 1 carrelctl check /etc/carrel
	mkfifo /etc/carrel/fifo.conf
	expect_status 1 carrelctl check /etc/carrel/fifo.conf # and does not wait for a writer
	ln -s carrel.conf /etc/carrel/link.conf
	expect_status 1 carrelctl check /etc/carrel/link.conf
	rm /etc/carrel/{fifo,link}.conf
}

test_check_warns_of_a_missing_image() {
	write_config <<-'END'
		covers = [ "@carrel" ];
		rules = ( { match = "covered"; image = "missing"; } );
	END
	expect_status 0 carrelctl check
	expect_match "^carrelctl: warning: image 'alpine' is not imported"$'\n' "$errors"$'\n'
	expect_match "carrelctl: warning: $conf:2: image 'missing' is not imported" "$errors"
	expect_match 'ok' "$output"
	carrelctl image import alpine "$TEST_IMAGE" >/dev/null
	expect_status 0 carrelctl check
	expect_eq "carrelctl: warning: $conf:2: image 'missing' is not imported" "$errors"
	carrelctl image remove alpine
}

# --- explain ---

value() { # SETTING: "FROM VALUE" of the last explain
	sed -n "s/^$1 \+//p" <<<"$output"
}

test_explain() {
	write_config <<-'END'
		covers = [ "@carrel" ];
		defaults = { limits = { memory = "300M"; }; env = [ "EDITOR", "GIT_*" ]; };
		rules = (
		  { match = "@carrel"; limits = { cpus = "0.5"; pids = "40"; }; },
		  { match = "covered"; limits = { pids = "50"; }; },
		  { match = "other"; limits = { pids = "60"; }; }
		);
	END
	expect_status 0 carrelctl explain covered
	expect_eq '' "$errors"
	expect_match "^covered \(uid [0-9]+\) is covered: matches covers '@carrel' \($conf:1\)"$'\n' "$output"
	expect_match "^$conf:2 +300M$" "$(value limits.memory)"
	expect_match "^$conf:2 +EDITOR GIT_\*$" "$(value env)"
	expect_match "^$conf:4 +0.5$" "$(value limits.cpus)"
	expect_match "^$conf:5 +50$" "$(value limits.pids)"
	expect_match '^built in +enforce$' "$(value mode)"
	expect_match '^built in +covered$' "$(value hostname)"
	expect_match '^built in +.*chown.*setuid' "$(value capabilities)"
	expect_no_match $'\x1b' "$output"
}

test_explain_not_covered() {
	expect_status 0 carrelctl explain other
	expect_match '^other \(uid [0-9]+\) is not covered: matches nothing in covers' "$output"
	expect_status 0 carrelctl explain root
	expect_match '^root \(uid 0\) is not covered: uid 0 is never covered' "$output"
	expect_status 1 carrelctl explain nosuchuser
	expect_eq "carrelctl: no such user 'nosuchuser'" "$errors"
}

test_explain_json() {
	expect_status 0 carrelctl explain --json other
	expect_match '"setting": "covered",'$'\n''[^"]*"from": "matches nothing in covers",'$'\n''[^"]*"value": "false"' "$output"
	expect_status 0 carrelctl explain --json covered
	expect_eq 1 "$(grep -c "\"from\": \"$conf:5\"" <<<"$output")"
}

test_explain_says_why_logins_fail() {
	write_config <<<'covers = [ "other" ];'
	expect_status 0 carrelctl explain other
	expect_match "warning: logins of 'other' are refused: the shell in passwd is '/bin/bash'" "$errors"
	write_config <<<'covers = [ "other" ]; defaults = { forced_command_ok = true; };'
	expect_status 0 carrelctl explain other
	expect_eq '' "$errors"
	write_config <<<'covers = [ "covered" ]; mode = "shadow";'
	expect_status 0 carrelctl explain covered
	expect_match "'mode' is \"shadow\": nobody is sandboxed" "$errors"
}

test_explain_broken_config() {
	write_config <<<'covers = [ "covered" ]; mod = "off";'
	expect_status 1 carrelctl explain covered
	expect_eq "carrelctl: $conf:1: unknown setting 'mod' (did you mean 'mode'?)" "$errors"
}
