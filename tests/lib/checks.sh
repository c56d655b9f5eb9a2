# shellcheck shell=bash
# Checks. A test runs under `set -eE`: the first that fails ends it, with its message and where it was called.

output='' # of the last expect_status
errors=''

fail() {
	printf 'failed: %s\n' "$*"
	return 1
}

expect_eq() { # EXPECTED ACTUAL [WHAT]
	[ "$1" = "$2" ] || fail "${3:-value}: expected '$1', got '$2'"
}

expect_ne() { # UNEXPECTED ACTUAL [WHAT]
	[ "$1" != "$2" ] || fail "${3:-value}: must not be '$1'"
}

expect_match() { # REGEX TEXT [WHAT]
	[[ "$2" =~ $1 ]] || fail "${3:-text}: expected a match of '$1' in '$2'"
}

expect_no_match() { # REGEX TEXT [WHAT]
	[[ ! "$2" =~ $1 ]] || fail "${3:-text}: expected no match of '$1' in '$2'"
}

# Run a command: its standard output is then in $output, its standard error in $errors.
expect_status() { # STATUS COMMAND…
	local want=$1 status=0 file
	shift

	file=$(mktemp "$work/errors.XXXXXX")
	output=$("$@" 2>"$file") || status=$?
	errors=$(<"$file")
	rm -f "$file"
	[ "$status" = "$want" ] || fail "'$*': expected status $want, got $status; it said '$output' and '$errors'"
}

wait_until() { # SECONDS COMMAND…
	local seconds=$(($1 * ${PATIENCE:-1}))
	local deadline=$((${EPOCHREALTIME/[.,]/} + seconds * 1000000))
	shift

	until "$@" >/dev/null 2>&1; do
		((${EPOCHREALTIME/[.,]/} < deadline)) || fail "not true after $seconds s: $*" || return 1
		sleep 0.02
	done
}

skip() { # REASON        (a failure under CI)
	printf 'skipped: %s\n' "$*"
	exit 77
}

need_alpine() {
	[ "${TEST_IMAGE_KIND-}" = alpine ] || skip "needs the Alpine image (ALPINE_TARBALL=FILE)"
}

# Everything a session must not leave behind, as text; empty when there is nothing.
leftovers() {
	local process namespace

	find /run/carrel/sessions -mindepth 1 -maxdepth 1 -printf 'session directory %p\n' 2>/dev/null
	find /sys/fs/cgroup -mindepth 2 -type d -path '*/carrel/*' -printf 'cgroup %p\n'
	pgrep -a '^carrel-' | sed 's/^/process /'
	namespace=$(readlink /proc/self/ns/pid)
	for process in /proc/[0-9]*; do
		case $(readlink "$process/ns/pid") in
		"$namespace" | '') ;;
		*) echo "process in a sandbox: ${process#/proc/} $(tr '\0' ' ' <"$process/cmdline")" ;;
		esac
	done 2>/dev/null
	# Carrel keeps its own private mount and the pinned namespaces in it.
	diff "$work/mounts" <(cut -d' ' -f5- /proc/self/mountinfo | grep -vE '^/run/carrel(/ns/[^/ ]*)? ' | sort) |
		sed -n 's/^[<>]/mount &/p'
	ip -o link | sed -n '/^[0-9]*: lo:/!s/^/network device /p'
}

has_no_leftovers() {
	[ -z "$(leftovers)" ]
}

# Assert that all sessions are gone without a trace. The end of a session may take a moment after the client's.
nothing_left() {
	wait_until 30 has_no_leftovers >/dev/null || {
		leftovers || true # its parts have statuses that mean nothing
		fail "something was left behind"
	}
}
