//! `framemill probe`.
use crate::cli::ProbeOptions;
use crate::error::Failure;

#[inline(never)]

pub(super) fn probe(_options: &ProbeOptions<'_>) -> Result<(), Failure> {
    Ok(())
}
