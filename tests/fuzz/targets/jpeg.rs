//! JPEG pictures of a camera: what comes out of any bytes is a picture of the same size, with tables, and stays as it is.
#![no_main]

use framemill::internals::media::jpeg::inspect;
use framemill_fuzz::is_sentence;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let jpeg = match inspect(data.into()) {
        Ok(jpeg) => jpeg,
        Err(error) => return assert!(is_sentence(&error.to_string())),
    };
    let (width, height) = jpeg.size;
    assert!((1..=65535).contains(&width) && (1..=65535).contains(&height));
    let mut whole = vec![0; data.len() + 420];
    let length = jpeg.write(data.into(), (&mut whole[..]).into());
    whole.truncate(length.expect("room for the picture and for tables"));
    assert!(whole.len() == jpeg.bytes());
    assert!(whole.starts_with(&[0xff, 0xd8]) && whole.ends_with(&[0xff, 0xd9]));
    // Each piece is found in the picture, in order, but for the tables.
    let mut rest = data;
    for piece in jpeg.pieces(data.into()) {
        let mut bytes = vec![0; piece.len()];
        assert!(piece.copy_out(0, &mut bytes));
        if jpeg.lacks_tables && bytes.starts_with(&[0xff, 0xc4, 0x01, 0xa2]) {
            continue;
        }
        let at = rest
            .windows(bytes.len().max(1))
            .position(|window| window == bytes);
        rest = &rest[at.expect("the picture's bytes") + bytes.len()..];
    }
    let again = inspect(whole[..].into()).expect("a picture");
    assert!(!again.lacks_tables && again.size == jpeg.size && again.sampling == jpeg.sampling);
});
