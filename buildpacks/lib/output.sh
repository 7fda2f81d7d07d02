# shellcheck shell=bash
# How a buildpack speaks to the pusher; source it: . "$BUILDPACK_LIB/output.sh"

# A heading: `-----> TEXT`.
topic() { echo "-----> $*"; }

# Each line of standard input behind seven spaces, as soon as it arrives.
indent() { sed -u 's/^/       /'; }

# Each argument on a line of its own, marked as a warning.
warn() { printf ' !     %s\n' "$@"; }

# Warns, and ends the script with status 1.
fail() {
  warn "$@"
  exit 1
}
