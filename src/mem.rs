//! memcpy and its like: bytes copied, set, compared and counted, with the contracts of C's functions of these names.
//!
//! Knows addresses and counts. There is no C library in the program: `entry` gives these to the compiler, which calls them. The loops
//! are written so that the compiler cannot take them for the very functions that they are.
#![expect(unsafe_code, reason = "what references and slices are made of")]

/// Copies `count` bytes, which others may be reading or writing meanwhile. From an end to another that lies before it they may overlap.
///
/// In Rust's terms each byte is loaded and stored by itself, atomically and relaxed. Done like that, a frame would take ten times as long;
/// slices are for memory that nobody else writes to. So the copy is written in the processor's own words, of which
/// the compiler assumes nothing.
///
/// # Safety
/// `count` bytes are mapped at `from` and at `to`, the latter writable, and no reference in use says that nobody else writes to the one
/// or reads the other.
#[inline]
pub unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { copy_words(from, to, count) };
}

/// Four pairs are loaded before the first is stored: the source may be uncached, where each load takes long and four take no longer.
///
/// # Safety
/// As for `copy`.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: reads `count` bytes from `from` and writes them to `to`, which the caller vouches for; touches nothing else.
    unsafe {
        core::arch::asm!(
            "subs {n}, {n}, #64",
            "b.lo 3f",
            "2: ldp {a}, {b}, [{from}], #64",
            "ldp {c}, {d}, [{from}, #-48]",
            "ldp {e}, {f}, [{from}, #-32]",
            "ldp {g}, {h}, [{from}, #-16]",
            "stp {a}, {b}, [{to}], #64",
            "stp {c}, {d}, [{to}, #-48]",
            "stp {e}, {f}, [{to}, #-32]",
            "stp {g}, {h}, [{to}, #-16]",
            "subs {n}, {n}, #64",
            "b.hs 2b",
            "3: add {n}, {n}, #64",
            // What is left: eight bytes at a time, then one.
            "4: subs {n}, {n}, #8",
            "b.lo 5f",
            "ldr {a}, [{from}], #8",
            "str {a}, [{to}], #8",
            "b 4b",
            "5: adds {n}, {n}, #8",
            "b.eq 7f",
            "6: ldrb {a:w}, [{from}], #1",
            "strb {a:w}, [{to}], #1",
            "subs {n}, {n}, #1",
            "b.ne 6b",
            "7:",
            n = inout(reg) count => _,
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            e = out(reg) _, f = out(reg) _, g = out(reg) _, h = out(reg) _,
            options(nostack),
        );
    }
}

/// The source is read in bursts of eight words, which must be aligned: it may be uncached. Linux lets single words be stored anywhere
/// from ARMv6 on. The instructions are the same in ARM and in Thumb-2.
///
/// # Safety
/// As for `copy`.
#[cfg(target_arch = "arm")]
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: reads `count` bytes from `from` and writes them to `to`, which the caller vouches for; touches nothing else.
    unsafe {
        core::arch::asm!(
            "2: cmp r0, #0",
            "beq 9f",
            "tst r1, #3",
            "beq 3f",
            "ldrb r3, [r1], #1",
            "strb r3, [r2], #1",
            "subs r0, r0, #1",
            "b 2b",
            "3: subs r0, r0, #32",
            "blo 5f",
            "ldmia r1!, {{r3, r4, r5, r8, r9, r10, r12, lr}}",
            "tst r2, #3",
            "bne 4f",
            "stmia r2!, {{r3, r4, r5, r8, r9, r10, r12, lr}}",
            "b 3b",
            "4: str r3, [r2], #4",
            "str r4, [r2], #4",
            "str r5, [r2], #4",
            "str r8, [r2], #4",
            "str r9, [r2], #4",
            "str r10, [r2], #4",
            "str r12, [r2], #4",
            "str lr, [r2], #4",
            "b 3b",
            // What is left: four bytes at a time, then one.
            "5: adds r0, r0, #28",
            "bmi 7f",
            "6: ldr r3, [r1], #4",
            "str r3, [r2], #4",
            "subs r0, r0, #4",
            "bpl 6b",
            "7: adds r0, r0, #4",
            "beq 9f",
            "8: ldrb r3, [r1], #1",
            "strb r3, [r2], #1",
            "subs r0, r0, #1",
            "bne 8b",
            "9:",
            inout("r0") count => _,
            inout("r1") from => _,
            inout("r2") to => _,
            out("r3") _, out("r4") _, out("r5") _, out("r8") _,
            out("r9") _, out("r10") _, out("r12") _, out("lr") _,
            options(nostack),
        );
    }
}

/// Processors have an instruction for it.
///
/// # Safety
/// As for `copy`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: reads `count` bytes from `from` and writes them to `to`, which the caller vouches for; touches nothing else. The direction flag is clear, as everywhere in Rust.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") count => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Nobody has written it in these processors' words.
///
/// # Safety
/// As for `copy`.
#[cfg(not(any(target_arch = "aarch64", target_arch = "arm", target_arch = "x86_64")))]
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, count: usize) {
    for index in 0..count {
        use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
        // SAFETY: one of the `count` bytes that the caller vouches for.
        let from = unsafe { from.add(index) };
        // SAFETY: as above.
        let to = unsafe { to.add(index) };
        // SAFETY: mapped; a byte may be viewed as an atomic one.
        let byte = unsafe { AtomicU8::from_ptr(from.cast_mut()) }.load(Relaxed);
        // SAFETY: as above, and writable.
        unsafe { AtomicU8::from_ptr(to) }.store(byte, Relaxed);
    }
}

