//! What there is to know of an ELF file, 32-bit or 64-bit.

use object::LittleEndian as LE;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};

/// A file, as far as the checks look at it.
#[derive(Debug)]
pub struct Program {
    pub machine: u16,
    /// `ET_EXEC` for a fixed address.
    pub kind: u16,
    pub segments: Vec<Segment>,
    /// Types and names; of a stripped file there are none.
    pub sections: Vec<(u32, String)>,
    pub symbols: Vec<String>,
    /// Of `.ARM.attributes`: tags and their numbers.
    pub attributes: Vec<(u64, u64)>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub address: u64,
    /// In memory, which may be more than in the file.
    pub size: u64,
    /// In the file. Without the file's header, which says where the sections are.
    pub bytes: Vec<u8>,
}

/// Reads a file of either class.
pub fn read(file: &[u8]) -> Result<Program, String> {
    let class = *file.get(4).ok_or("it is no ELF file")?;
    let program = if class == elf::ELFCLASS32 {
        program::<FileHeader32<LE>>(file)
    } else {
        program::<FileHeader64<LE>>(file)
    };
    program.map_err(|error| error.to_string())
}

fn program<Header: FileHeader<Endian = LE>>(file: &[u8]) -> object::Result<Program> {
    let header = Header::parse(file)?;
    let header_size = size_of::<Header>();
    let segments = header.program_headers(LE, file)?.iter().map(|segment| {
        let bytes = segment.data(LE, file).unwrap_or_default();
        let offset = segment.p_offset(LE).into();
        let skipped = if offset == 0 {
            header_size.min(bytes.len())
        } else {
            0
        };
        Segment {
            kind: segment.p_type(LE),
            flags: segment.p_flags(LE),
            offset,
            address: segment.p_vaddr(LE).into(),
            size: segment.p_memsz(LE).into(),
            bytes: bytes[skipped..].to_vec(),
        }
    });
    let table = header.sections(LE, file)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut sections = Vec::new();
    let mut attributes = Vec::new();
    for section in table.iter() {
        sections.push((section.sh_type(LE), text(table.section_name(LE, section)?)));
        if section.sh_type(LE) == elf::SHT_ARM_ATTRIBUTES {
            attributes = read_attributes::<Header>(section.data(LE, file)?)?;
        }
    }
    let symbols = table.symbols(LE, file, elf::SHT_SYMTAB)?;
    let names: object::Result<Vec<_>> = symbols
        .iter()
        .map(|symbol| symbol.name(LE, symbols.strings()).map(text))
        .collect();
    Ok(Program {
        machine: header.e_machine(LE),
        kind: header.e_type(LE),
        segments: segments.collect(),
        sections,
        symbols: names?,
        attributes,
    })
}

/// The numbers that the whole file was made for. Some tags have texts, which are left out.
fn read_attributes<Header: FileHeader<Endian = LE>>(
    bytes: &[u8],
) -> object::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let section = object::read::elf::AttributesSection::<Header>::new(LE, bytes)?;
    for subsection in section.subsections()? {
        for part in subsection?.subsubsections() {
            let mut attributes = part?.attributes();
            while let Some(tag) = attributes.read_tag()? {
                // Tag_compatibility has both; from there on odd ones have texts.
                if !matches!(tag, 4 | 5) && (tag <= 32 || tag % 2 == 0) {
                    found.push((tag, attributes.read_integer()?));
                }
                if matches!(tag, 4 | 5 | 32) || tag > 32 && tag % 2 == 1 {
                    attributes.read_string()?;
                }
            }
        }
    }
    Ok(found)
}
