#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The scripts in a user's environment that is not ours: a decimal comma, umask 077, no HOME, a TMPDIR that is missing, CDPATH,
# BASH_ENV with functions, aliases and options, functions that are exported, settings of git, make, gcc, grep.
set -euo pipefail
. scripts/common.sh
export work
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "$*"; exit 1; }
# same WHAT ACTUAL EXPECTED
same() { [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"; }

# Without this locale (the package locales has it) there is no decimal comma. That LC_ALL=C is there is seen all the same:
# these programs refuse to work without.
mkdir "$work/bin" "$work/locales" "$work/hooks"
if [ -e /usr/share/i18n/locales/de_DE ]; then
	localedef -i de_DE -f UTF-8 "$work/locales/de_DE.UTF-8"
	same "a decimal comma" "$(env LOCPATH="$work/locales" LC_ALL=de_DE.UTF-8 "$(type -P printf)" %.1f 1,5)" 1,5
else
	echo "there is no locale de_DE here: the decimal comma itself is not tried"
fi
for program in awk sort; do
	cat >"$work/bin/$program" <<END
#!/bin/sh
[ "\$LC_ALL" = C ] && exec $(command -v $program) "\$@"
echo "$program is run without LC_ALL=C" >&2
exit 99
END
done
for hook in pre-commit commit-msg applypatch-msg pre-applypatch post-checkout; do
	printf '#!/bin/sh\necho "a hook of the user runs" >&2\nexit 1\n' >"$work/hooks/$hook"
done
chmod 755 "$work"/bin/* "$work"/hooks/*
cat >"$work/gitconfig" <<END
[core]
	hooksPath = $work/hooks
	autocrlf = true
[commit]
	gpgSign = true
[gpg]
	program = /bin/false
[apply]
	whitespace = error-all
[diff]
	noprefix = true
	external = /bin/false
[color]
	ui = always
[log]
	showSignature = true
END
cat >"$work/bash_env" <<'END'
cd() { builtin cd "$@" && echo "you are in $PWD"; }
sed() { command sed -n "$@"; }
grep() { command grep --color=always "$@"; }
shopt -s expand_aliases nocasematch
alias printf='echo' say='echo alias'
set -f
IFS=:
END
cat >"$work/hostile" <<'END'
#!/usr/bin/env bash
# hostile COMMAND...: in that environment
tr() { echo "an exported function"; }
export -f tr
umask 077
unset HOME LC_ALL
export LOCPATH=$work/locales PATH=$work/bin:$PATH TMPDIR=$work/missing
export BASH_ENV=$work/bash_env CDPATH=.:/usr GLOBIGNORE='*' TMOUT=1 GREP_OPTIONS=--invert-match TAR_OPTIONS=--verbose XZ_OPT=--bad
export KHO_BUILD_LOCKED=1 GIT_CONFIG_GLOBAL=$work/gitconfig GIT_DIR=$work/none GIT_INDEX_FILE=$work/none/index GIT_AUTHOR_NAME=someone
export MAKEFLAGS=-in CFLAGS=--no-such-option CC=/bin/false ARCH=arm64 KBUILD_OUTPUT=$work/none KCFLAGS=--no-such-option PERL5OPT=-Mnone
exec env LANG=de_DE.UTF-8 LC_NUMERIC=de_DE.UTF-8 LANGUAGE=de "$@"
END
chmod 755 "$work/hostile"

echo "--- a script of ours"
mkdir -p "$work/copy/scripts"
cp scripts/common.sh "$work/copy/scripts"
cat >"$work/copy/scripts/probe" <<'END'
#!/usr/bin/env bash
. "$(dirname "$0")/common.sh"
file=$(mktemp)
rm "$file"
# shellcheck disable=SC2016 # expanded in there
printf '%s|' "$(umask)" "$(awk 'BEGIN { printf "%.1f", "1.99" + 0 }')" "$(printf %.1f 1.5)" "${file%/*}" "$ROOT" "$(cd scripts && pwd)" \
	"$(echo a,b | tr , -)" "$(echo word | grep -o w)" "$(type -t cd grep sed tr | paste -sd ,)" "$-" \
	"$(cd .. && bash -c 'cd copy && type -t cd grep sed tr && echo *' | paste -sd ,)" "$(make -s -f - <<<'a:; @echo made')" "$@"
END
chmod 755 "$work/copy/scripts/probe"
expected="0022|2.0|1.5|/tmp|$work/copy|$work/copy/scripts|a-b|w|builtin,file,file,file|hB|builtin,file,file,file,scripts|made|an argument|"
same "called by its name" "$(cd "$work/copy" && "$work/hostile" scripts/probe 'an argument')" "$expected"
same "called by its path" "$(cd "$work/copy" && "$work/hostile" "$work/copy/scripts/probe" 'an argument')" "$expected"

echo "--- prepare and refresh"
HOSTILE=$work/hostile tools/testing/selftests/kho/host/tree.sh

echo "--- figures"
HOSTILE=$work/hostile tools/testing/selftests/kho/host/bench-broken.sh

echo "--- the picture of make run"
{
	for ms in 100 1500.5 3000; do echo "at $ms $ms $ms"; done
	for stage in load activate finalize jump userspace resumed rebuilt swapped finished; do echo "stage-$stage 1000.5"; done
} >"$work/record"
scripts/run-picture "$work/record" >"$work/picture"
grep -q ' x="80\.0"' "$work/picture" || fail "the picture has no decimal point, in any environment"
# (it is an awk program, and no shell is between)
env LC_ALL=de_DE.UTF-8 LOCPATH="$work/locales" scripts/run-picture "$work/record" | cmp - "$work/picture" || fail "the picture is another one"

echo "--- what is up to date"
"$work/hostile" scripts/prepare
same "a VM's output" "$("$work/hostile" scripts/vm --log "${TEST_LOGS:-build/logs}/${TEST_NAME:-environment}.console" \
	-- printf '%s,' one "two 2" $'\303\244')" $'one,two 2,\303\244,'
