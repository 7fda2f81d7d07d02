# shellcheck shell=bash
# Sourced when a dyno starts: the app's own Python first, and how Python servers are best run here.
export PATH="$HOME/.heroku/python/bin:$PATH"
export LANG="${LANG:-C.UTF-8}"
export PYTHONUNBUFFERED="${PYTHONUNBUFFERED:-1}"
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS:-*}"
unset PYTHONHOME
