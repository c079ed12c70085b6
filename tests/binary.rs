//! What the finished programs must not have: an interpreter, a dynamic section, an allocator, memory that is both
//! writable and executable, instructions that their boards lack, or too many bytes.
//!
//! Each check is tried on what scripts/build made, for each target that was built, and on the same with the fault put in, which it has
//! to notice. aarch64 has to be there.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use object::elf;

mod program;
#[path = "binary/elf.rs"]
mod read;
use read::{Program, read};

/// The budget, which `scripts/build` reads, too.
const BUDGET: &str = include_str!("../linker/budget");

/// A number of the budget, aarch64's without a suffix, with the room that scripts/build gives to a core of rustup's: whether there is
/// one, only scripts/build knows.
fn budget(name: &str, target: &str) -> usize {
    let architecture = target.split('-').next().unwrap();
    let name = match architecture {
        "aarch64" => name.to_owned(),
        other => format!("{name}_{other}"),
    };
    let mut lines = BUDGET.lines();
    lines
        .find_map(|line| line.strip_prefix(&name)?.strip_prefix('='))
        .and_then(|number| number.parse().ok())
        .map(|bytes: usize| bytes * 106 / 100)
        .unwrap_or_else(|| panic!("linker/budget does not say {name}"))
}

/// Most bytes of the stripped file.
fn max_bytes(target: &str) -> usize {
    budget("MAX_BYTES", target)
}

/// Most bytes after `xz -9`.
fn max_compressed_bytes(target: &str) -> usize {
    budget("MAX_COMPRESSED_BYTES", target)
}

const AARCH64: &str = "aarch64-unknown-linux-musl";

