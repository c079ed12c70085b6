//! What changes while the engine runs: where it is on its way to the end, and what it is in the middle of.
//!
//! Knows no step: those are the engine's, file by file.

use crate::engine::attach::Request;
use crate::engine::changes::KeyRequest;
use crate::engine::clients::Clients;
use crate::engine::lifecycle::Away;
use crate::exit::Exit;
use crate::flow::wakeups::Wakeups;
use crate::limits::TELL_PAUSE_MS;
use crate::media::colour::Unsignalled;
use crate::time::MS;

/// Where the engine is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// For the end, or for a change: no more frames are taken; those in the frame ring go into the encoder first.
    Emptying {
        deadline: u64,
    },
    /// The encoder was told to stop; `marked` when it will mark its last buffer.
    Draining {
        deadline: u64,
        marked: bool,
    },
    /// Nothing is inside: for a change, after which it runs again.
    Drained,
    Ended(Exit),
}

/// What changes while the engine runs.
pub(super) struct Life {
    pub(super) clients: Clients,
    pub(super) phase: Phase,
    /// Wake-ups by the encoder.
    pub(super) wakeups: Wakeups,
    /// Wake-ups by the camera.
    pub(super) camera_wakeups: Wakeups,
    /// Frames that the driver refused in a row.
    pub(super) refused: u32,
    /// Restarts since the latest packet.
    pub(super) restarts: u32,
    /// The listening socket is left alone until then.
    pub(super) accept_again: u64,
    /// The place of the client whose turn is next.
    pub(super) next_client: usize,
    pub(super) finished: bool,
    /// The producer said that it is done, or is gone: no frame follows those inside.
    pub(super) left: bool,
    /// A client asked for the end.
    pub(super) end_wanted: bool,
    /// A signal asked for the end.
    pub(super) told: bool,
    /// The end has begun.
    pub(super) ending: bool,
    /// What the client that waits to be the producer waits for.
    pub(super) request: Option<Request>,
    /// The encoder is closed, and to be opened anew.
    pub(super) away: Option<Away>,
    /// When it was opened anew, if no packet came since; `CLOCK_MONOTONIC` ns.
    pub(super) reopened: Option<u64>,
    /// The producer, whose slots were lost, is to attach again until then, or it was the one for `--once`; `CLOCK_MONOTONIC` ns,
    /// `u64::MAX` while it cannot.
    pub(super) expected: Option<u64>,
    pub(super) key: KeyRequest,
    /// What the log says of colour that the stream does not signal.
    pub(super) unsignalled: Option<Unsignalled>,
    /// Until then no name is proposed for one that is not known, `CLOCK_MONOTONIC` ns.
    pub(super) propose_again: u64,
    /// Until then the log says nothing of what clients do, `CLOCK_MONOTONIC` ns.
    tell_again: u64,
}

impl Life {
    pub(super) fn new(all_intra: bool) -> Self {
        Self {
            clients: Clients::new(),
            phase: Phase::Running,
            wakeups: Wakeups::default(),
            camera_wakeups: Wakeups::default(),
            refused: 0,
            restarts: 0,
            accept_again: 0,
            next_client: 0,
            finished: false,
            left: false,
            end_wanted: false,
            told: false,
            ending: false,
            request: None,
            away: None,
            reopened: None,
            expected: None,
            key: KeyRequest::new(all_intra),
            unsignalled: None,
            propose_again: 0,
            tell_again: 0,
        }
    }

    /// Whether the encoder is being drained because nobody sends frames: whoever comes next may attach meanwhile.
    pub(super) fn flushing(&self) -> bool {
        let draining = !matches!(self.phase, Phase::Running | Phase::Ended(_));
        draining && !self.ending && self.request.is_none()
    }

    /// Until when the producer has to attach again, `CLOCK_MONOTONIC` ns, unless one is about to be let in.
    pub(super) fn deadline_to_attach(&self) -> Option<u64> {
        self.expected.filter(|_| self.request.is_none())
    }

    /// Whether what a client did may be told in the log: once a second, so that nobody can fill it. Counters tell the rest.
    pub(super) fn may_tell(&mut self, time: u64) -> bool {
        let may = time >= self.tell_again;
        if may {
            self.tell_again = time.saturating_add(u64::from(TELL_PAUSE_MS) * MS);
        }
        may
    }

    /// The encoder is empty, or had time enough: the end, or the change that this was for.
    pub(super) fn drained(&mut self, exit: Exit) {
        self.phase = if self.ending {
            Phase::Ended(exit)
        } else {
            Phase::Drained
        };
    }
}
