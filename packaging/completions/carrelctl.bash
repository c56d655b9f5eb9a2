# shellcheck shell=bash
# bash completion for carrelctl(8).

_carrelctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]-} sub=${COMP_WORDS[2]-} words=

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		words='check explain list show top kill set apply faults gc image version help'
	elif [ "$verb" = help ] && [ "$COMP_CWORD" = 2 ]; then
		words='check explain list show top kill set apply faults gc image version help'
	elif [ "$COMP_CWORD" = 2 ] && [ "$verb" = image ]; then
		words='import fetch build list verify remove'
	else
		case $verb:$sub in
		check:*)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			compopt -o filenames 2>/dev/null
			return
			;;
		explain:*) words="--json $(compgen -u)" ;;
		list:*) words=--json ;;
		top:*)
			case ${COMP_WORDS[COMP_CWORD - 1]} in
			--sort) words='memory cpu pids io throttled age idle user' ;;
			-n | -d) return ;;
			*) words='--batch --json --sort --users -d -n' ;;
			esac
			;;
		show:*) words="--json $(carrelctl list 2>/dev/null | awk 'NR > 1 { print $1; print $2 }')" ;;
		faults:*) words="--json $(compgen -u)" ;;
		kill:*) words="$(carrelctl list 2>/dev/null | awk 'NR > 1 { print $1; print $2 }')" ;;
		set:*)
			if [ "$COMP_CWORD" = 2 ]; then
				words=$(carrelctl list 2>/dev/null | awk 'NR > 1 { print $2 }')
			else
				words='memory= swap= cpus= cpu_weight= pids= user_limits.memory= user_limits.cpus= user_limits.pids= disk= inodes= max= idle= lifetime= warn='
				compopt -o nospace 2>/dev/null
			fi
			;;
		image:list) words=--json ;;
		image:verify) words="--json $(carrelctl image list 2>/dev/null | awk 'NR > 1 { print $1 }')" ;;
		image:fetch) words='alpine --mirror --as --no-sftp' ;;
		image:build) words='busybox --no-sftp' ;;
		image:remove) words="--force $(carrelctl image list 2>/dev/null | awk 'NR > 1 { print $1 }')" ;;
		image:import)
			[ "$COMP_CWORD" -ge 4 ] || return
			mapfile -t COMPREPLY < <(compgen -f -W '--no-sftp oci: docker-archive:' -- "$cur")
			compopt -o filenames 2>/dev/null
			return
			;;
		help:image) words='import fetch build list verify remove' ;;
		*) return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _carrelctl carrelctl
