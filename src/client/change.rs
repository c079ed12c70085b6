//! Changes to an engine that is running: one message, one answer, one connection. Knows no driver: what came of
//! it is the engine's word.

use super::{ClientError, EngineAddress, ask};
use crate::control::message::{Change, Message, Outcome};
use crate::limits::ANSWER_MS;

/// Asks the engine for a change, and gives what came of it. The encoder goes on meanwhile; nothing is torn down.
///
/// # Errors
/// When there is no engine, it is ending, or it is of another version.
pub fn change<'a>(
    engine: impl Into<EngineAddress<'a>>,
    change: Change,
) -> Result<Outcome, ClientError> {
    match ask(&engine.into(), ANSWER_MS, &Message::Change(change), &[])? {
        (_, Message::Changed(outcome), _) => Ok(outcome),
        _ => Err(ClientError::Protocol),
    }
}
