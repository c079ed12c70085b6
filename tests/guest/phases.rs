//! Several scripts in one boot of the guest: each a phase with a name, a folder and a check of its own.
//!
//! Knows how phases are kept apart; knows nothing of what they test. A boot costs as much as most scripts: what the same guest can show is
//! shown in one.

use std::fs;

use crate::support::{Guest, Outcome};

/// One script, and what must have come of it.
pub struct Phase {
    name: &'static str,
    script: String,
    files: Vec<(String, Vec<u8>)>,
    check: Box<dyn Fn(&Outcome)>,
}

impl Phase {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            script: String::new(),
            files: Vec::new(),
            check: Box::new(|_| ()),
        }
    }

    /// Puts a file into its folder, which is its `/host`.
    pub fn put(&mut self, name: &str, bytes: &[u8]) {
        self.files.push((name.to_owned(), bytes.to_owned()));
    }

    /// The same with a script as a test's own (`Guest::run`), and what looks at what it left.
    pub fn run(self, script: &str, check: impl Fn(&Outcome) + 'static) -> Self {
        Self {
            script: script.to_owned(),
            check: Box::new(check),
            ..self
        }
    }
}

/// Goes before the phases. Each begins with the model's knobs as they were at the boot, an empty /tmp, and nothing of the one before that
/// runs; what phases do to vivid they undo themselves.
const KEPT_APART: &str = r#"
set -u
cd /tmp || exit 99
knobs() { for knob in /sys/module/bcm2835_codec_model/parameters/*; do read -r value <$knob && echo $knob $value; done; }
knobs >/run/knobs
as_at_the_boot() {
    while read -r knob value; do
        read -r now <$knob
        [ "$now" = "$value" ] || echo $value >$knob || exit 99
    done </run/knobs
}
# All processes of the session, and waits until they are gone.
ended_all() {
    left=1
    while [ $left = 1 ]; do
        left=0
        for process in /proc/[0-9]*; do
            read -r line 2>/dev/null <$process/stat || continue
            set -- ${line##*) }
            [ $4 = $session ] && [ $1 != Z ] && left=1 && kill -KILL ${process#/proc/} 2>/dev/null
        done
        [ $left = 0 ] || sleep 0.02
    done
}
phase() {
    echo phase=$1
    mount -o bind /host/$1 /host || exit 99
    setsid sh /host/script.sh &
    session=$!
    wait $session
    status=$?
    ended_all
    umount /host || exit 99
    [ $status = 0 ] || { echo "the phase $1 ended with $status" >&2; exit $status; }
    rm -rf /tmp/* /run/framemill*
    as_at_the_boot
}
"#;

impl Guest {
    /// Boots once, runs each phase, and then checks each. What was put into the guest is in each phase's folder. A phase that ends with
    /// another status than 0 is the last one.
    pub fn phases(&self, phases: &[Phase]) {
        let shared: Vec<_> = fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        let mut script = KEPT_APART.to_owned();
        for phase in phases {
            let folder = self.folder().join(phase.name);
            fs::create_dir(&folder).expect("each phase has a name of its own");
            for file in &shared {
                fs::hard_link(file.path(), folder.join(file.file_name())).unwrap();
            }
            for (name, bytes) in &phase.files {
                fs::write(folder.join(name), bytes).unwrap();
            }
            fs::write(folder.join("script.sh"), self.with_prelude(&phase.script)).unwrap();
            script += &format!("phase {}\n", phase.name);
        }
        self.put("script.sh", script.as_bytes());
        let outcome = self.boot(phases.len() as u64);
        let text = &outcome.text;
        for phase in phases {
            eprintln!("the phase {}:", phase.name);
            let begin = format!("phase={}\n", phase.name);
            let (_, said) = text.split_once(&begin).expect("each phase begins");
            let said = said.split("phase=").next().unwrap_or_default();
            (phase.check)(&Outcome::new(outcome.path(phase.name), said.to_owned()));
        }
    }
}
