# shellcheck shell=bash
# OpenCV for Debian's Python: the wheels of pip, because Debian's own brings four times as much. Sourced after packages.sh, not run.
#
#   need_opencv   makes sure that it lies in CACHE/python, which is a PYTHONUSERBASE

_opencv=opencv-python-headless
_opencv_version=5.0.0.93

_opencv_is_there() {
    PYTHONUSERBASE=$1 /usr/bin/python3 -c 'import importlib.metadata as m, sys; sys.exit(m.version(sys.argv[1]) != sys.argv[2])' \
        "$_opencv" "$_opencv_version" 2>/dev/null
}

need_opencv() {
    local base=${FRAMEMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/framemill}/python
    need_packages python3 || return 1
    ! _opencv_is_there "$base" || return 0
    need_packages python3-pip || return 1
    mkdir -p "$base"
    (
        flock 7
        _opencv_is_there "$base" || {
            echo "packages: fetching OpenCV for Python once, about 80 MB" >&2
            PYTHONUSERBASE=$base /usr/bin/python3 -m pip --quiet --disable-pip-version-check install --user --break-system-packages \
                --no-warn-script-location --root-user-action=ignore --only-binary :all: "$_opencv==$_opencv_version" >&2
        }
    ) 7>"$base.lock" || { echo "packages: pip could not install $_opencv" >&2; return 1; }
}
