# shellcheck shell=bash
# The source of a build: how it comes into BUILD_DIR, which is the working directory, and what is left out of it.
# shellcheck disable=SC2154  # set_* are the settings, work and reason the caller's

take_source() {
  case $set_source in
    tar) unpack_source ;;
    git) printf '%s\n%s\n' "$set_source_url" "$set_source_ref" | helper source git "$work" || stop fetch 1 "$(reason)" ;;
    url) download_source ;;
    slug) unpack_slug ;;
  esac
  if [[ $set_submodules ]]; then
    helper source submodules "$work" <<<"$set_submodules" || stop fetch 1 "$(reason)"
  fi
  if [[ -s $work/commit ]]; then
    SOURCE_VERSION=$(<"$work/commit")
    report commit "$SOURCE_VERSION"
  fi
}

# All that was asked for: the source is there, and what it says of itself is told. A link would lead elsewhere.
end_with_app_json() {
  if [[ -f app.json && ! -L app.json ]]; then
    report app_json "$(head -c 65537 app.json | base64 -w0)"
  fi
  rm -rf "$work"
  report "done"
  exit 0
}

unpack_source() {
  # What was read to look at it is read again.
  head -c 6 >"$work/head"
  cat "$work/head" - | unpack "$work/head"
  ((PIPESTATUS[1] == 0)) || stop source
  [[ ! $set_source_strip ]] || strip_top
}

# A slug that somebody else has built: its files are below ./app (Heroku: "Creating slugs from scratch").
unpack_slug() {
  head -c 6 >"$work/head"
  if [[ $(head -c 2 "$work/head" | od -An -tx1 | tr -d ' \n') != 1f8b ]]; then
    cat >/dev/null
    stop source 1 "The upload is not a .tgz: a slug is a tar archive compressed with gzip"
  fi
  cat "$work/head" - | unpack "$work/head"
  ((PIPESTATUS[1] == 0)) || stop source 1 "The upload is not a whole .tgz: tar could not unpack it"
  [[ -d app && ! -L app ]] || stop source 1 "The upload has no folder ./app: a slug's files are below it"
  # Only what is below ./app is the slug.
  find . -mindepth 1 -maxdepth 1 ! -name app -exec rm -rf -- {} +
  strip_top || stop source 1 "The folder ./app of the upload cannot be read: its mode does not let its owner in"
}

download_source() {
  helper source url "$work" <<<"$set_source_url" || stop fetch 1 "$(reason)"
  if [[ ! $SOURCE_VERSION ]]; then
    { gzip -dcf | git get-tar-commit-id; } <"$work/source.tar" >"$work/commit" 2>/dev/null
  fi
  unpack "$work/source.tar" <"$work/source.tar" || stop source 1 "The archive is broken: see above"
  rm "$work/source.tar"
  strip_top
}

# unpack HEAD: a tar archive on standard input; the file HEAD begins as the archive does and tells its compression.
unpack() {
  local options=()
  case $(head -c 6 "$1" | od -An -tx1 | tr -d ' \n') in
    1f8b*) options=(-z) ;;
    fd377a585a00) options=(-J) ;;
    425a68*) options=(-j) ;;
    504b0304*)
      cat >/dev/null
      stop source 1 "The source is a zip archive: send a .tar.gz"
      ;;
  esac
  tar -x "${options[@]}" -C "$BUILD_DIR" --no-same-owner --warning=no-timestamp 3>&-
}

# Archives of code hosts have everything in one folder.
strip_top() {
  local entries
  mapfile -d '' entries < <(find . -mindepth 1 -maxdepth 1 -printf '%f\0')
  [[ ${#entries[@]} == 1 && -d ${entries[0]} && ! -L ${entries[0]} ]] || return 0
  # Under another name first: it may hold something of its own name.
  mv -- "${entries[0]}" ".hostd-top-$$"
  find ".hostd-top-$$" -mindepth 1 -maxdepth 1 -exec mv -t . -- {} +
  rmdir ".hostd-top-$$"
}

# What Heroku leaves out of a slug: git's files, the content of log and tmp, what .slugignore names.
drop_unwanted() {
  local folder
  rm -rf .git
  for folder in log tmp; do
    [[ -d $folder && ! -L $folder ]] && find "$folder" -mindepth 1 -delete
  done
  [[ -f .slugignore ]] && drop_ignored
}

# The patterns mean what they mean to git, because git reads them.
drop_ignored() {
  local ignored
  tr -d '\r' <.slugignore >"$work/slugignore"
  git --git-dir="$work/git" --work-tree=. init --quiet --template= 3>&-
  mapfile -d '' ignored < <(git --git-dir="$work/git" --work-tree=. ls-files -z --others --ignored \
    --directory --exclude-from="$work/slugignore")
  topic "Deleting ${#ignored[@]} files matching .slugignore patterns."
  ((${#ignored[@]})) && printf '%s\0' "${ignored[@]}" | xargs -0 rm -rf --
}

# Refuses huge files, and warns of those that git LFS has only left a pointer of.
check_files() {
  local pointers
  find . -type f \( -size "+${set_max_file_bytes}c" -fprintf "$work/huge" '%s\t%P\n' \
    -o -size -1024c -fprint0 "$work/small" \)
  if [[ -s $work/huge ]]; then
    warn "Files of more than $((set_max_file_bytes >> 20)) MB:"
    sort -rn "$work/huge" | head -n 10 | cat -v |
      awk -F '\t' '{ printf " !     %7.1fM  %s\n", $1 / 1048576, $2 }'
    stop source 1 "A file may have $((set_max_file_bytes >> 20)) MB: keep larger ones elsewhere, or name them in .slugignore"
  fi
  mapfile -t pointers < <(xargs -0r grep -lsFx 'version https://git-lfs.github.com/spec/v1' -- <"$work/small" | cat -v)
  ((${#pointers[@]})) || return 0
  warn "${#pointers[@]} files are pointers of git LFS, and what they stand for is not in the repository:" \
    "${pointers[@]:0:10}" \
    "Add them to git itself (git lfs migrate export), or fetch them when the app starts."
}
