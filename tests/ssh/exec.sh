# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Commands without a terminal: input, output, status and background processes are as with a plain shell.

setup() {
	prepare
	add_user u1
	add_user plain /bin/sh
}

milliseconds() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# Runs a command and leaves how long it took in $took.
timed() { # COMMAND…
	local start

	start=$(milliseconds)
	"$@"
	took=$(($(milliseconds) - start))
}

expect_between() { # LOW HIGH NUMBER WHAT
	(($1 <= $3 && $3 <= $2)) || fail "$4: expected $1 to $2, got $3"
}

test_input_from_a_file() {
	seq 1000 >"$work/numbers"
	expect_eq 500500 "$(ssh_as u1 'awk "{s += \$1} END {print s}"' <"$work/numbers")"
	expect_eq "" "$(ssh_as u1 -n cat)"
}

test_end_of_input_is_not_the_end_of_output() {
	expect_eq "abc then end" "$(printf abc | ssh_as u1 'cat; sleep 0.2; echo " then end"')"
	expect_eq "0" "$(ssh_as u1 'wc -c' </dev/null)"
}

test_end_of_output_is_not_the_end_of_input() {
	printf 'after the end' | ssh_as u1 'exec >&- 2>&-; sleep 0.2; cat >late'
	expect_eq 'after the end' "$(ssh_as u1 'cat late')"
}

test_input_and_output_alternate() { # nothing is held back until a buffer is full
	local i line client

	mkfifo "$work/in"
	exec {to}<>"$work/in"
	exec {from}< <(exec ssh "${ssh_options[@]}" -l u1 127.0.0.1 'while read -r x; do echo "got $x"; done' <"$work/in")
	for i in {1..20}; do
		echo "$i" >&"$to"
		read -r -t 30 line <&"$from"
		expect_eq "got $i" "$line"
	done
	client=$(pgrep -fx 'ssh .* while read -r x; .*')
	kill "$client"
	exec {to}>&- {from}<&-
	nothing_left
}

test_error_is_apart() {
	expect_status 3 ssh_as u1 'echo out; echo err >&2; echo out again; exit 3'
	expect_eq $'out\nout again' "$output"
	expect_eq err "$errors"
	expect_status 0 ssh_as u1 'head -c 300000 /dev/zero >&2; head -c 400000 /dev/zero | tr "\0" x' 2>/dev/null
	expect_eq 400000 "${#output}"
}

test_100_mib_are_identical() {
	local sum

	head -c 104857600 /dev/urandom >"$work/large"
	sum=$(sha256sum <"$work/large")
	expect_eq "$sum" "$(ssh_as u1 'tee large | sha256sum' <"$work/large")" "in"
	expect_eq "$sum" "$(ssh_as u1 'cat large' | sha256sum)" "out"
	expect_eq "$sum" "$(ssh_as u1 'rm large; cat' <"$work/large" | sha256sum)" "both at once"
	rm "$work/large"
}

test_several_processes_read_the_input() {
	printf '%s\n' one two three four | ssh_as u1 'read a; read b; echo $b $a; cat' >"$work/read"
	expect_eq "two one three four" "$(tr '\n' ' ' <"$work/read" | sed 's/ $//')"
	# Who gets which part is chance; that all of it arrives once is not.
	expect_eq 3000000 "$(head -c 3000000 /dev/zero |
		ssh_as u1 'exec 3<&0; for i in 1 2 3 4 5 6 7 8; do wc -c <&3 & done; wait' | awk '{s += $1} END {print s}')"
}

# One connection for many commands: then a command costs no login.
open_connection() {
	ssh_as u1 -M -S "$work/control" -N -f </dev/null >/dev/null 2>&1
}

close_connection() {
	ssh_as u1 -S "$work/control" -O exit 2>/dev/null
	nothing_left
}

test_status_is_exact() {
	local status

	open_connection
	for status in 0 1 2 3 42 64 100 124 125 126 127 128 129 130 137 143 200 254 255; do
		expect_status "$status" ssh_as u1 -S "$work/control" "exit $status"
	done
	expect_status 127 ssh_as u1 /no/such/command
	expect_match 'not found' "$errors"
	expect_status 126 ssh_as u1 /etc/passwd
	close_connection
}

test_death_by_a_signal() {
	local name

	open_connection
	for name in HUP INT ABRT KILL SEGV PIPE ALRM TERM USR1; do # BusyBox's shell ignores QUIT by itself
		expect_status $((128 + $(kill -l "$name"))) ssh_as u1 -S "$work/control" "kill -$name \$\$"
	done
	close_connection
}

test_a_silent_background_process_delays_nobody() {
	local took

	for user in u1 plain; do
		timed expect_status 0 ssh_as "$user" 'sleep 30 >/dev/null 2>&1 & echo started'
		expect_eq started "$output"
		expect_between 0 25000 "$took" "milliseconds of $user"
	done
	nothing_left # in contrast to the plain user's
}

test_a_background_process_with_the_output_is_waited_for_as_by_a_plain_shell() {
	local took

	for user in u1 plain; do
		timed expect_status 4 ssh_as "$user" '(sleep 0.7; echo late) & echo early; exit 4'
		expect_eq $'early\nlate' "$output" "output of $user"
		expect_between 700 25000 "$took" "milliseconds of $user"
	done
	for user in u1 plain; do # with the error stream alone as well
		timed expect_status 0 ssh_as "$user" '(exec >/dev/null; sleep 0.7; echo late >&2) & echo early'
		expect_eq "early late" "$output $errors" "output of $user"
		expect_between 700 25000 "$took" "milliseconds of $user"
	done
}

test_lists_quotes_and_variables() {
	local odd=$'a  "b" \'c\' $HOME `id` \\ * ; & | > # \t\xc3\xa4 end' quoted

	quoted=${odd//\'/\'\\\'\'}

	expect_eq "1 2" "$(ssh_as u1 'echo 1 && echo 2' | tr '\n' ' ' | sed 's/ $//')"
	expect_eq "no" "$(ssh_as u1 'false && echo yes || echo no')"
	expect_eq "$odd" "$(ssh_as u1 "printf %s '$quoted'")"
	expect_eq "/root" "$(ssh_as u1 'cd && pwd')"
	expect_eq $'two\nlines' "$(ssh_as u1 $'echo two\necho lines')"
}

test_a_command_line_of_100_kb() {
	local words

	printf -v words 'x%.0s' {1..100000}
	expect_eq 100000 "$(ssh_as u1 "printf %s $words | wc -c")"
}

test_a_reader_that_stops_ends_the_command() {
	expect_eq y "$(ssh_as u1 yes | head -1)"
	nothing_left
	expect_eq 1 "$(ssh_as u1 'cat /dev/zero' | head -c 1 | wc -c)"
	nothing_left
}

test_the_end_of_the_client_ends_the_command() {
	local client

	ssh "${ssh_options[@]}" -l u1 127.0.0.1 'sleep 2001 & sleep 2002' </dev/null >/dev/null 2>&1 &
	client=$!
	wait_until 30 pgrep -fx 'sleep 2002'
	kill -KILL "$client"
	nothing_left
}

test_no_terminal_is_there() {
	expect_eq "not a tty" "$(ssh_as u1 'tty; true')"
	expect_status 1 ssh_as u1 'test -t 0 || test -t 1 || test -t 2 || : </dev/tty'
}
