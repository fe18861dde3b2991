# Sourced by the entry scripts: makes .venv beside the project and brings it up to date.
# Idempotent; an interrupted run is completed by the next one.

project_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv="$project_root/.venv"

say() { printf '%s\n' "$*" >&2; }
die() { say "Error: $*"; exit 1; }

# Prints the first Python 3.11 or newer: $PYTHON, python3.11 (Houdini's own version), python3.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3 python3.12 python3.13; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# ensure_environment EXTRAS: .venv holds the project with these extras, e.g. diffrec,test.
ensure_environment() {
    local extras=$1 python wanted stamp
    # A Houdini shell or an active environment must not reach into ours.
    unset PYTHONHOME PYTHONPATH VIRTUAL_ENV
    wanted=$(cat "$project_root/pyproject.toml" "$project_root/constraints.txt" | cksum | tr ' ' '-')
    stamp="$venv/.installed-$extras"
    if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted:$project_root" ] &&
        "$venv/bin/python" -c 'import nvdiffrec_tops' 2>/dev/null; then
        return 0
    fi
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        python=$(find_python) || die "Python 3.11 or newer with the venv module is needed. On Debian:" \
            "apt-get install python3 python3-venv; or name an interpreter: PYTHON=/path/to/python3.11 $0"
        say "Creating the Python environment .venv with $("$python" --version 2>&1)"
        "$python" -m venv "$venv" || die "no environment could be made in $venv." \
            "On Debian: apt-get install python3-venv"
    fi
    say "Installing the toolkit and what it needs into .venv (once; minutes on a slow connection)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$project_root/constraints.txt" --editable "$project_root[$extras]" ||
        die "pip could not install the toolkit; the lines above say why. Run the script again to go on."
    printf '%s' "$wanted:$project_root" >"$stamp.part" && mv -f "$stamp.part" "$stamp"
}
