# shellcheck shell=bash
# Some of the guest's tests, for binaries and kernels other than aarch64's. Sourced after host-cargo.sh, not run.
#
#   board_tests NAME        with the 32-bit binary NAME (armv7, armv6) in the aarch64 guest: a 64-bit kernel with 32-bit programs,
#                           as Raspberry Pi OS has it on a Pi 4
#   board_tests NAME own    the same in NAME's own guest, with a 32-bit kernel
#
# Starts, pixels, cameras, sandbox, drain, recovery, clients: what a kernel answers in other words, or a processor does in others.

: "${root:?}"

_board_tests=(
    accounting::every_frame_is_published_or_counted_as_dropped
    away::an_encoder_that_leaves_and_comes_back_is_used_again
    camera::cameras_pictures_reach_the_stream_and_none_is_copied_without_need
    consumers::each_consumer_knows_what_it_missed_and_disturbs_nobody
    ctl::changes_reach_a_stream_that_goes_on_or_are_refused
    errors::each_failure_has_its_exit_code_and_one_sentence
    h264::pixels_are_exact_also_where_lines_are_padded
    model::what_the_encoder_drops_damages_keeps_or_fails_is_counted_and_the_rest_is_whole
    sandbox::a_forbidden_call_ends_the_process_before_it_is_made
    sandbox::files_and_calls_that_the_loop_does_not_need_are_out_of_reach
    tap_sandbox::tap_makes_and_removes_files_in_its_folder_alone_and_a_call_that_it_never_makes_ends_it
)
_more_board_tests=(
    engine::a_running_engine_keeps_to_its_memory
    import::only_contiguous_memory_is_imported_by_the_pis_encoder
    model::whole_frames_come_out_in_pieces_with_odd_first_buffers_and_at_an_uneven_pace
    process::only_term_int_and_hup_end_an_engine_and_they_do_in_good_order
    producers::killed_producer_leaves_nothing_behind_and_the_next_one_works
    recording::segments_are_the_single_file_also_on_a_disk_that_takes_its_time
    reshape::each_producer_gets_its_size_and_format_and_consumers_keep_their_ring
    sandbox::the_engine_becomes_its_user_for_good
    supervisor::a_socket_that_the_supervisor_made_is_used_and_stays_and_a_sockets_group_may_connect
    users::an_engine_of_a_user_serves_that_user_and_root_and_nobody_named_means_all
    watch::check_tells_a_living_engine_from_a_stopped_a_hanging_an_ended_and_a_killed_one
)

board_tests() {
    local listed tests FRAMEMILL_ARCH=aarch64 FRAMEMILL_BIN
    case $1 in
    armv7) FRAMEMILL_BIN=$root/target/armv7-unknown-linux-musleabihf/release/framemill ;;
    armv6) FRAMEMILL_BIN=$root/target/arm-unknown-linux-musleabihf/release/framemill ;;
    esac
    [ -z "${2-}" ] || FRAMEMILL_ARCH=$1
    export FRAMEMILL_ARCH FRAMEMILL_BIN
    # All names, also of those that are left out here.
    tests=("${_board_tests[@]}" "${_more_board_tests[@]}")
    listed=$("$CARGO" test --quiet --test guest -- --list --include-ignored --exact "${tests[@]}" | grep -c ': test$')
    if [ "$listed" -ne ${#tests[@]} ]; then
        echo "boards: a test of the list in scripts/lib/boards.sh has another name now"
        return 1
    fi
    [ -n "${full-}" ] || tests=("${_board_tests[@]}")
    "$CARGO" test --no-fail-fast --test guest -- --include-ignored --test-threads=2 --exact "${tests[@]}"
}
