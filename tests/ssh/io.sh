# shellcheck shell=bash
# Limits of disks: what is in the kernel's files, on version 1 and version 2.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
}

policy() { # DEFAULTS
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { $1 };"
}

# What there is of throttling in a session's group, without the disk: "read_bps 3145728", or "rbps 3145728".
throttles() {
	local dir

	case $(group_file "$session" blkio v1 v2) in
	*v1)
		dir=$(dirname "$(group_file "$session" blkio x x)")
		{ grep . "$dir"/blkio.throttle.*_device || true; } | sed -E 's/.*throttle\.(.*)_device:.* /\1 /' | sort
		;;
	*) sed 's/^[^ ]* //' "$(group_file "$session" io - io.max)" | tr ' ' '\n' | sed -n '/=max/!s/=/ /p' | sort ;;
	esac
}

expect_throttles() { # V1 V2
	case $(group_file "$session" blkio v1 v2) in
	*v1) expect_eq "$1" "$(throttles)" ;;
	*) expect_eq "$2" "$(throttles)" ;;
	esac
}

test_io() {
	policy "limits = { io = ( { device = \"$repo\"; read = \"3M\"; write_ops = \"200\"; } ); };"
	hold_session u1
	case $(group_file "$session" blkio v1 v2) in
	*v1)
		expect_match '^[0-9]+:[0-9]+ 3145728$' "$(<"$(group_file "$session" blkio blkio.throttle.read_bps_device -)")"
		expect_match '^[0-9]+:[0-9]+ 200$' "$(<"$(group_file "$session" blkio blkio.throttle.write_iops_device -)")"
		;;
	*v2) expect_match '^[0-9]+:[0-9]+ rbps=3145728 wbps=max riops=max wiops=200$' "$(<"$(group_file "$session" io - io.max)")" ;;
	esac
	release_session
}

test_io_that_cannot_be() {
	policy 'limits = { io = ( { device = "/proc"; read = "3M"; } ); };'
	expect_status 254 ssh_as u1 true
	expect_syslog "limit 'limits.io' cannot be enforced: '/proc' is not on a block device"
	policy 'limits = { io = ( { device = "/dev/sdzz"; read = "3M"; } ); };'
	expect_status 254 ssh_as u1 true
	expect_syslog "limit 'limits.io' cannot be enforced: '/dev/sdzz' is not on a block device: No such file"
	policy 'optional = [ "limits.io" ]; limits = { io = ( { device = "/proc"; read = "3M"; } ); };'
	expect_status 0 ssh_as u1 'echo in'
	expect_syslog "not enforced here: limits.io"
	# Who says that others need not be, has not said it of this one.
	policy 'optional = [ "limits.swap", "user_limits.io" ]; limits = { io = ( { device = "/proc"; read = "3M"; } ); };'
	forget_syslog
	expect_status 254 ssh_as u1 true
	expect_syslog "limit 'limits.io' cannot be enforced: '/proc' is not on a block device"
}

# A path means its whole disk, so two entries may mean one: what is least holds, and goes on to hold.
test_two_entries_of_one_disk() {
	policy "limits = { io = ( { device = \"$repo\"; read = \"3M\"; }, { device = \"$repo/tests\"; write = \"5M\"; read = \"500M\"; } ); };"
	hold_session u1
	expect_throttles $'read_bps 3145728\nwrite_bps 5242880' $'rbps 3145728\nwbps 5242880'
	expect_status 0 carrelctl apply
	expect_match ' 0 values changed$' "$output"
	policy "limits = { io = ( { device = \"$repo\"; read = \"4M\"; }, { device = \"$repo/tests\"; write_ops = \"50\"; } ); };"
	expect_status 0 carrelctl apply
	expect_throttles $'read_bps 4194304\nwrite_iops 50' $'rbps 4194304\nwiops 50'
	release_session
}

# The files of weights are there, and take them, also while no disk goes by them.
test_a_weight_that_no_disk_goes_by() {
	local disk scheduler

	for disk in /sys/block/*; do
		scheduler=$disk/queue/scheduler
		[ ! -e "$scheduler" ] || ! grep -q '\[bfq\]' "$scheduler" || fail "$disk uses BFQ, so this cannot be tested here"
	done
	policy 'limits = { io = ( { weight = "50"; } ); };'
	expect_status 254 ssh_as u1 true
	expect_syslog "limit 'limits.io' cannot be enforced: a weight needs BFQ or io.cost, and no disk here uses one"
	policy "limits = { io = ( { device = \"$repo\"; weight = \"50\"; } ); };"
	expect_status 254 ssh_as u1 true
	expect_syslog "limit 'limits.io' cannot be enforced: a weight needs BFQ or io.cost, and the disk of '$repo' uses neither"
	policy 'optional = [ "limits.io" ]; limits = { io = ( { weight = "50"; } ); };'
	expect_status 0 ssh_as u1 'echo in'
	expect_syslog 'not enforced here: limits.io'
}

weights() { # without the number of the disk
	sed 's/^[0-9:]* /disk /' "$(group_file "$session" blkio blkio.bfq.weight_device io.bfq.weight)"
}

# A disk of our own with BFQ, in $loop, until the test ends. False: this kernel has no BFQ.
start_bfq() {
	truncate -s 16M "$work/disk.img"
	loop=$(losetup -f --show "$work/disk.img")
	scheduler=/sys/block/${loop#/dev/}/queue/scheduler
	before=$(grep -o '\[.*\]' "$scheduler" | tr -d '[]')
	trap 'echo "$before" >"$scheduler"; losetup -d "$loop"' EXIT
	{ echo bfq >"$scheduler"; } 2>/dev/null && grep -q "\[bfq\]" "$scheduler"
}

# The weight of all disks, which makes BFQ forget those of each, and weights that the policy has no more.
test_weights_of_a_disk_with_bfq() {
	make_loop_nodes
	start_bfq || return 0
	policy "limits = { io = ( { device = \"$loop\"; weight = \"50\"; read = \"3M\"; }, { weight = \"70\"; } ); };"
	hold_session u1
	expect_eq $'default 70\ndisk 50' "$(weights)"
	expect_throttles 'read_bps 3145728' 'rbps 3145728'
	policy "limits = { io = ( { device = \"$loop\"; weight = \"50\"; }, { weight = \"80\"; } ); };"
	expect_status 0 carrelctl apply
	expect_eq $'default 80\ndisk 50' "$(weights)"
	expect_throttles '' ''
	policy 'limits = { io = ( { weight = "60"; } ); };'
	expect_status 0 carrelctl apply
	expect_eq 'default 60' "$(weights)"
	policy ''
	expect_status 0 carrelctl apply
	expect_eq 'default 100' "$(weights)"
	expect_status 0 carrelctl apply
	expect_match ' 0 values changed$' "$output"
	# BFQ has no more than 1000.
	policy "limits = { io = ( { device = \"$loop\"; weight = \"5000\"; } ); };"
	expect_status 1 carrelctl apply
	expect_match "limit 'limits.io' was refused: " "$errors"
	release_session
}
