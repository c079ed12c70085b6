//! The coder as a program of this machine, and its judges: ffmpeg, and libjpeg as another program.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const FLAGS: &[&str] = &[
    "-std=gnu11",
    "-O1",
    "-g",
    "-DCODER_HOST",
    "-Wall",
    "-Wextra",
    "-Werror",
];
const SOURCES: [&str; 8] = [
    "bits.c",
    "h264.c",
    "h264_read.c",
    "jpeg.c",
    "jpeg_blocks.c",
    "jpeg_read.c",
    "picture.c",
    "store.c",
];
const SANITIZERS: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coder_{number}_{name}"))
}

fn run(command: &mut Command, packages: &str) -> (bool, Vec<u8>, String) {
    let output = command.output().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!("{:?} is missing: install {packages}", command.get_program()),
        _ => panic!("{:?} does not start: {error}", command.get_program()),
    });
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), output.stdout, words)
}

/// The coder as a program, with the sanitizers if the compiler has them.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let vm = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm");
        let model = vm.join("kernel/bcm2835-codec-model");
        let compile = |sources: &[PathBuf], flags: &[&str], to: &Path| {
            let mut cc = Command::new("cc");
            run(
                cc.args(FLAGS).args(flags).args(sources).arg("-o").arg(to),
                "gcc libc6-dev",
            )
        };
        let empty = scratch("empty.c");
        std::fs::write(&empty, "int main(void) { return 0; }\n").unwrap();
        let with = compile(std::slice::from_ref(&empty), SANITIZERS, &scratch("empty")).0;
        let mut sources = vec![vm.join("coder-check.c")];
        sources.extend(SOURCES.map(|name| model.join(name)));
        let to = scratch("program");
        let (done, _, words) = compile(&sources, if with { SANITIZERS } else { &[] }, &to);
        assert!(done, "the coder does not compile:\n{words}");
        to
    })
}

/// Runs libjpeg: `make` gives a JPEG, `read` its planes.
pub fn libjpeg(mode: &str, parameters: &str, bytes: &[u8]) -> Vec<u8> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/jpeg-reference.c");
        let to = scratch("reference");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-Wall", "-Wextra", "-Werror"]).arg(source);
        let (done, _, words) = run(
            cc.arg("-o").arg(&to).arg("-ljpeg"),
            "gcc libc6-dev libjpeg-dev",
        );
        assert!(done, "libjpeg's program does not compile:\n{words}");
        to
    });
    let input = scratch("jpeg");
    std::fs::write(&input, bytes).unwrap();
    let mut command = Command::new(program);
    command.arg(mode).args(parameters.split(' '));
    let (done, out, words) = run(command.stdin(File::open(&input).unwrap()), "");
    assert!(done && words.is_empty(), "{mode} {parameters}: {words}");
    std::fs::remove_file(input).unwrap();
    out
}

/// Runs the coder over frames.
pub fn coder(mode: &str, parameters: &str, frames: &[u8]) -> Vec<u8> {
    let input = scratch("frames");
    std::fs::write(&input, frames).unwrap();
    let mut command = Command::new(program());
    command
        .arg(mode)
        .args(parameters.split(' '))
        .stdin(File::open(&input).unwrap());
    // What it never gives back ends with it.
    command.env("ASAN_OPTIONS", "detect_leaks=0");
    let (done, bytes, words) = run(&mut command, "");
    assert!(done && words.is_empty(), "{mode} {parameters}: {words}");
    std::fs::remove_file(input).unwrap();
    bytes
}

fn ffmpeg(bytes: &[u8], before: &[&str], after: &[&str]) -> (Vec<u8>, String) {
    let input = scratch("coded");
    std::fs::write(&input, bytes).unwrap();
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-hide_banner"])
        .args(before)
        .arg("-i")
        .arg(&input)
        .args(after)
        .arg("-");
    let (done, out, words) = run(command.stdin(Stdio::null()), "ffmpeg");
    assert!(done, "ffmpeg: {words}");
    std::fs::remove_file(input).unwrap();
    (out, words)
}

/// The decoded planes. One word of complaint is a failure.
pub fn decoded(bytes: &[u8], demuxer: &str) -> Vec<u8> {
    let before = [
        "-v",
        "warning",
        "-err_detect",
        "explode",
        "-probesize",
        "100M",
        "-f",
        demuxer,
    ];
    let (out, words) = ffmpeg(
        bytes,
        &before,
        &["-fps_mode", "passthrough", "-f", "rawvideo"],
    );
    assert_eq!(words, "", "the decoder complains");
    out
}

/// Each syntax element of each header in the stream, in order.
pub fn headers(stream: &[u8]) -> Vec<(String, u64)> {
    let after = ["-c", "copy", "-bsf:v", "trace_headers", "-f", "null"];
    let (_, words) = ffmpeg(stream, &["-f", "h264"], &after);
    // What lies outside of packets repeats the first headers.
    let packets = words.find("] Packet:").expect("no packet");
    let element = |line: &str| {
        let words: Vec<&str> = line
            .strip_prefix("[trace_headers")?
            .split_whitespace()
            .collect();
        match words[..] {
            [_, _, _, name, _, "=", value] => Some((name.into(), value.parse().ok()?)),
            _ => None,
        }
    };
    words[packets..].lines().filter_map(element).collect()
}

pub fn values(headers: &[(String, u64)], name: &str) -> Vec<u64> {
    headers
        .iter()
        .filter(|(found, _)| found == name)
        .map(|(_, value)| *value)
        .collect()
}
