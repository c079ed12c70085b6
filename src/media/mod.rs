//! What the bytes mean: raw frame layouts, coded bitstreams, Y4M and the test pattern. Pure: no file, no fd, no clock.

pub mod bitstream;
pub mod colour;
pub mod format;
pub mod format_set;
pub mod fourcc;
pub mod gop;
pub mod h264;
pub mod layout;
pub mod magic;
pub mod names;
pub mod pattern;
pub mod rows;
pub mod size;
pub mod source;
pub mod sps;
pub mod y4m;
