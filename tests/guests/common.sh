# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests with real guests share. They are called with VTLESS (the command), GUESTS (the images) and
# SCRATCH (a directory) in the environment; status 77 means that this machine lacks what the test needs.

skip() { echo "SKIP: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }

: "${VTLESS:?the command to test}" "${GUESTS:?where scripts/fetch-guests puts images}" "${SCRATCH:?a directory}"
mkdir -p "$SCRATCH"

# image NAME: its path, from scripts/fetch-guests or from Debian's package.
image() {
  local path
  for path in "$GUESTS/$1" "/usr/share/seabios/$1"; do
    if [[ -s $path ]]; then echo "$path"; return; fi
  done
  skip "no $1 here: scripts/fetch-guests gets it"
}

# digests FILE: what of a --stats json report is a function of the guest.
digests() {
  grep -oE '"(digest|time_digest)":"[0-9a-f]{16}"' "$1" || fail "no digest in $1: $(tail -n 3 "$1")"
  grep -oE '"(count|cycles|instructions|interrupts)":[0-9]+' "$1"
}

# same WHAT FILE FILE: both runs did the same to the bit.
same() {
  diff <(digests "$2") <(digests "$3") || fail "$1: the runs differ"
  echo "$1: $(digests "$3" | head -n 2 | tr '\n' ' ')again"
}

# busy: two endless loops beside the test, until it ends.
busy() {
  for _ in 1 2; do
    while :; do :; done &
    loops+=($!)
  done
  trap 'kill "${loops[@]}" 2>/dev/null || true' EXIT
}
loops=()

# valgrind_runs_it: skips where it cannot. Unicorn leaves alone what it does not know: undefined values are not
# ours to judge.
valgrind_runs_it() {
  command -v valgrind >/dev/null || skip "no valgrind here"
  ! grep -q __asan_init "$VTLESS" || skip "valgrind does not run a sanitizer's build"
}
# shellcheck disable=SC2034
valgrind=(valgrind --quiet --undef-value-errors=no --error-exitcode=9 --smc-check=all-non-file)
