# shellcheck shell=bash
# shellcheck disable=SC2034 # TEST_TIMEOUT is the suite runner's
# Fifty users, and what a model says that each of them has.

# shellcheck source=tests/lib/rootfs.sh
. "$lib/rootfs.sh"

TEST_TIMEOUT=600

setup() {
	local i

	prepare_versions
	for ((i = 1; i <= 50; i++)); do
		useradd -m -s "$shell_path" -G carrel "m$i"
		allow_key "m$i"
	done
}

# With another seed: CARREL_TEST_SEED=N.
test_fifty_users_and_a_model_of_them() {
	python3 "$repo/tests/helpers/rootfs_model.py" "${CARREL_TEST_SEED:-1}" 50 5 4 "$work/v1.tar.gz" "$work/v2.tar.gz" ssh "${ssh_options[@]}"
	nothing_left
}

# The model notices when a change is lost: the same with a rollback that does nothing.
test_control_a_rollback_that_does_nothing() {
	cat >"$work/carrelctl" <<-'END'
		#!/bin/sh
		[ "$2" != rollback ] || exit 0
		exec /usr/local/sbin/carrelctl "$@"
	END
	chmod 755 "$work/carrelctl"
	carrelctl rootfs list --json | python3 -c 'import json,sys,subprocess
for r in json.load(sys.stdin)["rootfs"]: subprocess.run(["carrelctl", "rootfs", "remove", r["name"], "--yes"], check=True)'
	expect_status 1 env PATH="$work:$PATH" python3 "$repo/tests/helpers/rootfs_model.py" 1 8 5 4 "$work/v1.tar.gz" "$work/v2.tar.gz" ssh "${ssh_options[@]}"
	expect_match 'the model has' "$output"
}
