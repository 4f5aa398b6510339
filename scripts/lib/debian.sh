# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What scripts/setup and scripts/fetch-guests share: messages, and Debian packages without touching the system.

say() { ((${quiet:-0})) || echo "$program: $*"; }
warn() { echo "$program: warning: $*" >&2; }
die() { echo "$program: error: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
# Keep mirror addresses out of logs.
nourl() { sed -E 's#[a-z0-9+]+://[^ ]*/#<mirror>/#g'; }

# apt downloads as its own user: a directory that it shall write to must be its.
give_to_apt() { ((EUID != 0)) || chown -R _apt "$1" 2>/dev/null || true; }

# make_scratch: $scratch, removed at exit. Call it before the functions below.
make_scratch() {
  scratch=$(mktemp -d) && chmod 755 "$scratch"
  trap 'rm -rf "$scratch"' EXIT
}

debian_codename() { (. /etc/os-release && [[ $ID == debian ]] && echo "${VERSION_CODENAME:-sid}"); }

# The address of the main Debian archive this machine is configured to use.
# --print-uris reads the configuration only: no network, no root, any syntax.
mirror() {
  local code
  code=$(debian_codename) || return 0
  apt-get --print-uris update 2>/dev/null |
    sed -nE "s#^'(.*)/dists/($code|stable|testing|unstable|sid)/(In)?Release'.*#\1#p" | head -n 1
}

# use_suite SUITE: sets $apt so that apt-get and apt-cache see this suite alone, through a private state.
# Fails when the mirror does not have the suite. SUITE "system" is the machine's own configuration.
use_suite() {
  local suite=$1 d=$scratch/$1
  apt=(-o Acquire::Retries=3)
  [[ $suite != system ]] || return 0
  apt+=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$d/sources"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Dir::State::lists="$d/lists" -o Dir::Cache="$d/cache"
    -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin
    -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false)
  [[ ! -e $d/failed ]] || return 1
  [[ ! -e $d/ok ]] || return 0
  mkdir -p "$d"/{sources,lists/partial,cache/archives/partial}
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  {
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$(mirror)" "$suite"
    [[ ! -r $keyring ]] || echo "Signed-By: $keyring"
  } >"$d/sources/deps.sources"
  give_to_apt "$d"
  if apt-get -qq "${apt[@]}" update >"$d/log" 2>&1 && ! grep -q '^[EW]:.*[Ff]ailed' "$d/log"; then
    : >"$d/ok"
  else
    nourl <"$d/log" | sed "s/^/$program: $suite: /" >&2
    : >"$d/failed"
    return 1
  fi
}

# versions PACKAGE: those that $apt can see, newest first.
versions() { apt-cache "${apt[@]}" madison "$1" 2>/dev/null | awk -F' *[|] *' '!seen[$2]++ {print $2}'; }

# download DIR PACKAGE=VERSION...: the .deb files into an emptied DIR. apt checks the archive's signature.
download() {
  local d=$1 log
  shift
  rm -rf "$d" && mkdir -p "$d" && give_to_apt "$d"
  log=$(cd "$d" && apt-get -qq "${apt[@]}" download "$@" 2>&1) && return 0
  warn "$* is listed but could not be downloaded:"
  nourl <<<"$log" | sed 's/^/    /' >&2
  return 1
}
