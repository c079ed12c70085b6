# shellcheck shell=bash
# Debian's own ffmpeg, GStreamer, ustreamer and Python for the guest, which scripts/vm --programs adds. Sourced after
# packages.sh, not run.
#
#   programs_packages   prints the packages that a build would need; none when it is cached
#   programs_folder     prints the path of the folder, and builds it first when it is not cached
#
# The folder is not part of the image: it is too large to unpack at each boot. The guest mounts it and
# links bin/ and lib/ to where Debian has them, so the programs run as they came: see tests/vm/init.

# These come from scripts/vm.
: "${cache:?}" "${release:?}"

_programs=(ffmpeg ffprobe gst-launch-1.0 gst-inspect-1.0 ustreamer-dump)
# Each plugin costs time when GStreamer first looks at all of them; these are raw frames, V4L2, H.264, and MPEG-TS
# of an application's packets.
_programs_plugins=(coreelements app mpegtsmux rawparse video4linux2 videoconvertscale videoparsersbad videotestsrc)
_programs_packages=(ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base libgstreamer-plugins-bad1.0-0
    libgudev-1.0-0 ustreamer python3-minimal)
# From Debian 13 on, its name says that its times have 64 bits.
case $release in
12) _programs_packages+=(libv4l-0) _programs_python=python3.11 ;;
*) _programs_packages+=(libv4l-0t64) _programs_python=python3.13 ;;
esac
_programs+=("$_programs_python")
_programs_packages+=("lib$_programs_python-stdlib")
# The plugins alone: together with what their many other plugins need, these would double the download.
_programs_plugin_packages=(gstreamer1.0-plugins-good gstreamer1.0-plugins-bad)
# A third of the download, and none of our programs loads it: 3D drivers, and what packages are set up with.
_programs_spared="libgl1-mesa-dri systemd dbus perl perl-base dpkg ucf shared-mime-info fontconfig-config"

# Copies every library that the files in bin/ and lib/ need from below FROM to lib/, until no new one turns up.
_programs_libraries() {
    local from=$1 file name queue
    local -A found=()
    for file in "$from"/{,usr/}lib/aarch64-linux-gnu/{,*/}*.so*; do
        name=${file##*/}
        [ ! -f "$file" ] || [ -n "${found[$name]:-}" ] || found[$name]=$file
    done
    mapfile -t queue < <(find bin lib -type f ! -name '*.py')
    while [ ${#queue[@]} -gt 0 ]; do
        mapfile -t needed < <(readelf -d "${queue[@]}" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
        queue=()
        for name in "${needed[@]}"; do
            [ ! -e "lib/$name" ] || continue
            [ -n "${found[$name]:-}" ] || { echo "vm: no package of the programs holds $name" >&2; return 1; }
            cp -L "${found[$name]}" "lib/$name" || return 1
            queue+=("lib/$name")
        done
    done
}

_programs_build() (
    target=$1
    work=$(mktemp -d "${TMPDIR:-/tmp}/framemill-programs.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    echo "vm: fetching the guest's ffmpeg, GStreamer and Python once, about 100 MB" >&2
    packages=$(with_dependencies arm64 "$_programs_spared" "${_programs_packages[@]}") || exit 1
    mkdir -p "$work/packages" "$work/root"
    # shellcheck disable=SC2086 # a list of words
    fetch_packages "$work/packages" $packages "${_programs_plugin_packages[@]/%/:arm64}" || exit 1
    cd "$work/root" || exit 1
    from=$work/packages/usr/lib/aarch64-linux-gnu
    scanner=gstreamer1.0/gstreamer-1.0
    mkdir -p bin lib/gstreamer-1.0 "lib/$scanner"
    cp "${_programs[@]/#/$work/packages/usr/bin/}" bin/ || exit 1
    cp "$from/$scanner/gst-plugin-scanner" "lib/$scanner/" || exit 1
    for plugin in "${_programs_plugins[@]}"; do
        cp "$from/gstreamer-1.0/libgst$plugin.so" lib/gstreamer-1.0/ || exit 1
    done
    # Beside the program's folder, which is where it looks.
    cp -R "$work/packages/usr/lib/$_programs_python" lib/ && ln -s "$_programs_python" bin/python3 || exit 1
    _programs_libraries "$work/packages" || exit 1
    # Half a build must not pass for a whole one, and the cache may be on another file system.
    rm -rf "$target.new"
    cp -R . "$target.new" && mv "$target.new" "$target"
)

# The steps are part of the name, as with the image.
_programs_path() {
    local key
    key=$( (declare -f _programs_build _programs_libraries
        echo "${_programs[@]}" "${_programs_plugins[@]}" "${_programs_packages[@]}"
        echo "${_programs_plugin_packages[@]}" "$_programs_spared") | sha256sum | cut -c1-16)
    echo "$cache/programs-$key"
}

programs_packages() {
    [ -e "$(_programs_path)" ] || echo binutils
}

programs_folder() {
    local folder
    folder=$(_programs_path)
    [ -e "$folder" ] || (
        flock 8
        [ -e "$folder" ] || _programs_build "$folder" 8>&-
    ) 8>"$cache/programs.lock" || return 1
    echo "$folder"
}
