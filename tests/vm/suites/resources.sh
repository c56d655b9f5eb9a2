# shellcheck shell=bash
# Attacks on the resources of the machine as on any machine, here on version 2: the quick ones of each kind.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/attack/resources.sh
. "$repo/tests/attack/resources.sh"
file=$work/tests # where the runner finds the names
grep '^test_\(memory\|pipes\|buffers\|processes\|cache\|terminals\)' "$repo/tests/attack/resources.sh" >"$file"
memory_forms='malloc memfd tables' queue_forms='pipes unix' task_forms='forks zombies'

state_on_disk() { # it is
	:
}
