//! Changes to an engine that is running: one message, one answer, one connection. Knows no driver: what came of
//! it is the engine's word.

use super::{ClientError, ask};
use crate::control::SocketName;
use crate::control::message::{Change, Message, Outcome};
use crate::limits::ANSWER_MS;

/// Asks the engine for a change, and gives what came of it. The encoder goes on meanwhile; nothing is torn down.
///
/// # Errors
/// When there is no engine, it is ending, or it is of another version.
pub fn change(engine: &SocketName<'_>, change: Change) -> Result<Outcome, ClientError> {
    match ask(engine, ANSWER_MS, &Message::Change(change), &[])? {
        (_, Message::Changed(outcome), _) => Ok(outcome),
        _ => Err(ClientError::Protocol),
    }
}
