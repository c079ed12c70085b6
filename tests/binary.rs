//! What the finished aarch64 program must not have: an interpreter, a dynamic section, an allocator, memory that is both
//! writable and executable, or too many bytes.
//!
//! Each check is a function over a file's bytes. It is tried on what scripts/build made, and on the same bytes with the
//! fault put in, which it has to notice.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};

/// The budget, which `scripts/build` reads, too.
const BUDGET: &str = include_str!("../linker/budget");

/// A number of the budget.
fn budget(name: &str) -> usize {
    let mut lines = BUDGET.lines();
    lines
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("linker/budget does not say {name}"))
}

/// Most bytes of the stripped file.
fn max_bytes() -> usize {
    budget("MAX_BYTES")
}

/// Most bytes after `xz -9`.
fn max_compressed_bytes() -> usize {
    budget("MAX_COMPRESSED_BYTES")
}

const STRIPPED: &str = "target/aarch64-unknown-linux-musl/release/framemill";
const UNSTRIPPED: &str = "target/aarch64-unknown-linux-musl/release/framemill.unstripped";

type Header = FileHeader64<LittleEndian>;
type Segment = ProgramHeader64<LittleEndian>;
type Verdict = Result<(), String>;

const LE: LittleEndian = LittleEndian;

fn built(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run scripts/build first", path.display()))
}

fn segments(file: &[u8]) -> &[Segment] {
    Header::parse(file)
        .unwrap()
        .program_headers(LE, file)
        .unwrap()
}

fn fails_if(fault: bool, sentence: impl Into<String>) -> Verdict {
    if fault { Err(sentence.into()) } else { Ok(()) }
}

// The checks.

fn is_a_fixed_aarch64_program(file: &[u8]) -> Verdict {
    let header = Header::parse(file).map_err(|error| error.to_string())?;
    fails_if(
        header.e_machine(LE) != elf::EM_AARCH64,
        "it is not for aarch64",
    )?;
    fails_if(
        header.e_type(LE) != elf::ET_EXEC,
        "it is not linked for a fixed address",
    )
}

fn asks_for_no_interpreter(file: &[u8]) -> Verdict {
    let asks = segments(file)
        .iter()
        .any(|one| one.p_type(LE) == elf::PT_INTERP);
    fails_if(asks, "it asks for an interpreter")
}

fn has_no_dynamic_segment(file: &[u8]) -> Verdict {
    let segment = segments(file)
        .iter()
        .any(|one| one.p_type(LE) == elf::PT_DYNAMIC);
    fails_if(segment, "it has a dynamic segment")
}

/// Of the copy with symbols: the stripped one has no section headers.
fn has_no_dynamic_section(file: &[u8]) -> Verdict {
    let sections = Header::parse(file).unwrap().sections(LE, file).unwrap();
    let section = sections
        .iter()
        .any(|one| one.sh_type(LE) == elf::SHT_DYNAMIC);
    fails_if(sections.is_empty(), "it has no sections to look at")?;
    fails_if(section, "it has a dynamic section")
}

fn has_no_writable_code(file: &[u8]) -> Verdict {
    const BOTH: u32 = elf::PF_W | elf::PF_X;
    let both = segments(file)
        .iter()
        .any(|one| one.p_type(LE) == elf::PT_LOAD && one.p_flags(LE) & BOTH == BOTH);
    fails_if(both, "a segment is writable and executable")
}

fn has_no_executable_stack(file: &[u8]) -> Verdict {
    let stack = segments(file)
        .iter()
        .find(|one| one.p_type(LE) == elf::PT_GNU_STACK);
    match stack {
        None => Err("no header describes the stack, so older kernels make it executable".into()),
        Some(stack) => fails_if(
            stack.p_flags(LE) & elf::PF_X != 0,
            "the stack is executable",
        ),
    }
}

fn is_small_enough(file: &[u8]) -> Verdict {
    let (bytes, most) = (file.len(), max_bytes());
    fails_if(
        bytes > most,
        format!("it has {bytes} bytes, at most {most} are wanted"),
    )
}

