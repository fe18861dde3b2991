# Sourced by the entry scripts: finds a Python that runs scripts/start.py, where the set-up is.

project_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv="$project_root/.venv"

say() { printf '%s\n' "$*" >&2; }
die() { say "Error: $*"; exit 1; }

# start WORDS...: scripts/start.py in the first Python that is new enough for it.
start() {
    local candidate
    for candidate in "$venv/bin/python" "${PYTHON:-}" python3.11 python3 python3.12 python3.13; do
        [ -n "$candidate" ] || continue
        if "$candidate" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            ${exec-} "$candidate" -I -S "$project_root/scripts/start.py" "$@"
            return
        fi
    done
    die "Python 3.11 or newer with the venv module is needed. On Debian:" \
        "apt-get install python3 python3-venv; or name an interpreter: PYTHON=/path/to/python3.11 $0"
}

# The comment at the top of the script that was started; installs nothing.
print_help() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p;}' "$0"; }
