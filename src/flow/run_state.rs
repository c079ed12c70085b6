//! What the engine is about to do, and how far the encoder is drained for it. Pure: time is an argument, ns of `CLOCK_MONOTONIC`.
//!
//! ```text
//!   goal    Run ─────▶ Reconfigure(request) ─▶ Run            Run ─▶ Stop ─▶ Run            each ─▶ End
//!   drain   Running ─▶ Flushing ─▶ Draining ─▶ (Announced ─▶) Drained ─▶ Running, Idle, or the end           Idle ─▶ Running
//! ```
//!
//! The two are independent. A drain is for the goal; with the goal `Run` it is for nobody but the frames inside: an encoder that
//! holds frames back is drained when no more frames come. Whatever the goal becomes meanwhile, a drain that was begun goes on.
//!
//! Knows the order of the steps and their deadlines. Knows no device and no frame.

use crate::limits::ANNOUNCED_WAIT_MS;
use crate::time::MS;

/// What the engine is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal<R> {
    /// To encode.
    Run,
    /// To change what it encodes, as this says, when the encoder is empty.
    Reconfigure(R),
    /// To stop until somebody watches, when the encoder is empty.
    Stop,
    /// To end, when the encoder is empty.
    End,
}

/// How far the encoder is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// It is not: frames are taken and encoded.
    Running,
    /// No more frames are taken. Those that were committed are queued first.
    Flushing {
        /// When the drain is given up.
        deadline_ns: u64,
    },
    /// All frames are queued, and the encoder has the command to stop.
    Draining {
        /// When the drain is given up.
        deadline_ns: u64,
        /// The encoder marks its last buffer. One that does not know the command is drained when all packets have come.
        marked: bool,
    },
    /// The encoder said that it has nothing more to give, and marked no buffer: what it gave before may still be on its way.
    Announced {
        /// Until then it is waited for.
        deadline_ns: u64,
    },
    /// Nothing is inside, or the deadline passed.
    Drained {
        /// False: the deadline passed, and what is inside is lost.
        in_time: bool,
    },
    /// Nothing is inside, and the encoder is stopped, because nobody watches.
    Idle,
}

/// What to do when the encoder is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<R> {
    /// Apply this change, then encode again.
    Reconfigure(R),
    /// Start the encoder again.
    Resume,
    /// Stop it, and the camera: the engine is idle.
    Stop,
}

/// How the encoder says that nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By an event, or an empty buffer: what it gave before may still be on its way.
    Announced,
    /// By the mark on its last buffer.
    Marked,
    /// Its queue gives nothing more until it is started again.
    Closed,
}

/// Why no change can be requested now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// Another change is under way.
    Busy,
    /// The end has begun.
    Ending,
}

/// Goal and drain.
#[derive(Clone, Debug)]
pub struct RunState<R> {
    goal: Goal<R>,
    drain: Drain,
}

impl<R> Default for RunState<R> {
    fn default() -> Self {
        Self {
            goal: Goal::Run,
            drain: Drain::Running,
        }
    }
}

impl<R> RunState<R> {
    /// Whether frames are taken from their source.
    #[must_use]
    pub fn takes_frames(&self) -> bool {
        matches!(self.drain, Drain::Running)
    }

    /// Whether what was committed is queued, and nothing more is taken.
    #[must_use]
    pub fn is_flushing(&self) -> bool {
        matches!(self.drain, Drain::Flushing { .. })
    }

    /// Whether committed frames are queued to the encoder.
    #[must_use]
    pub fn queues_frames(&self) -> bool {
        matches!(self.drain, Drain::Running | Drain::Flushing { .. })
    }

    /// Whether the end has begun.
    #[must_use]
    pub fn ending(&self) -> bool {
        matches!(self.goal, Goal::End)
    }

    /// The change that waits for the drain.
    #[must_use]
    pub fn request(&self) -> Option<&R> {
        match &self.goal {
            Goal::Reconfigure(request) => Some(request),
            Goal::Run | Goal::Stop | Goal::End => None,
        }
    }

    /// Whether the encoder is drained for no goal but the frames inside.
    #[must_use]
    pub fn only_drains(&self) -> bool {
        matches!(self.goal, Goal::Run) && !matches!(self.drain, Drain::Running | Drain::Idle)
    }

    /// Whether whoever comes may attach: no change is under way, and no end.
    #[must_use]
    pub fn may_attach(&self) -> bool {
        matches!(self.goal, Goal::Run | Goal::Stop)
    }

