# shellcheck shell=bash
# What a suite may use, inside tests/lib/host. tests/README.md has the list.

lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$lib/../.." && pwd)
work=/run/test # the only place tests write to, beside the view's /tmp

# shellcheck source=tests/lib/checks.sh
. "$lib/checks.sh"
# shellcheck source=tests/lib/site.sh
. "$lib/site.sh"
