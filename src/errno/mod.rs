//! Errnos: their names, and what they mean of which call. Knows no descriptor and makes no call.

pub mod call;
pub mod name;
