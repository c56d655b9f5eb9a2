# shellcheck shell=bash
# shellcheck disable=SC2034 # TEST_TIMEOUT is the suite runner's
# Changes of a root filesystem in a disk image: killed at every moment, and what a power cut may leave, since the journal is on another
# filesystem than the files.

# shellcheck source=tests/lib/rootfs_kill.sh
. "$lib/rootfs_kill.sh"

TEST_TIMEOUT=300

setup() {
	make_loop_nodes
	prepare_versions u1
	write_config <<<'covers = [ "@carrel" ]; defaults = { image = "v1"; user_limits = { disk = "48M"; }; };'
	make_changes
	[ -e "$state/disk.img" ]
	leave_a_base
}

test_snapshot() {
	kill_everywhere rootfs snapshot u1 late
}

test_rollback() {
	kill_everywhere rootfs rollback u1 early --yes
}

test_reset() {
	kill_everywhere rootfs reset u1 --yes
}

test_drop() {
	kill_everywhere rootfs drop u1 early --yes
}

line_of() { # TEXT: the number of the last line of the trace that has it
	grep -nF "$1" "$work/trace" | tail -n 1 | cut -d: -f1
}

# The journal does not go before the last rename in the image is on disk.
expect_synced() { # LAST-RENAME VERB…
	local last sync gone
	last=$1
	shift

	restore
	expect_status 0 strace -o "$work/trace" -e trace=renameat,renameat2,syncfs,unlinkat carrelctl rootfs "$@"
	last=$(line_of "$last")
	gone=$(line_of '"journal", ')
	[ -n "$last" ] && [ -n "$gone" ] || fail "the trace has no such lines: $(<"$work/trace")"
	sync=$(sed -n "$last,${gone}{/^syncfs(/=}" "$work/trace")
	[ -n "$sync" ] || fail "nothing is written to disk in between: $(sed -n "$last,${gone}p" "$work/trace")"
}

test_the_journal_goes_after_what_it_is_for() {
	expect_synced '".old", ' reset u1 --yes
	expect_synced '".old", ' rollback u1 early --yes
	expect_synced '"late"' snapshot u1 late
	expect_synced '"early", ' drop u1 early --yes
}

# What comes back when the image is older than the host's filesystem, on which the journal is gone or the record of the snapshot.
plant() { # DIRECTORY
	local part

	for part in .old .staging snapshots/late; do
		mkdir -p "$1/$part/upper/opt/planted" "$1/$part/home"
		echo x >"$1/$part/upper/opt/planted/file"
	done
}

without_late() {
	grep -v '^snapshots/late'
}

test_remains_without_a_journal() {
	local verb new

	for verb in 'reset u1 --yes' 'rollback u1 early --yes' 'drop u1 early --yes' 'upgrade u1 --image v2 --yes' 'snapshot u1 late'; do
		restore
		# shellcheck disable=SC2086
		expect_status 0 ctl $verb
		new=$(picture)
		restore
		with_storage plant
		# shellcheck disable=SC2086
		expect_status 0 ctl $verb
		if [ "$verb" = 'snapshot u1 late' ]; then
			expect_eq "$new" "$(picture)" "after '$verb'"
		else
			expect_eq "$(without_late <<<"$new")" "$(picture | without_late)" "after '$verb'"
		fi
		no_remains
		expect_status 0 ssh_as u1 true
		nothing_left
	done
}

# The same under a change that has happened and is not carried out yet, which the next login does.
test_remains_under_a_journal() {
	local n

	for n in 3 4 5; do # the first rename is the one of upper, two are the journal's
		restore
		killed_at renameat "$n" rootfs reset u1 --yes
		grep -qx committed=1 "$state/journal"
		[ "$n" != 3 ] || with_storage plant_old
		expect_eq 'user 1,' "$(inside u1 'cat /opt/user ~/other 2>/dev/null' | paste -sd, | sed 's/$/,/')"
		expect_status 0 carrelctl gc
		no_remains
	done
}

plant_old() { # DIRECTORY
	mkdir -p "$1/.old/upper/opt/planted"
}
