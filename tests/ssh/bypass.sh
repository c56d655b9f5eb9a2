# shellcheck shell=bash
# The matrix of docs/bypass-matrix.md, of which these are the columns that must not change: no way leads round Carrel's
# sandbox, and each leads somewhere for a user without one. tests/bypass/run has the others.

# shellcheck source=tests/bypass/matrix.sh
. "$repo/tests/bypass/matrix.sh"

TEST_TIMEOUT=300 # it is many logins, on a busy machine as well

setup() {
	make_site plain carrel
}

answers_to() { # WAY USER
	local question answer all=

	for question in read reach run; do
		answer "$1" "$question" "$2"
		all+=" / $answer"
	done
	echo "${all# / }"
}

test_control_every_way_leads_somewhere_for_a_plain_shell() {
	local way answers missing=

	for way in "${ways[@]}"; do
		answers=$(answers_to "$way" plain-user)
		echo "$way: $answers"
		case $way in
		N) expect_eq '– / yes / no' "$answers" "$way" ;; # without forwards it is nothing but a connection
		*) [[ "$answers" != *no* ]] || missing+=" $way" ;;
		esac
	done
	expect_eq '' "$missing" "ways that do not work"
}

# And what is no danger can be used: it leads into the sandbox.
test_no_way_leads_round_carrel_and_most_lead_into_it() {
	local way answers

	for way in "${ways[@]}"; do
		answers=$(answers_to "$way" carrel-user)
		echo "$way: $answers"
		expect_no_match yes "$answers" "$way"
		case $way in
		socket-L | socket-R | w | X11 | rc) ;; # off in the drop-in for sshd
		*) expect_no_match off "$answers" "$way" ;;
		esac
	done
}
