//! Boxes of ISO/IEC 14496-12 (4.2) from templates of bytes.
//!
//! Knows how boxes nest, and fills in their sizes. Never knows what a box means: `mp4` has the templates.

use arrayvec::ArrayVec;

use crate::limits::CODEC_HEADER_BYTES;

/// Bytes of a template: `(` begins a box, whose name comes next, and `)` ends it; `0x80 + n` are n zeros; `0xc0 + n` is the value of
/// number n, 32 bits, the highest first; `INSERT` the bytes to be inserted, `ESCAPE` the byte behind it. All others are themselves.
const ZEROS: u8 = 0x80;
const VALUES: u8 = 0xc0;
const INSERT: u8 = 0xe0;
const ESCAPE: u8 = 0xf0;

/// How deep boxes nest: `moov/trak/mdia/minf/stbl/stsd/avc1/avcC`.
const DEPTH: usize = 8;

/// Most bytes of boxes: those that hold codec headers, and 640 others.
const ROOM: usize = CODEC_HEADER_BYTES + 640;

/// Bytes being put together.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    bytes: ArrayVec<u8, ROOM>,
    /// Something had no room.
    full: bool,
}

impl Boxes {
    /// Appends bytes.
    #[inline(never)]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.full |= self.bytes.try_extend_from_slice(bytes).is_err();
    }

    /// Appends what a template says.
    #[inline(never)]
    pub(super) fn append(&mut self, template: &[u8], values: &[u32], insert: &[u8]) {
        let mut begun = ArrayVec::<usize, DEPTH>::new();
        let mut escaped = false;
        for byte in template {
            match byte {
                _ if escaped => {
                    escaped = false;
                    self.put(&[*byte]);
                }
                b'(' => {
                    begun.push(self.bytes.len());
                    self.put(&[0; 4]);
                }
                b')' => self.close(begun.pop()),
                &ESCAPE => escaped = true,
                &INSERT => self.put(insert),
                VALUES.. => self.put(&values[usize::from(byte - VALUES)].to_be_bytes()),
                ZEROS.. => self.put(&[0; 64][..usize::from(byte - ZEROS)]),
                _ => self.put(&[*byte]),
            }
        }
    }

    /// Fills in the size of the box that begins there.
    fn close(&mut self, begin: Option<usize>) {
        let size = self.bytes.len() - begin.unwrap_or_default();
        if let Some(place) = begin.and_then(|at| self.bytes.get_mut(at..at + 4)) {
            place.copy_from_slice(&(size as u32).to_be_bytes());
        }
    }

    /// All bytes; `None` when there was no room for some.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        (!self.full).then_some(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_nest_and_have_their_sizes() {
        let mut boxes = Boxes::default();
        boxes.put(b"-");
        let template = b"(outr\x83\x01(innr\xc1\xe0)(none)\xf0\xff)";
        boxes.append(template, &[9, 0x0102_0304], b"xy");
        let expected =
            b"-\0\0\0\x23outr\0\0\0\x01\0\0\0\x0einnr\x01\x02\x03\x04xy\0\0\0\x08none\xff";
        assert_eq!(boxes.whole(), Some(&expected[..]));
    }

    #[test]
    fn what_has_no_room_is_told() {
        let mut boxes = Boxes::default();
        boxes.put(&[0; ROOM - 8]);
        boxes.append(b"(abcd)", &[], b"");
        assert_eq!(boxes.whole().unwrap().len(), ROOM);
        boxes.append(b"(abcd)", &[], b"");
        assert_eq!(boxes.whole(), None);
    }
}
