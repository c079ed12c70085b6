//! Finds a function in the image that the kernel maps into each process (vdso(7)): with it a clock is read in a tenth of a system call's time.
//!
//! Knows ELF's tables, and checks each offset in them. Must never know an address: whoever calls what was found does.

/// Bytes of the image that hold its header and the table of what is mapped, at least: it begins at a page.
pub const HEADER_BYTES: usize = 4096;

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const STT_FUNC: u64 = 2;
const SYMBOL_BYTES: usize = 24;
/// Most symbols that are looked at; kernels have about ten.
const SYMBOLS: usize = 64;

/// A number of `bytes` bytes at `at`.
fn number(image: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let place = image.get(at..at.checked_add(bytes)?)?;
    Some(
        place
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
    )
}

fn offset(image: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number(image, at, 8)?).ok()
}

/// Where in the image a segment of this kind begins, and the bytes that it has in memory. Addresses in an image that can lie anywhere
/// are offsets.
fn segment(image: &[u8], kind: u64) -> Option<(usize, usize)> {
    // A 64-bit image, least significant byte first.
    if !image.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (
        offset(image, 32)?,
        number(image, 54, 2)?,
        number(image, 56, 2)?,
    );
    (0..count).find_map(|index| {
        let at = table.checked_add(usize::try_from(index * size).ok()?)?;
        let same =
            number(image, at, 4)? == kind && number(image, at + 8, 8) == number(image, at + 16, 8);
        same.then_some((offset(image, at + 16)?, offset(image, at + 40)?))
    })
}

/// Bytes of the whole image, from its first `HEADER_BYTES`.
#[must_use]
pub fn length(header: &[u8]) -> Option<usize> {
    segment(header, PT_LOAD)
        .filter(|&(start, _)| start == 0)
        .map(|(_, bytes)| bytes)
}

/// Where in the image the function of this name begins.
#[must_use]
pub fn function(image: &[u8], name: &[u8]) -> Option<usize> {
    let (dynamic, bytes) = segment(image, PT_DYNAMIC)?;
    let entry = |tag| {
        let places = (dynamic..dynamic.checked_add(bytes)?).step_by(16);
        let mut found = places
            .take(SYMBOLS)
            .filter(|&at| number(image, at, 8) == Some(tag));
        offset(image, found.next()? + 8)
    };
    let (symbols, names) = (entry(DT_SYMTAB)?, entry(DT_STRTAB)?);
    // How many there are says a hash table, of which there are two kinds; their names follow them in any case.
    let count = names.checked_sub(symbols)? / SYMBOL_BYTES;
    (0..count.min(SYMBOLS)).find_map(|index| {
        let at = symbols + index * SYMBOL_BYTES;
        let start = names.checked_add(usize::try_from(number(image, at, 4)?).ok()?)?;
        let text = image.get(start..)?.strip_prefix(name)?;
        let defined = number(image, at + 4, 1)? & 0xf == STT_FUNC && number(image, at + 6, 2)? != 0;
        let place = offset(image, at + 8)?;
        (text.first() == Some(&0) && defined && place < image.len()).then_some(place)
    })
}

#[cfg(all(test, target_pointer_width = "64", not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::{File, read};
    use std::os::unix::fs::FileExt;
    use std::vec::Vec;

    /// This process's own image.
    fn image() -> Vec<u8> {
        const AT_SYSINFO_EHDR: u64 = 33;
        let words = read("/proc/self/auxv").unwrap();
        let word = |at: usize| number(&words, at, 8).unwrap();
        let at = (0..words.len())
            .step_by(16)
            .find(|&at| word(at) == AT_SYSINFO_EHDR);
        let address = word(at.expect("a vDSO") + 8);
        let memory = File::open("/proc/self/mem").unwrap();
        let mut image = std::vec![0; HEADER_BYTES];
        memory.read_exact_at(&mut image, address).unwrap();
        image.resize(length(&image).unwrap(), 0);
        memory.read_exact_at(&mut image, address).unwrap();
        image
    }

    #[test]
    fn a_function_is_found_by_its_whole_name() {
        let image = image();
        let found = [&b"__vdso_clock_gettime"[..], b"__kernel_clock_gettime"]
            .iter()
            .filter_map(|name| function(&image, name))
            .count();
        assert_eq!(found, 1);
        assert_eq!(function(&image, b"__vdso_clock_getti"), None);
        assert_eq!(function(&image, b"__kernel_clock_getti"), None);
        assert_eq!(function(&image, b""), None);
    }

    proptest! {
        #[test]
        fn an_image_of_nonsense_gives_nothing_that_lies_outside(
            places in prop::collection::vec((0..1024usize, any::<u8>()), 1..8), length in 0..9000usize
        ) {
            let mut image = image();
            for (at, byte) in places {
                image[at] = byte;
            }
            image.truncate(length);
            let _ = super::length(&image);
            if let Some(place) = function(&image, b"__vdso_clock_gettime") {
                prop_assert!(place < image.len());
            }
        }
    }
}
