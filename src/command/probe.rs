//! `framemill probe`.
use crate::cli::ProbeOptions;
use crate::error::Failure;

pub(super) fn probe(_options: &ProbeOptions<'_>) -> Result<(), Failure> {
    Ok(())
}
