# shellcheck shell=bash
# Sourced when a dyno starts: the app's own Node.js first, and how many processes the dyno has room for.
export PATH="$HOME/.heroku/node/bin:$PATH:$HOME/bin:$HOME/node_modules/.bin"
export NODE_HOME="$HOME/.heroku/node"
export NODE_ENV="${NODE_ENV:-production}"

# Megabytes: of the dyno, and of one process of the app. An app that forks as many as WEB_CONCURRENCY fills its dyno.
export MEMORY_AVAILABLE="${MEMORY_AVAILABLE:-${DYNO_RAM:-512}}"
export WEB_MEMORY="${WEB_MEMORY:-512}"
if [[ -z ${WEB_CONCURRENCY-} && $WEB_MEMORY =~ ^[1-9][0-9]*$ ]]; then
  WEB_CONCURRENCY=$((MEMORY_AVAILABLE / WEB_MEMORY))
  ((WEB_CONCURRENCY > 0)) || WEB_CONCURRENCY=1
  export WEB_CONCURRENCY
fi
