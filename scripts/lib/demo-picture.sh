# shellcheck shell=bash
# Comparing pictures, for scripts/demo. Sourced, not run.
#
#   psnr SOURCE.y4m DECODED.yuv WxH RATE FRAMES.txt   a line per frame in FRAMES.txt; prints ffmpeg's lines
#   psnr_of y|average|min FILE                        a figure from these lines
#   same_pixels SOURCE.y4m DECODED.yuv BYTES          of a frame; unless they are the same, fails and prints the first such frame
#   contact_sheet SOURCE.y4m DECODED.yuv WxH RATE FRAMES.txt INDEX.txt TITLE SHEET.png

# Both files with the same times, whatever their headers say: frame n goes with frame n.
_picture_inputs() {
    inputs=(-i "$1" -f rawvideo -pix_fmt yuv420p -video_size "$3" -framerate "$4" -i "$2")
    pairs="[0:v]setpts=N,settb=1[s];[1:v]setpts=N,settb=1[d]"
}

psnr() {
    local inputs pairs
    _picture_inputs "$@"
    ffmpeg -nostdin -hide_banner -nostats -y "${inputs[@]}" \
        -lavfi "$pairs;[d][s]psnr=stats_file='$5'" -f null - 2>&1
}

psnr_of() { sed -n "s/.*PSNR .*\b$1:\([0-9.a-z]*\).*/\1/p" "$2" | head -n 1; }

same_pixels() {
    local words byte
    words=$(LC_ALL=C cmp <(ffmpeg -nostdin -v quiet -i "$1" -f rawvideo -) "$2" 2>&1) && return 0
    byte=$(sed -nE 's/.* (byte|char) ([0-9]+), line .*/\2/p' <<<"$words")
    echo "$(((${byte:-1} - 1) / $3))"
    return 1
}

# In a filter's text a colon and a quote mean something, and in drawtext's own text a percent sign does.
_picture_text() { tr -d "\\\\'%:" <<<"$1" | cut -c 1-80; }

contact_sheet() {
    local inputs pairs rows=4 row frame last select='' source='' decoded='' box colour label head tile sheet=$8
    _picture_inputs "$@"
    # Four frames spread over the clip, fewer when it is shorter.
    last=$(($(wc -l <"$5") - 1))
    [ "$last" -ge $((rows - 1)) ] || rows=$((last + 1))
    # In a column of cells with 8 pixels between them, a label in the lower left corner of each.
    for ((row = 0; row < rows; row++)); do
        frame=$((rows == 1 ? 0 : row * last / (rows - 1)))
        select+="${select:++}eq(n,$frame)"
        label="x=10:y=(h+8)/$rows*$((row + 1))-8-th-10:fontsize=16:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=6"
        source+=",drawtext=font=Sans:text='frame $frame':$label"
        decoded+=",drawtext=font=Sans:text='$(_picture_label "$frame" "$5" "$6")':$label"
    done
    box="scale=640:640:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=lanczos"
    # The source was made limited-range BT.601, and neither stream says otherwise.
    colour="scale=in_color_matrix=bt601:in_range=tv,format=rgb24"
    tile="select='$select',tile=1x$rows:padding=8:color=0x202020"
    head="y=78-max_glyph_a:fontsize=18:fontcolor=0xc8c8c8"
    ffmpeg -nostdin -hide_banner -nostats -y "${inputs[@]}" -filter_complex "
        $pairs; [s]split[s1][s2]; [d]split[d1][d2];
        [s1]$box,$colour,$tile$source,pad=iw+12:ih:0:0:0x202020[a];
        [d1]$box,$colour,$tile$decoded,pad=iw+12:ih:0:0:0x202020[b];
        [s2]extractplanes=y[sy]; [d2]extractplanes=y[dy];
        [dy][sy]blend=all_mode=difference,lut=y=clip(val*8\,0\,255),$box,format=rgb24,${tile}[c];
        [a][b][c]hstack=inputs=3,pad=iw+48:ih+116:24:92:0x202020,
            drawtext=font=Sans:text='$(_picture_text "$7")':x=24:y=40-max_glyph_a:fontsize=22:fontcolor=white,
            drawtext=font=Sans:text='source':x=24:$head,
            drawtext=font=Sans:text='decoded, PSNR and size of the packet':x=24+(w-36)/3:$head,
            drawtext=font=Sans:text='difference in luma, times 8':x=24+(w-36)*2/3:${head}[sheet]" \
        -map '[sheet]' -frames:v 1 -update 1 -compression_level 9 -pred mixed "$sheet" 2>&1
}

# What became of a frame, from line n of each file; the index begins with a line of names.
_picture_label() {
    local decibels bytes flags
    decibels=$(sed -n "$(($1 + 1))s/.*psnr_avg:\([0-9.a-z]*\).*/\1/p" "$2")
    read -r _ bytes flags _ < <(sed -n "$(($1 + 2))p" "$3")
    case $flags in *K*) flags=', key frame' ;; *) flags= ;; esac
    [ "$decibels" = inf ] && decibels="identical" || decibels+=" dB"
    _picture_text "$decibels, $bytes bytes$flags"
}
