//! The door for tests, fuzz targets and the program's own start. It has no promise: what stands here changes without notice.
//!
//! Each name is listed, and not whole modules, because what nobody names is dead code that the compiler then finds.

#[cfg(not(loom))]
pub use not_loom::*;

#[cfg(not(loom))]
mod not_loom {
    pub mod cli {
        pub use crate::cli::{Command, parse};
    }
    pub mod command {
        pub use crate::command::{begin, main};
    }
    pub mod control {
        pub mod socket {
            pub use crate::control::socket::{Listener, Received, dial, receive_plain, send};
        }
    }
    pub mod engine {
        pub mod clients {
            pub use crate::engine::clients::table::{new_wake, signal};
        }
    }
    pub mod errno {
        pub mod name {
            pub use crate::errno::name::ERRNO_NAMES;
        }
    }
    pub mod exit {
        pub use crate::exit::Exit;
    }
    pub mod flow {
        pub mod pipeline {
            pub use crate::flow::pipeline::{Holders, Pipeline, SlotNotOwned};
        }
    }
    pub mod log {
        pub use crate::log::last_word;
    }
    pub mod media {
        pub mod bitstream {
            pub use crate::media::bitstream::{BITSTREAM_SCAN_BYTES, inspect, inspect_start};
        }
        pub mod coded_frame {
            pub use crate::media::coded_frame::{CodedFrame, ticks};
        }
        pub mod colour {
            pub use crate::media::colour::{COLORSPACES, Colour, RANGES};
        }
        pub mod format {
            pub use crate::media::format::{Content, FORMATS, RawFormat, lookup};
        }
        pub mod fourcc {
            pub use crate::media::fourcc::Fourcc;
        }
        pub mod edid {
            pub use crate::media::edid::{MODE_NAMES, MODES, of_mode};
        }
        pub mod h264 {
            pub use crate::media::h264::{level, max_bitrate, profile};
        }
        pub mod jpeg {
            pub use crate::media::jpeg::{Jpeg, JpegError, Sampling, inspect};
        }
        pub mod layout {
            pub use crate::media::layout::{FrameLayout, PlaneLayout, copy_rows};
        }
        pub mod mp4 {
            pub use crate::media::mp4::{Description, Mp4};
        }
        pub mod nal {
            pub use crate::media::nal::units;
        }
        pub mod pattern {
            pub use crate::media::pattern::{fill_row, read_frame_number};
        }
        pub mod rows {
            pub use crate::media::rows::{Rows, SPREAD_BYTES, scatter};
        }
        pub mod sps {
            pub use crate::media::sps::{VideoSignal, find_sps};
        }
        pub mod timeline {
            pub use crate::media::timeline::{Time, Timeline};
        }
        pub mod ts {
            pub use crate::media::ts::{TS_PACKET, TransportStream, null_packet};
        }
        pub mod y4m {
            pub use crate::media::y4m::{LINE_BYTES, line_end, parse_frame, parse_header};
        }
    }
    pub mod time {
        pub use crate::time::now;
        #[cfg(target_pointer_width = "64")]
        pub use crate::time::use_vdso;
    }
    pub mod types {
        pub mod control_setting {
            pub use crate::types::control_setting::{
                BitrateMode, ControlName, ControlSetting, ControlValue,
            };
        }
        pub mod devices {
            pub use crate::types::devices::{DeviceChoice, MiddleChoice};
        }
        pub mod flip {
            pub use crate::types::flip::Flip;
        }
        pub mod frame_rate {
            pub use crate::types::frame_rate::FrameRate;
        }
        pub mod memory {
            pub use crate::types::memory::MemoryChoice;
        }
        pub mod run_options {
            pub use crate::types::run_options::{LogTarget, RunOptions};
        }
        pub mod size {
            pub use crate::types::size::Size;
        }
        pub mod users {
            pub use crate::types::users::{User, Users};
        }
    }
    pub mod v4l2 {
        pub mod abi {
            pub use crate::v4l2::abi::{CONSTANTS, Constant, IOCTLS, LAYOUTS, OTHER_CONSTANTS};
        }
        pub mod encoder {
            pub use crate::v4l2::encoder::CodedBuffer;
        }
    }
}

pub mod limits {
    pub use crate::limits::*;
}
pub mod mem {
    pub use crate::mem::{compare, copy, copy_overlapping, length, set};
}
pub mod shm {
    pub mod atomic {
        pub use crate::shm::atomic::{AtomicU32, Ordering};
    }
    pub mod bytes {
        pub use crate::shm::bytes::SharedBytes;
    }
    pub mod circle {
        pub use crate::shm::circle::Bytes;
    }
    pub mod frame_ring {
        pub use crate::shm::frame_ring::{Entry, Popper, Pusher};
    }
    pub mod layout {
        pub use crate::shm::layout::{
            CodecHeaders, Cursors, Descriptor, FRAME_RING_BYTES, FrameRing, Histogram,
            PACKET_DATA_OFFSET, PacketHeader, Queue, QueueEntry, State, copy_slot_bytes, flag,
        };
    }
    #[cfg(not(loom))]
    pub mod map {
        pub use crate::shm::map::{FrameMap, PacketMap};
    }
    #[cfg(not(loom))]
    pub mod memfd {
        pub use crate::shm::memfd::sealed_memfd;
    }
    pub mod packet_ring {
        pub use crate::shm::packet_ring::{
            Next, Packet, Payload, Reader, Ring, Start, TooLarge, Writer, load_codec_headers,
            store_codec_headers,
        };
    }
    #[cfg(not(loom))]
    pub mod region {
        pub use crate::shm::region::Region;
    }
    pub mod sequence {
        pub use crate::shm::sequence::{load_whole, store_whole};
    }
    pub mod stats {
        pub use crate::shm::stats::{Counter, Stats, percentile};
    }
    pub mod word {
        pub use crate::shm::word::{Word32, Word64};
    }
}
