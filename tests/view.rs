//! The page that shows a stream, `src/command/view.html`, in Debian's Chromium: served as the recipe in `src/command/README.md` says, with
//! Debian's BusyBox. The engine is a double (tests/double) that publishes pictures with numbers, in real time.

#[path = "view/browser.rs"]
mod browser;
mod double;
#[path = "recipes/kitchen.rs"]
mod kitchen;
mod live;
mod program;
#[path = "recipes/text.rs"]
mod text;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use browser::Browser;
use framemill::client::Fourcc;
use kitchen::{Kitchen, Running, free_port, within};
use live::Live;
use live::pictures::{
    Clip, FRAMES, KEYS_EVERY, Rgb, decoded, difference, ffmpeg, keep, number, shown,
};

/// How much a picture of the screen may differ from its source, on an average, of 255. Two sources differ by more than three times as much.
const TOLERANCE: f32 = 4.0;

/// The recipe's server.
struct Site {
    kitchen: Kitchen,
    port: u16,
    _server: Running,
}

impl Site {
    fn open(live: Live) -> Self {
        let kitchen = Kitchen::of(live);
        let [stream, status, mjpeg, serve] = text::blocks("A browser")[..] else {
            panic!()
        };
        fs::write(kitchen.path("mjpeg"), mjpeg).unwrap();
        fs::write(kitchen.path("stream"), stream).unwrap();
        fs::write(kitchen.path("status"), status).unwrap();
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command/view.html");
        fs::copy(page, kitchen.path("view.html")).unwrap();
        let port = free_port();
        let server = kitchen.start(serve, &[("-p 8080", &format!("-p 127.0.0.1:{port}"))]);
        within("the server", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            kitchen,
            port,
            _server: server,
        }
    }

    fn live(&self) -> &Live {
        &self.kitchen.live
    }

