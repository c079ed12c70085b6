//! What a particular driver must be spared. Each entry is a fact that its users reported, with where they did.
//!
//! Knows drivers by the name they give themselves. Everything else treats all encoders alike.

/// One driver's peculiarities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Lowest frame rate to declare, frames per second: the firmware hangs below it.
    pub rate_min: u32,
    /// A key-frame period of 1 hangs the firmware: key frames are forced one by one instead.
    pub period_of_one_hangs: bool,
    /// A constant bit rate does not go with profile High: streaming does not start.
    pub cbr_excludes_high: bool,
    /// Macroblocks per second that the firmware is specified for.
    pub macroblocks_max: u64,
}

/// No peculiarities.
const NONE: Quirks = Quirks {
    rate_min: 0,
    period_of_one_hangs: false,
    cbr_excludes_high: false,
    macroblocks_max: u64::MAX,
};

/// The Raspberry Pi's, up to the Pi 4: raspberrypi/linux issues 4739 and 4740 (low rates, period of 1), 3974 and 4738
/// (constant bit rate), 6045 (1080p at 30 frames/s is what it is specified for).
const BCM2835_CODEC: Quirks = Quirks {
    rate_min: 9,
    period_of_one_hangs: true,
    cbr_excludes_high: true,
    macroblocks_max: 245_760,
};

/// The peculiarities of the driver with this name.
#[must_use]
pub fn of(driver: &[u8]) -> &'static Quirks {
    match driver {
        b"bcm2835-codec" => &BCM2835_CODEC,
        _ => &NONE,
    }
}
