# shellcheck shell=bash
# Java's place, its memory by the dyno's, and the database's address as JDBC writes it.
export JAVA_HOME="$HOME/.jdk"
export PATH="$JAVA_HOME/bin:$PATH"

if [[ ${JAVA_TOOL_OPTIONS-}${JAVA_OPTS-} != *-Xmx* ]]; then
  # As much heap as Heroku gives: the rest is for threads, code and what lies outside the heap.
  _ram=${DYNO_RAM:-512}
  if ((_ram <= 512)); then
    _heap="-Xmx$((_ram * 300 / 512))m -Xss512k -XX:CICompilerCount=2"
  elif ((_ram <= 1024)); then
    _heap="-Xmx$((_ram * 671 / 1024))m -XX:CICompilerCount=2"
  elif ((_ram <= 4096)); then
    _heap="-Xmx$((_ram * 80 / 100))m"
  else
    _heap="-Xmx$((_ram * 86 / 100))m"
  fi
  export JAVA_TOOL_OPTIONS="$_heap -Dfile.encoding=UTF-8 ${JAVA_TOOL_OPTIONS-}"
  unset _ram _heap
fi
export JAVA_OPTS="${JAVA_OPTS-}"

if [[ -z ${JDBC_DATABASE_URL-} && ${DATABASE_URL-} =~ ^(postgres|postgresql|mysql)://([^:@/]*):([^@/]*)@([^?]+)(\?(.*))?$ ]]; then
  _kind=${BASH_REMATCH[1]/#postgres*/postgresql}
  export JDBC_DATABASE_USERNAME="${BASH_REMATCH[2]}" JDBC_DATABASE_PASSWORD="${BASH_REMATCH[3]}"
  export JDBC_DATABASE_URL="jdbc:$_kind://${BASH_REMATCH[4]}?user=${BASH_REMATCH[2]}&password=${BASH_REMATCH[3]}${BASH_REMATCH[6]:+&${BASH_REMATCH[6]}}"
  if [[ ${DISABLE_SPRING_DATASOURCE_URL-} != true && -z ${SPRING_DATASOURCE_URL-} ]]; then
    export SPRING_DATASOURCE_URL="$JDBC_DATABASE_URL"
    export SPRING_DATASOURCE_USERNAME="$JDBC_DATABASE_USERNAME" SPRING_DATASOURCE_PASSWORD="$JDBC_DATABASE_PASSWORD"
  fi
  unset _kind
fi
