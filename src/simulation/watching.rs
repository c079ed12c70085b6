//! What must hold of an engine that stops when nobody watches (`run --idle`), as seen from outside after each turn.

use super::kernel::Kernel;
use crate::limits::CHANGE_DRAIN_MS;
use crate::shm::layout::State;
use crate::time::MS;

/// What the packet ring's header says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub(super) state: u32,
    pub(super) consumers: u32,
    /// Packets in the ring.
    pub(super) held: u64,
    pub(super) packets: u64,
}

/// The engine's idleness.
#[derive(Debug)]
pub(super) struct Idle {
    after_ns: Option<u64>,
    last: Look,
    /// Since when it runs and nobody watches, virtual ns.
    since: Option<u64>,
}

impl Idle {
    pub(super) fn new(after_ns: Option<u64>) -> Self {
        Self {
            after_ns,
            last: Look::default(),
            since: None,
        }
    }

    /// A turn ended.
    pub(super) fn turn(&mut self, look: Look, now: u64, kernel: &mut Kernel) {
        let before = core::mem::replace(&mut self.last, look);
        let [idle, was_idle] = [look, before].map(|look| look.state == State::Idle as u32);
        let streaming = kernel.streaming();
        let shared = &mut kernel.shared;
        if idle && self.after_ns.is_none() {
            shared.violated(format_args!("idle, and nobody allowed it"));
        }
        if idle && (look.consumers > 0 || streaming > 0) {
            shared.violated(format_args!("idle, {look:?}, {streaming} queues stream"));
        }
        if idle && was_idle && (look.held > 0 || look.packets != before.packets) {
            shared.violated(format_args!("packets of an idle engine: {look:?}"));
        }
        let runs = look.state == State::Running as u32 && look.consumers == 0;
        self.since = runs.then(|| self.since.unwrap_or(now));
        if let (Some(after_ns), Some(since)) = (self.after_ns, self.since)
            && shared.liberties.none()
            && now - since > after_ns + u64::from(CHANGE_DRAIN_MS) * MS
        {
            shared.violated(format_args!("it runs for nobody since {since}"));
        }
    }
}
