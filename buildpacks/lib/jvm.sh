# shellcheck shell=bash
# What the buildpacks for Java, Gradle, Clojure and Scala share. Source it: . "$BUILDPACK_LIB/jvm.sh"
# They have set build, env and pack.
#
#   jvm_use_config                     config vars into the environment: build tools read them, as on Heroku
#   jvm_install_tools PACKAGE...       a JDK of the version that system.properties asks for and Debian packages of
#                                      build tools, outside the slug; sets JAVA_HOME, PATH and tools
#   jvm_install_runtime PACKAGE...     the JRE of the same version in the slug, Debian packages that it needs at run
#                                      time, and .profile.d/jvm.sh; sets runtime
#   jvm_command_for_jar FOLDER         prints the command that runs the only runnable jar there, if there is one
#   jvm_property NAME                  prints a value of system.properties
#   jvm_declare NAME COMMAND           a default process type, for bin/release
#   jvm_run_build_script               runs the app's bin/build, as Heroku's Clojure buildpack does

# shellcheck source=buildpacks/lib/debs.sh
. "${BUILDPACK_LIB:?}/debs.sh"

JVM_TREE=usr/lib/jvm
# One build uses at most 2 GB: what runs beside the tool's own heap needs room too.
# shellcheck disable=SC2034  # for those who source this
JVM_BUILD_HEAP=-Xmx1024m

# Config vars that would change how the build itself runs are left out: what the build has set, and a few more.
jvm_use_config() {
  local file name
  for file in "${env:?}"/*; do
    name=${file##*/}
    [[ -f $file && $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ && ! -v $name ]] || continue
    case $name in
      ENV | CDPATH | TMPDIR | BASH* | LD_* | GIT_* | DEBS_* | debs_* | jvm_* | tools | runtime) ;;
      JAVA_HOME | JAVA_OPTS | JAVA_TOOL_OPTIONS | JDK_JAVA_OPTIONS | _JAVA_OPTIONS) ;;
      *) export "$name=$(<"$file")" ;;
    esac
  done
}

jvm_install_tools() { # PACKAGE...
  [[ ${jvm_version-} ]] || _jvm_choose_version
  tools=${TMPDIR:-/tmp}/jvm-tools
  topic "Installing OpenJDK $jvm_version${1:+ and $*}"
  debs_install "$tools" "openjdk-$jvm_version-jdk-headless" "$@"
  _jvm_make_truststore "$tools"
  JAVA_HOME=$(_jvm_home "$tools")
  export JAVA_HOME PATH=$JAVA_HOME/bin:$PATH
}

jvm_install_runtime() { # PACKAGE...
  runtime=${build:?}/.heroku/jre
  topic "Installing the Java runtime of the slug${1:+ and $*}"
  debs_install "$runtime" "openjdk-$jvm_version-jre-headless" "$@"
  _jvm_make_truststore "$runtime"
  # Where Heroku's buildpacks put Java.
  ln -sfn "${runtime#"$build/"}/$(_jvm_home "$runtime" | sed "s|^$runtime/||")" "$build/.jdk"
  mkdir -p "$build/.profile.d"
  cp "$BUILDPACK_LIB/jvm-profile.sh" "$build/.profile.d/jvm.sh"
  echo "export JAVA_HOME='$JAVA_HOME' PATH=\"$JAVA_HOME/bin:\$PATH\"" >"${pack:?}/export"
}

jvm_command_for_jar() { # FOLDER
  local kind jar
  read -r kind jar < <(/usr/bin/python3 -I "$BUILDPACK_LIB/jars.py" "$1") || return 0
  # shellcheck disable=SC2016  # for the dyno's shell
  case $kind in
    spring-boot) echo 'java -Dserver.port=$PORT $JAVA_OPTS -jar' "$jar" ;;
    plain) echo 'java $JAVA_OPTS -jar' "$jar" ;;
  esac
}

jvm_property() { # NAME
  [[ -f system.properties ]] || return 0
  tr -d '\r' <system.properties | sed -nE "s/^[[:space:]]*${1//./\\.}[[:space:]]*[=:][[:space:]]*//p" | tail -n 1
}

jvm_declare() { # NAME COMMAND
  [[ -f $pack/release.yml ]] || printf -- '---\ndefault_process_types:\n' >"$pack/release.yml"
  printf "  %s: '%s'\n" "$1" "${2//\'/\'\'}" >>"$pack/release.yml"
}

jvm_run_build_script() {
  topic "Running bin/build"
  chmod +x bin/build
  ./bin/build </dev/null 2>&1 | indent || fail "bin/build failed: see above."
}

# Helpers

# Sets jvm_version, a major version: what system.properties asks for, else what Debian's default-jre is.
_jvm_choose_version() {
  local asked known major patch
  asked=$(jvm_property java.runtime.version)
  known=$(debs_versions '(openjdk-[0-9]+|default)-jre-headless' | sort -V | sed -E 's/^(openjdk-)?([^ ]*)-jre-headless /\2 /')
  if [[ -z $asked ]]; then
    jvm_version=$(sed -nE 's/^default [0-9]+:1\.([0-9]+).*/\1/p' <<<"$known" | tail -n 1)
    [[ $jvm_version ]] || fail "The stack's Debian packages have no Java (default-jre-headless)."
    topic "Using OpenJDK $jvm_version, the stack's own; to choose, write java.runtime.version into system.properties"
    return
  fi
  major=$(sed -E 's/^[a-z]+-//; s/^1\.([5-8])\b/\1/; s/^([0-9]+).*/\1/' <<<"$asked")
  patch=$(awk -v major="$major" '$1 == major { sub(/[+].*/, "", $2); found = $2 } END { print found }' <<<"$known")
  if [[ -z $patch ]]; then
    fail "system.properties asks for Java $asked, which the Debian packages of this stack do not have." \
      "Available: $(grep -v ^default <<<"$known" | awk '{ print $1 }' | sort -nu | paste -sd' ')." \
      "Change java.runtime.version, or choose another stack (hostctl stacks)."
  fi
  jvm_version=$major
  [[ $asked != *.*.* || $asked =~ ^([a-z]+-)?1\. || $asked == *"$patch"* ]] ||
    warn "system.properties asks for Java $asked; $patch is what can be had, and is used."
  [[ $asked != [a-z]* || $asked == openjdk-* ]] ||
    warn "system.properties asks for ${asked%%-*}'s Java; Debian's OpenJDK $major is used."
  topic "Using OpenJDK $jvm_version (system.properties asks for $asked)"
}

_jvm_home() { # TREE
  local home
  for home in "$1/$JVM_TREE/java-$jvm_version-openjdk-"*; do
    echo "$home"
    return
  done
}

# What the maintainer script of ca-certificates-java would make, from the same certificates.
_jvm_make_truststore() { # TREE
  mkdir -p "$1/etc/ssl/certs/java"
  /usr/bin/python3 -I "$BUILDPACK_LIB/truststore.py" /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/java/cacerts"
}
