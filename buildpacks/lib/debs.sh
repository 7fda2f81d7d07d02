# shellcheck shell=bash
# Debian packages in a slug, without root. Source it: . "$BUILDPACK_LIB/debs.sh"
#
#   debs_install DIR PACKAGE...   DIR becomes a tree of these packages and of all they need beyond the stack's base,
#                                 ready to run where it lies; PACKAGE is a name, name=version, name/release, or
#                                 the absolute path of a .deb, which is unpacked without what it depends on
#   debs_versions PATTERN         the packages whose whole name matches an extended regular expression, one
#                                 "NAME VERSION" a line, best version first
#
# The packages come from the stack's own sources in /etc/apt, with their signatures checked by its keys; the file
# named by DEBS_SOURCES adds lines of a sources.list, the array DEBS_OPTIONS options of apt-get;
# the packages in the array DEBS_WITHOUT are left out, though others depend on them. Lists, .debs and unpacked trees are kept in CACHE_DIR. What
# the stack's base has (its essential and required packages, and what those need) is not taken again: everything
# else is, whether or not the machine happens to have it. No maintainer scripts run; but links that they would make
# with update-alternatives are made, where the script names them in plain words.

# shellcheck source=buildpacks/lib/output.sh
. "${BUILDPACK_LIB:?}/output.sh"

DEBS_LISTS_MINUTES=1440 # lists older than this are fetched anew
DEBS_TREE_DAYS=30       # trees not used for so long are dropped from the cache

debs_home=${CACHE_DIR-}/debs       # what is kept
debs_seeds=/var/lib/apt/lists      # the stack's own lists, which no build can write to
debs_work=${TMPDIR:-/tmp}/debs.$$ # what this buildpack needs, its subshells included; a build's /tmp is its own

