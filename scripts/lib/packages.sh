# shellcheck shell=bash
# Debian packages for the scripts. Sourced, not run.
#
#   need_packages PKG…       make sure that each package is installed, or say how
#   fetch_packages DIR PKG…  unpack packages into DIR without installing them
#
# PKG may carry an architecture, as in musl-dev:arm64. Every word goes to standard error.
# Both return nonzero when the packages cannot be had; with `set -e` the script then ends.

# Apt's own time-out covers the lock of dpkg but not the lock of the package lists. So two
# of our scripts take turns here first.
_packages_lock=/run/lock/framemill-packages.lock

_packages_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The host counts as the first word, so a plain name never asks for a foreign architecture.
_packages_foreign() {
    local p arch
    for p in "$@"; do
        case $p in *:*) arch=${p#*:} ;; *) continue ;; esac
        case $arch in all | any | native | "$(dpkg --print-architecture)") continue ;; esac
        dpkg --print-foreign-architectures | grep -qx "$arch" || echo "$arch"
    done | sort -u
}

# Prints the one command line that does what we would do, for someone who is not root.
_packages_advice() {
    local arch line=
    for arch in $(_packages_foreign "$@"); do line+="dpkg --add-architecture $arch && "; done
    echo "${line}apt-get update && apt-get install --no-install-recommends $*"
}

_packages_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
        -o Dpkg::Use-Pty=0 "$@" 1>&2
}

# A fresh machine has no lists, and a new architecture has none either. Lists can also be
# too old to fetch from, so the caller asks for an update after a first failure.
_packages_update() {
    local arch
    for arch in $(_packages_foreign "$@"); do dpkg --add-architecture "$arch" 1>&2; done
    # Another apt may hold the lock of the lists for a while.
    for _ in 1 2 3 4 5 6; do
        _packages_apt -qq update && return 0
        sleep 10
    done
    echo "packages: apt-get update failed" >&2
    return 1
}

# Known means that the lists name a version to install.
_packages_known() {
    local p
    for p in "$@"; do
        apt-cache policy "$p" 2>/dev/null | grep -q 'Candidate: [^(]' || return 1
    done
}

need_packages() {
    local p missing=()
    if ! command -v dpkg-query >/dev/null; then
        echo "packages: this machine has no dpkg; install by hand what Debian calls: $*" >&2
        return 1
    fi
    for p in "$@"; do _packages_installed "$p" || missing+=("$p"); done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "packages: missing ${missing[*]}; as root: $(_packages_advice "${missing[@]}")" >&2
        return 1
    fi
    echo "packages: installing ${missing[*]}" >&2
    (
        flock 9
        if [ -n "$(_packages_foreign "${missing[@]}")" ] || ! _packages_known "${missing[@]}"; then
            _packages_update "${missing[@]}" || exit 1
        fi
        _packages_apt -qq install --no-install-recommends "${missing[@]}" 9>&- ||
            { _packages_update "${missing[@]}" &&
                _packages_apt -qq install --no-install-recommends "${missing[@]}" 9>&-; }
    ) 9>"$_packages_lock" || { echo "packages: could not install ${missing[*]}" >&2; return 1; }
}

fetch_packages() {
    local dir=$1 deb tmp
    shift
    if [ -n "$(_packages_foreign "$@")" ] || ! _packages_known "$@"; then
        if [ "$(id -u)" -ne 0 ]; then
            echo "packages: apt does not know $*; as root: $(_packages_advice "$@" | sed 's/ && apt-get install.*//')" >&2
            return 1
        fi
        (flock 9; _packages_update "$@") 9>"$_packages_lock" || return 1
    fi
    tmp=$(mktemp -d)
    # Apt downloads as the user _apt and warns when it cannot write here.
    chmod 755 "$tmp"
    (cd "$tmp" && apt-get -qq -o APT::Sandbox::User=root download "$@" 1>&2) ||
        { rm -rf "$tmp"; echo "packages: could not download $*" >&2; return 1; }
    for deb in "$tmp"/*.deb; do dpkg-deb -x "$deb" "$dir" || { rm -rf "$tmp"; return 1; }; done
    rm -rf "$tmp"
}
