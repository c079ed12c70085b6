//! A USB webcam, imitated down to the bus and driven by the kernel's uvcvideo: transfers that fail, a plug that is pulled, a start that
//! is not answered.

use crate::accounting::{index, stat};
use crate::camera::{CAMERA, sums};
use crate::jpegs::{pictures, put, without_tables};
use crate::support::{Guest, Outcome};

pub const WEBCAM: &str = r"
    # plug OPTION…: until uvcvideo has made its node, $node.
    plug() {
        /host/webcam $@ 2>/tmp/webcam.log &
        webcam=$!
        until_true find_webcam
    }
    find_webcam() {
        for name in $(grep -l 'Imitated webcam' /sys/class/video4linux/*/name); do
            [ $(cat ${name%/name}/index) = 0 ] && node=/dev/$(basename ${name%/name}) && [ -e $node ] && return 0
        done
        return 1
    }
    unplug() {
        kill $webcam
        wait $webcam
        until_true [ ! -e $node ]
    }
    cp /host/webcam /tmp/webcam && chmod +x /tmp/webcam || give_up webcam
";

pub fn guest(name: &str) -> Guest {
    let guest = Guest::h264(name).steady();
    guest.compile("tests/vm/webcam.c", "webcam");
    guest
}

/// That each decoded frame is one that the webcam sent. Gives their numbers there, modulo 64, as luma has them.
fn numbers(outcome: &Outcome, coded: &str) -> Vec<u8> {
    let (width, height) = (320, 240);
    let decoded = outcome.decoded(coded);
    let frames = decoded.chunks(width * height * 3 / 2);
    frames
        .map(|frame| {
            let first = frame[0];
            for (x, y) in [(1, 0), (319, 0), (0, 1), (160, 120), (319, 239)] {
                let expected = first.wrapping_add((x + y) as u8);
                assert_eq!(
                    frame[y * width + x],
                    expected,
                    "{x},{y}: {}",
                    outcome.story()
                );
            }
            first / 4
        })
        .collect()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn webcam_whose_transfers_fail_whose_frames_are_cut_or_whose_start_sleeps_is_used_again() {
    let guest = guest("webcam-trouble");
    let outcome = guest.run(&format!(
        "{CAMERA}{WEBCAM}{}",
        r"
        # Every transfer fails at frame 5 of the first stream: the driver gives back each buffer empty, and is silent.
        plug urb=5
        engine failed --camera $node --size 320x240 --frames 12
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        follow
        ended failed
        ended tap
        followed stat.json

        # Pulled and plugged in again: the same camera, and no frame that was none.
        engine pulled --camera $node --size 320x240 --camera-wait 60000
        until_true reached packets 3
        unplug
        until_true in_state no-camera
        plug
        until_true in_state running
        more 3
        framemill stat --json >/host/pulled.json
        kill $pulled
        ended pulled
        unplug

        # Frame 5 ends in the middle. By default the driver keeps it to itself, and counts it; with nodrop it hands it over, with a mark.
        for nodrop in 0 1; do
            echo $nodrop >/sys/module/uvcvideo/parameters/nodrop || give_up nodrop
            plug cut=5
            engine run --camera $node --size 320x240
            start tap framemill tap --from oldest --all --to /host/coded.$nodrop --index /host/index.$nodrop
            until_true reached packets 9
            framemill stat --json >/host/stat.$nodrop
            kill $run
            ended run
            ended tap
            unplug
        done
        echo 0 >/sys/module/uvcvideo/parameters/nodrop

        # The next start is not answered: STREAMON sleeps for five seconds, and fails.
        plug
        engine sleeps --camera $node --size 320x240 --camera-wait 60000
        until_true reached packets 3
        unplug
        plug hang=1
        # After that there is as much time for clients, and the engine is not taken for stuck. Whoever asks it meanwhile has to wait.
        now_10ms() { cut -d ' ' -f 1 /proc/uptime | tr -d .; }
        hung=0 served=0 running=
        while [ ! $running ]; do
            before=$(now_10ms)
            framemill stat --check 10000 || give_up stuck
            ! in_state running || running=yes
            sleep 0.2
            took=$(($(now_10ms) - before))
            if [ $took -gt 100 ]; then hung=$((hung + took)); else served=$((served + took)); fi
        done
        more 3
        say hung $hung
        say served $served
        kill $sleeps
        ended sleeps
        ",
    ));
    outcome.succeeded(&["failed", "tap", "follow", "pulled", "run", "sleeps"]);
    transfers_failed(&outcome);
    let log = outcome.text("pulled.log");
    assert!(!log.contains("another camera"), "{log}");
    assert!(log.contains("the camera is gone (VIDIOC_"), "{log}");
    let json = outcome.text("pulled.json");
    for name in ["frames_dropped", "stalls", "restarts"] {
        assert_eq!(stat(&json, name), 0, "{name}: {json}");
    }
    assert_eq!(stat(&json, "generation"), 2, "{json}");
    for (nodrop, lost, dropped) in [("0", 1, 0), ("1", 0, 1)] {
        cut(&outcome, nodrop, lost, dropped);
    }
    let log = outcome.text("sleeps.log");
    assert!(!log.contains("did not come back"), "{log}");
    // In units of 10 ms.
    let [hung, served] = ["hung", "served"].map(|name| outcome.number(name));
    println!("hung {hung}, served {served}");
    assert!(hung > 400 && served > hung / 10 * 8, "{}", outcome.story());
}

/// Empty buffers are no frames: twelve of the camera's came in, and each is in the stream.
fn transfers_failed(outcome: &Outcome) {
    let log = outcome.text("failed.log");
    let line = "the camera failed (VIDIOC_DQBUF: ENODATA: an empty buffer marked with an error: its transfer failed): starting it again";
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert_eq!(log.matches("frames come again").count(), 1, "{log}");
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "camera_restarts"), 1, "{json}");
    assert_eq!(stat(&json, "frames_dropped_camera"), 0, "{json}");
    let [frames, packets, dropped] = sums(&log);
    assert_eq!((frames, packets + dropped), (12, 12), "{log}");
    let numbers = numbers(outcome, "coded");
    assert_eq!(numbers.len(), packets, "{log}");
    assert!(numbers.starts_with(&[0, 1, 2, 3, 4, 0]), "{numbers:?}");
    // The first frame of the second stream says that something is missing before it.
    let lines = index(outcome, "index");
    assert!(lines[5].is('D') && !lines[4].is('D'), "{lines:?}");
}

/// That frame 5 is missing, in these counters, and that the next one says so.
fn cut(outcome: &Outcome, nodrop: &str, lost: u64, dropped: u64) {
    let json = outcome.text(&format!("stat.{nodrop}"));
    assert_eq!(stat(&json, "frames_lost_camera"), lost, "{nodrop}: {json}");
    assert_eq!(
        stat(&json, "frames_dropped_camera"),
        dropped,
        "{nodrop}: {json}"
    );
    let numbers = numbers(outcome, &format!("coded.{nodrop}"));
    assert!(
        numbers.starts_with(&[0, 1, 2, 3, 4, 6, 7, 8]),
        "{nodrop}: {numbers:?}"
    );
    let lines = index(outcome, &format!("index.{nodrop}"));
    let marks: Vec<_> = lines[..8].iter().map(|line| line.is('D')).collect();
    let after = [false, false, false, false, false, true, false, false];
    assert_eq!(marks, after, "{nodrop}: {lines:?}");
}

/// What the imitated webcam promises to the other tests: its JPEGs arrive byte for byte, and damaged as its options say, without a mark.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn motion_jpeg_of_the_imitated_webcam_arrives_as_it_was_sent() {
    let guest = guest("webcam-mjpg");
    let sizes = [(640, 480), (1280, 720)];
    let mut sets = sizes.map(|size| pictures(size, 3));
    sets[0][1] = without_tables(&sets[0][1]);
    let mut names = String::new();
    for (set, (width, _)) in sets.iter().zip(sizes) {
        names += &put(&guest, &width.to_string(), set);
    }
    let outcome = guest.run(&format!(
        "{WEBCAM}\nnames='{names}'\n{}",
        r#"
        # take FILE SIZE COUNT
        take() {
            try v4l2-ctl v4l2-ctl -d $node --set-fmt-video=$2,pixelformat=MJPG \
                --stream-mmap --stream-count=$3 --stream-to=/tmp/$1
            cp /tmp/$1 /host/$1
        }
        for way in '' bulk; do
            plug $way $names
            for size in 640,480 1280,720; do
                take good$way-${size%,*} width=${size%,*},height=${size#*,} 3
            done
            unplug
        done
        plug cut=1/4 hole=2 lost=3 $names
        take bad width=640,height=480 5
        unplug

        # Somebody keeps the old node: the same camera comes back as another one.
        plug unplug=2 $names
        old=$node
        exec 3<>$node
        v4l2-ctl -d $node --set-fmt-video=width=640,height=480,pixelformat=MJPG --stream-mmap --stream-count=9 >/dev/null 2>&1
        until_true [ ! -e $old ]
        wait $webcam
        plug $names
        say another $([ $node != $old ] && echo yes)
        exec 3>&-
        unplug
        "#
    ));
    outcome.succeeded(&["v4l2-ctl"]);
    let sent = |set: usize, number: usize| &sets[set][number % 3][..];
    for way in ["", "bulk"] {
        for (set, (width, _)) in sizes.iter().enumerate() {
            let name = format!("good{way}-{width}");
            let expected: Vec<_> = (0..3).map(|number| sent(set, number)).collect();
            assert!(
                outcome.bytes(&name) == expected.concat(),
                "{name}: {}",
                outcome.story()
            );
        }
    }
    // 0, a half of 1, 2 without the payload in its middle, 4, a half of 5; 3 never arrives.
    let half = |number| &sent(0, number)[..sent(0, number).len() / 2];
    let (whole, payload) = (sent(0, 2), 3070);
    let at = whole.len() / 2 / payload * payload;
    let expected = [
        sent(0, 0),
        half(1),
        &whole[..at],
        &whole[at + payload..],
        sent(0, 4),
        half(5),
    ];
    assert!(
        outcome.bytes("bad") == expected.concat(),
        "{}",
        outcome.story()
    );
    assert_eq!(outcome.said("another"), "yes");
}