/// The targets of scripts/build, with their machines, and the values of `Tag_CPU_arch` and `Tag_THUMB_ISA_use`: v6 is ARM1176's, and
/// v6KZ and v6K are what it has besides; 2 is Thumb-2.
type Target = (&'static str, u16, Option<(&'static [u64], &'static [u64])>);
const TARGETS: [Target; 4] = [
    (AARCH64, elf::EM_AARCH64, None),
    (
        "armv7-unknown-linux-musleabihf",
        elf::EM_ARM,
        Some((&[10], &[2])),
    ),
    (
        "arm-unknown-linux-musleabihf",
        elf::EM_ARM,
        Some((&[6, 7, 9], &[0, 1])),
    ),
    ("x86_64-unknown-linux-musl", elf::EM_X86_64, None),
];

type Verdict = Result<(), String>;

fn file(target: &str, name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::read(folder.join(target).join("release").join(name)).ok()
}

/// The stripped program and its copy with symbols.
fn built(target: &str) -> Option<(Program, Program)> {
    let stripped = read(&file(target, "framemill")?).unwrap();
    let unstripped = read(&file(target, "framemill.unstripped")?).unwrap();
    Some((stripped, unstripped))
}

fn aarch64() -> (Program, Program) {
    built(AARCH64).unwrap_or_else(|| panic!("no program for {AARCH64}; run scripts/build first"))
}

/// That every program that was built passes.
fn all_pass(check: impl Fn(&str, &Program, &Program) -> Verdict) {
    let _ = aarch64();
    for (target, ..) in TARGETS {
        if let Some((stripped, unstripped)) = built(target) {
            assert_eq!(check(target, &stripped, &unstripped), Ok(()), "{target}");
        }
    }
}

fn fails_if(fault: bool, sentence: impl Into<String>) -> Verdict {
    if fault { Err(sentence.into()) } else { Ok(()) }
}

// The checks.

fn is_a_fixed_program(target: &str, program: &Program) -> Verdict {
    let (_, machine, _) = *TARGETS.iter().find(|row| row.0 == target).unwrap();
    fails_if(
        program.machine != machine,
        format!("it is not for {target}"),
    )?;
    fails_if(
        program.kind != elf::ET_EXEC,
        "it is not linked for a fixed address",
    )
}

/// Of the copy with symbols: the stripped one has no section headers.
fn has_the_targets_instructions(target: &str, program: &Program) -> Verdict {
    const CPU_ARCH: u64 = 6;
    const THUMB_ISA_USE: u64 = 9;
    let (_, _, wanted) = *TARGETS.iter().find(|row| row.0 == target).unwrap();
    let Some((architectures, thumb)) = wanted else {
        return Ok(());
    };
    let value = |tag| {
        let found = program.attributes.iter().find(|found| found.0 == tag);
        found.map(|found| found.1)
    };
    let architecture = value(CPU_ARCH).ok_or("it does not say for which processor it is")?;
    fails_if(
        !architectures.contains(&architecture),
        format!("it is for the processors of Tag_CPU_arch {architecture}"),
    )?;
    let used = value(THUMB_ISA_USE).unwrap_or(0);
    fails_if(
        !thumb.contains(&used),
        format!("it has Thumb instructions of Tag_THUMB_ISA_use {used}"),
    )
}

fn asks_for_no_interpreter(program: &Program) -> Verdict {
    let asks = program
        .segments
        .iter()
        .any(|one| one.kind == elf::PT_INTERP);
    fails_if(asks, "it asks for an interpreter")
}

fn has_no_dynamic_segment(program: &Program) -> Verdict {
    let segment = program
        .segments
        .iter()
        .any(|one| one.kind == elf::PT_DYNAMIC);
    fails_if(segment, "it has a dynamic segment")
}

/// Of the copy with symbols.
fn has_no_dynamic_section(program: &Program) -> Verdict {
    let section = program.sections.iter().any(|one| one.0 == elf::SHT_DYNAMIC);
    fails_if(program.sections.is_empty(), "it has no sections to look at")?;
    fails_if(section, "it has a dynamic section")
}

fn has_no_writable_code(program: &Program) -> Verdict {
    const BOTH: u32 = elf::PF_W | elf::PF_X;
    let both = |one: &&read::Segment| one.kind == elf::PT_LOAD && one.flags & BOTH == BOTH;
    let both = program.segments.iter().find(both);
    fails_if(both.is_some(), "a segment is writable and executable")
}

fn has_no_executable_stack(program: &Program) -> Verdict {
    let stack = program
        .segments
        .iter()
        .find(|one| one.kind == elf::PT_GNU_STACK);
    match stack {
        None => Err("no header describes the stack, so older kernels make it executable".into()),
        Some(stack) => fails_if(stack.flags & elf::PF_X != 0, "the stack is executable"),
    }
}

fn is_small_enough(target: &str, file: &[u8]) -> Verdict {
    let (bytes, most) = (file.len(), max_bytes(target));
    fails_if(
        bytes > most,
        format!("it has {bytes} bytes, at most {most} are wanted"),
    )
}

fn is_small_enough_compressed(target: &str, file: &[u8]) -> Verdict {
    let (bytes, most) = (xz(file).len(), max_compressed_bytes(target));
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

fn names_no_allocator(program: &Program) -> Verdict {
    // Without this a stripped file would pass.
    fails_if(
        !program.symbols.iter().any(|name| name == "framemill_start"),
        "it has no symbols to look at",
    )?;
    let found: Vec<_> = program
        .symbols
        .iter()
        .filter(|name| is_allocator(name))
        .collect();
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
fn is_the_same_program(stripped: &Program, unstripped: &Program) -> Verdict {
    let (one, other) = (&stripped.segments, &unstripped.segments);
    fails_if(one.len() != other.len(), "the segments differ in number")?;
    fails_if(one != other, "a segment differs")
}

// The faults.

/// The first segment of that type.
fn segment(program: &mut Program, kind: u32) -> &mut read::Segment {
    let mut segments = program.segments.iter_mut();
    segments.find(|one| one.kind == kind).unwrap()
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
#[ignore = "looks at the built binaries: scripts/build"]
fn they_are_fixed_programs() {
    all_pass(|target, stripped, _| is_a_fixed_program(target, stripped));
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn another_machine_or_address_is_noticed() {
    let (mut program, _) = aarch64();
    program.machine = elf::EM_X86_64;
    assert_noticed(
        is_a_fixed_program(AARCH64, &program),
        "it is not for aarch64",
    );
    (program.machine, program.kind) = (elf::EM_AARCH64, elf::ET_DYN);
    assert_noticed(is_a_fixed_program(AARCH64, &program), "fixed address");
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_have_their_targets_instructions() {
    all_pass(|target, _, unstripped| has_the_targets_instructions(target, unstripped));
}

#[test]
fn other_instructions_are_noticed() {
    let program = |attributes: &[(u64, u64)]| Program {
        machine: elf::EM_ARM,
        kind: elf::ET_EXEC,
        segments: Vec::new(),
        sections: Vec::new(),
        symbols: Vec::new(),
        attributes: attributes.to_vec(),
    };
    let (v7, v6) = (TARGETS[1].0, TARGETS[2].0);
    let check = |target, attributes| has_the_targets_instructions(target, &program(attributes));
    assert_eq!(check(v7, &[(6, 10), (9, 2)]), Ok(()));
    assert_eq!(check(v6, &[(6, 9), (9, 1)]), Ok(()));
    assert_noticed(check(v6, &[(6, 10)]), "Tag_CPU_arch 10");
    assert_noticed(check(v6, &[(6, 6), (9, 2)]), "Tag_THUMB_ISA_use 2");
    assert_noticed(check(v7, &[(6, 10), (9, 1)]), "Tag_THUMB_ISA_use 1");
    assert_noticed(check(v7, &[]), "does not say");
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_ask_for_no_interpreter() {
    all_pass(|_, stripped, _| asks_for_no_interpreter(stripped));
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn an_interpreter_is_noticed() {
    let (mut program, _) = aarch64();
    segment(&mut program, elf::PT_GNU_STACK).kind = elf::PT_INTERP;
    assert_noticed(asks_for_no_interpreter(&program), "interpreter");
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_have_no_dynamic_section() {
    all_pass(|_, stripped, unstripped| {
        has_no_dynamic_segment(stripped)?;
        has_no_dynamic_section(unstripped)
    });
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn a_dynamic_section_is_noticed() {
    let (mut stripped, mut unstripped) = aarch64();
    assert_noticed(has_no_dynamic_section(&stripped), "no sections");
    segment(&mut stripped, elf::PT_GNU_STACK).kind = elf::PT_DYNAMIC;
    assert_noticed(has_no_dynamic_segment(&stripped), "dynamic segment");
    unstripped.sections[1].0 = elf::SHT_DYNAMIC;
    assert_noticed(has_no_dynamic_section(&unstripped), "dynamic section");
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_have_no_writable_code() {
    all_pass(|_, stripped, _| has_no_writable_code(stripped));
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn writable_code_is_noticed() {
    let (mut program, _) = aarch64();
    segment(&mut program, elf::PT_LOAD).flags |= elf::PF_W | elf::PF_X;
    assert_noticed(has_no_writable_code(&program), "writable and executable");
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_have_no_executable_stack() {
    all_pass(|_, stripped, _| has_no_executable_stack(stripped));
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn an_executable_stack_is_noticed() {
    let (mut program, _) = aarch64();
    let stack = segment(&mut program, elf::PT_GNU_STACK);
    stack.flags |= elf::PF_X;
    assert_noticed(has_no_executable_stack(&program), "stack is executable");
    segment(&mut program, elf::PT_GNU_STACK).kind = elf::PT_NULL;
    assert_noticed(has_no_executable_stack(&program), "no header");
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_are_small_enough() {
    all_pass(|target, _, _| is_small_enough(target, &file(target, "framemill").unwrap()));
}

#[test]
fn a_byte_too_many_is_noticed() {
    for (target, ..) in TARGETS {
        let most = max_bytes(target);
        assert_eq!(is_small_enough(target, &vec![0; most]), Ok(()));
        assert_noticed(is_small_enough(target, &vec![0; most + 1]), "bytes");
    }
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_are_small_enough_compressed() {
    all_pass(|target, _, _| {
        is_small_enough_compressed(target, &file(target, "framemill").unwrap())
    });
}

#[test]
fn compressed_bytes_too_many_are_noticed() {
    // A generator's bytes do not compress.
    let mut state = 1u32;
    let bytes: Vec<u8> = (0..max_compressed_bytes(AARCH64))
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    assert_noticed(is_small_enough_compressed(AARCH64, &bytes), "after xz -9");
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn they_have_no_allocator() {
    all_pass(|_, _, unstripped| names_no_allocator(unstripped));
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn an_allocator_is_noticed() {
    let (stripped, mut unstripped) = aarch64();
    assert_noticed(names_no_allocator(&stripped), "no symbols");
    unstripped.symbols.push("malloc".to_owned());
    assert_noticed(names_no_allocator(&unstripped), "malloc");
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
#[ignore = "looks at the built binaries: scripts/build"]
fn the_copies_with_symbols_are_the_same_programs() {
    all_pass(|_, stripped, unstripped| is_the_same_program(stripped, unstripped));
}

#[test]
#[ignore = "looks at the built binaries: scripts/build"]
fn a_copy_of_another_program_is_noticed() {
    let (stripped, mut unstripped) = aarch64();
    *unstripped.segments[0].bytes.last_mut().unwrap() ^= 1;
    assert_noticed(
        is_the_same_program(&stripped, &unstripped),
        "a segment differs",
    );
    unstripped.segments.pop();
    assert_noticed(is_the_same_program(&stripped, &unstripped), "in number");
}

#[test]
fn too_many_words_end_with_one_sentence() {
    let words = vec!["x"; framemill::internals::limits::ARGUMENTS];
    let run = |words: &[&str]| {
        Command::new(program::program())
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
