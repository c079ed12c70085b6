//! `scripts/view` as people start it: the guest with the real engine, the page, and Debian's Chromium, which shows each picture as it was
//! drawn. The page's other tests have a double of the engine: tests/view.rs.

#[path = "../view/browser.rs"]
mod browser;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use browser::Browser;
use rustix::process::{Pid, Signal, kill_process};

use crate::frames::{Picture, psnr};
use crate::support::{built, root};

/// The script, and what is left when a test fails.
struct View(Child);

impl Drop for View {
    fn drop(&mut self) {
        // It ends its guest, which SIGKILL would leave behind.
        let _ = kill_process(pid(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed()).unwrap()
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(90), "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The picture of the page's canvas, as YU12, and its time.
fn picture(browser: &Browser) -> (Vec<u8>, f64) {
    let found = browser.value("[canvas.toDataURL(), view.us]");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i", found[0].as_str().unwrap()])
        .args(["-vf", "scale=out_color_matrix=bt601:out_range=tv"])
        .args(["-pix_fmt", "yuv420p", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg is installed; scripts/test installs it");
    (output.stdout, found[1].as_f64().unwrap())
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn browser_shows_what_the_engine_in_the_guest_encodes() {
    let (width, height, rate) = (320, 240, 10);
    let mut script = Command::new(root().join("scripts/view"));
    script
        .args(["--port", "0", "--size", "320x240", "--fps", "10"])
        .env("FRAMEMILL_BIN", built("aarch64"))
        .stdout(Stdio::piped());
    let mut view = View(script.spawn().unwrap());
    let mut address = String::new();
    let mut said = BufReader::new(view.0.stdout.take().unwrap());
    said.read_line(&mut address).unwrap();
    let address = address.trim();
    let browser = Browser::start();
    browser.open(address);
    until("pictures", || browser.value("view.frames > 5") == true);
    let format = Picture::new("YU12", width, height);
    let mut numbers = Vec::new();
    until("three pictures", || {
        let (seen, us) = picture(&browser);
        let number = format.frame_number(&seen).expect("a number");
        assert_eq!((us * f64::from(rate) / 1e6).round(), f64::from(number));
        // A screen's colours are fewer, and another picture is farther away.
        let drawn = |number| psnr(&seen, &format.pattern(number..number + 1));
        let (near, far) = (drawn(number.into()), drawn(u64::from(number) + 10));
        assert!(
            near > 27.0 && far < 20.0,
            "picture {number}: {near} dB; another one: {far} dB"
        );
        numbers.push(number);
        numbers.dedup();
        numbers.len() == 3
    });
    assert!(numbers.is_sorted(), "{numbers:?}");
    until("the line of stat", || {
        let line = browser.value("document.getElementById('status').textContent");
        line.as_str().unwrap().ends_with("  running")
    });
    // Another viewer begins with a key frame, which has its headers.
    let host = address.trim_start_matches("http://").trim_end_matches('/');
    let mut viewer = BufReader::new(TcpStream::connect(host).unwrap());
    let request = b"GET /cgi-bin/stream?packets HTTP/1.0\r\n\r\n";
    viewer.get_mut().write_all(request).unwrap();
    until("the end of the answer's head", || {
        let mut line = String::new();
        viewer.read_line(&mut line).unwrap();
        line == "\r\n"
    });
    let mut header = [0; 32];
    viewer.read_exact(&mut header).unwrap();
    assert!(header.starts_with(b"FMp1H264") && header[12] & 3 == 3);
    drop(viewer);
    kill_process(pid(&view.0), Signal::TERM).unwrap();
    assert_eq!(view.0.wait().unwrap().code(), Some(0));
    let share = root().join("target/view");
    let machine = |entry: fs::DirEntry| {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(share.to_str().unwrap())
    };
    let left = fs::read_dir("/proc").unwrap().flatten().any(machine);
    assert!(!left, "the guest has ended");
    script_says_why_there_is_nothing_to_see();
}

/// Not beside the other one: they have one folder.
fn script_says_why_there_is_nothing_to_see() {
    let output = Command::new(root().join("scripts/view"))
        .args(["--port", "0", "--size", "4000x4000"])
        .env("FRAMEMILL_BIN", built("aarch64"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("does not take 4000x4000"), "{said}");
    assert!(output.stdout.is_empty());
}
