//! The EDID that the user asks for: read from a file, or made. Knows files; what an EDID is, `media::edid` knows.

use arrayvec::ArrayVec;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};

use crate::errno::name::Explained;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::log::note;
use crate::media::edid::{BLOCK, BLOCKS, check, correct_checksums, of_mode};
use crate::text::Escaped;
use crate::types::devices::EdidChoice;

/// Room for the largest one.
pub(super) type EdidBytes = ArrayVec<u8, { BLOCKS * BLOCK }>;

/// Puts it into `to`, if there is to be one.
///
/// # Errors
/// When the file cannot be read, or is none.
#[inline(never)]
pub(super) fn load<'a>(
    choice: Option<EdidChoice<'_>>,
    to: &'a mut EdidBytes,
) -> Result<Option<&'a [u8]>, Failure> {
    match choice {
        None => return Ok(None),
        // It has half of the room.
        Some(EdidChoice::Mode(mode)) => to.extend(of_mode(&mode)),
        Some(EdidChoice::File(path)) => {
            let name = Escaped(path.to_bytes());
            // One byte more than there is room for, so that too long a file is noticed.
            let mut bytes = [0; BLOCKS * BLOCK + 1];
            let mut length = 0;
            let read_all =
                open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).and_then(|file| {
                    loop {
                        match read(&file, &mut bytes[length..]) {
                            Ok(0) => return Ok(()),
                            Ok(count) => length += count,
                            Err(Errno::INTR) => {}
                            Err(errno) => return Err(errno),
                        }
                    }
                });
            read_all.map_err(|errno| {
                failure!(Exit::Input, "cannot read {name}: {}", Explained(errno))
            })?;
            check(&bytes[..length])
                .map_err(|error| failure!(Exit::Input, "{name}: {length} bytes: {error}"))?;
            let corrected = correct_checksums(&mut bytes[..length]);
            if corrected > 0 {
                note!(
                    warn,
                    "{name}: wrong checksum in {corrected} of its blocks: corrected"
                );
            }
            to.extend(bytes[..length].iter().copied());
        }
    }
    Ok(Some(&*to))
}
