# shellcheck shell=bash
# The tests of quota.sh on xfs; and what shares blocks there.

# shellcheck source=tests/vm/suites/quota.sh
. "$repo/tests/vm/suites/quota.sh"
# shellcheck source=tests/lib/sharing.sh
. "$lib/sharing.sh"
quota_filesystem=xfs

test_snapshots_share_blocks() { each snapshots_share_with_quotas; }

snapshots_share_with_quotas() {
	disk_limits ''
	snapshots_share
}
