# shellcheck shell=bash
# The guest's base file system, an initramfs. Sourced after packages.sh, not run.
#
#   base_packages   prints the packages that a build would need; none when it is cached
#   base_image      prints the path of the archive, and builds it first when it is not cached
#
# It holds busybox, and v4l2-ctl, v4l2-compliance and strace as references that know nothing of
# Framemill. It is not compressed: unpacking costs the emulated processor more than reading does.
# What changes from run to run (init, the command, the framemill binary) is not in it.

# All come from scripts/vm.
: "${cache:?}" "${arch:?}" "${release:?}"

# Debian's armel runs on ARMv6 and ARMv7.
if [ "$arch" = aarch64 ]; then _image_debian=arm64; else _image_debian=armel; fi

_image_programs=(usr/bin/v4l2-ctl usr/bin/v4l2-compliance usr/bin/strace)
_image_packages=(busybox-static v4l-utils strace)
# What these are set up with, and do not run with.
_image_spared="perl perl-base dpkg systemd dbus"

# The file and the link it goes by; the kernel asks for the one named in the program's header.
_image_copy_library() {
    local name=$1 from=$2 to=$3 found
    found=$(find "$from/lib" "$from/usr/lib" -name "$name" -print -quit 2>/dev/null)
    [ -n "$found" ] || { echo "vm: no package of the image holds $name" >&2; return 1; }
    cp -L "$found" "$to/lib/$name"
}

_image_build() (
    target=$1
    work=$(mktemp -d "${TMPDIR:-/tmp}/framemill-image.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    echo "vm: building the guest's base image once" >&2
    mkdir -p "$work/packages" "$work/root"
    packages=$(with_dependencies "$_image_debian" "$_image_spared" "${_image_packages[@]}") || exit 1
    # shellcheck disable=SC2086 # a list of words
    fetch_packages "$work/packages" $packages || exit 1
    cd "$work/root" || exit 1
    mkdir -p bin lib dev proc sys run tmp host root etc usr/lib
    ln -s bin sbin
    ln -s ../bin usr/bin
    ln -s ../bin usr/sbin
    echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
    echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>etc/passwd
    printf 'root:x:0:\nvideo:x:44:\nnogroup:x:65534:\n' >etc/group
    echo '127.0.0.1 localhost' >etc/hosts
    cp "$work/packages"/{,usr/}bin/busybox bin/ 2>/dev/null || [ -s bin/busybox ] || exit 1
    queue=()
    for program in "${_image_programs[@]}"; do
        cp "$work/packages/$program" bin/ || exit 1
        queue+=("bin/${program##*/}")
    done
    # Walk the libraries that each file needs until no new one turns up.
    while [ ${#queue[@]} -gt 0 ]; do
        file=${queue[0]}
        queue=("${queue[@]:1}")
        while read -r name; do
            [ ! -e "lib/$name" ] || continue
            _image_copy_library "$name" "$work/packages" . || exit 1
            queue+=("lib/$name")
        done < <(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    done
    find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 >"$target.new" || exit 1
    mv "$target.new" "$target"
)

# The steps are part of the name: whoever changes them gets a new image.
_image_path() {
    local key
    key=$( (declare -f _image_build _image_copy_library
        echo "$release" "$_image_debian" "${_image_programs[@]}" "${_image_packages[@]}" "$_image_spared") | sha256sum | cut -c1-16)
    echo "$cache/image-$key"
}

base_packages() {
    [ -e "$(_image_path)" ] || echo binutils
}

base_image() {
    local image
    image=$(_image_path)
    [ -e "$image" ] || (
        flock 8
        [ -e "$image" ] || _image_build "$image" 8>&-
    ) 8>"$cache/image.lock" || return 1
    echo "$image"
}
