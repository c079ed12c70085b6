//! Recipes of `src/command/README.md` with the real engine, as they stand there: most of them run on the host (tests/recipes.rs).

#[path = "../recipes/text.rs"]
mod text;

use std::process::Command;

use crate::camera::CAMERA;
use crate::frames::Picture;
use crate::support::Guest;

const FRAMES: usize = 15;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn ffmpeg_writes_a_file_of_what_the_engine_encodes() {
    let guest = Guest::h264("recipes").with_programs().patience(600);
    let input = Picture::new("YU12", 160, 128).pattern(0..FRAMES as u64);
    guest.put("in", &input);
    let recipe = text::blocks("FFmpeg: a file")[0];
    guest.put("recipe", recipe.as_bytes());
    let outcome = guest.run(
        r"
        engine run --size 160x128 --fps 10 --gop 10
        cp /host/in .
        start recipe sh -e /host/recipe
        until_true reached consumers_attached 1
        try first framemill push --from in --format YU12 --fps 10
        # A program that counts frames knows nothing of this.
        sleep 1
        try second framemill push --from in --format YU12 --fps 10
        kill $run
        ended run
        ended recipe
        cp clip.mkv /host/
        ",
    );
    outcome.succeeded(&["first", "second", "run", "recipe"]);
    let decoder = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(outcome.path("clip.mkv"))
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg is installed; scripts/test installs it");
    assert!(decoder.status.success(), "{}", outcome.story());
    // The model's encoder loses nothing.
    assert!(decoder.stdout == input.repeat(2), "{}", outcome.story());
    let times = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "packet=pts_time",
            "-of",
            "default=nk=1:nw=1",
        ])
        .arg(outcome.path("clip.mkv"))
        .output()
        .expect("ffprobe is installed; scripts/test installs it");
    let times = String::from_utf8(times.stdout).unwrap();
    let ms = times.lines().map(|line| line.parse::<f64>().expect(line));
    let ms: Vec<f64> = ms.map(|seconds| seconds * 1000.0).collect();
    for (at, pair) in ms.windows(2).enumerate() {
        let passed = pair[1] - pair[0];
        let right = match at + 1 == FRAMES {
            true => passed > 1000.0,
            false => (passed - 100.0).abs() < 1.01,
        };
        assert!(right, "{at}: {ms:?}");
    }
}

/// go2rtc starts what stands behind `exec:`, reads it, and closes the pipe in the end.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_engine_of_go2rtc_ends_with_its_reader() {
    let guest = Guest::h264("recipes-go2rtc");
    let config = text::blocks("go2rtc")[0];
    let command = config
        .split("camera: exec:")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    // The guest's camera has another number.
    let command = command
        .expect("a command")
        .replace("/dev/video0", "/dev/video4");
    let outcome = guest.run(&format!(
        "{CAMERA}
        {{ {command} 2>/tmp/log; echo ended=$? >/tmp/code; }} | head -c 1000000 >/host/taken.ts
        until_true [ -s /tmp/code ]
        cat /tmp/code
        "
    ));
    assert_eq!(outcome.number("ended"), 0, "{}", outcome.story());
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            "stream=codec_name,width,height",
            "-of",
            "csv=p=0",
        ])
        .arg(outcome.path("taken.ts"))
        .output()
        .expect("ffprobe is installed; scripts/test installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.starts_with("h264,1280,720"),
        "{said}{}",
        outcome.story()
    );
}
