//! A camera that comes back is the same one, or it is not taken; and it is found without udev's names.

use crate::accounting::stat;
use crate::camera::{CAMERA, only_the_picture};
use crate::frames::Picture;
use crate::phases::Phase;

pub fn another_camera_in_the_place_of_the_first_is_not_taken() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        # While somebody has it open it does not come back.
        hold() { exec 9</dev/video4; }
        release() { exec 9<&-; }
        other=/dev/$(basename $(dirname $(grep -l vivid-001-vid-cap /sys/class/video4linux/*/name)))
        # As udev would move a link when another camera is plugged in.
        ln -s /dev/video4 /dev/cam
        picture 320 180 YU12
        engine run --camera /dev/cam --size 320x180 --camera-wait 60000
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true reached packets 5
        hold
        inject disconnect
        until_true in_state no-camera
        ln -sf $other /dev/cam
        until_true grep -q 'another camera is there' run.log
        sleep 2
        in_state no-camera || give_up taken
        ln -sf /dev/video4 /dev/cam
        release
        until_true reached generation 2
        more 5
        over

        # By the bus, whatever its node is called then.
        engine bus --camera bus:platform:vivid-000 --size 320x180
        until_true reached packets 5
        hold
        inject disconnect
        until_true in_state no-camera
        mv /dev/video4 /dev/video44
        release
        until_true reached generation 2
        more 5
        mv /dev/video44 /dev/video4
        kill $bus
        ended bus

        start card framemill run $encoder --camera card:vivid --size 320x180 --frames 3
        ended card
        try none framemill run $encoder --camera bus:platform:vivid-002
        say probed $(framemill probe --json | grep -c '.camera.:.bus:platform:vivid-00[01].')
        say named $(framemill probe --device $other | grep -c 'camera: bus:platform:vivid-001')
        ",
    );
    Phase::new("another_camera_in_the_place_of_the_first_is_not_taken").run(&script, |outcome| {
    outcome.succeeded(&["run", "tap", "bus", "card"]);
    only_the_picture(outcome, &Picture::new("YU12", 320, 180));
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "generation"), 2, "{json}");
    let log = outcome.text("run.log");
    let line = "/dev/cam: another camera is there, vivid at platform:vivid-001: waiting for vivid at platform:vivid-000";
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert!(
        log.contains("/dev/cam: the camera is vivid at platform:vivid-000"),
        "{log}"
    );
    let log = outcome.text("none.log");
    assert!(
        outcome.number("none") == 3
            && log.ends_with("no camera is bus:platform:vivid-002 (see framemill probe)\n"),
        "{log}"
    );
    assert_eq!(outcome.number("probed"), 2, "{}", outcome.story());
    assert_eq!(outcome.number("named"), 1, "{}", outcome.story());
    })
}
