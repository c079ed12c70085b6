//! What the bytes mean: raw frame layouts, coded bitstreams, Y4M and the test pattern; and the containers that `tap` writes. Pure: no file, no fd, no clock.

mod bits;
pub mod bitstream;
pub mod boxes;
pub mod coded_frame;
pub mod colour;
pub mod edid;
pub mod format;
pub mod format_set;
pub mod fourcc;
pub mod gop;
pub mod h264;
pub mod hevc;
pub mod layout;
pub mod magic;
pub mod memsink;
pub mod mp4;
pub mod nal;
pub mod names;
pub mod pattern;
pub mod record;
pub mod rows;
pub mod size;
pub mod source;
pub mod sps;
pub mod timeline;
pub mod ts;
pub mod y4m;
