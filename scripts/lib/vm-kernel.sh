# shellcheck shell=bash
# The guest kernel of scripts/vm. Sourced, not run.
#
#   kernel_packages   prints the packages that a build would need; none when it is cached
#   kernel_image      prints the path of the kernel, and builds it first when it is not cached
#
# `arch` says for which guest: aarch64, armv7 or armv6; the last two share a kernel, of Linux 6.1.
# FRAMEMILL_LINUX is aarch64's version, 6.1 or 6.12; without it, that of this Debian: 6.1 of 12, 6.12 of 13. A source that this Debian
# has not comes from the other one's archive, and is kept in the cache.
#
# What goes in, and so into the name of the cached file:
#   - the version of Debian's linux-source package,
#   - tests/vm/kernel.config; what tests/vm/kernel-arm.config (on arm) or kernel-6.12.config (of 6.12) says instead,
#   - tests/vm/kernel/*.patch, applied in the order of their names; those of tests/vm/kernel-arm/ or kernel-6.12/, too,
#   - tests/vm/kernel/NAME/: a driver, put at drivers/media/NAME. Its Makefile says obj-y or
#     obj-$(CONFIG_…); with a Kconfig beside it, name its symbols in kernel.config. It is linked
#     after the kernel's own virtual drivers, so their node numbers stay. Its *.md do not count.

# All come from scripts/vm.
: "${root:?}" "${cache:?}" "${arch:?}" "${release:?}"

if [ "$arch" = aarch64 ]; then
    _kernel_make=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-) _kernel_compiler=gcc-aarch64-linux-gnu
    _kernel_file=arch/arm64/boot/Image _kernel_name=kernel
else
    _kernel_make=(ARCH=arm CROSS_COMPILE=arm-linux-gnueabi-) _kernel_compiler=gcc-arm-linux-gnueabi
    _kernel_file=arch/arm/boot/zImage _kernel_name=kernel-arm
fi

# The series, the Debian that has its source, and the names of what it has of its own below tests/vm.
_kernel_own=()
case $arch:${FRAMEMILL_LINUX:-$release} in
aarch64:6.1 | aarch64:12) _kernel_series=6.1 _kernel_debian=12 ;;
aarch64:6.12 | aarch64:13) _kernel_series=6.12 _kernel_debian=13 _kernel_own=(kernel-6.12) ;;
arm*:6.1 | arm*:12 | arm*:13) _kernel_series=6.1 _kernel_debian=12 _kernel_own=(kernel-arm) ;;
*) refuse "FRAMEMILL_LINUX: there is no guest of \"$FRAMEMILL_LINUX\" for $arch; there are 6.1 and, for aarch64, 6.12" ;;
esac
_kernel_source=linux-source-$_kernel_series
# Where the source of the other Debian's is kept, with its version beside it.
_kernel_kept=$cache/$_kernel_source.tar.xz

_kernel_foreign() {
    [ "$_kernel_debian" != "$release" ]
}

# Raise it when the steps below change what comes out.
_kernel_recipe=1

# A machine that only got the cache need not have the source: the version on offer is then
# the one that would be built.
_kernel_version() {
    local version
    if _kernel_foreign; then
        cat "$_kernel_kept.version" 2>/dev/null
        return
    fi
    version=$(dpkg-query -W -f='${Version}' "$_kernel_source" 2>/dev/null) || version=
    [ -n "$version" ] || version=$(apt-cache policy "$_kernel_source" 2>/dev/null |
        sed -n 's/^ *Candidate: //p')
    case $version in '' | '(none)') return 1 ;; esac
    echo "$version"
}

# The source of the other Debian's, once.
_kernel_fetch() {
    local work status=0
    [ -e "$_kernel_kept.version" ] && return 0
    work=$(mktemp -d "${TMPDIR:-/tmp}/framemill-source.XXXXXX")
    echo "vm: fetching the source of Linux $_kernel_series from Debian $_kernel_debian" >&2
    fetch_packages_of "$(debian_codename "$_kernel_debian")" "$work" "$_kernel_source" &&
        mv "$work/usr/src/$_kernel_source.tar.xz" "$_kernel_kept.new" && mv "$_kernel_kept.new" "$_kernel_kept" &&
        cp "$work/versions" "$_kernel_kept.version" || status=1
    rm -rf "$work"
    return "$status"
}

