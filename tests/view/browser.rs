//! Debian's Chromium without a screen, by the protocol of WebDriver: one session, one page.
//!
//! Knows addresses, scripts and pictures. Never knows what the page is.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// The member of an element's object that names it (WebDriver, 11.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser at a time: several that start at once on two processors run into the driver's own time limits.
static ONE: Mutex<()> = Mutex::new(());

/// A browser may not start, for reasons of its own. It is not what is tested.
const STARTS: u32 = 3;

pub struct Browser {
    _turn: Option<MutexGuard<'static, ()>>,
    driver: Child,
    /// Its standard output, which it may write to.
    _said: BufReader<ChildStdout>,
    port: u16,
    session: String,
    profile: PathBuf,
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // This ends the browser; a driver that is killed leaves it behind.
            let _ = self.ask("DELETE", "", &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

impl Browser {
    /// Starts it. The name `framemill.test` is this machine, but no secure context.
    pub fn start() -> Self {
        let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = Value::Null;
        for _ in 0..STARTS {
            match Self::try_to_start() {
                Ok(mut browser) => {
                    browser._turn = Some(turn);
                    return browser;
                }
                Err(refusal) => answer = refusal,
            }
        }
        panic!("Chromium does not start: {answer}");
    }

    /// The driver's answer when the browser does not start.
    fn try_to_start() -> Result<Self, Value> {
        static PROFILES: AtomicU32 = AtomicU32::new(0);
        let number = PROFILES.fetch_add(1, Ordering::Relaxed);
        let profile =
            std::env::temp_dir().join(format!("framemill-{}-{number}", std::process::id()));
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; scripts/check installs it"));
        // "ChromeDriver was started successfully on port N."
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = said
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            });
        let mut browser = Self {
            _turn: None,
            driver,
            _said: said,
            port: port.expect("chromedriver names its port"),
            session: String::new(),
            profile,
        };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=800,600",
            "--force-device-scale-factor=1",
            "--force-color-profile=srgb",
            "--host-resolver-rules=MAP framemill.test 127.0.0.1",
            &format!("--user-data-dir={}", browser.profile.display()),
        ];
        let options = json!({ "binary": "/usr/bin/chromium", "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options, "pageLoadStrategy": "eager" } } });
        let begun = browser.ask("POST", "/session", &wanted);
        let Some(session) = begun["sessionId"].as_str() else {
            return Err(begun);
        };
        browser.session = session.into();
        Ok(browser)
    }

    /// One request to the driver; gives `value` of the answer.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let session = match self.session.as_str() {
            "" => String::new(),
            session => format!("/session/{session}"),
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} {session}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        for line in answer.by_ref().lines() {
            let line = line.unwrap().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        answer["value"].take()
    }

    #[track_caller]
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.ask(method, path, body);
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }

    #[track_caller]
    pub fn open(&self, address: &str) {
        self.done("POST", "/url", &json!({ "url": address }));
    }

    #[track_caller]
    #[allow(dead_code, reason = "not every test that has this module reloads")]
    pub fn reload(&self) {
        self.done("POST", "/refresh", &json!({}));
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.done(
            "POST",
            "/execute/sync",
            &json!({ "script": script, "args": [] }),
        )
    }

    /// What the whole window shows, likewise.
    #[track_caller]
    #[allow(
        dead_code,
        reason = "not every test that has this module keeps pictures"
    )]
    pub fn window(&self) -> String {
        let png = self.done("GET", "/screenshot", &Value::Null);
        png.as_str().unwrap().into()
    }

    /// What the screen shows of an element: PNG, in base 64.
    #[track_caller]
    #[allow(
        dead_code,
        reason = "not every test that has this module compares screens"
    )]
    pub fn screenshot(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        let element = self.done("POST", "/element", &by);
        let path = format!("/element/{}/screenshot", element[ELEMENT].as_str().unwrap());
        self.done("GET", &path, &Value::Null)
            .as_str()
            .unwrap()
            .into()
    }
}
