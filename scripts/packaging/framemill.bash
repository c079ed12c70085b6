# shellcheck shell=bash disable=SC2207 # no word has a space
# Completion for framemill. Made from the table of options: FRAMEMILL_WRITE=1 cargo test --lib manual
_framemill() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    case $COMP_CWORD:${COMP_WORDS[1]} in
    1:*) words="run push tap sink stat ctl probe selftest help --version" ;;
    *:help) words="run push tap sink stat ctl probe selftest" ;;
    esac
    [ "$COMP_CWORD" -eq 1 ] || case ${COMP_WORDS[1]} in
    run)
        case $prev in
        --size | --format | --fps | --codec | --bitrate | --gop | --profile | --min-qp | --max-qp | --control | --socket-mode | --socket-group | --producer-uid | --control-uid | --frame-slots | --packet-ring | --stall-ms | --drain-ms | --wait-device | --camera | --camera-format | --camera-size | --colorspace | --camera-wait | --frames | --idle | --ready-fd | --user | --realtime | --cpu | --log) return ;;
        --device | --socket | --decoder | --converter | --edid) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --bitrate-mode) words="vbr cbr" ;;
        --level) words="auto" ;;
        --repeat-headers) words="on off" ;;
        --memory) words="auto export copy" ;;
        --flip) words="h v hv" ;;
        --color-range) words="full limited" ;;
        --mux) words="annexb ts mp4 mjpeg packets" ;;
        --log-to) words="stderr kmsg" ;;
        *) words="--size --device --format --fps --codec --bitrate --bitrate-mode --gop --profile --level --min-qp --max-qp --repeat-headers --control --socket --socket-mode --socket-group --producer-uid --control-uid --frame-slots --packet-ring --memory --stall-ms --drain-ms --wait-device --camera --camera-format --decoder --camera-size --flip --converter --color-range --colorspace --progressive --edid --camera-wait --frames --idle --once --stdout --mux --ready-fd --user --no-sandbox --realtime --cpu --log --log-to --help" ;;
        esac
        ;;
    push)
        case $prev in
        --socket | --from) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --engine-uid | --size | --format | --stride | --rows | --colorspace | --frames | --memory | --wait) return ;;
        --color-range) words="full limited" ;;
        --fps) words="max" ;;
        --timestamps) words="header arrival" ;;
        --progress) words="auto on off" ;;
        *) words="--socket --engine-uid --size --format --from --raw --y4m --stride --rows --pad --color-range --colorspace --progressive --fps --timestamps --live --frames --loop --memory --progress --wait --help" ;;
        esac
        ;;
    tap)
        case $prev in
        --socket | --to | --index | --pts) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --engine-uid | --segment | --keep | --frames | --reconnect | --wait) return ;;
        --mux) words="annexb ts mp4 mjpeg packets" ;;
        --from) words="oldest key live" ;;
        --progress) words="auto on off" ;;
        *) words="--socket --engine-uid --to --segment --keep --mux --from --frames --index --pts --all --progress --reconnect --wait --help" ;;
        esac
        ;;
    sink)
        case $prev in
        --socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --engine-uid | --ustreamer | --layout | --mode | --reconnect | --wait) return ;;
        *) words="--socket --engine-uid --ustreamer --layout --mode --remove --reconnect --wait --help" ;;
        esac
        ;;
    stat)
        case $prev in
        --socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --engine-uid) return ;;
        *) words="--socket --engine-uid --watch --all --json --check --help" ;;
        esac
        ;;
    ctl)
        case $prev in
        bitrate | gop | control | --engine-uid | --wait) return ;;
        --socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        *) words="key bitrate gop control drain --socket --engine-uid --wait --help" ;;
        esac
        ;;
    probe)
        case $prev in
        --device) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        *) words="--device --json --help" ;;
        esac
        ;;
    selftest)
        case $prev in
        --device) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --size) return ;;
        *) words="--device --size --json --help" ;;
        esac
        ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _framemill framemill
