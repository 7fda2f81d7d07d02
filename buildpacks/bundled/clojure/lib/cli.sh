# shellcheck shell=bash disable=SC2154,SC2034
# Building with the Clojure CLI. Reads build, cache, env and runtime; sets needs_tool.

CLI_DEFAULT_VERSION=1.12.3.1577 # published on GitHub and download.clojure.org

cli_build() {
  jvm_install_tools
  cli_install
  if [[ -f bin/build ]]; then
    jvm_run_build_script
  elif [[ -f build.clj ]]; then
    topic "Building with the Clojure CLI: clojure -T:build uber"
    clojure -T:build uber </dev/null 2>&1 | indent || cli_failed
  else
    topic "Fetching the libraries of deps.edn"
    clojure -P </dev/null 2>&1 | indent || cli_failed
  fi
  jvm_install_runtime
  cli_declare_web
}

cli_failed() {
  fail "The Clojure CLI failed: see above." "Libraries come from Clojars and Maven Central, unless deps.edn names other :mvn/repos."
}

# Puts clojure on PATH, from the app's own bin/clojure or from where it is published.
cli_install() {
  local version=${CLOJURE_CLI_VERSION:-$CLI_DEFAULT_VERSION} folder=$build/.heroku/clojure kept=$cache/cli
  if [[ -f bin/clojure ]]; then
    chmod +x bin/clojure
    export PATH=$build/bin:$PATH
    return
  fi
  [[ $version =~ ^[0-9]+(\.[0-9]+)+$ ]] ||
    fail "CLOJURE_CLI_VERSION is \"$version\", which is not a version. Write one such as $CLI_DEFAULT_VERSION."
  if [[ $(cat "$kept/version" 2>/dev/null) != "$version" ]]; then
    topic "Fetching the Clojure CLI $version"
    cli_fetch "$version" "$kept"
  fi
  rm -rf "$folder"
  mkdir -p "$build/.heroku"
  cp -a --reflink=auto "$kept" "$folder"
  # clojure itself looks for its files beside where it was installed; its script is told where by these.
  sed -e "s|PREFIX|\$HOME/.heroku/clojure|g" -e "s|BINDIR|\$HOME/.heroku/clojure/bin|g" \
    "$kept/clojure" >"$folder/bin/clojure"
  sed "s|\$HOME|$build|g" "$folder/bin/clojure" >"${TMPDIR:-/tmp}/clojure"
  chmod +x "$folder/bin/clojure" "${TMPDIR:-/tmp}/clojure"
  export PATH=${TMPDIR:-/tmp}:$PATH
}

cli_fetch() { # VERSION FOLDER
  local archive=${TMPDIR:-/tmp}/clojure-tools.tar.gz address
  address=https://github.com/clojure/brew-install/releases/download/$1/clojure-tools-$1.tar.gz
  curl --fail --silent --show-error --location --retry 2 --max-time 120 --output "$archive" --url "$address" 2>&1 | indent ||
    fail "The Clojure CLI $1 could not be fetched from $address: see above." \
      "Push again when it can be reached, choose another CLOJURE_CLI_VERSION, or commit your own bin/clojure."
  rm -rf "$2"
  mkdir -p "$2/bin" "$2/libexec"
  tar -xzf "$archive" -C "$2" --strip-components=1 --no-same-owner
  mv "$2"/*.jar "$2/libexec/"
  echo "$1" >"$2/version"
}

# The jar that a build made; else the app's alias :run or :main is up to its Procfile.
cli_declare_web() {
  local command
  needs_tool=''
  command=$(jvm_command_for_jar target)
  if [[ $command ]]; then
    rm -rf .heroku/clojure
    jvm_declare web "$command"
    return
  fi
  needs_tool=yes
  mkdir -p .profile.d
  # shellcheck disable=SC2016  # for the dyno
  echo 'export PATH="$HOME/.heroku/clojure/bin:$HOME/bin:$PATH"' >.profile.d/clojure.sh
}