fn is_small_enough_compressed(file: &[u8]) -> Verdict {
    let (bytes, most) = (xz(file).len(), max_compressed_bytes());
    fails_if(
        bytes > most,
        format!("it has {bytes} bytes after xz -9, at most {most} are wanted"),
    )
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut xz = Command::new("xz")
        .args(["-9", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("xz runs (Debian's xz-utils)");
    let mut input = xz.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let output = xz.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn names_no_allocator(file: &[u8]) -> Verdict {
    let sections = Header::parse(file).unwrap().sections(LE, file).unwrap();
    let symbols = sections.symbols(LE, file, elf::SHT_SYMTAB).unwrap();
    let names: Vec<_> = symbols
        .iter()
        .map(|symbol| String::from_utf8_lossy(symbol.name(LE, symbols.strings()).unwrap()))
        .collect();
    // Without this a stripped file would pass.
    fails_if(
        !names.iter().any(|name| name == "_start"),
        "it has no symbols to look at",
    )?;
    let found: Vec<_> = names.iter().filter(|name| is_allocator(name)).collect();
    fails_if(!found.is_empty(), format!("it has an allocator: {found:?}"))
}

/// Of C's library by their names; of Rust by parts of mangled names, `_5alloc` being the crate `alloc`.
fn is_allocator(symbol: &str) -> bool {
    let names = "malloc calloc realloc reallocarray free aligned_alloc memalign posix_memalign valloc brk sbrk";
    let starts = "__libc_malloc __libc_calloc __libc_realloc __libc_free __malloc __simple_malloc __expand_heap";
    let parts = "__rust_alloc __rust_dealloc __rust_realloc __rdl_ __rg_ _5alloc";
    names.split(' ').any(|name| symbol == name)
        || starts.split(' ').any(|start| symbol.starts_with(start))
        || parts.split(' ').any(|part| symbol.contains(part))
}

/// The symbols that are looked at must be those of the program that is shipped.
fn is_the_same_program(stripped: &[u8], unstripped: &[u8]) -> Verdict {
    let (one, other) = (segments(stripped), segments(unstripped));
    fails_if(one.len() != other.len(), "the segments differ in number")?;
    for (one, other) in one.iter().zip(other) {
        fails_if(
            object::bytes_of(one) != object::bytes_of(other),
            "the headers of a segment differ",
        )?;
        if one.p_type(LE) == elf::PT_LOAD {
            let same = loaded(one, stripped) == loaded(other, unstripped);
            fails_if(!same, "the bytes of a segment differ")?;
        }
    }
    Ok(())
}

/// A segment's bytes, without the file's header: that one says where the sections are.
fn loaded<'file>(segment: &Segment, file: &'file [u8]) -> &'file [u8] {
    let bytes = segment.data(LE, file).unwrap();
    if segment.p_offset(LE) == 0 {
        &bytes[size_of::<Header>()..]
    } else {
        bytes
    }
}

// The faults.

/// Byte offsets within a program header, and the type's within a section header.
const P_TYPE: usize = 0;
const P_FLAGS: usize = 4;
const SH_TYPE: usize = 4;

/// Overwrites one word of the header of the first segment of that type.
fn with_segment(mut file: Vec<u8>, kind: u32, field: usize, value: u32) -> Vec<u8> {
    let index = segments(&file)
        .iter()
        .position(|one| one.p_type(LE) == kind)
        .unwrap();
    let start = Header::parse(&*file).unwrap().e_phoff(LE) as usize;
    put(
        &mut file,
        start + index * size_of::<Segment>() + field,
        value,
    );
    file
}

fn put(file: &mut [u8], offset: usize, value: u32) {
    file[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// Gives a symbol another name of the same length.
fn with_renamed_symbol(mut file: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let old = format!("\0{from}\0").into_bytes();
    let at = file
        .windows(old.len())
        .position(|bytes| bytes == old)
        .unwrap()
        + 1;
    file[at..at + to.len()].copy_from_slice(to.as_bytes());
    file
}

#[track_caller]
fn assert_noticed(verdict: Verdict, sentence: &str) {
    let noticed = verdict.expect_err("the fault was not noticed");
    assert!(
        noticed.contains(sentence),
        "noticed something else: {noticed}"
    );
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_is_a_fixed_aarch64_program() {
    assert_eq!(is_a_fixed_aarch64_program(&built(STRIPPED)), Ok(()));
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn another_machine_or_address_is_noticed() {
    // e_type and e_machine are neighbours.
    let word = |kind: u16, machine: u16| u32::from(kind) | u32::from(machine) << 16;
    let mut file = built(STRIPPED);
    put(&mut file, 16, word(elf::ET_EXEC, elf::EM_X86_64));
    assert_noticed(is_a_fixed_aarch64_program(&file), "not for aarch64");
    put(&mut file, 16, word(elf::ET_DYN, elf::EM_AARCH64));
    assert_noticed(is_a_fixed_aarch64_program(&file), "fixed address");
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_asks_for_no_interpreter() {
    assert_eq!(asks_for_no_interpreter(&built(STRIPPED)), Ok(()));
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn an_interpreter_is_noticed() {
    let file = with_segment(built(STRIPPED), elf::PT_GNU_STACK, P_TYPE, elf::PT_INTERP);
    assert_noticed(asks_for_no_interpreter(&file), "interpreter");
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_has_no_dynamic_section() {
    assert_eq!(has_no_dynamic_segment(&built(STRIPPED)), Ok(()));
    assert_eq!(has_no_dynamic_section(&built(UNSTRIPPED)), Ok(()));
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn a_dynamic_section_is_noticed() {
    let file = with_segment(built(STRIPPED), elf::PT_GNU_STACK, P_TYPE, elf::PT_DYNAMIC);
    assert_noticed(has_no_dynamic_segment(&file), "dynamic segment");

    let mut file = built(UNSTRIPPED);
    let first = Header::parse(&*file).unwrap().e_shoff(LE) as usize
        + size_of::<elf::SectionHeader64<LittleEndian>>();
    put(&mut file, first + SH_TYPE, elf::SHT_DYNAMIC);
    assert_noticed(has_no_dynamic_section(&file), "dynamic section");
    assert_noticed(has_no_dynamic_section(&built(STRIPPED)), "no sections");
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_has_no_writable_code() {
    assert_eq!(has_no_writable_code(&built(STRIPPED)), Ok(()));
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn writable_code_is_noticed() {
    let rights = elf::PF_R | elf::PF_W | elf::PF_X;
    let file = with_segment(built(STRIPPED), elf::PT_LOAD, P_FLAGS, rights);
    assert_noticed(has_no_writable_code(&file), "writable and executable");
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_has_no_executable_stack() {
    assert_eq!(has_no_executable_stack(&built(STRIPPED)), Ok(()));
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn an_executable_stack_is_noticed() {
    let rights = elf::PF_R | elf::PF_W | elf::PF_X;
    let file = with_segment(built(STRIPPED), elf::PT_GNU_STACK, P_FLAGS, rights);
    assert_noticed(has_no_executable_stack(&file), "stack is executable");
    let file = with_segment(built(STRIPPED), elf::PT_GNU_STACK, P_TYPE, elf::PT_NULL);
    assert_noticed(has_no_executable_stack(&file), "no header");
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_is_small_enough() {
    assert_eq!(is_small_enough(&built(STRIPPED)), Ok(()));
}

#[test]
fn a_byte_too_many_is_noticed() {
    assert_eq!(is_small_enough(&vec![0; max_bytes()]), Ok(()));
    assert_noticed(is_small_enough(&vec![0; max_bytes() + 1]), "bytes");
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_is_small_enough_compressed() {
    assert_eq!(is_small_enough_compressed(&built(STRIPPED)), Ok(()));
}

#[test]
fn compressed_bytes_too_many_are_noticed() {
    // A generator's bytes do not compress.
    let mut state = 1u32;
    let bytes: Vec<u8> = (0..max_compressed_bytes())
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    assert_noticed(is_small_enough_compressed(&bytes), "after xz -9");
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn it_has_no_allocator() {
    assert_eq!(names_no_allocator(&built(UNSTRIPPED)), Ok(()));
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn an_allocator_is_noticed() {
    let file = with_renamed_symbol(built(UNSTRIPPED), "memcpy", "malloc");
    assert_noticed(names_no_allocator(&file), "malloc");
    assert_noticed(names_no_allocator(&built(STRIPPED)), "no symbols");
}

#[test]
fn allocators_are_known_by_name() {
    let c = "free posix_memalign __libc_malloc_impl __malloc_donate";
    let rust = "__rust_alloc _RNvCs5tAq_7___rustc12___rust_alloc _RNvNtCsbq0m_5alloc5alloc18handle_alloc_error";
    for name in c.split(' ').chain(rust.split(' ')) {
        assert!(is_allocator(name), "{name}");
    }
    for name in
        "main memcpy __libc_start_main _RNvNtNtCs1_4core5alloc6layout _RNvCs1_9framemill4free"
            .split(' ')
    {
        assert!(!is_allocator(name), "{name}");
    }
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn the_copy_with_symbols_is_the_same_program() {
    assert_eq!(
        is_the_same_program(&built(STRIPPED), &built(UNSTRIPPED)),
        Ok(())
    );
}

#[test]
#[ignore = "looks at the aarch64 binary: scripts/build"]
fn a_copy_of_another_program_is_noticed() {
    let mut file = built(UNSTRIPPED);
    let last = segments(&file)[0].p_filesz(LE) as usize - 1;
    file[last] ^= 1;
    assert_noticed(
        is_the_same_program(&built(STRIPPED), &file),
        "bytes of a segment",
    );
}

#[test]
fn too_many_words_end_with_one_sentence() {
    let words = vec!["x"; framemill::internals::limits::ARGUMENTS];
    let run = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_framemill"))
            .args(words)
            .output()
            .unwrap()
    };
    let output = run(&words);
    assert_eq!(output.status.code(), Some(2));
    let sentence = String::from_utf8(output.stderr).unwrap();
    let most = framemill::internals::limits::ARGUMENTS;
    assert_eq!(
        sentence,
        format!(
            "framemill: {} words are more than the {most} that a command line may have\n",
            most + 1
        )
    );
    // One fewer is for the command line's own rules.
    let sentence = String::from_utf8(run(&words[1..]).stderr).unwrap();
    assert!(!sentence.contains("words are more"), "{sentence}");
}