/// Copies `count` bytes, which may overlap in any way.
///
/// # Safety
/// As for `copy`.
#[inline]
pub unsafe fn copy_overlapping(from: *const u8, to: *mut u8, mut count: usize) {
    if to.addr().wrapping_sub(from.addr()) >= count {
        // SAFETY: the caller's promise; what is read lies before `to`'s end only if it lies behind `to`.
        return unsafe { copy(from, to, count) };
    }
    while count > 0 {
        count -= 1;
        opaque();
        // SAFETY: one of the `count` bytes that the caller vouches for.
        let byte = unsafe { *from.wrapping_add(count) };
        // SAFETY: as above, and writable.
        unsafe { *to.wrapping_add(count) = byte };
    }
}

/// Sets `count` bytes, eight words at a time where there are so many.
///
/// # Safety
/// They are mapped, writable and the caller's alone.
#[inline]
pub unsafe fn set(mut to: *mut u8, byte: u8, count: usize) {
    const WORD: usize = size_of::<usize>();
    type Line = [usize; 8];
    let end = to.wrapping_add(count);
    let mut word = usize::MAX / 0xff * usize::from(byte);
    // SAFETY: no instruction. What the compiler does not know to be one byte again and again it does not set by this function.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) word, options(nostack, preserves_flags)) };
    while to != end && !to.addr().is_multiple_of(WORD) {
        opaque();
        // SAFETY: one of the `count` bytes.
        unsafe { *to = byte };
        to = to.wrapping_add(1);
    }
    while end.addr() - to.addr() >= size_of::<Line>() {
        opaque();
        // SAFETY: eight words of the `count` bytes, and aligned.
        unsafe { *to.cast::<Line>() = [word, word, word, word, word, word, word, word] };
        to = to.wrapping_add(size_of::<Line>());
    }
    while end.addr() - to.addr() >= WORD {
        opaque();
        // SAFETY: a word of the `count` bytes, and aligned.
        unsafe { *to.cast::<usize>() = word };
        to = to.wrapping_add(WORD);
    }
    while to != end {
        opaque();
        // SAFETY: one of the `count` bytes.
        unsafe { *to = byte };
        to = to.wrapping_add(1);
    }
}

/// The difference of the first two bytes that differ; 0 when there are none.
///
/// # Safety
/// `count` bytes can be read at both, and nobody writes to them.
#[inline]
pub unsafe fn compare(one: *const u8, other: *const u8, count: usize) -> i32 {
    for index in 0..count {
        opaque();
        // SAFETY: one of the `count` bytes.
        let byte = unsafe { *one.wrapping_add(index) };
        // SAFETY: as above.
        let against = unsafe { *other.wrapping_add(index) };
        if byte != against {
            return i32::from(byte) - i32::from(against);
        }
    }
    0
}

/// Bytes before the first that is zero.
///
/// # Safety
/// There is one, all before it can be read, and nobody writes to them.
#[inline]
pub unsafe fn length(text: *const u8) -> usize {
    let mut count = 0;
    // SAFETY: no byte before this one was zero, so it belongs to the text.
    while unsafe { *text.wrapping_add(count) } != 0 {
        opaque();
        count += 1;
    }
    count
}

/// In a loop: the compiler makes no call of a library's function of it.
#[inline(always)]
fn opaque() {
    // SAFETY: no instruction.
    unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const BYTES: usize = 300;

    fn memory() -> Vec<u8> {
        (0..BYTES).map(|index| index as u8 ^ 0x5a).collect()
    }

    proptest! {
        #[test]
        fn overlapping_bytes_are_copied_as_the_standard_library_does(
            (count, from, to) in (0..200usize).prop_flat_map(|count| (Just(count), 0..BYTES - count, 0..BYTES - count))
        ) {
            let (mut ours, mut theirs) = (memory(), memory());
            let start = ours.as_mut_ptr();
            // SAFETY: `count` bytes of the vector each.
            unsafe { copy_overlapping(start.wrapping_add(from), start.wrapping_add(to), count) };
            theirs.copy_within(from..from + count, to);
            prop_assert_eq!(&ours, &theirs);
            if to <= from || to >= from + count {
                let mut forward = memory();
                let start = forward.as_mut_ptr();
                // SAFETY: as above, and `to` lies before `from` or behind all of it.
                unsafe { copy(start.wrapping_add(from), start.wrapping_add(to), count) };
                prop_assert_eq!(forward, theirs);
            }
        }

        #[test]
        fn so_many_bytes_are_set_and_no_others(count in 0..200usize, at in 0..100usize, byte: u8) {
            let (mut ours, mut theirs) = (memory(), memory());
            // SAFETY: `count` bytes of the vector.
            unsafe { set(ours.as_mut_ptr().wrapping_add(at), byte, count) };
            theirs[at..at + count].fill(byte);
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn the_first_difference_counts(one: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let mut other = one.clone();
            if !other.is_empty() {
                let at = at.index(other.len());
                other[at] = byte;
            }
            // SAFETY: that many bytes of both.
            let answer = unsafe { compare(one.as_ptr(), other.as_ptr(), one.len()) };
            prop_assert_eq!(answer.cmp(&0), one.cmp(&other));
        }

        #[test]
        fn a_text_ends_at_its_first_zero(count in 0..100usize) {
            let mut text = vec![7; count];
            text.extend([0, 1, 0]);
            // SAFETY: there is a zero in it.
            prop_assert_eq!(unsafe { length(text.as_ptr()) }, count);
        }
    }
}
