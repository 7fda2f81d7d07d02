# shellcheck shell=bash disable=SC2154
# Building with Leiningen. Reads build, env, tools and runtime; sets needs_tool, whether the app starts with it.

lein_build() {
  uberjar=$(lein_setting uberjar-name)
  needs_tool=yes
  [[ -z $uberjar || ${LEIN_INCLUDE_IN_SLUG-} == yes ]] || needs_tool=''
  lein_install
  if [[ -f bin/build ]]; then
    jvm_run_build_script
  else
    lein_run
  fi
  if [[ $needs_tool && ! -x bin/lein ]]; then
    jvm_install_runtime leiningen
    lein_script "$runtime" .heroku/lein/bin/lein
  else
    jvm_install_runtime
  fi
  lein_declare_web
}

# The value of a setting of project.clj that is a text on the setting's own line: `:uberjar-name "app.jar"`.
lein_setting() { # NAME
  sed -E 's/^(([^";]|"([^"\\]|\\.)*")*);.*/\1/' project.clj | tr '\n' ' ' | grep -oE ":$1[[:space:]]+\"[^\"]+\"" | head -n 1 |
    sed -E 's/.*"(.*)"/\1/' || true
}

# Puts lein on PATH.
lein_install() {
  export LEIN_HOME=$build/.lein LEIN_JVM_OPTS="${LEIN_JVM_OPTS:--Xmx512m -XX:+TieredCompilation -XX:TieredStopAtLevel=1}"
  if [[ -f bin/lein ]]; then
    jvm_install_tools
    chmod +x bin/lein
    export PATH=$build/bin:$PATH
    lein_name="the app's bin/lein"
  else
    jvm_install_tools leiningen
    lein_script "$tools" "$tools/hostd/lein"
    export PATH=$tools/hostd:$PATH
    lein_name="Leiningen $(sed -nE 's/^export LEIN_VERSION="(.*)"/\1/p' "$tools/usr/bin/lein")"
  fi
}

# Debian's script names its jar by an absolute path: this is the same for packages that lie elsewhere.
lein_script() { # TREE FILE
  local where=$1
  # In the slug the tree is below the app's home, wherever that is.
  [[ $where != "$build"/* ]] || where="\$HOME${where#"$build"}"
  mkdir -p "$(dirname "$2")"
  sed "s|/usr/share/java/|$where/usr/share/java/|" "$1/usr/bin/lein" >"$2"
  chmod +x "$2"
}

lein_run() {
  local task
  if [[ ${LEIN_BUILD_TASK-} ]]; then
    read -ra task <<<"$LEIN_BUILD_TASK"
  elif [[ $uberjar ]]; then
    task=(uberjar)
  else
    task=(with-profile production compile :all)
  fi
  topic "Building with $lein_name: lein ${task[*]}"
  lein "${task[@]}" </dev/null 2>&1 | indent || fail "Leiningen failed: see above." \
    "Libraries come from Clojars and Maven Central, unless project.clj names other :repositories."
}

lein_declare_web() {
  local jar
  if [[ $needs_tool ]]; then
    mkdir -p .profile.d
    # shellcheck disable=SC2016  # for the dyno
    echo 'export PATH="$HOME/.heroku/lein/bin:$HOME/bin:$PATH" LEIN_HOME="$HOME/.lein"' >.profile.d/lein.sh
    jvm_declare web "lein with-profile production trampoline run"
    return
  fi
  for jar in "target/$uberjar" target/uberjar/"$uberjar"; do
    [[ -f $jar ]] || continue
    # shellcheck disable=SC2016
    jvm_declare web 'java $JVM_OPTS $JAVA_OPTS -jar '"$(printf %q "$jar")"
    return
  done
  warn "There is no target/$uberjar, as :uberjar-name says: say in a Procfile how the app starts."
}
