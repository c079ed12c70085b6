//! A place where recipes run: a folder, a stream, and `framemill` in the PATH, which knows where that stream's engine is.
//!
//! Knows processes. Never knows what a recipe does.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::live::Live;
use crate::live::pictures::Clip;
use crate::program::program;

/// How long a recipe runs before the stream ends.
const RUN: Duration = Duration::from_secs(4);

/// A folder of this test's own, where its recipe runs.
pub struct Kitchen {
    folder: PathBuf,
    pub live: Live,
}

impl Kitchen {
    #[allow(dead_code, reason = "not every test that has this module needs it")]
    pub fn new() -> Self {
        Self::of(Live::start(Clip::h264()))
    }

    /// With this engine.
    pub fn of(live: Live) -> Self {
        static KITCHENS: AtomicU32 = AtomicU32::new(0);
        let number = KITCHENS.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes");
        let folder = folder.join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let framemill = folder.join("framemill");
        // The default socket is another engine's.
        let script = format!(
            "#!/bin/sh\ncommand=$1\nshift\nexec '{}' \"$command\" --socket '{}' \"$@\"\n",
            program().to_str().unwrap(),
            live.socket()
        );
        fs::write(&framemill, script).unwrap();
        fs::set_permissions(&framemill, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, live }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().into()
    }

    /// A command in this folder. Debian's programs come first: another Python of the PATH has no Debian packages.
    pub fn command(&self, program: &str) -> Command {
        let path = env::var("PATH").unwrap_or_default();
        let path = format!("{}:/usr/bin:/bin:{path}", self.folder.display());
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("PYTHONUSERBASE", opencv())
            .stdin(Stdio::null());
        command
    }

    /// Starts a block with these replacements.
    pub fn start(&self, block: &str, replacements: &[(&str, &str)]) -> Running {
        let mut block = block.to_owned();
        for (from, to) in replacements {
            assert!(block.contains(from), "{from:?} is not in {block}");
            block = block.replace(from, to);
        }
        let out = fs::File::create(self.path("out")).unwrap();
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = self.command("sh");
        command.args(["-e", "-c", &block]).stdout(out).stderr(log);
        Running::spawn(&mut command)
    }

    #[allow(dead_code, reason = "not every test that has this module needs it")]
    /// What the block printed, after the stream ended and it with it.
    #[track_caller]
    pub fn finish(&self, mut recipe: Running) -> String {
        thread::sleep(RUN);
        self.live.end();
        let status = recipe.end();
        let log = fs::read_to_string(self.path("log")).unwrap();
        assert!(status.success(), "{status}: {log}");
        fs::read_to_string(self.path("out")).unwrap()
    }
}

/// A program and all that it started: a test that fails leaves nobody behind.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.0.id().cast_signed()).unwrap();
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Running {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().unwrap())
    }

    #[allow(dead_code, reason = "not every test that has this module needs it")]
    /// Waits for its end.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        within("the end of a program", || self.0.try_wait().unwrap())
    }
}

/// Where scripts/check puts the OpenCV that pip has.
fn opencv() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let caches =
        || env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    let cache = env::var_os("FRAMEMILL_CACHE");
    cache
        .map_or_else(|| caches().join("framemill"), PathBuf::from)
        .join("python")
}

#[track_caller]
pub fn within<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A port that nobody has now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
