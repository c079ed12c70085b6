# shellcheck shell=bash
# Debian packages for the scripts. Sourced, not run.
#
#   need_packages PKG…       make sure that each package is installed, or say how
#   renew_packages PKG…      the newest version of each, from lists that are fetched again
#   fetch_packages DIR PKG…  unpack packages into DIR without installing them
#   fetch_packages_of CODENAME DIR PKG…
#                            the newest of another Debian, security updates too, as that Debian itself would take them; DIR/versions
#                            has the versions
#   packages_sources OWN CODENAME
#                            print sources.list of Debian CODENAME, as this machine, which is OWN, has it
#   with_dependencies ARCH "PKG…" PKG…
#                            print PKG:ARCH for the latter packages and all that they depend on, but
#                            not for the former ones, what only they need, and those without ARCH
#
# PKG may carry an architecture, as in musl-dev:arm64, but not for with_dependencies. Every word goes
# to standard error. All return nonzero when the packages cannot be had; with `set -e` the script then ends.

# Apt's own time-out covers the lock of dpkg but not the lock of the package lists. So two
# of our scripts take turns here first.
_packages_lock=/run/lock/framemill-packages.lock

# A plain name means this machine's architecture: the same package of another one does not count.
_packages_installed() {
    case $1 in
    *:*) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    *) grep -qxE "(all|$(dpkg --print-architecture)) installed" < <(
        dpkg-query -W -f='${Architecture} ${db:Status-Status}\n' "$1" 2>/dev/null) ;;
    esac
}

# The architectures that the names call for and that dpkg does not know yet.
_packages_foreign() {
    local p arch
    for p in "$@"; do
        case $p in *:*) arch=${p#*:} ;; *) continue ;; esac
        case $arch in all | any | native | "$(dpkg --print-architecture)") continue ;; esac
        grep -qx "$arch" < <(dpkg --print-foreign-architectures) || echo "$arch"
    done | sort -u
}

# Prints the one command line that does what we would do, for someone who is not root.
_packages_advice() {
    local arch line=
    for arch in $(_packages_foreign "$@"); do line+="dpkg --add-architecture $arch && "; done
    echo "${line}apt-get update && apt-get install --no-install-recommends $*"
}

# Silent when all goes well: apt and dpkg have hundreds of lines to say.
_packages_apt() {
    local log
    log=$(mktemp)
    if DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 \
        -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 9>&-; then
        rm -f "$log"
    else
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# A fresh machine has no lists, and a new architecture has none either. Lists can also be
# too old to fetch from, so the caller asks for an update after a first failure.
_packages_update() {
    local arch whole unknown
    for arch in $(_packages_foreign "$@"); do dpkg --add-architecture "$arch" 1>&2; done
    # Another apt may hold the lock of the lists for a while.
    for _ in 1 2 3 4 5 6; do
        # Some lists can be enough: an architecture's security updates may be out of order.
        whole=
        ! _packages_apt --error-on=any update || whole=1
        unknown=$(_packages_unknown "$@")
        [ -n "$unknown" ] || return 0
        if [ -n "$whole" ]; then
            echo "packages: this Debian's archive has no" $unknown >&2
            return 1
        fi
        sleep 10
    done
    echo "packages: apt-get update failed, and apt knows no" $unknown >&2
    return 1
}

# Those of the names that the lists have no version of to install. Apt takes a name that it does not know for a pattern, and
# answers for what fits: so the names count. No pipe into grep -q, here and above: it leaves early, and under pipefail the writer's
# SIGPIPE would look like "not found". One call for all of them: apt may take seconds to read its lists.
_packages_unknown() {
    printf '%s\n' "$@" | grep -vxFf <(apt-cache policy "$@" 2>/dev/null |
        sed -n 's/^\([^ ].*\):$/\1/; t name; s/^  Candidate: [^(].*//; t known; b; :name; h; b; :known; x; p') || true
}

_packages_known() {
    [ -z "$(_packages_unknown "$@")" ]
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
        _packages_apt install --no-install-recommends "${missing[@]}" ||
            { _packages_update "${missing[@]}" &&
                _packages_apt install --no-install-recommends "${missing[@]}"; }
    ) 9>"$_packages_lock" || { echo "packages: could not install ${missing[*]}" >&2; return 1; }
}

renew_packages() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "packages: too old: $*; as root: $(_packages_advice "$@")" >&2
        return 1
    fi
    echo "packages: renewing $*" >&2
    (
        flock 9
        _packages_update "$@" && _packages_apt install --no-install-recommends "$@"
    ) 9>"$_packages_lock" || { echo "packages: could not renew $*" >&2; return 1; }
}

