# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the scripts that build a kernel, after common.sh: configuring, showing how far it is, and looking afterwards whether all
# is in it. They use what their script sets:
#
#   kind, tree, out, log    which kernel, its source, where objects go, and where the build's output does
#   kmake                   the kernel's make with all that it is told
# shellcheck disable=SC2154 # these are set there

# progress TITLE: passes on whatever is not an ordinary build line, and counts those that are
progress() {
	local line count=0 last=0 every=15 end=$'\n'
	# A terminal gets one line that changes in place.
	[ ! -t 1 ] || { every=1 end=$'\r'; }
	SECONDS=0
	while IFS= read -r line; do
		case $line in
		'  '[A-Z]*) count=$((count + 1)) ;;
		make\[*|make:*Entering*|make:*Leaving*|'Kernel: arch/'*|'') ;;
		*) printf '%s\n' "$line" ;;
		esac
		if ((SECONDS >= last + every)); then
			last=$SECONDS
			printf '%s: %d steps, %d:%02d%s' "$1" "$count" $((SECONDS / 60)) $((SECONDS % 60)) "$end"
		fi
	done
	((count == 0 && SECONDS < every)) || printf '%s: %d steps, %d:%02d, done\n' "$1" "$count" $((SECONDS / 60)) $((SECONDS % 60))
}

# configure [WHOLE [FRAGMENT...]]: as the fragments of $kind, and then these, say; where they say nothing, as WHOLE does, a whole
# configuration, or allnoconfig if there is none
configure() {
	local wanted=$out/wanted.config line missing=''
	local -a target=(KCONFIG_ALLCONFIG="$wanted" allnoconfig)
	wanted_config "$kind" "${@:2}" >"$wanted"
	if [ -n "${1:-}" ]; then
		cat "$1" "$wanted" >"$out/.config"
		target=(olddefconfig)
	fi
	"${kmake[@]}" -s "${target[@]}" >"$log" 2>&1 || {
		cat "$log" >&2
		die "the $kind kernel cannot be configured"
	}
	while IFS= read -r line; do
		case $line in
		CONFIG_*=n | '# CONFIG_'*' is not set')
			line=${line#\# } line=${line%%[= ]*}
			! grep -q "^$line=" "$out/.config" || missing+=" $line(wanted off)"
			;;
		CONFIG_*) grep -qxF -- "$line" "$out/.config" || missing+=" $line" ;;
		esac
	done <"$wanted"
	[ -z "$missing" ] || die "the $kind kernel's configuration does not have:$missing" \
		"a dependency is missing in configs/, or a Kconfig hook in patches/ is"
}

# rule_of DIR OBJECT: the line of the folder's Makefile that names it
rule_of() {
	cat "$tree/$1"/{Kbuild,Makefile} 2>/dev/null | sed -e ':a' -e '/\\$/N; s/\\\n/ /; ta' |
		grep -E "^[^#]*[+:]?=.*(^|[[:space:]/])$2([[:space:]]|\$)" | sed -n 1p || :
}

# wanted_object DIR RULE: is the symbol on that RULE depends on? And if it is for a part of a composite object (NAME-y += part.o),
# is that one wanted?
wanted_object() {
	local symbol whole rule
	# shellcheck disable=SC2016 # make's dollar, not ours
	symbol=$(sed -n 's/^[^=]*\$(\(CONFIG_[A-Z0-9_]*\)).*/\1/p' <<<"$2")
	[ -z "$symbol" ] || grep -q "^$symbol=[ym]$" "$out/.config" || return 1
	# shellcheck disable=SC2016
	whole=$(sed -n 's/^[[:space:]]*\([a-z0-9_-]*\)-\(y\|m\|objs\|\$(.*)\)[[:space:]]*[+:]*=.*/\1/p' <<<"$2")
	case $whole in '' | obj | lib | *-obj) return 0 ;; esac
	rule=$(rule_of "$1" "$whole.o")
	[ -z "$rule" ] || wanted_object "$1" "$rule"
}

# linked_objects: all that is in the kernel, or in one of its modules, one a line
linked_objects() {
	local module
	ar t "$out/vmlinux.a" || return 1
	grep -q '^CONFIG_.*=m$' "$out/.config" || return 0
	# (a module's objects are listed beside it, by the same name)
	while read -r module; do
		cat "$out/${module%.*}.mod" || return 1
	done <"$out/modules.order"
}

# check_objects: every C and assembler file of ours that a Makefile names for a symbol that is on must be linked in
check_objects() {
	local file dir object rule linked missing='' unnamed=''
	linked=$out/linked-objects
	linked_objects >"$linked" || die "what is in the $kind kernel cannot be listed" "the full log is $log"
	while read -r file; do
		case $file in tools/* | Documentation/*) continue ;; *.c | *.S) ;; *) continue ;; esac
		dir=${file%/*} object=${file##*/} object=${object%.*}.o
		rule=$(rule_of "$dir" "$object")
		if [ -z "$rule" ]; then
			unnamed+=" $file"
			continue
		fi
		wanted_object "$dir" "$rule" || continue
		case $dir in
		arch/x86/boot*) [ -f "$out/$dir/$object" ] || missing+=" $dir/$object" ;;
		*) grep -qE "(^|/)$dir/$object\$" "$linked" || missing+=" $dir/$object" ;;
		esac
	done <"$tree/.git/kho/links"
	[ -z "$unnamed" ] || die "no Makefile of the tree builds:$unnamed" "name it in the Makefile beside it"
	[ -z "$missing" ] || die "the $kind kernel lacks objects whose config is on:$missing" \
		"the folder's Makefile is not reached: look at the hook in patches/"
}

# run_make TITLE TARGET...: dies when it fails
run_make() {
	local rc
	set +e
	"${kmake[@]}" "${@:2}" 2>&1 | tee -a "$log" | progress "$1"
	rc=${PIPESTATUS[0]}
	set -e
	[ "$rc" = 0 ] || die "the $1 did not build" "the full log is $log"
}

# sign_image IMAGE KEY CERT SIGNED
sign_image() {
	sbsign --key "$2" --cert "$3" --output "$4" "$1" >>"$log" 2>&1 || {
		tail -n 5 "$log" >&2
		die "the $kind kernel cannot be signed" "the full log is $log"
	}
}
