//! Runs a script in the guest that `scripts/vm` boots, and reads what came of it.
//!
//! Knows folders, the guest and its script; knows nothing of what a script tests. Nothing is skipped: what is missing
//! (the binary, the guest, a clip) is a failure that names the script which makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::{env, fs, thread};

use crate::machine::Machine;

/// Which of V4L2's two APIs the guest's encoder speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Single,
    Multi,
}

/// The folders of this run's guests: tests run side by side, and none may take another's away.
static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// One boot of the guest: a folder that it shares with us, and the script that it runs.
pub struct Guest {
    folder: PathBuf,
    api: Api,
    /// More lines of the script, before the test's own.
    setup: &'static str,
    /// More for the kernel's command line.
    append: String,
    /// Whether it has Debian's ffmpeg and GStreamer.
    programs: bool,
    /// Whether its clock counts instructions: then it is not the host's, and a script may take long.
    steady: bool,
    /// Whether its script ends with a reset of the machine.
    reset: bool,
    /// How many processors it has.
    processors: u32,
    /// Seconds after which it is given up.
    patience: u64,
    /// Its kernel's architecture, as `scripts/vm --arch` names it.
    arch: String,
}

/// What a script left.
pub struct Outcome {
    folder: PathBuf,
    said: BTreeMap<String, String>,
    /// Everything on its standard output and standard error.
    pub text: String,
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What scripts/build makes for a guest of this architecture.
pub fn built(arch: &str) -> PathBuf {
    let target = match arch {
        "aarch64" => "aarch64-unknown-linux-musl",
        "armv7" => "armv7-unknown-linux-musleabihf",
        "armv6" => "arm-unknown-linux-musleabihf",
        other => panic!("no guest has the architecture {other}"),
    };
    let path = root().join("target").join(target).join("release/framemill");
    assert!(
        path.is_file(),
        "{} is not there; run scripts/build {target}",
        path.display()
    );
    path
}

/// A file that scripts/test made of a real video: raw YU12, or Y4M, with this name.
pub fn clip(name: &str) -> PathBuf {
    let cache = env::var_os("FRAMEMILL_CACHE").map_or_else(
        || {
            let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            env::var_os("XDG_CACHE_HOME")
                .map_or_else(|| home.join(".cache"), PathBuf::from)
                .join("framemill")
        },
        PathBuf::from,
    );
    let path = cache.join("clip").join(name);
    assert!(
        path.is_file(),
        "{} is not there; run scripts/test, which fetches it",
        path.display()
    );
    path
}

impl Guest {
    /// A guest for the test of this name, with an empty folder. The folder stays when the test fails.
    pub fn new(name: &str, api: Api) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("guest")
            .join(format!("{name}-{api:?}").to_lowercase());
        assert!(
            FOLDERS.lock().unwrap().insert(folder.clone()),
            "two guests have the name {name}"
        );
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            api,
            setup: "",
            append: String::new(),
            programs: false,
            steady: false,
            reset: false,
            processors: 1,
            patience: 150,
            arch: env::var("FRAMEMILL_ARCH").unwrap_or("aarch64".to_owned()),
        }
    }

    /// The same guest with a kernel of this architecture.
    pub fn on(mut self, arch: &str) -> Self {
        self.arch = arch.to_owned();
        self
    }

    /// The same guest, with Debian's ffmpeg and GStreamer in it.
    pub fn with_programs(mut self) -> Self {
        self.programs = true;
        self
    }

    /// The same guest, with more on its kernel's command line.
    pub fn append(mut self, words: &str) -> Self {
        self.append = words.to_owned();
        self
    }

    /// The same guest with a clock that counts instructions: what it does repeats, and waiting costs nothing.
    pub fn steady(mut self) -> Self {
        self.steady = true;
        self.patience(600)
    }

    /// The same guest, given up after so many seconds, if that is later than usual.
    pub fn patience(mut self, seconds: u64) -> Self {
        self.patience = self.patience.max(seconds);
        self
    }

    /// The same guest, whose script resets the machine: what it says may be lost, and what it wrote is what reached the host.
    pub fn until_reset(mut self) -> Self {
        self.reset = true;
        self
    }

    /// The same guest with so many processors, which QEMU runs side by side. Not together with `steady`.
    pub fn processors(mut self, processors: u32) -> Self {
        self.processors = processors;
        self
    }

    /// The same guest with more lines of the script, before the test's own.
    pub fn with_setup(mut self, setup: &'static str) -> Self {
        self.setup = setup;
        self
    }

    /// A guest for a test of the model of the Pi's encoder, which is multi-planar in any case.
    pub fn h264(name: &str) -> Self {
        let mut guest = Self::new(name, Api::Multi);
        guest.setup = "encoder='--device /dev/video11 --codec H264'";
        guest
    }

    /// The folder, which the guest has at `/host`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a file into the folder, which the guest has at `/host`.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).unwrap();
    }

    /// Puts a program into the folder.
    pub fn put_program(&self, name: &str, program: &Path) {
        fs::copy(program, self.folder.join(name)).unwrap();
    }

    /// Compiles a C program of the repository for the guest, static, into the folder. On arm for any: Debian's armel.
    pub fn compile(&self, source: &str, name: &str) {
        self.compile_for(&self.arch, source, name);
    }

    /// The same for processors of another kind.
    pub fn compile_for(&self, arch: &str, source: &str, name: &str) {
        let compiler = match arch {
            "aarch64" => "aarch64-linux-gnu-gcc",
            _ => "arm-linux-gnueabi-gcc",
        };
        let status = Command::new(compiler)
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-static", "-o"])
            .arg(self.folder.join(name))
            .arg(root().join(source))
            .status()
            .expect("the cross compiler is there");
        assert!(status.success(), "{source} does not compile");
    }

    /// Runs `script`, after the functions of `prelude.sh`, and returns when it ended with status 0.
    pub fn run(&self, script: &str) -> Outcome {
        self.put("script.sh", self.with_prelude(script).as_bytes());
        self.boot(1)
    }

    /// The binary under test.
    fn binary(&self) -> PathBuf {
        env::var_os("FRAMEMILL_BIN").map_or_else(|| built(&self.arch), PathBuf::from)
    }

    /// The script as the guest runs it.
    pub fn with_prelude(&self, script: &str) -> String {
        format!(
            "{}\n{}\n{}\n{script}\n",
            include_str!("prelude.sh"),
            Machine::of(&self.binary()).words(),
            self.setup
        )
    }

    /// Runs `script.sh` of the folder as it is, which has so many scripts in it.
    pub fn boot(&self, scripts: u64) -> Outcome {
        let mut words = self.append.clone();
        if self.api == Api::Multi {
            words.push_str(" vicodec.multiplanar=1");
        }
        eprintln!("guest for {}: {words}", self.folder.display());
        let output = Command::new(root().join("scripts/vm"))
            .args([
                "--timeout",
                &(self.patience * scripts).to_string(),
                "--share",
            ])
            .arg(&self.folder)
            .args(self.programs.then_some("--programs"))
            .args(self.steady.then_some("--icount"))
            .args(["--smp", &self.processors.to_string()])
            .args(["--append", words.trim(), "--", "sh /host/script.sh"])
            .env("FRAMEMILL_BIN", self.binary())
            .env("FRAMEMILL_ARCH", &self.arch)
            .stdin(Stdio::null())
            .output()
            .expect("scripts/vm runs");
        let text = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .join("--- standard error\n");
        let outcome = Outcome::new(self.folder.clone(), text);
        // Each turn of each engine in each test: committed = published + dropped + inside.
        assert!(
            !outcome.logged("internal error"),
            "an engine miscounted, or panicked: {}",
            outcome.story()
        );
        assert!(
            // As scripts/vm has it when the guest ended without a status.
            output.status.code() == Some(if self.reset { 125 } else { 0 }),
            "{}: {}",
            output.status,
            outcome.story()
        );
        outcome
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the guest's files are in {}", self.folder.display());
        } else {
            // A folder that stays takes room, no more.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Outcome {
    pub fn new(folder: PathBuf, text: String) -> Self {
        let said = text.lines().filter_map(|line| line.split_once('='));
        let said = said.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            folder,
            said: said.collect(),
            text,
        }
    }

    /// What the script said about `name`.
    pub fn said(&self, name: &str) -> &str {
        self.said
            .get(name)
            .unwrap_or_else(|| panic!("nothing about {name}: {}", self.story()))
    }

    /// The same as a number.
    pub fn number(&self, name: &str) -> u64 {
        let said = self.said(name);
        said.trim()
            .parse()
            .unwrap_or_else(|_| panic!("{name}={said} is no number: {}", self.story()))
    }

    /// That each of these ended with status 0, each time.
    pub fn succeeded(&self, names: &[&str]) {
        for name in names {
            let said = |line: &str| {
                line.strip_prefix(name)?
                    .strip_prefix('=')
                    .map(str::to_owned)
            };
            let statuses: Vec<_> = self.text.lines().filter_map(said).collect();
            assert!(
                !statuses.is_empty() && statuses.iter().all(|status| status == "0"),
                "{name}: {statuses:?}: {}",
                self.story()
            );
        }
    }

    /// Where a file of the guest's `/host` is here.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file from the guest's `/host`.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name))
            .unwrap_or_else(|error| panic!("{name}: {error}: {}", self.story()))
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap_or_else(|_| panic!("{name} is no text"))
    }

    /// The frames of an H.264 stream as FFmpeg decodes them: YU12. A complaint of the decoder's is a failure.
    pub fn decoded(&self, name: &str) -> Vec<u8> {
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-err_detect", "explode", "-f", "h264", "-i"])
            .arg(self.folder.join(name))
            .args([
                "-fps_mode",
                "passthrough",
                "-pix_fmt",
                "yuv420p",
                "-f",
                "rawvideo",
                "-",
            ])
            .stdin(Stdio::null())
            .output()
            .expect("ffmpeg runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && complaint.is_empty(),
            "{name}: {complaint}: {}",
            self.story()
        );
        output.stdout
    }

    /// What ffprobe says of an H.264 stream, as `NAME=VALUE` lines: these entries of the stream and of its frames.
    pub fn probed(&self, name: &str, entries: &str) -> String {
        let output = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-f",
                "h264",
                "-of",
                "flat",
                "-show_entries",
                entries,
            ])
            .arg(self.folder.join(name))
            .output()
            .expect("ffprobe runs");
        assert!(output.status.success(), "{name}: {}", self.story());
        crate::decode::rate_of_frames(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// That two files are there, not empty, and have the same bytes.
    pub fn same(&self, one: &str, other: &str) {
        let (a, b) = (self.bytes(one), self.bytes(other));
        assert!(!a.is_empty(), "{one} is empty: {}", self.story());
        let differ = a.iter().zip(&b).position(|(a, b)| a != b);
        assert!(
            a == b,
            "{one} ({} bytes) and {other} ({} bytes) differ, first at byte {differ:?}: {}",
            a.len(),
            b.len(),
            self.story()
        );
    }

    /// The logs in the folder, and in those of its phases.
    fn logs(&self) -> Vec<PathBuf> {
        let files = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path())
        };
        let mut logs: Vec<_> = files(&self.folder)
            .flat_map(|path| [path.clone()].into_iter().chain(files(&path)))
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .collect();
        logs.sort();
        logs
    }

    /// Whether something that ran in the guest logged this.
    pub fn logged(&self, words: &str) -> bool {
        let has = |path: &PathBuf| {
            let log = fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&log).contains(words)
        };
        self.text.contains(words) || self.logs().iter().any(has)
    }

    /// Everything that was written, for the message of a failed test.
    pub fn story(&self) -> String {
        let mut story = format!("\n--- standard output\n{}", self.text);
        for path in self.logs() {
            let log = fs::read(&path).unwrap_or_default();
            let end = &log[log.len().saturating_sub(4096)..];
            story += &format!(
                "--- {}\n{}",
                path.strip_prefix(&self.folder).unwrap_or(&path).display(),
                String::from_utf8_lossy(end)
            );
        }
        story
    }
}