# That the lists name the packages, or say how to get such lists.
_packages_listed() {
    if [ "$(id -u)" -eq 0 ]; then
        if [ -n "$(_packages_foreign "$@")" ] || ! _packages_known "$@"; then
            (flock 9; _packages_update "$@") 9>"$_packages_lock" || return 1
        fi
    elif ! _packages_known "$@"; then
        echo "packages: apt does not know $*; as root: $(
            _packages_advice "$@" | sed 's/ && apt-get install.*//')" >&2
        return 1
    fi
}

# As ourselves: apt's own user may not write there.
_packages_download() {
    (cd "$1" && shift && _packages_apt -o APT::Sandbox::User=root download "$@")
}

fetch_packages() {
    local dir=$1 deb tmp status=0
    shift
    _packages_listed "$@" || return 1
    tmp=$(mktemp -d)
    # Old lists may name what the archive no longer has.
    _packages_download "$tmp" "$@" || {
        [ "$(id -u)" -eq 0 ] && (flock 9; _packages_update "$@") 9>"$_packages_lock" &&
            _packages_download "$tmp" "$@"
    } || status=1
    for deb in "$tmp"/*.deb; do
        [ "$status" -ne 0 ] || dpkg-deb -x "$deb" "$dir" || status=1
    done
    rm -rf "$tmp"
    [ "$status" -eq 0 ] || echo "packages: could not fetch $*; apt-get update may help" >&2
    return "$status"
}

# The archive that this machine's own lists of Debian come from, without updates and security.
_packages_archive() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
        sed -n "s/^\([^ ]*\) $1\$/\1/p" | sort -u | head -n 1
}

# What stands in sources.list of Debian $2, as this machine has it for its own one, $1: updates and security, too.
packages_sources() {
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        sed -n "s/ $1\(-updates\|-security\)\? / $2\1 /p" | sort -u
}

fetch_packages_of() {
    local codename=$1 dir=$2 sources state deb architectures status=0
    shift 2
    # No lists but those of what is named, and the machine's own.
    architectures=$(printf '%s\n' "$(dpkg --print-architecture)" "$@" | sed -n 's/.*://p; 1p' | sort -u | paste -sd,)
    sources=$(packages_sources "$(debian_codename "$(debian_release)")" "$codename")
    [ -n "$sources" ] || { echo "packages: apt has no list of this Debian's archive; apt-get update may help" >&2; return 1; }
    state=$(mktemp -d)
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs"
    sed 's|^deb |&[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] |' <<<"$sources" >"$state/sources.list"
    local options=(-o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o APT::Architectures="$architectures" -o Dir::State::Lists="$state/lists" -o Dir::Cache="$state/cache" -o APT::Sandbox::User=root)
    _packages_apt "${options[@]}" update &&
        (cd "$state/debs" && _packages_apt "${options[@]}" download "$@") || status=1
    for deb in "$state"/debs/*.deb; do
        [ "$status" -ne 0 ] || { dpkg-deb -x "$deb" "$dir" && dpkg-deb -f "$deb" Version >>"$dir/versions"; } || status=1
    done
    rm -rf "$state"
    [ "$status" -eq 0 ] || echo "packages: could not fetch $* of $codename" >&2
    return "$status"
}

# Apt answers for a machine of that architecture on which nothing but the spared packages is installed.
with_dependencies() {
    local arch=$1 spared=$2 p status=0 tmp
    shift 2
    _packages_listed "${@/%/:$arch}" || return 1
    tmp=$(mktemp -d)
    for p in $spared; do
        printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nVersion: 9999\n\n' "$p" "$arch"
    done >"$tmp/status"
    # The lists are the machine's own. What apt works out from them is not to be kept as the machine's.
    if apt-get -qq -y -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
        -o Dir::State::status="$tmp/status" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        --no-install-recommends --print-uris install "$@" >"$tmp/uris" 2>"$tmp/log"; then
        # 'ADDRESS' NAME_VERSION_ARCH.deb BYTES SUM
        sed -n "s/^[^ ]* \([^_]*\)_[^ ]*_$arch\.deb .*/\1:$arch/p" "$tmp/uris"
    else
        tail -n 20 "$tmp/log" >&2
        echo "packages: apt cannot tell what $* depend on" >&2
        status=1
    fi
    rm -rf "$tmp"
    return "$status"
}
