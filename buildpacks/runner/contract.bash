# shellcheck shell=bash
# Detect, compile, release and report: each buildpack in its folder work/packs/NUMBER, in their order.
# shellcheck disable=SC2154  # set_* are the settings, work and reason the caller's

names=() refs=() commits=() languages=()

# Sets names, refs and commits: as somebody said, or else as the app's files say.
choose_buildpacks() {
  local name ref commit
  BUILDPACKS_DIR=$set_buildpacks_dir helper prepare "$work" <<<"$set_buildpacks" || stop buildpack 1 "$(reason)"
  if [[ ! -e $work/chosen ]]; then
    detect_bundled
    return
  fi
  while IFS=$'\x1f' read -r name ref commit; do
    names+=("$name") refs+=("$ref") commits+=("$commit")
  done < <(tr '\t' '\037' <"$work/chosen")
}

# The first bundled buildpack that fits; all are asked, to be able to say which others would.
detect_bundled() {
  local name language found=() first=''
  cp -R --no-preserve=mode "$set_buildpacks_dir/." "$work/bundled" && chmod -R u+x "$work"/bundled/*/bin ||
    stop buildpack 1 "The bundled buildpacks could not be copied: see above"
  for name in $set_detected; do
    [[ -f $work/bundled/$name/bin/detect ]] || continue
    [[ $name != procfile || ! $first ]] || continue
    language=$(cd "$work/bundled/$name" && ./bin/detect "$BUILD_DIR" 3>&-) || continue
    found+=("heroku/$name")
    [[ $first ]] || { first=$name languages=("$(called "$language")"); }
  done
  [[ $first ]] || stop detect
  if ((${#found[@]} > 1)); then
    warn "Several buildpacks fit this app, and the first is used: $(joined "${found[@]}")." \
      "Choose with buildpacks:set, or have several with buildpacks:add."
  fi
  [[ ! -f Aptfile ]] || warn "The Aptfile is not read: set two buildpacks, heroku/apt and then heroku/$first."
  names=("heroku/$first") refs=('') commits=('')
  mkdir -p "$work/packs"
  mv "$work/bundled/$first" "$work/packs/1"
  topic "Using buildpack: heroku/$first"
}

build_with_all() {
  local index
  for index in "${!names[@]}"; do
    detect "$index"
    report used "${names[index]}" "${refs[index]:--}" "${commits[index]:--}" "${languages[index]}"
    topic "${languages[index]} app detected"
    compile "$index"
    release "$index"
    metadata "$index"
  done
}

# in_pack INDEX COMMAND...: a command in the buildpack's own folder, after the `export` scripts of those before it.
in_pack() {
  local index=$1 before
  shift
  (
    exec 3>&-
    set +u +o pipefail
    for ((before = 1; before <= index; before++)); do
      # shellcheck disable=SC1090
      [[ ! -f $work/packs/$before/export ]] || . "$work/packs/$before/export" >&2
    done
    cd "$work/packs/$((index + 1))" && exec "$@"
  )
}

detect() { # INDEX
  local language status
  [[ ! ${languages[$1]-} ]] || return 0
  language=$(in_pack "$1" ./bin/detect "$BUILD_DIR")
  status=$?
  case $status in
    0) ;;
    126 | 127) stop incompatible $status "bin/detect of the buildpack ${names[$1]} cannot be run: see above" ;;
    *)
      stop incompatible $status "The app is not compatible with the buildpack ${names[$1]}: its bin/detect says so \
(exit status $status). Is it the right one, and is everything that it looks for committed?"
      ;;
  esac
  languages[$1]=$(called "${language:-${names[$1]}}")
}

compile() { # INDEX
  local status
  in_pack "$1" ./bin/compile "$BUILD_DIR" "$CACHE_DIR" "$ENV_DIR" && return
  status=$?
  metadata "$1"
  hint_stack "$1"
  stop compile $status
}

# Some buildpacks refuse a stack that they have never heard of.
hint_stack() { # INDEX
  local alike=heroku-24
  [[ ${commits[$1]} && $STACK != heroku-* ]] || return 0
  grep -rqsE 'heroku-2[0-9]' "$work/packs/$(($1 + 1))"/{bin,lib} || return 0
  case $STACK in debian-12 | ubuntu-22.04) alike=heroku-22 ;; esac
  warn "This buildpack knows stacks of Heroku by their names. The one most like $STACK is $alike: to have it called" \
    "so, set the config var BUILDPACK_STACK=$alike."
}

release() { # INDEX
  [[ -f $work/packs/$(($1 + 1))/bin/release ]] || { report release "$1"; return; }
  report release "$1" "$(in_pack "$1" timeout 60 ./bin/release "$BUILD_DIR" 2>/dev/null | head -c 65536 | base64 -w0)"
}

# What bin/report has to say of a build, also of one that failed; its own failure is nobody's.
metadata() { # INDEX
  [[ -f $work/packs/$(($1 + 1))/bin/report ]] || return 0
  report metadata "$(in_pack "$1" timeout 30 ./bin/report "$BUILD_DIR" "$CACHE_DIR" "$ENV_DIR" 2>/dev/null |
    head -c 16384 | base64 -w0)"
}

# What bin/detect calls an app: the beginning of its first line.
called() {
  local text=${1%%$'\n'*}
  text=${text//[^[:print:]]/}
  echo "${text:0:100}"
}

joined() {
  local all
  printf -v all '%s, ' "$@"
  echo "${all%, }"
}
