# shellcheck shell=bash
# bash completion for carrelctl(8).

_carrelctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]-} sub=${COMP_WORDS[2]-} words=

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		words='check explain doctor list show top kill set apply faults gc image rootfs version help'
	elif [ "$verb" = help ] && [ "$COMP_CWORD" = 2 ]; then
		words='check explain doctor list show top kill set apply faults gc image rootfs version help'
	elif [ "$COMP_CWORD" = 2 ] && [ "$verb" = image ]; then
		words='import fetch build list verify remove'
	elif [ "$COMP_CWORD" = 2 ] && [ "$verb" = rootfs ]; then
		words='list du diff snapshot snapshots rollback drop reset upgrade export remove'
	elif [ "$verb" = rootfs ] && [ "$sub" != list ] && [ "$COMP_CWORD" -gt 3 ] && [[ "$sub" =~ ^(rollback|drop)$ ]]; then
		words="--yes --kill $(carrelctl rootfs snapshots "${COMP_WORDS[3]}" 2>/dev/null | awk 'NR > 1 { print $1 }')"
	elif [ "$verb:$sub" = rootfs:export ] && [ "$COMP_CWORD" -gt 3 ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames 2>/dev/null
		return
	elif [ "$verb:$sub" = rootfs:upgrade ] && [ "${COMP_WORDS[COMP_CWORD - 1]}" = --image ]; then
		words=$(carrelctl image list 2>/dev/null | awk 'NR > 1 { print $1 }')
	else
		case $verb:$sub in
		check:*)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			compopt -o filenames 2>/dev/null
			return
			;;
		explain:* | doctor:*) words="--json $(compgen -u)" ;;
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
				words='memory= swap= cpus= cpu_weight= pids= user_limits.memory= user_limits.swap= user_limits.cpus= user_limits.cpu_weight= user_limits.pids= disk= inodes= max= idle= lifetime= warn='
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
		rootfs:list) words=--json ;;
		rootfs:*)
			words=$(carrelctl rootfs list 2>/dev/null | awk 'NR > 1 { print $3 == "kept" ? $NF : $1 }')
			case $sub in
			du | diff | snapshots) words+=' --json' ;;
			snapshot) words+=' --kill' ;;
			rollback | drop | remove) words+=' --yes --kill' ;;
			reset) words+=' --yes --kill --keep-home' ;;
			upgrade) words+=' --json --yes --kill --dry-run --image' ;;
			esac
			;;
		help:rootfs) words='list du diff snapshot snapshots rollback drop reset upgrade export remove' ;;
		*) return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _carrelctl carrelctl
