# shellcheck shell=bash
# Sourced when a dyno starts: the app's own Python first, and how Python servers are best run here.
export PATH="$HOME/.heroku/python/bin:$PATH"
export LANG="${LANG:-C.UTF-8}"
export PYTHONUNBUFFERED="${PYTHONUNBUFFERED:-1}"
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS:-*}"
unset PYTHONHOME

# As many web processes as the dyno has room for at 256 MB each, but no more than twice its processors and one.
if [[ -z ${WEB_CONCURRENCY-} ]]; then
  WEB_CONCURRENCY=$((${DYNO_RAM:-512} / 256))
  processors=$(nproc 2>/dev/null || echo 1)
  ((WEB_CONCURRENCY > 2 * processors + 1)) && WEB_CONCURRENCY=$((2 * processors + 1))
  ((WEB_CONCURRENCY > 0)) || WEB_CONCURRENCY=1
  export WEB_CONCURRENCY
  unset processors
fi
