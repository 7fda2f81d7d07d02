# shellcheck shell=bash
# Named as on Heroku, and so sourced before what other buildpacks leave, such as nodejs.sh: the first to set it wins.

# As many web processes as the dyno has room for at 256 MB each, but no more than twice its processors and one.
if [[ -z ${WEB_CONCURRENCY-} ]]; then
  WEB_CONCURRENCY=$((${DYNO_RAM:-512} / 256))
  processors=$(nproc 2>/dev/null || echo 1)
  ((WEB_CONCURRENCY > 2 * processors + 1)) && WEB_CONCURRENCY=$((2 * processors + 1))
  ((WEB_CONCURRENCY > 0)) || WEB_CONCURRENCY=1
  export WEB_CONCURRENCY
  unset processors
fi
