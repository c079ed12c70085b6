//! `framemill stat`.
use crate::cli::StatOptions;
use crate::error::Failure;

#[inline(never)]

pub(super) fn stat(_options: &StatOptions<'_>) -> Result<(), Failure> {
    Ok(())
}
