# shellcheck shell=bash
# Which Debian this is. Sourced, not run.
#
#   debian_release           prints 12 or 13; on anything else says what is needed, and returns nonzero
#   debian_codename RELEASE  prints its name, as it stands in lists of packages

# The words of os-release are the system's own: a derived one names the Debian that it was made from.
debian_release() {
    local codename
    # shellcheck source=/dev/null
    codename=$(. "${FRAMEMILL_OS_RELEASE:-/etc/os-release}" 2>/dev/null && echo "${VERSION_CODENAME:-unknown}")
    case $codename in
    bookworm) echo 12 ;;
    trixie) echo 13 ;;
    *)
        echo "this needs Debian 12 (bookworm) or 13 (trixie), or a root of one of them made with debootstrap; this system is ${codename:-unknown}" >&2
        return 1
        ;;
    esac
}

debian_codename() {
    case $1 in
    12) echo bookworm ;;
    13) echo trixie ;;
    esac
}