    /// Whether everything is stopped until somebody watches.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.drain, Drain::Idle)
    }

    /// When the drain is given up, ns.
    #[must_use]
    pub fn deadline_ns(&self) -> Option<u64> {
        match self.drain {
            Drain::Flushing { deadline_ns }
            | Drain::Draining { deadline_ns, .. }
            | Drain::Announced { deadline_ns } => Some(deadline_ns),
            Drain::Running | Drain::Drained { .. } | Drain::Idle => None,
        }
    }

    /// Whether the engine has ended, and if so, whether the drain was in time.
    #[must_use]
    pub fn ended(&self) -> Option<bool> {
        match (&self.goal, self.drain) {
            (Goal::End, Drain::Drained { in_time }) => Some(in_time),
            _ => None,
        }
    }

    /// Drains the encoder until `deadline_ns` if it runs.
    pub fn begin_drain(&mut self, deadline_ns: u64) {
        if self.drain == Drain::Running {
            self.drain = Drain::Flushing { deadline_ns };
        }
    }

    /// Requests a change. `empty`: no drain is needed for it.
    ///
    /// # Errors
    /// While another change is under way, or when the end has begun.
    pub fn reconfigure(&mut self, request: R, empty: bool, deadline_ns: u64) -> Result<(), NotNow> {
        match self.goal {
            Goal::Run | Goal::Stop => self.goal = Goal::Reconfigure(request),
            Goal::Reconfigure(_) => return Err(NotNow::Busy),
            Goal::End => return Err(NotNow::Ending),
        }
        self.drain_unless(empty, deadline_ns);
        Ok(())
    }

    /// Drains the encoder until `deadline_ns`, unless there is nothing inside.
    fn drain_unless(&mut self, empty: bool, deadline_ns: u64) {
        if self.drain == Drain::Idle || self.drain == Drain::Running && empty {
            self.drain = Drain::Drained { in_time: true };
        }
        self.begin_drain(deadline_ns);
    }

    /// Nobody watches: the encoder is to be stopped. `empty`: no drain is needed for it.
    pub fn stop(&mut self, empty: bool, deadline_ns: u64) {
        if matches!(self.goal, Goal::Run) && self.drain == Drain::Running {
            self.goal = Goal::Stop;
            self.drain_unless(empty, deadline_ns);
        }
    }

    /// Somebody watches. Whether the encoder is to be started; a drain that was begun ends as if it were for nobody.
    #[must_use]
    pub fn watched(&mut self) -> bool {
        if matches!(self.goal, Goal::Stop) {
            self.goal = Goal::Run;
        }
        let starts = self.drain == Drain::Idle;
        if starts {
            self.drain = Drain::Running;
        }
        starts
    }

    /// Begins the end, with a deadline of its own. A change that waits is given up.
    pub fn end(&mut self, deadline_ns: u64) {
        self.goal = Goal::End;
        self.drain_unless(false, deadline_ns);
        match &mut self.drain {
            Drain::Flushing { deadline_ns: at }
            | Drain::Draining {
                deadline_ns: at, ..
            } => {
                *at = deadline_ns;
            }
            // What was announced comes sooner.
            Drain::Running | Drain::Announced { .. } | Drain::Drained { .. } | Drain::Idle => {}
        }
    }

    /// Gives the drain up at once.
    pub fn give_up(&mut self) {
        self.drain = Drain::Drained { in_time: false };
    }

    /// All frames are queued, and the encoder has the command to stop. `marked`: it marks its last buffer.
    pub fn stop_sent(&mut self, marked: bool) {
        debug_assert!(
            !matches!(self.drain, Drain::Draining { .. }),
            "STOP was sent twice"
        );
        if let Drain::Flushing { deadline_ns } = self.drain {
            self.drain = Drain::Draining {
                deadline_ns,
                marked,
            };
        }
    }

    /// Whether the encoder has the command to stop, and has not said that it did.
    #[must_use]
    pub fn awaits_end(&self) -> bool {
        matches!(self.drain, Drain::Draining { .. })
    }

    /// The encoder says that nothing more comes. False when its queue is closed though STOP was not sent yet: it has to be started again.
    #[must_use]
    pub fn ends(&mut self, end: End, now_ns: u64) -> bool {
        match end {
            End::Announced => {
                let wait_ns = u64::from(ANNOUNCED_WAIT_MS) * MS;
                self.announced(now_ns.saturating_add(wait_ns));
            }
            End::Marked => {
                if let Drain::Draining { .. } | Drain::Announced { .. } = self.drain {
                    self.drained();
                }
            }
            End::Closed if self.queues_frames() => return false,
            End::Closed => self.drained(),
        }
        true
    }

    /// The encoder says that nothing more comes, and marks no buffer. What it gave before is waited for, until `deadline_ns` at most.
    fn announced(&mut self, deadline_ns: u64) {
        if let Drain::Draining {
            deadline_ns: limit_ns,
            ..
        } = self.drain
        {
            self.drain = Drain::Announced {
                deadline_ns: deadline_ns.min(limit_ns),
            };
        }
    }

    /// Looks whether the drain is over: so many frames are inside. Where no mark of an end is to come, it is when there is none.
    pub fn look(&mut self, inside: usize, now_ns: u64) {
        let unmarked = matches!(
            self.drain,
            Drain::Draining { marked: false, .. } | Drain::Announced { .. }
        );
        if unmarked && inside == 0 {
            self.drained();
        } else if self.deadline_ns().is_some_and(|at| at <= now_ns) {
            self.expire();
        }
    }

    /// The drain's deadline passed. What was announced is over in time: nothing more comes of it.
    fn expire(&mut self) {
        match self.drain {
            Drain::Announced { .. } => self.drained(),
            _ => self.give_up(),
        }
    }

    /// The encoder's last buffer came, or it has nothing to give.
    pub fn drained(&mut self) {
        if !matches!(self.drain, Drain::Running | Drain::Idle) {
            self.drain = Drain::Drained { in_time: true };
        }
    }

    /// The encoder was restarted, and what was inside is lost. A drain has to begin again.
    pub fn restarted(&mut self) {
        if let Drain::Draining { deadline_ns, .. } = self.drain {
            self.drain = Drain::Flushing { deadline_ns };
        }
    }

    /// Frames are taken again, without a stop.
    pub fn run_again(&mut self) {
        self.drain = Drain::Running;
    }

    /// Whether the encoder is drained.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        matches!(self.drain, Drain::Drained { .. })
    }

    /// What to do now that the encoder is drained. Unless it stops, the encoder runs again after it.
    pub fn take_next(&mut self) -> Option<Next<R>> {
        if !self.is_drained() || self.ending() {
            return None;
        }
        self.drain = Drain::Running;
        Some(match core::mem::replace(&mut self.goal, Goal::Run) {
            Goal::Reconfigure(request) => Next::Reconfigure(request),
            Goal::Stop => {
                self.drain = Drain::Idle;
                Next::Stop
            }
            Goal::Run | Goal::End => Next::Resume,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draining(state: &mut RunState<u8>) {
        state.begin_drain(10);
        state.stop_sent(true);
    }

    #[test]
    fn a_change_waits_for_the_drain_and_the_engine_runs_again() {
        let mut state = RunState::default();
        assert_eq!(state.reconfigure('a', false, 10), Ok(()));
        assert!(!state.takes_frames() && state.queues_frames());
        assert_eq!((state.deadline_ns(), state.take_next()), (Some(10), None));
        state.stop_sent(true);
        assert!(!state.queues_frames());
        state.drained();
        assert_eq!(state.take_next(), Some(Next::Reconfigure('a')));
        assert!(state.takes_frames() && state.request().is_none());
    }

    #[test]
    fn a_change_of_an_empty_encoder_needs_no_drain() {
        let mut state = RunState::default();
        state.reconfigure('a', true, 10).unwrap();
        assert_eq!(state.take_next(), Some(Next::Reconfigure('a')));
    }

    #[test]
    fn one_change_at_a_time_and_none_after_the_end() {
        let mut state = RunState::default();
        state.reconfigure('a', false, 10).unwrap();
        assert_eq!(state.reconfigure('b', true, 20), Err(NotNow::Busy));
        assert_eq!(state.request(), Some(&'a'));
        state.end(30);
        assert_eq!(state.reconfigure('c', true, 40), Err(NotNow::Ending));
        assert_eq!((state.request(), state.deadline_ns()), (None, Some(30)));
    }

    #[test]
    fn a_drain_for_nobody_serves_whoever_comes_meanwhile() {
        let mut state = RunState::default();
        draining(&mut state);
        assert!(state.only_drains());
        state.reconfigure(1, false, 99).unwrap();
        assert!(!state.only_drains());
        assert_eq!(state.deadline_ns(), Some(10), "the drain that was begun");
        state.drained();
        assert_eq!(state.take_next(), Some(Next::Reconfigure(1)));
        let mut state = RunState::<u8>::default();
        draining(&mut state);
        state.drained();
        assert_eq!(state.take_next(), Some(Next::Resume));
    }

    #[test]
    fn the_end_comes_after_the_drain_and_says_whether_it_was_in_time() {
        for in_time in [true, false] {
            let mut state = RunState::<u8>::default();
            draining(&mut state);
            state.end(50);
            assert_eq!((state.ended(), state.deadline_ns()), (None, Some(50)));
            match in_time {
                true => state.drained(),
                false => state.give_up(),
            }
            assert_eq!((state.take_next(), state.ended()), (None, Some(in_time)));
        }
    }

    #[test]
    fn a_restart_begins_the_drain_again_with_the_same_deadline() {
        let mut state = RunState::<u8>::default();
        state.restarted();
        assert!(state.takes_frames());
        draining(&mut state);
        state.restarted();
        assert_eq!(state.drain, Drain::Flushing { deadline_ns: 10 });
    }

    #[test]
    fn an_end_counts_once_stop_was_sent_and_a_closed_queue_before_that_is_a_failure() {
        for end in [End::Announced, End::Marked, End::Closed] {
            let closed = end == End::Closed;
            let mut state = RunState::<u8>::default();
            assert_eq!(state.ends(end, 5), !closed);
            assert!(state.takes_frames(), "{end:?}");
            state.begin_drain(u64::MAX);
            assert_eq!(state.ends(end, 5), !closed);
            assert!(state.is_flushing(), "{end:?}");
            state.stop_sent(true);
            assert!(state.ends(end, 5) && !state.awaits_end());
            // What was announced may still be on its way.
            assert_eq!(state.is_drained(), end != End::Announced);
        }
    }

    #[test]
    fn a_drain_without_a_mark_is_over_when_nothing_is_inside_any_drain_with_its_deadline() {
        for marked in [true, false] {
            let mut state = RunState::<u8>::default();
            state.begin_drain(100);
            state.look(0, 50);
            assert!(state.is_flushing(), "frames are still to be queued");
            state.stop_sent(marked);
            state.look(1, 50);
            assert!(state.awaits_end());
            state.look(0, 50);
            assert_eq!(state.is_drained(), !marked);
            state.look(1, 100);
            assert_eq!(state.drain, Drain::Drained { in_time: !marked });
        }
    }

    #[test]
    fn a_late_mark_of_an_encoder_that_runs_again_means_nothing() {
        let mut state = RunState::<u8>::default();
        state.drained();
        state.stop_sent(true);
        assert!(state.takes_frames());
    }

    #[test]
    fn a_stop_waits_for_the_drain_and_lasts_until_somebody_watches() {
        let mut state = RunState::<u8>::default();
        assert!(!state.watched(), "it runs");
        state.stop(false, 10);
        assert!(!state.takes_frames() && !state.is_idle() && state.may_attach());
        assert_eq!(state.drain, Drain::Flushing { deadline_ns: 10 });
        state.stop_sent(true);
        state.drained();
        assert_eq!(state.take_next(), Some(Next::Stop));
        assert!(state.is_idle() && state.may_attach() && !state.only_drains());
        assert!(!state.takes_frames() && !state.queues_frames());
        // What comes too late, and what comes again.
        state.drained();
        state.stop(true, 20);
        state.begin_drain(20);
        assert_eq!((state.take_next(), state.deadline_ns()), (None, None));
        assert!(state.is_idle());
        assert!(state.watched() && state.takes_frames() && !state.watched());
    }

    #[test]
    fn an_empty_encoder_is_stopped_without_a_drain() {
        let mut state = RunState::<u8>::default();
        state.stop(true, 10);
        assert_eq!(state.take_next(), Some(Next::Stop));
    }

    #[test]
    fn who_watches_while_the_encoder_drains_for_a_stop_gets_it_started_again() {
        let mut state = RunState::<u8>::default();
        state.stop(false, 10);
        state.stop_sent(true);
        assert!(!state.watched() && state.only_drains());
        state.drained();
        assert_eq!(state.take_next(), Some(Next::Resume));
    }

    #[test]
    fn a_change_comes_before_a_stop_and_needs_no_drain_of_an_idle_encoder() {
        let mut state = RunState::default();
        state.stop(false, 10);
        state.reconfigure('a', false, 20).unwrap();
        assert_eq!(state.deadline_ns(), Some(10));
        state.drained();
        assert_eq!(state.take_next(), Some(Next::Reconfigure('a')));
        assert!(state.takes_frames());
        // One that waits is not forgotten for a stop, nor for who watches.
        state.reconfigure('b', false, 30).unwrap();
        state.stop(false, 40);
        assert!(!state.watched() && !state.may_attach());
        assert_eq!(state.request(), Some(&'b'));
        let mut state = RunState::default();
        state.stop(true, 10);
        assert_eq!(state.take_next(), Some(Next::Stop));
        state.reconfigure('c', false, 20).unwrap();
        assert_eq!(state.take_next(), Some(Next::Reconfigure('c')));
    }

    #[test]
    fn the_end_of_an_idle_engine_waits_for_nothing() {
        let mut state = RunState::<u8>::default();
        state.stop(true, 10);
        assert_eq!(state.take_next(), Some(Next::Stop));
        state.end(50);
        assert_eq!(state.ended(), Some(true));
        // One that is about to be idle drains for its end.
        let mut state = RunState::<u8>::default();
        state.stop(false, 10);
        state.end(50);
        assert_eq!((state.ended(), state.deadline_ns()), (None, Some(50)));
        assert!(!state.watched() && state.ending());
    }
}
