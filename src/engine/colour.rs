//! Whether players learn the colour that the encoder was set to: from the parameter set in its stream, not from its word.
//!
//! Knows when to look, and says it once. What a parameter set signals is `media::sps`' business.

use crate::engine::engine::Engine;
use crate::engine::life::Life;
use crate::log::note;
use crate::media::colour::unsignalled;
use crate::media::fourcc::Fourcc;
use crate::media::sps::find_sps;

impl Engine<'_> {
    /// Looks at the codec headers that came. Logs one line when they do not signal what was set; again when it is something else.
    pub(super) fn inspect_colour(&mut self, life: &mut Life) {
        let wanted = self.memory.wanted();
        let Some(headers) = self.publisher.latest_headers() else {
            return;
        };
        if wanted.codec != Fourcc::H264 {
            return;
        }
        let Some(sps) = find_sps(headers) else {
            return;
        };
        let found = unsignalled(wanted.colour, wanted.format, &sps);
        if found.is_some() && found != life.unsignalled {
            if let Some(unsignalled) = found {
                note!(warn, "{}: {unsignalled}", self.session.path);
            }
            life.unsignalled = found;
        }
    }
}
