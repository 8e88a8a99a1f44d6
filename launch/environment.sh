# Sourced by quickstart.sh and test.sh: makes the one virtual environment that both use.
#
#   make_environment [VERSION]      sets PYTHON to the interpreter of .venv (or .venv-VERSION)
#
# It is made again only when setup.py, constraints.txt or the interpreter changed.

find_python() { # find_python VERSION: an interpreter of that version that really starts
  local candidate
  for candidate in "python$1" "$(pyenv root 2>/dev/null)"/versions/"$1"*/bin/python; do
    if "$candidate" -c 'import venv' >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
  done
  echo "error: no Python $1 was found; install it, or name another with --python X.Y." >&2
  return 1
}

make_environment() {
  local base folder=.venv stamp
  if [ -n "${1:-}" ]; then
    base=$(find_python "$1") || exit 2
    folder=.venv-$1
  else
    base=$(find_python 3) || exit 2
  fi
  if ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: Python 3.11 or later is needed, $("$base" --version) was found; name another with --python X.Y." >&2
    exit 2
  fi
  PYTHON=$PWD/$folder/bin/python
  stamp=$({ "$base" --version; cat setup.py constraints.txt; } | cksum)
  if [ "$(cat "$folder/installed" 2>/dev/null)" = "$stamp" ]; then
    echo "environment: $folder is ready"
    return
  fi
  echo "environment: making $folder with $("$base" --version) (about a minute, 1 GB)"
  local clear='' who='import sys; print(sys.base_prefix, sys.version)'
  [ "$("$PYTHON" -c "$who" 2>/dev/null)" = "$("$base" -c "$who")" ] || clear=--clear
  rm -f "$folder/installed" # of what is there until all of it is
  "$base" -m venv $clear "$folder" &&
    "$PYTHON" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' || {
    echo "error: the packages could not be installed; see pip's message above." >&2
    exit 2
  }
  echo "$stamp" >"$folder/installed"
}
