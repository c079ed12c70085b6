//! Whether players learn the colour that the encoder was set to: from the parameter set in its stream, not from its word.
//!
//! Knows when to look, and logs it once. What a parameter set signals is `media::sps`' business.

use crate::engine::publisher::Publisher;
use crate::log::note;
use crate::media::colour::{Unsignalled, unsignalled};
use crate::media::fourcc::Fourcc;
use crate::media::sps::find_sps;
use crate::text::Escaped;
use crate::v4l2::negotiate::Wanted;

/// What the log says of colour that the stream does not signal.
#[derive(Debug, Default)]
pub struct ColourCheck {
    logged: Option<Unsignalled>,
}

impl ColourCheck {
    /// Looks at the codec headers that came. Logs one line when they do not signal what was set; again when it is something else.
    pub fn inspect(&mut self, sink: &mut Publisher<'_>, wanted: &Wanted, device: Escaped<'_>) {
        let Some(headers) = sink.latest_headers() else {
            return;
        };
        if wanted.codec != Fourcc::H264 {
            return;
        }
        let Some(sps) = find_sps(headers) else {
            return;
        };
        let found = unsignalled(wanted.colour, wanted.format, &sps);
        if let Some(found) = found
            && self.logged != Some(found)
        {
            note!(warn, "{device}: {found}");
            self.logged = Some(found);
        }
    }
}
