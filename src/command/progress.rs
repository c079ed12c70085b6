//! The line of `stat --watch` beside the work of `push` and `tap`, once a second: at a terminal in place of the one before.
//!
//! Knows standard error and when a line is due. Knows no engine: the caller shows its header.

use crate::cli::Progress as Choice;
use crate::command::status_line::{Reading, StatusLine};
use crate::limits::WATCH_MS_DEFAULT;
use crate::log::{self, note};
use crate::shm::layout::PacketHeader;
use crate::shm::recent::Recent;
use crate::shm::word::LoadOnly;
use crate::stdio::{columns, is_terminal, stderr};
use crate::text::Text;
use crate::time::{MS, now};

/// How lines are shown.
#[derive(Clone, Copy, Debug)]
enum Form {
    Lines,
    /// In so many columns: a line that is longer would leave its beginning behind.
    InPlace(usize),
}

/// What is shown, and when next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    form: Option<Form>,
    before: Reading,
    next_ns: u64,
}

impl Progress {
    /// `busy`: standard output is a terminal, and packets are written there.
    pub(super) fn new(choice: Choice, busy: bool) -> Self {
        let form = match (choice, is_terminal(stderr())) {
            (Choice::Off, _) | (Choice::Auto, false) => None,
            (Choice::Auto, true) if busy => None,
            // Asked once: `tap`'s sandbox does not let it ask again.
            (_, true) => Some(Form::InPlace(columns(stderr()))),
            (Choice::On, false) => Some(Form::Lines),
        };
        Self {
            form,
            ..Self::default()
        }
    }

    /// Whether anything is shown.
    pub(super) fn is_on(&self) -> bool {
        self.form.is_some()
    }

    /// An engine's header is looked at from now on.
    pub(super) fn begin(&mut self, header: &PacketHeader<LoadOnly>) {
        if self.is_on() {
            let now_ns = now();
            self.before = Reading::take(header, now_ns);
            self.next_ns = now_ns + u64::from(WATCH_MS_DEFAULT) * MS;
        }
    }

    /// How long nothing is due, ns; `None` where nothing is shown.
    pub(super) fn left_ns(&self) -> Option<u64> {
        self.form.map(|_| self.next_ns.saturating_sub(now()))
    }

    /// Shows a line, if one is due.
    pub(super) fn tick<I: Iterator<Item = Recent>>(
        &mut self,
        header: &PacketHeader<LoadOnly>,
        newest_first: impl FnOnce() -> I,
    ) {
        let Some(form) = self.form else {
            return;
        };
        if now() < self.next_ns {
            return;
        }
        let before = self.before;
        self.begin(header);
        let line = StatusLine::new(before, self.before, newest_first());
        match form {
            Form::Lines => note!(info, "{line}"),
            Form::InPlace(columns) => {
                let line = Text::new(format_args!("{line}"));
                log::in_place(format_args!("{:.columns$}", line.as_str()));
            }
        }
    }
}
