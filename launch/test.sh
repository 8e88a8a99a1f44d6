#!/usr/bin/env bash
# Makes the environment if it is missing, then runs the linters and the tests.
#
#   launch/test.sh                      the default run
#   launch/test.sh --python 3.13        with another Python, in an environment of its own
#   launch/test.sh -m slow              what takes minutes; all other arguments go to pytest too
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh

version=
if [ "${1:-}" = --help ]; then
  sed -n '2,6s/^# \{0,1\}//p' launch/test.sh
  exit
elif [ "${1:-}" = --python ]; then
  version=${2:?--python needs a version, such as 3.13}
  shift 2
fi
make_environment "$version"

echo "lint: ruff check, ruff format"
"$PYTHON" -m ruff check --quiet .
"$PYTHON" -m ruff format --quiet --check .
for argument in "$@"; do
  case $argument in -m | -m*) exec "$PYTHON" -m pytest "$@" ;; esac
done
exec "$PYTHON" -m pytest -m 'not slow' --numprocesses 2 --dist loadfile --no-loadscope-reorder "$@"
