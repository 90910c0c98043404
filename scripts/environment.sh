# Sourced by ./play and ./check. Makes the virtual environment .venv with the pinned packages, once.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
sum_of() { if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi; } # macOS has the latter

as_root_on_debian() { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get > /dev/null; }

# system_packages WHY PACKAGE...: installs them as root on Debian, else names the command and returns 1.
system_packages() {
    local why=$1
    shift
    if ! as_root_on_debian; then
        say "Missing: $* ($why). On Debian or Ubuntu: sudo apt-get install $*"
        return 1
    fi
    say "Installing the system packages $* ($why)."
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"; } \
        > /dev/null || { say "apt-get could not install $*"; return 1; }
}

# The first Python of 3.11 or later that can make a virtual environment with pip in it.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    "$venv/bin/python" -c 'import pip' 2> /dev/null && return
    local python
    python=$(find_python) || {
        system_packages "Python and its virtual environments" python3 python3-venv || exit 1
        python=$(find_python) || die "musicldm needs Python 3.11 or later with the modules venv and ensurepip."
    }
    "$python" -m venv --clear "$venv"
}

# install NAME EXTRAS [PACKAGE...]: musicldm[EXTRAS] from this folder, then PACKAGEs with --no-deps. The stamp .venv/NAME.stamp
# says what was installed from which pins and where, so that nothing happens until one of these changes.
install() {
    local name=$1 extras=$2 stamp
    shift 2
    stamp=$(echo "$root $extras $*" | cat - "$root/pyproject.toml" "$root/constraints.txt" | sum_of)
    [ "$(cat "$venv/$name.stamp" 2> /dev/null)" = "$stamp" ] && [ -x "$venv/bin/musicldm" ] && return
    make_venv
    say "Installing musicldm and what it needs into $venv (once; a few minutes)."
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet -c "$root/constraints.txt")
    export PIP_CONSTRAINT=$root/constraints.txt PIP_BUILD_CONSTRAINT=$root/constraints.txt
    "${pip[@]}" --editable "$root$extras" || die "The installation failed: see above."
    if [ $# -gt 0 ]; then
        "${pip[@]}" --no-deps "$@" || die "The installation of $* failed: see above."
    fi
    echo "$stamp" > "$venv/$name.stamp"
}
