# shellcheck shell=bash
# The parsers of files and of other people's text against many inputs, under the sanitizers: driver.c says how.
# FUZZ_RUNS=N    inputs for each (20000); `make fuzz` takes a million
# FUZZ_SEED=N    other inputs than those of seed 1

runs=${FUZZ_RUNS:-20000}
TEST_TIMEOUT=$(((300 + runs / 50) * ${PATIENCE:-1}))

# In a directory of its own: an input that is a finding is left there, and shown.
fuzz() { # NAME FILE|DIRECTORY…
	local target=$1 status=0

	shift
	mkdir -p "$work/fuzz/$target"
	cd "$work/fuzz/$target" || return
	"$B/fuzz/fuzz_$target" -n "$runs" -s "${FUZZ_SEED:-1}" -d "$repo/tests/fuzz/config.dict" "$@" || status=$?
	if [ "$status" != 0 ] && [ -s fuzz-crash ]; then
		od -A d -c fuzz-crash | head -n 40
	fi
	return "$status"
}

test_policy_files() {
	sed 's|^\(\s*\)//|\1|' "$repo/config/carrel.conf" >"$work/all_keys.conf" # they stand there as comments
	fuzz config "$work/all_keys.conf" "$repo/config/carrel.conf" "$repo/config/examples"
}

test_keyed_files_and_the_history_of_faults() {
	fuzz keyed "$repo/tests/fuzz/corpus/keyed"
}

test_text_of_the_kernel_sshd_pam_and_users() {
	fuzz text "$repo/tests/fuzz/corpus/text"
}
