//! The crate's public API is what `public_api.txt` lists: nobody changes it by accident.
//!
//! The list is made from the source of the files whose types are public: what is `pub` there, without its documentation. It says a little
//! more than users can reach, and nothing less. After a change that is meant:
//!
//! ```text
//! FRAMEMILL_PUBLIC_API=write cargo test --test public_api
//! ```
//!
//! A line that is gone or changed there breaks somebody's program: raise the version for it.
#![cfg(not(loom))]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Visibility};

/// The public modules, and the files of what they export.
const FILES: &[&str] = &[
    "client/mod.rs",
    "client/address.rs",
    "client/change.rs",
    "client/consumer.rs",
    "client/observer.rs",
    "client/producer.rs",
    "client/producer/attach.rs",
    "control/mod.rs",
    "control/message.rs",
    "control/message/change.rs",
    "control/message/words.rs",
    "media/colour.rs",
    "media/format.rs",
    "media/fourcc.rs",
    "media/layout.rs",
    "media/size.rs",
    "shm/mod.rs",
    "shm/bytes.rs",
    "shm/circle.rs",
    "shm/layout.rs",
    "shm/layout/frames.rs",
    "shm/layout/packets.rs",
    "shm/packet_ring.rs",
    "shm/packet_ring/reader.rs",
    "shm/word.rs",
    "types/socket_name.rs",
];

/// Tokens as one line, each a space apart from the next where Rust needs none, too.
fn line(tokens: impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether what has these is for tests alone.
fn tests_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = line(attribute);
        text.contains("cfg (test)") || text.contains("cfg (all (test") || text.contains("# [test]")
    })
}

/// Without documentation and lints.
fn bare(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| {
        ["repr", "derive", "must_use", "non_exhaustive"]
            .iter()
            .any(|name| attribute.path().is_ident(name))
    })
}

fn fields(list: &mut String, fields: &Fields) {
    for (number, field) in fields.iter().enumerate() {
        if public(&field.vis) {
            let name = field
                .ident
                .as_ref()
                .map_or(number.to_string(), |name| name.to_string());
            writeln!(list, "    {name}: {}", line(&field.ty)).unwrap();
        }
    }
}

fn item(list: &mut String, item: &Item) {
    match item {
        Item::Fn(it) if public(&it.vis) => writeln!(list, "pub {}", line(&it.sig)).unwrap(),
        Item::Const(it) if public(&it.vis) => {
            writeln!(
                list,
                "pub const {}: {} = {}",
                it.ident,
                line(&it.ty),
                line(&it.expr)
            )
            .unwrap();
        }
        Item::Type(it) if public(&it.vis) => writeln!(list, "{}", line(it)).unwrap(),
        Item::Use(it) if public(&it.vis) => writeln!(list, "{}", line(&it.tree)).unwrap(),
        Item::Struct(it) if public(&it.vis) => {
            bare(&it.attrs).for_each(|attribute| writeln!(list, "{}", line(attribute)).unwrap());
            writeln!(list, "pub struct {} {}", it.ident, line(&it.generics)).unwrap();
            fields(list, &it.fields);
        }
        Item::Enum(it) if public(&it.vis) => {
            bare(&it.attrs).for_each(|attribute| writeln!(list, "{}", line(attribute)).unwrap());
            writeln!(list, "pub enum {} {}", it.ident, line(&it.generics)).unwrap();
            for variant in &it.variants {
                let mut variant = variant.clone();
                variant.attrs.clear();
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| field.attrs.clear());
                writeln!(list, "    {}", line(&variant)).unwrap();
            }
        }
        Item::Trait(it) if public(&it.vis) => {
            writeln!(
                list,
                "pub trait {} {} : {}",
                it.ident,
                line(&it.generics),
                line(&it.supertraits)
            )
            .unwrap();
            for inner in &it.items {
                match inner {
                    TraitItem::Fn(it) => writeln!(list, "    {}", line(&it.sig)).unwrap(),
                    TraitItem::Const(it) => {
                        writeln!(list, "    const {}: {}", it.ident, line(&it.ty)).unwrap();
                    }
                    _ => {}
                }
            }
        }
        Item::Mod(it) if public(&it.vis) => {
            writeln!(list, "pub mod {}", it.ident).unwrap();
            let inner = it.content.iter().flat_map(|(_, items)| items);
            inner.for_each(|inner| self::item(list, inner));
        }
        Item::Impl(it) if !tests_only(&it.attrs) => {
            let of = line(&it.self_ty);
            if let Some((of_trait, _)) = &it.trait_ {
                writeln!(
                    list,
                    "impl {} {} for {of}",
                    line(&it.generics),
                    line(of_trait)
                )
                .unwrap();
            }
            for inner in &it.items {
                match inner {
                    ImplItem::Fn(it) if public(&it.vis) && !tests_only(&it.attrs) => {
                        writeln!(list, "{of} :: pub {}", line(&it.sig)).unwrap();
                    }
                    ImplItem::Const(it) if public(&it.vis) => {
                        writeln!(list, "{of} :: pub const {}: {}", it.ident, line(&it.ty)).unwrap();
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// What a file has that is public.
fn list(text: &str) -> String {
    let mut list = String::new();
    let file = syn::parse_file(text).unwrap();
    file.items.iter().for_each(|it| item(&mut list, it));
    list
}

#[test]
fn public_api_is_the_listed_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = String::new();
    for file in FILES {
        let text = fs::read_to_string(root.join("src").join(file)).unwrap();
        write!(found, "\n// {file}\n{}", list(&text)).unwrap();
    }
    let listed = root.join("tests/public_api.txt");
    if std::env::var_os("FRAMEMILL_PUBLIC_API").is_some() {
        fs::write(&listed, &found).unwrap();
    }
    let listed = fs::read_to_string(&listed).unwrap();
    let (gone, new): (Vec<_>, Vec<_>) = (
        listed
            .lines()
            .filter(|old| !found.lines().any(|new| new == *old))
            .collect(),
        found
            .lines()
            .filter(|new| !listed.lines().any(|old| old == *new))
            .collect(),
    );
    assert!(
        listed == found,
        "gone: {gone:#?}\nnew: {new:#?}\nif that is meant: FRAMEMILL_PUBLIC_API=write cargo test --test public_api"
    );
}

/// Every module that the crate shows is among the files, and a type is not exported from elsewhere.
#[test]
fn every_file_that_is_exported_from_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text = fs::read_to_string(root.join("client/mod.rs")).unwrap();
    for line in text
        .lines()
        .filter(|line| line.starts_with("pub use crate::"))
    {
        let path = line
            .trim_start_matches("pub use crate::")
            .split("::")
            .collect::<Vec<_>>();
        let file = format!("{}/{}.rs", path[0], path[1]);
        assert!(FILES.contains(&&*file), "{line}: add {file}");
    }
}

#[test]
fn what_is_private_and_what_is_said_of_it_is_not_listed() {
    let list = list(
        "/// Text.
        #[derive(Clone)] pub struct A<'a>{ /// More.
            pub b: u32, c: &'a u8 }
        impl A<'_> { pub fn f(&self) -> u32 { 1 } fn g(&self) {} #[cfg(test)] pub fn h() {} }
        pub(crate) fn i() {}
        #[cfg(test)] mod tests { pub fn j() {} }
        pub enum K { /// One.
            L = 1, M(u8) }",
    );
    assert_eq!(
        list,
        "# [derive (Clone)]\npub struct A < 'a >\n    b: u32\nA < '_ > :: pub fn f (& self) -> u32\npub enum K \n    L = 1\n    M (u8)\n"
    );
}
