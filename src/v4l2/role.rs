//! What a memory-to-memory device is for, as the formats of its two queues say.
//!
//! Knows lists of formats. Sets nothing on a device.

use super::abi::{FMT_FLAG_COMPRESSED, Queue};
use super::device::Device;
use crate::media::fourcc::Fourcc;

/// What a device is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Raw in, coded out.
    Encoder,
    /// Coded in, raw out.
    Decoder,
    /// The same, but its client has to parse each frame's headers.
    StatelessDecoder,
    /// Raw to raw.
    Converter,
}

/// Coded formats of stateless decoders, in which a frame's headers are not: H.264, HEVC, MPEG-2, VP8, VP9, AV1 and FWHT. That a queue takes
/// requests would be no sign: vim2m takes them, too.
const STATELESS: [Fourcc; 7] = [
    Fourcc::new(*b"S264"),
    Fourcc::new(*b"S265"),
    Fourcc::new(*b"MG2S"),
    Fourcc::new(*b"VP8F"),
    Fourcc::new(*b"VP9F"),
    Fourcc::new(*b"AV1F"),
    Fourcc::new(*b"SFWH"),
];

/// What a queue has of each kind.
#[derive(Clone, Copy, Default)]
struct Kinds {
    raw: bool,
    coded: bool,
    stateless: bool,
}

impl Role {
    /// What a device is for; `None` when its lists do not say.
    #[must_use]
    pub fn of(device: &Device) -> Option<Self> {
        Self::with(kinds(device, Queue::Output), kinds(device, Queue::Capture))
    }

    fn with(output: Kinds, capture: Kinds) -> Option<Self> {
        if output.raw && capture.coded {
            Some(Self::Encoder)
        } else if output.stateless {
            Some(Self::StatelessDecoder)
        } else if output.coded {
            Some(Self::Decoder)
        } else {
            (output.raw && capture.raw).then_some(Self::Converter)
        }
    }

    /// One word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder | Self::StatelessDecoder => "decoder",
            Self::Converter => "converter",
        }
    }
}

#[inline(never)]
fn kinds(device: &Device, queue: Queue) -> Kinds {
    let mut kinds = Kinds::default();
    for format in device.formats(queue) {
        let coded = format.flags & FMT_FLAG_COMPRESSED != 0;
        kinds.coded |= coded;
        kinds.raw |= !coded;
        kinds.stateless |= coded && STATELESS.contains(&format.pixelformat);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_queues_say_what_a_device_is_for() {
        let kinds = |raw, coded, stateless| Kinds {
            raw,
            coded,
            stateless,
        };
        let (raw, coded) = (kinds(true, false, false), kinds(false, true, false));
        let stateless = kinds(false, true, true);
        for (output, capture, role) in [
            (raw, coded, Some(Role::Encoder)),
            // One that passes raw frames through, too.
            (raw, kinds(true, true, false), Some(Role::Encoder)),
            (coded, raw, Some(Role::Decoder)),
            (stateless, raw, Some(Role::StatelessDecoder)),
            (raw, raw, Some(Role::Converter)),
            (Kinds::default(), Kinds::default(), None),
            (raw, Kinds::default(), None),
        ] {
            assert_eq!(Role::with(output, capture), role);
        }
    }
}
