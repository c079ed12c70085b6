//! The example `appsrc.c` in the guest: Debian's GStreamer there gets a real engine's packets, with their times and caps.

use std::process::Command;

use crate::support::{Guest, root};

/// What the example is linked with. The guest has them; here names are enough, theirs and those of what is called.
const LIBRARIES: [&str; 4] = ["gstapp-1.0", "gstreamer-1.0", "gobject-2.0", "glib-2.0"];

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/check installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Compiles the example for the guest's own libraries, with the headers of this machine's.
fn compile(guest: &Guest) {
    let folder = root().join("target/tmp/appsrc");
    std::fs::create_dir_all(&folder).unwrap();
    let compiler = || Command::new("aarch64-linux-gnu-gcc");
    let flags = run(Command::new("pkg-config").args(["--cflags", "gstreamer-app-1.0"]));
    // The C library's headers are the cross compiler's own.
    let flags = flags
        .split_whitespace()
        .filter(|flag| *flag != "-I/usr/include/x86_64-linux-gnu");
    let object = folder.join("appsrc.o");
    run(compiler()
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIE"])
        .args(flags)
        .arg("-c")
        .arg("-o")
        .arg(&object)
        .arg(root().join("src/client/examples/appsrc.c")));
    let undefined = run(Command::new("aarch64-linux-gnu-nm").arg("-u").arg(&object));
    let names = undefined.split_whitespace().filter(|name| {
        ["g_", "gst_", "_gst_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    let stubs = folder.join("stubs.c");
    std::fs::write(
        &stubs,
        names
            .map(|name| format!("void {name}(void) {{}}\n"))
            .collect::<String>(),
    )
    .unwrap();
    for name in LIBRARIES {
        run(compiler()
            .args(["-shared", "-nostdlib", "-fno-builtin", "-o"])
            .arg(folder.join(format!("lib{name}.so")))
            .arg(&stubs)
            .arg(format!("-Wl,-soname,lib{name}.so.0")));
    }
    let program = folder.join("appsrc");
    run(compiler()
        .arg("-o")
        .arg(&program)
        .arg(&object)
        .args(["-Wl,--no-as-needed", "-L"])
        .arg(&folder)
        .args(LIBRARIES.map(|name| format!("-l{name}"))));
    guest.put_program("appsrc", &program);
}

/// What a program on this machine makes of a file of the guest's.
fn read(words: &str, file: &std::path::Path, rest: &str) -> Vec<u8> {
    let mut words = words.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .arg(file)
        .args(rest.split_whitespace())
        .output()
        .expect("ffmpeg is there");
    assert!(output.status.success());
    output.stdout
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn gstreamer_in_the_guest_gets_packets_with_their_times_and_caps() {
    let guest = Guest::h264("appsrc").with_programs().patience(900);
    compile(&guest);
    let outcome = guest.run(
        r"
        engine run --size 160x128 --format YU12 --gop 10
        start tap framemill tap --mux ts --to /tmp/tap.ts
        start gst /host/appsrc /run/framemill.sock 'h264parse ! mpegtsmux ! filesink location=/tmp/gst.ts'
        patience=10000
        until_true reached consumers_attached 2
        try first framemill push --frames 8 --fps 30
        sleep 1
        try second framemill push --frames 4 --fps 5
        framemill ctl drain
        ended run
        ended tap
        ended gst
        cp /tmp/*.ts /host/
        ",
    );
    outcome.succeeded(&["first", "second", "run", "tap", "gst"]);
    let times = |name: &str| {
        let words = "ffprobe -v error -show_entries packet=pts -of csv=p=0";
        let text = String::from_utf8(read(words, &outcome.path(name), "")).unwrap();
        let times = text.split([',', '\n']).filter(|word| !word.is_empty());
        let times: Vec<i64> = times.map(|time| time.parse().expect(&text)).collect();
        times.iter().map(|time| time - times[0]).collect::<Vec<_>>()
    };
    let (ours, theirs) = (times("tap.ts"), times("gst.ts"));
    assert_eq!((ours.len(), theirs.len()), (12, 12), "{}", outcome.story());
    assert!(ours[8] - ours[7] >= 90_000, "{ours:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // Each rounds in its own way.
        assert!((ours - theirs).abs() <= 1, "{ours} {theirs}");
    }
    let pictures = |name: &str| {
        let rest = "-fps_mode passthrough -pix_fmt yuv420p -f rawvideo -";
        read("ffmpeg -v error -i", &outcome.path(name), rest)
    };
    let (ours, theirs) = (pictures("tap.ts"), pictures("gst.ts"));
    assert_eq!(ours.len(), 12 * 160 * 128 * 3 / 2);
    assert!(ours == theirs, "other pixels");
    let caps = read(
        "ffprobe -v error -show_entries stream=width,height,codec_name -of csv=p=0",
        &outcome.path("gst.ts"),
        "",
    );
    let caps = String::from_utf8(caps).unwrap();
    assert!(caps.starts_with("h264,160,128"), "{caps}");
}