    /// An address of a secure context, and one of another.
    fn secure(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn insecure(&self) -> String {
        format!("http://framemill.test:{}/", self.port)
    }

    /// A viewer without a browser: it has got so many bytes.
    fn viewer(&self, form: &str) -> TcpStream {
        let mut viewer = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(viewer, "GET /cgi-bin/stream?{form} HTTP/1.0\r\n\r\n").unwrap();
        let mut some = [0; 2000];
        viewer.read_exact(&mut some).unwrap();
        viewer
    }

    #[track_caller]
    fn consumers_are(&self, expected: usize) {
        within(&format!("{expected} consumers"), || {
            (self.live().consumers() == expected).then_some(())
        });
    }
}

/// Waits until an expression in the page is true.
#[track_caller]
fn until(browser: &Browser, expression: &str) {
    let begun = Instant::now();
    while browser.value(expression) != true {
        let page = || browser.value("JSON.stringify([view, document.body.innerText])");
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "never {expression}: {}",
            page()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// The picture that the screen shows, and its number, which it has to have.
#[track_caller]
fn seen(browser: &Browser, element: &str) -> usize {
    // A player that does not know the stream's size yet has another one.
    let picture: Rgb = within("an element of the stream's size", || {
        let png = format!("data:image/png;base64,{}", browser.screenshot(element));
        decoded(&["-f", "png_pipe", "-i", &png], Vec::new()).pop()
    });
    let Some(number) = number(&picture) else {
        panic!("no number in {}", keep(&picture, "unreadable"));
    };
    let far = difference(&picture, &shown(number));
    assert!(
        far < TOLERANCE,
        "{far}: {} is not picture {number}",
        keep(&picture, "damaged")
    );
    number
}

/// Leaves what the window shows in target/tmp/pictures, for those who want to look at it.
fn leave(browser: &Browser, name: &str) {
    let png = format!("data:image/png;base64,{}", browser.window());
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/pictures");
    fs::create_dir_all(folder).unwrap();
    ffmpeg(
        &["-y", "-i", &png, &format!("{folder}/{name}.png")],
        Vec::new(),
    );
}

/// That pictures follow each other on the screen.
#[track_caller]
fn pictures_move(browser: &Browser, element: &str) {
    let first = seen(browser, element);
    within("another picture", || {
        (seen(browser, element) != first).then_some(())
    });
}

#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn pictures_are_told_apart() {
    let pictures = [3, 4, 103].map(shown);
    assert_eq!(
        pictures.each_ref().map(|picture| number(picture)),
        [3, 4, 103].map(Some)
    );
    assert!(difference(&pictures[0], &pictures[2]) > 3.0 * TOLERANCE);
    let clip = Clip::h264();
    let decoded = decoded(&["-f", "h264", "-i", "-"], clip.packets.concat());
    assert_eq!(decoded.len(), FRAMES);
    for (at, picture) in decoded.iter().enumerate() {
        let far = difference(picture, &shown(at));
        assert!(
            number(picture) == Some(at) && far < TOLERANCE,
            "{at}: {far}"
        );
    }
}

#[test]
#[ignore = "needs Chromium, BusyBox and ffmpeg: scripts/check"]
fn webcodecs_shows_the_pictures_of_the_source_from_a_key_frame_on() {
    let site = Site::open(Live::start(Clip::h264()));
    let browser = Browser::start();
    browser.open(&site.secure());
    for _ in 0..2 {
        until(&browser, "view.how === 'WebCodecs' && view.frames > 10");
        pictures_move(&browser, "#canvas");
        let first = browser
            .value("Math.floor(view.firstUs / 40000)")
            .as_u64()
            .unwrap();
        assert_eq!(first % KEYS_EVERY as u64, 0, "joined at a key frame");
        assert_eq!(browser.value("view.connections"), 1);
        browser.reload();
    }
    until(
        &browser,
        "/^2\\d\\.\\d fps .* running$/.test(document.getElementById('status').textContent)",
    );
    until(
        &browser,
        "/^WebCodecs  320x192  \\d+ shown$/.test(document.getElementById('how').textContent)",
    );
    leave(&browser, "webcodecs");
}

#[test]
#[ignore = "needs Chromium, BusyBox and ffmpeg: scripts/check"]
fn media_source_shows_them_where_there_is_no_webcodecs() {
    let site = Site::open(Live::start(Clip::h264()));
    let browser = Browser::start();
    for address in [site.insecure(), site.secure() + "?mse"] {
        browser.open(&address);
        for _ in 0..2 {
            until(
                &browser,
                "view.how === 'Media Source' && video.currentTime > 0.5",
            );
            let time = browser.value("video.currentTime").as_f64().unwrap();
            pictures_move(&browser, "#video");
            until(&browser, &format!("video.currentTime > {time} + 1"));
            assert_eq!(browser.value("view.connections"), 1);
            until(&browser, "video.buffered.end(0) - video.currentTime < 0.5");
            browser.reload();
        }
    }
    assert_eq!(browser.value("isSecureContext"), true);
    until(
        &browser,
        "document.getElementById('how').textContent.startsWith('Media Source  320x192')",
    );
    leave(&browser, "media-source");
}

#[test]
#[ignore = "needs Chromium, BusyBox and ffmpeg: scripts/check"]
fn the_page_waits_for_the_next_engine() {
    let site = Site::open(Live::start(Clip::h264()));
    let browser = Browser::start();
    for (query, element) in [("", "#canvas"), ("?mse", "#video")] {
        browser.open(&(site.secure() + query));
        until(
            &browser,
            "view.connections === 1 && document.getElementById('message').hidden",
        );
        site.live().restart_after(Duration::from_secs(3));
        until(
            &browser,
            "document.getElementById('message').textContent.startsWith('No picture: there is no engine')",
        );
        until(
            &browser,
            "view.connections === 2 && document.getElementById('message').hidden",
        );
        pictures_move(&browser, element);
    }
}

#[test]
#[ignore = "needs Chromium, BusyBox and ffmpeg: scripts/check"]
fn a_stream_that_browsers_do_not_decode_is_named() {
    let site = Site::open(Live::of(Fourcc::FWHT, Clip::nonsense()));
    let browser = Browser::start();
    browser.open(&site.secure());
    let text = "No picture: the stream is FWHT, which browsers do not decode. Again in ";
    until(
        &browser,
        &format!("document.getElementById('message').textContent.startsWith('{text}')"),
    );
    leave(&browser, "fwht");
}

/// Debian's Chromium decodes none without hardware, and the page says so with the name that `tap` has for it.
#[test]
#[ignore = "needs Chromium, BusyBox and ffmpeg: scripts/check"]
fn hevc_has_the_name_that_browsers_know() {
    let site = Site::open(Live::of(Fourcc::HEVC, Clip::hevc()));
    let mut tap = site.kitchen.command(&site.kitchen.path("framemill"));
    let tap = tap.args(["tap", "--mux", "mp4", "--frames", "1", "--to", "/dev/null"]);
    let said = String::from_utf8(tap.output().unwrap().stderr).unwrap();
    let name = said.split('"').nth(1).expect(&said);
    let browser = Browser::start();
    browser.open(&site.secure());
    let text = format!("No picture: this browser does not play video/mp4; codecs=\"{name}\". ");
    until(
        &browser,
        &format!("document.getElementById('message').textContent.startsWith('{text}')"),
    );
}

#[test]
#[ignore = "needs Chromium, BusyBox and ffmpeg: scripts/check"]
fn images_are_shown_without_a_decoder_of_video() {
    let pictures = Clip::h264().packets.concat();
    let jpeg = ["-f", "h264", "-i", "-", "-q:v", "2", "-f", "mjpeg", "-"];
    let site = Site::open(Live::of(
        Fourcc::MJPG,
        Clip::images(&ffmpeg(&jpeg, pictures)),
    ));
    let browser = Browser::start();
    browser.open(&site.insecure());
    until(&browser, "view.how === 'JPEG' && view.frames > 10");
    pictures_move(&browser, "#canvas");
}

/// Without the page: the address itself, which Chromium shows as an image.
#[test]
#[ignore = "needs Chromium, BusyBox and ffmpeg: scripts/check"]
fn parts_of_a_multipart_stream_are_shown_without_a_page() {
    let pictures = Clip::h264().packets.concat();
    let jpeg = ["-f", "h264", "-i", "-", "-q:v", "2", "-f", "mjpeg", "-"];
    let site = Site::open(Live::of(
        Fourcc::MJPG,
        Clip::images(&ffmpeg(&jpeg, pictures)),
    ));
    let browser = Browser::start();
    // The page is only where the image stands.
    browser.open(&(site.insecure() + "?mse"));
    let address = "/cgi-bin/mjpeg";
    browser.value(&format!(
        "(document.body.innerHTML = '<img id=parts style=position:fixed;left:0;top:0 src={address}>', true)"
    ));
    until(
        &browser,
        "document.getElementById('parts').naturalWidth === 320",
    );
    pictures_move(&browser, "#parts");
}

#[test]
#[ignore = "needs BusyBox and ffmpeg: scripts/check"]
fn each_viewer_has_a_stream_and_one_who_leaves_ends_it() {
    let site = Site::open(Live::start(Clip::h264()));
    let mut viewers = Vec::from(["packets", "mp4", "ts", "packets"].map(|form| site.viewer(form)));
    site.consumers_are(4);
    for left in (0..4).rev() {
        drop(viewers.pop());
        site.consumers_are(left);
    }
    // Words that are no form.
    let mut viewer = TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    write!(
        viewer,
        "GET /cgi-bin/stream?ts%20--to%20x&--to=x HTTP/1.0\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    viewer.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("octet-stream\r\n\r\n"), "{text}");
    assert!(!Path::new(&site.kitchen.path("www/cgi-bin/x")).exists());
}
