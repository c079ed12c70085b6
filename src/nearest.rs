//! The word that somebody who mistyped one most likely meant. Pure: knows letters, no options and no formats.

use crate::limits::NEAREST_BYTES;

/// A search for the candidate nearest to a word: the one with the fewest letters changed, left out, added or swapped with their
/// neighbour; of several, one with the same first letter. Upper and lower case are equal, `_` is `-`, and dashes before the word do
/// not count. A candidate with less than two thirds of the letters right is none. A word that a candidate begins with counts as one
/// mistake.
#[derive(Clone, Copy, Debug)]
pub struct Nearest<'w> {
    word: &'w [u8],
    /// Mistakes of the best candidate so far, and whether it begins with another letter.
    best: (usize, bool),
}

impl<'w> Nearest<'w> {
    /// A search for what this word was meant to be.
    #[must_use]
    pub fn new(word: &'w [u8]) -> Self {
        Self {
            word: trimmed(word),
            best: (usize::MAX, true),
        }
    }

    /// Whether this candidate is nearer than all before.
    pub fn offer(&mut self, candidate: &[u8]) -> bool {
        let (word, letters) = (self.word, trimmed(candidate));
        let most = (word.len().max(letters.len()) + 1) / 3;
        let Some(mistakes) = mistakes(word, letters, most.min(self.best.0)) else {
            return false;
        };
        let begins_otherwise = word.first().map(folded) != letters.first().map(folded);
        let score = (mistakes, begins_otherwise);
        let nearer = score < self.best;
        if nearer {
            self.best = score;
        }
        nearer
    }
}

/// The candidate nearest to the word, if one is near.
#[must_use]
pub fn nearest<'l>(
    word: &[u8],
    candidates: impl IntoIterator<Item = &'l [u8]>,
) -> Option<&'l [u8]> {
    let mut search = Nearest::new(word);
    candidates
        .into_iter()
        .filter(|candidate| search.offer(candidate))
        .last()
}

/// A word without the dashes before it.
fn trimmed(word: &[u8]) -> &[u8] {
    let dashes = word.iter().take_while(|&&byte| byte == b'-').count();
    &word[dashes..]
}

fn folded(byte: &u8) -> u8 {
    match byte.to_ascii_lowercase() {
        b'_' => b'-',
        byte => byte,
    }
}

/// How many single mistakes lead from one word to the other (optimal string alignment); `None` when they are more than `most`, as soon
/// as that is known, or when a word is longer than `NEAREST_BYTES`.
fn mistakes(word: &[u8], candidate: &[u8], most: usize) -> Option<usize> {
    const WIDTH: usize = NEAREST_BYTES + 1;
    if word.len() > NEAREST_BYTES || candidate.len() > NEAREST_BYTES {
        return None;
    }
    let same = |a: u8, b: u8| folded(&a) == folded(&b);
    let begun = word.len() < candidate.len()
        && word.len() >= 2
        && word.iter().zip(candidate).all(|(&a, &b)| same(a, b));
    if begun {
        return (most >= 1).then_some(1);
    }
    let too_long = word.len().abs_diff(candidate.len()) > most;
    if too_long || foreign(word, candidate) > most || foreign(candidate, word) > most {
        return None;
    }
    // Three rows of the table of distances: row `i` is about the first `i` letters of the word.
    let mut before = [0; WIDTH];
    let mut above: [u8; WIDTH] = core::array::from_fn(|column| column as u8);
    let mut least_above = 0;
    for (i, &letter) in word.iter().enumerate() {
        let mut row = [0; WIDTH];
        row[0] = i as u8 + 1;
        let mut least = row[0];
        for (j, &other) in candidate.iter().enumerate() {
            let changed = above[j] + u8::from(!same(letter, other));
            row[j + 1] = changed.min(above[j + 1] + 1).min(row[j] + 1);
            let swapped =
                i > 0 && j > 0 && same(letter, candidate[j - 1]) && same(word[i - 1], other);
            if swapped {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
            least = least.min(row[j + 1]);
        }
        // Every way on passes this row, or leaves the one above by a swap.
        if usize::from(least.min(least_above + 1)) > most {
            return None;
        }
        (before, above, least_above) = (above, row, least);
    }
    let mistakes = usize::from(above[candidate.len()]);
    (mistakes <= most).then_some(mistakes)
}

/// Letters of a word that the other one does not have, at least: each of them is a mistake. A quick look, which distinguishes most words.
fn foreign(word: &[u8], other: &[u8]) -> usize {
    let bit = |byte: &u8| 1u64 << (folded(byte) & 63);
    let letters = other.iter().fold(0, |set, byte| set | bit(byte));
    word.iter().filter(|byte| letters & bit(byte) == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: [&[u8]; 6] = [
        b"--bitrate",
        b"--bitrate-mode",
        b"--size",
        b"--socket",
        b"--gop",
        b"--camera-format",
    ];

    fn found(word: &str) -> Option<&'static str> {
        nearest(word.as_bytes(), OPTIONS).map(|found| core::str::from_utf8(found).unwrap())
    }

    #[test]
    fn one_mistake_of_each_kind_is_forgiven() {
        for word in [
            "--bitrtae",
            "--bitrat",
            "--bitrates",
            "--bitrake",
            "-bitrate",
            "bitrate",
            "--BitRate",
        ] {
            assert_eq!(found(word), Some("--bitrate"), "{word}");
        }
        assert_eq!(found("--bitrate_mode"), Some("--bitrate-mode"));
        assert_eq!(found("--camera-f"), Some("--camera-format"));
        assert_eq!(found("--gpo"), Some("--gop"));
        let levels = [&b"1.3"[..], b"4.1"];
        assert_eq!(nearest(b"4.3", levels), Some(&b"4.1"[..]));
    }

    #[test]
    fn what_is_like_nothing_is_no_mistake() {
        for word in ["", "-", "--", "--x", "--nonsense", "--zap", "--ozs"] {
            assert_eq!(found(word), None, "{word}");
        }
        let long = "-".repeat(NEAREST_BYTES + 1);
        assert_eq!(found(&long), None);
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        for (a, b, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
            ("ab", "ba", 1),
            ("abcd", "acbd", 1),
        ] {
            for most in 0..5 {
                let found = mistakes(a.as_bytes(), b.as_bytes(), most);
                let expected = (distance <= most).then_some(distance);
                assert_eq!(found, expected, "{a} {b} {most}");
            }
        }
    }
}