# The configuration, without its comments.
_kernel_config() {
    local own=("${_kernel_own[@]/%/.config}")
    if [ ${#own[@]} -eq 0 ]; then
        grep -v '^#' "$root/tests/vm/kernel.config"
    else
        grep -v '^#' "$root/tests/vm/kernel.config" | grep -vwFf <(cd "$root/tests/vm" && grep -oh 'CONFIG_[A-Z0-9_]*' "${own[@]}")
        (cd "$root/tests/vm" && grep -h '^CONFIG_\|^# CONFIG_' "${own[@]}")
    fi
}

# Patches and drivers, below tests/vm.
_kernel_sources() {
    (cd "$root/tests/vm" && find kernel "${_kernel_own[@]}" -type f ! -name '*.md' -print0 | LC_ALL=C sort -z)
}

_kernel_key() {
    local version
    version=$(_kernel_version) || return 1
    {
        echo "$_kernel_recipe $version"
        _kernel_config
        (cd "$root/tests/vm" && _kernel_sources | xargs -0r sha256sum)
    } | sha256sum | cut -c1-16
}

# Every line of kernel.config must have survived the kernel's own dependency rules.
_kernel_check() {
    local line bad=0
    while IFS= read -r line; do
        grep -qxF -- "$line" "$1" && continue
        echo "vm: the kernel's configuration lost ${line%%=*} (wanted $line)" >&2
        bad=1
    done < <(_kernel_config | grep '^CONFIG_')
    return "$bad"
}

# Drivers first: a patch may be for one of them.
_kernel_add() {
    local tree=$1 patch dir name
    for dir in "$root"/tests/vm/kernel/*/; do
        [ -d "$dir" ] || continue
        name=$(basename "$dir")
        cp -r "$dir" "$tree/drivers/media/$name"
        echo "obj-y += $name/" >>"$tree/drivers/media/Makefile"
        [ ! -e "$dir/Kconfig" ] || echo "source \"drivers/media/$name/Kconfig\"" >>"$tree/drivers/media/Kconfig"
    done
    while IFS= read -r -d '' patch; do
        case $patch in *.patch) patch -s -p1 -d "$tree" <"$root/tests/vm/$patch" >&2 || return 1 ;; esac
    done < <(_kernel_sources)
}

# One line in half a minute instead of thousands of lines. The sleep may outlive the build for a
# moment: it must not hold a pipe that somebody reads to its end.
_kernel_progress() {
    local began=$SECONDS
    while sleep 30 2>/dev/null; do
        echo "vm: kernel: $(find "$1" -name '*.o' | wc -l) objects compiled after $((SECONDS - began)) s" >&2
    done
}

# Runs in a subshell of its own, so that its trap and its environment stay here.
_kernel_build() (
    target=$1
    # The tree and its objects take about 2 GB for the time of the build.
    tree=$(mktemp -d "${TMPDIR:-/tmp}/framemill-kernel.XXXXXX")
    ticker=
    trap '[ -z "$ticker" ] || kill "$ticker" 2>/dev/null; rm -rf "$tree"' EXIT
    trap 'exit 130' INT TERM HUP
    echo "vm: building the guest kernel once, about five minutes on two cores" >&2
    source=/usr/src/$_kernel_source.tar.xz
    ! _kernel_foreign || source=$_kernel_kept
    tar -xf "$source" -C "$tree" --strip-components=1 || exit 1
    _kernel_add "$tree" || exit 1
    # A calling make or cargo must not steer this build; the names make it repeatable.
    unset MAKEFLAGS MAKELEVEL CFLAGS LDFLAGS CROSS_COMPILE ARCH
    export KBUILD_BUILD_USER=framemill KBUILD_BUILD_HOST=framemill KBUILD_BUILD_TIMESTAMP=1970-01-01
    kmake() {
        make -s -C "$tree" "${_kernel_make[@]}" "$@" >"$tree/build.log" 2>&1 && return 0
        tail -n 30 "$tree/build.log" >&2
        cp "$tree/build.log" "$tree.log"
        echo "vm: the kernel did not build; the whole log is $tree.log" >&2
        return 1
    }
    _kernel_config >"$tree/all.config"
    kmake KCONFIG_ALLCONFIG="$tree/all.config" allnoconfig || exit 1
    _kernel_check "$tree/.config" || exit 1
    _kernel_progress "$tree" >/dev/null &
    ticker=$!
    kmake -j"$(nproc)" "${_kernel_file##*/}" || exit 1
    # versatilepb's description of itself, which virt makes when it starts.
    if [ "$arch" != aarch64 ]; then
        kmake versatile-pb.dtb && cp "$tree/arch/arm/boot/dts/versatile-pb.dtb" "$target.dtb" || exit 1
    fi
    # The kernel appears under its name last and whole, so that a run never meets half of it.
    cp "$tree/.config" "$target.config" && cp "$tree/$_kernel_file" "$target.new" &&
        mv "$target.new" "$target" || exit 1
    echo "vm: the guest kernel is built" >&2
)

kernel_packages() {
    local key
    key=$(_kernel_key) && [ -e "$cache/$_kernel_name-$key" ] && return 0
    _kernel_foreign || echo "$_kernel_source"
    echo "$_kernel_compiler" gcc libc6-dev make bc bison flex xz-utils patch
}

kernel_image() {
    local key image
    ! _kernel_foreign || _kernel_fetch || return 1
    key=$(_kernel_key) || { echo "vm: no version of $_kernel_source is known" >&2; return 1; }
    image=$cache/$_kernel_name-$key
    # A lock of its own: the build of another kernel is nothing to wait for. What comes after its removal finds the kernel.
    [ -e "$image" ] || (
        flock -n 8 || { echo "vm: waiting for another build of this kernel" >&2; flock 8; }
        [ -e "$image" ] || _kernel_build "$image" 8>&- || exit 1
        rm -f "$image.lock"
    ) 8>"$image.lock" || return 1
    echo "$image"
}