debs_install() { # DIR PACKAGE...
  local dir=$1 kept request
  shift
  _debs_check_names "$@"
  _debs_prepare
  _debs_pretend
  _debs_refresh_if_old
  kept=$debs_home/trees/${dir//\//_}
  request=$(_debs_request "$dir" "$@")
  if [[ -d $kept/tree && $(cat "$kept/request" 2>/dev/null) == "$request" ]]; then
    echo "Reusing $(_debs_count "$kept/debs") of the last build" | indent
    _debs_take_back "$kept" "$dir"
  else
    _debs_install_anew "$kept" "$dir" "$@"
    _debs_request "$dir" "$@" >"$kept/request" # the lists may have been fetched anew meanwhile
  fi
  touch "$kept"
  _debs_prune
}

debs_versions() { # PATTERN
  local names kept
  _debs_prepare
  _debs_refresh_if_old >&2
  kept=$debs_home/versions/$(_debs_digest <<<"$1")
  if [[ ! $kept -nt $debs_home/state/fetched ]]; then
    mapfile -t names < <(_debs_apt cache pkgnames | grep -Ex -- "$1")
    mkdir -p "$debs_home/versions"
    # Of no names it would say everything that there is.
    _debs_apt cache madison "${names[@]:-none}" |
      awk -F ' *[|] *' '{ sub(/^ +/, "", $1) } !seen[$1, $2]++ { print $1, $2 }' >"$kept.new"
    mv "$kept.new" "$kept"
  fi
  cat "$kept"
}

# Helpers

_debs_check_names() { # PACKAGE...
  local name
  (($#)) || fail "debs_install: no package is named."
  for name in "$@"; do
    [[ $name == /*.deb || $name =~ ^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?([=/][A-Za-z0-9.+:~-]+)?$ ]] ||
      fail "$name is not the name of a Debian package."
  done
}

# Makes the sources and the status, and sets debs_rules, which stands for this library.
_debs_prepare() {
  [[ ! ${debs_rules-} ]] || return 0
  : "${CACHE_DIR:?}"
  # Other sources have other lists: those of a buildpack before or after this one shall stay as they are.
  [[ ! ${DEBS_SOURCES-} ]] || debs_home=$CACHE_DIR/debs-own
  rm -rf "$debs_home/sources"
  mkdir -p "$debs_work" "$debs_home"/{sources,trees,archives/partial,state/lists/partial}
  cp /etc/apt/sources.list "$debs_home/sources/machine.list" 2>/dev/null || true
  cp /etc/apt/sources.list.d/*.{list,sources} "$debs_home/sources/" 2>/dev/null || true
  if [[ ${DEBS_SOURCES-} ]]; then
    cp "$DEBS_SOURCES" "$debs_home/sources/buildpack.list"
  fi
  _debs_python base </var/lib/dpkg/status >"$debs_work/base-status"
  _debs_python names <"$debs_work/base-status" >"$debs_work/base"
  cp "$debs_work/base-status" "$debs_work/status"
  debs_rules=$(cat "$BUILDPACK_LIB"/{debs.sh,debs.py,relocate.py} | _debs_digest)
}

# Makes the status that apt is told: the base, and what is to be left out as if it were there.
_debs_pretend() {
  local name architecture
  architecture=$(dpkg --print-architecture)
  cp "$debs_work/base-status" "$debs_work/status"
  for name in ${DEBS_WITHOUT[@]+"${DEBS_WITHOUT[@]}"}; do
    printf '%s\n' "Package: $name" "Status: install ok installed" "Maintainer: nobody" "Version: 9999:0" \
      "Architecture: $architecture" "Multi-Arch: foreign" "Description: left out" "" >>"$debs_work/status"
  done
  _debs_python names <"$debs_work/status" >"$debs_work/there"
}

_debs_python() { /usr/bin/python3 -I "$BUILDPACK_LIB/debs.py" "$@"; }

_debs_digest() { sha256sum | cut -d ' ' -f 1; }

_debs_apt() { # get|cache ARGUMENT...
  local program=apt-$1
  shift
  LC_ALL=C DEBIAN_FRONTEND=noninteractive "$program" \
    -o Dir::State="$debs_home/state" -o Dir::State::status="$debs_work/status" \
    -o Dir::Cache="$debs_work" -o Dir::Cache::archives="$debs_home/archives" -o Dir::Log="$debs_work" \
    -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$debs_home/sources" \
    -o APT::Get::Assume-Yes=1 -o APT::Install-Recommends=0 -o APT::Sandbox::User= -o Debug::NoLocking=1 \
    -o Acquire::Languages=none -o Acquire::GzipIndexes=1 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=0 \
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=0 "$@"
}

# Changes with anything that decides about a tree, but for what the sources offer: for that stands the stamp of
# the lists.
_debs_request() { # DIR PACKAGE...
  {
    printf '%s\n' "$@" ${DEBS_OPTIONS[@]+"${DEBS_OPTIONS[@]}"} "$debs_rules"
    cat "$debs_work/status" "$debs_home/state/fetched"
    _debs_sums "$@"
  } | _debs_digest
}

# The .debs that are given as files, "FILE HASH" a line.
_debs_sums() { # PACKAGE...
  local name
  for name in "$@"; do
    [[ $name != /*.deb ]] || echo "$name $(_debs_digest <"$name")"
  done
}

_debs_sources_digest() { (cd "$debs_home/sources" && sha256sum -- * | _debs_digest); }

_debs_refresh_if_old() {
  local stamp=$debs_home/state/fetched
  if [[ ! $(find "$stamp" -mmin "-$DEBS_LISTS_MINUTES" 2>/dev/null) ]] ||
    [[ $(tail -n 1 "$stamp") != "$(_debs_sources_digest)" ]]; then
    _debs_refresh
  fi
}

# apt's exit status says nothing useful here: with one source of several out of reach, the others will do.
_debs_refresh() {
  local told=$debs_work/update failed
  echo "Fetching the lists of Debian packages" | indent
  _debs_seed
  _debs_apt get update >"$told" 2>&1 || true
  mapfile -t failed < <(awk '/^Err:/ { line = $0; getline; print line " (" $0 ")" }
    /^(E: The repository|W: GPG error)/' "$told" | tr -s ' ' | sort -u)
  if ! compgen -G "$debs_home/state/lists/*_Packages*" >/dev/null; then
    indent <"$told"
    fail "The lists of Debian packages could not be fetched: see above." \
      "Is one of the sources in the server's /etc/apt reachable from a build? Push again when it is."
  fi
  if ((${#failed[@]})); then
    warn "Some package sources could not be read; what is known of them from before, if anything, is used:" "${failed[@]}"
  fi
  { date --iso-8601=ns && _debs_sources_digest; } >"$debs_home/state/fetched"
  # What could not be read is asked for again soon.
  ((${#failed[@]} == 0)) || touch -d "-$((DEBS_LISTS_MINUTES - 10)) minutes" "$debs_home/state/fetched"
}

# Takes the lists that the stack has, so that apt fetches only what is newer: 0.2 MB instead of 20 for a new app. apt
# checks their signatures again, but not what they sign: they come from where no build can write. Without any, or with
# half of them, apt fetches the rest.
_debs_seed() {
  local signed lists=$debs_home/state/lists
  for signed in "$debs_seeds"/*InRelease; do
    [[ -r $signed && ! -e $lists/$(basename "$signed") ]] || continue
    cp -p --reflink=auto -- "${signed%InRelease}"*_Packages* "$signed" "$lists/" 2>/dev/null ||
      rm -f -- "$lists/$(basename "${signed%InRelease}")"*
  done
}

_debs_install_anew() { # KEPT DIR PACKAGE...
  local kept=$1 dir=$2 key
  shift 2
  _debs_fetch "$@"
  _debs_sums "$@" >>"$debs_work/debs"
  key=$({ echo "$dir $debs_rules" && cat "$debs_work/debs"; } | _debs_digest)
  if [[ -d $kept/tree && $(cat "$kept/key" 2>/dev/null) == "$key" ]]; then
    echo "None of the $(wc -l <"$debs_work/debs") packages has changed since the last build" | indent
    _debs_take_back "$kept" "$dir"
    return
  fi
  rm -rf "$kept"
  _debs_unpack "$dir"
  mkdir -p "$kept"
  cp -a --reflink=auto "$dir" "$kept/tree"
  cp "$debs_work/debs" "$kept/debs"
  echo "$key" >"$kept/key"
}

_debs_take_back() { # KEPT DIR
  rm -rf "$2"
  mkdir -p "$(dirname "$2")"
  cp -a --reflink=auto "$1/tree" "$2"
}

# How many packages a list has, in words.
_debs_count() { # LIST
  local count
  count=$(wc -l <"$1")
  if ((count == 1)); then echo "1 Debian package"; else echo "$count Debian packages"; fi
}

# Fetches what is missing of the packages and all they need, and writes the list of them, "FILE HASH" a line.
# Lists that are so old that a file is gone are fetched anew, once.
_debs_fetch() { # PACKAGE...
  local name names=()
  for name in "$@"; do
    [[ $name == /*.deb ]] || names+=("$name")
  done
  set -- ${names[@]+"${names[@]}"}
  : >"$debs_work/debs"
  (($#)) || return 0
  _debs_resolve "$@"
  echo "Fetching $(_debs_count "$debs_work/debs") for $*" | indent
  if ! _debs_apt get install --download-only ${DEBS_OPTIONS[@]+"${DEBS_OPTIONS[@]}"} "$@" >"$debs_work/fetching" 2>&1; then
    if grep -q '404 ' "$debs_work/fetching"; then
      rm -rf "$debs_home/state/lists"
      mkdir -p "$debs_home/state/lists/partial"
      debs_seeds=/nonexistent
      _debs_refresh
      _debs_resolve "$@"
      _debs_apt get install --download-only ${DEBS_OPTIONS[@]+"${DEBS_OPTIONS[@]}"} "$@" >"$debs_work/fetching" 2>&1 && return
    fi
    grep -E '^(Err|E|W):' "$debs_work/fetching" | indent
    fail "The Debian packages could not be fetched: see above." "Push again when their source is reachable."
  fi
}

_debs_resolve() { # PACKAGE...
  local said=$debs_work/resolved meaning
  # apt leaves out what it finds in its folder of archives: here that is to be an empty one.
  mkdir -p "$debs_work/none/partial"
  if ! _debs_apt get -o Dir::Cache::archives="$debs_work/none" install --print-uris -qq \
    ${DEBS_OPTIONS[@]+"${DEBS_OPTIONS[@]}"} "$@" >"$said" 2>"$said.errors"; then
    _debs_apt cache pkgnames >"$debs_work/names" 2>/dev/null || true
    mapfile -t meaning < <(_debs_python complain "$debs_work/names" <"$said.errors")
    ((${#meaning[@]})) && fail "${meaning[@]}"
    cat "$said" "$said.errors" | indent
    fail "The Debian packages $* cannot be installed: see above."
  fi
  sed -nE "s/^'[^']*' ([^ ]+_[^ ]+\.deb) [0-9]+ (.*)$/\1 \2/p" "$said" | sort |
    awk 'NR == FNR { there[$1]; next } { split($1, part, "_") } !(part[1] in there)' "$debs_work/there" - \
      >"$debs_work/debs"
}

_debs_unpack() { # DIR
  local dir=$1 name
  echo "Unpacking them into $dir" | indent
  rm -rf "$dir" "$debs_work/postinst"
  mkdir -p "$dir/usr"
  for name in bin sbin lib lib64; do
    mkdir -p "$dir/usr/$name"
    ln -s "usr/$name" "$dir/$name"
  done
  while read -r name _; do
    [[ $name == /* ]] || name=$debs_home/archives/$name
    _debs_unpack_file "$name" "$dir"
    dpkg-deb --ctrl-tarfile "$name" | tar -xO ./postinst 2>/dev/null >>"$debs_work/postinst" || true
  done <"$debs_work/debs"
  _debs_link_alternatives "$dir"
  _debs_relocate "$dir"
}

# What update-alternatives would do, whose calls are in scripts that do not run.
_debs_link_alternatives() { # DIR
  local link target
  while read -r link target; do
    [[ -e $1$target && ! -e $1$link && ! -L $1$link ]] || continue
    mkdir -p "$1$(dirname "$link")"
    ln -s "$target" "$1$link"
  done < <(_debs_python alternatives <"$debs_work/postinst")
}

# Without what nobody reads in a slug.
_debs_unpack_file() { # DEB DIR
  dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner --keep-directory-symlink --warning=no-timestamp \
    --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' --exclude='./usr/share/lintian/*' \
    --exclude='./usr/share/bug/*' --exclude='./usr/share/doc/*/[!c]*' --exclude='./usr/share/doc/*/changelog*' ||
    fail "$(basename "$1") could not be unpacked: see above."
}

_debs_relocate() { # DIR
  local name list
  while read -r name; do
    for list in "/var/lib/dpkg/info/$name"{,:*}.list; do
      [[ ! -f $list ]] || cat "$list"
    done
  done <"$debs_work/base" >"$debs_work/base-files"
  PATH=/.hostd/bin:$PATH /usr/bin/python3 -I "$BUILDPACK_LIB/relocate.py" "$1" "$debs_work/base-files" ||
    fail "The packages in $1 could not be made to work there: see above."
}

# Drops trees that no build has used for long, and the .debs that no tree is made of.
_debs_prune() {
  local deb
  find "$debs_home/trees" -mindepth 1 -maxdepth 1 -mtime "+$DEBS_TREE_DAYS" -exec rm -rf {} +
  cat "$debs_home/trees/"*/debs 2>/dev/null | cut -d ' ' -f 1 >"$debs_work/used" || true
  for deb in "$debs_home/archives/"*.deb; do
    grep -Fxq -- "$(basename "$deb")" "$debs_work/used" || rm -f -- "$deb"
  done
}
