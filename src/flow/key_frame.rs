//! When the encoder is asked to make a key frame. Pure: time is an argument, ns of `CLOCK_MONOTONIC`.
//!
//! Requests are merged, and key frames on request are at least `KEY_FRAME_PAUSE_MS` apart. Knows requests and answers, whatever error `E`
//! an encoder refuses with; how it is asked is the stage's business.

use crate::limits::KEY_FRAME_PAUSE_MS;
use crate::time::MS;

/// The key frame that was requested.
#[derive(Clone, Copy, Debug)]
pub struct KeyFrame<E> {
    requested: bool,
    /// Every frame is to be one.
    always: bool,
    /// When the encoder was last asked to make one, ns; `None` before.
    forced_ns: Option<u64>,
    /// Why it refused the last time; `None`: it did not.
    refusal: Option<E>,
}

impl<E: Copy> KeyFrame<E> {
    /// None is requested yet. `always`: every frame is to be one, by force.
    #[must_use]
    pub fn new(always: bool) -> Self {
        Self {
            requested: false,
            always,
            forced_ns: None,
            refusal: None,
        }
    }

    /// Somebody requests one.
    pub fn request(&mut self) {
        self.requested = true;
    }

    /// Whether every frame is to be one, by force.
    #[must_use]
    pub fn always(&self) -> bool {
        self.always
    }

    /// Whether every frame is to be one from now on.
    pub fn set_always(&mut self, always: bool) {
        self.always = always;
    }

    /// Whether the encoder is to be asked now, before the next frame is queued. One that refused is asked again after the pause.
    #[must_use]
    pub fn due(&self, now_ns: u64) -> bool {
        let pause = u64::from(KEY_FRAME_PAUSE_MS) * MS;
        let rested = self
            .forced_ns
            .is_none_or(|at| now_ns.saturating_sub(at) >= pause);
        (self.always && self.refusal.is_none()) || ((self.requested || self.always) && rested)
    }

    /// The encoder answered. Whether it refused for the first time in a row.
    pub fn answered(&mut self, answer: Result<(), E>, now_ns: u64) -> bool {
        let first = answer.is_err() && self.refusal.is_none();
        self.requested &= answer.is_err();
        self.refusal = answer.err();
        self.forced_ns = Some(now_ns);
        first
    }

    /// Why the encoder refused the latest one; `None`: it did not.
    #[must_use]
    pub fn refusal(&self) -> Option<E> {
        self.refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: u64 = KEY_FRAME_PAUSE_MS as u64 * MS;

    #[test]
    fn requests_are_merged_and_a_pause_apart() {
        let mut key = KeyFrame::<()>::new(false);
        assert!(!key.due(0));
        key.request();
        key.request();
        assert!(key.due(0));
        assert!(!key.answered(Ok(()), 0));
        assert!(!key.due(PAUSE), "both were one");
        key.request();
        assert!(!key.due(PAUSE - 1) && key.due(PAUSE));
    }

    #[test]
    fn an_encoder_that_refuses_is_asked_again_after_the_pause_and_reported_once() {
        for always in [false, true] {
            let mut key = KeyFrame::new(always);
            key.request();
            assert!(key.answered(Err(()), 5));
            assert_eq!(key.refusal(), Some(()));
            assert!(!key.due(4 + PAUSE) && key.due(5 + PAUSE));
            assert!(!key.answered(Err(()), 5 + PAUSE));
            assert!(!key.answered(Ok(()), 5 + 2 * PAUSE));
            assert_eq!(key.refusal(), None);
            assert_eq!(key.due(6 + 2 * PAUSE), always);
        }
    }

    #[test]
    fn where_every_frame_is_one_there_is_no_pause() {
        let mut key = KeyFrame::<()>::new(true);
        assert!(key.due(0));
        key.answered(Ok(()), 0);
        assert!(key.due(1));
        key.set_always(false);
        assert!(!key.due(1));
    }
}
