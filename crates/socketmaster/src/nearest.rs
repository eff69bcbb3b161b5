//! "Did you mean …?": the word that a mistyped one was probably meant to be.

/// Longer words were not mistyped, they are something else; this also bounds the work.
const LONGEST: usize = 64;

/// The candidate nearest to `word`: one that `word` is the beginning of, or one that at most a third of its letters
/// tell apart. `None` if nothing is near, or `word` is a candidate itself.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    if word.len() > LONGEST || candidates.contains(&word.as_str()) {
        return None;
    }
    let begun = |c: &&&str| word.len() >= 3 && c.starts_with(&word);
    candidates.iter().find(begun).copied().or_else(|| {
        candidates
            .iter()
            .map(|candidate| (distance(&word, candidate), *candidate))
            .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, candidate)| candidate)
    })
}

/// How many letters must be put in, left out, changed or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    // `table[i][j]` is the distance between the first `i` letters of `from` and the first `j` of `to`.
    let mut table = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = table[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let swapped = if i > 1 && j > 1 && from[i - 2..i] == [to[j - 1], to[j - 2]] {
                    table[i - 2][j - 2] + 1
                } else {
                    changed
                };
                (table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1)
                    .min(changed)
                    .min(swapped)
            };
        }
    }
    table[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let flags = ["listen", "command", "start", "drain-timeout", "user"];
        for (typed, meant) in [
            ("lissten", Some("listen")),
            ("lsiten", Some("listen")),
            ("Listne", Some("listen")),
            ("comand", Some("command")),
            ("drain", Some("drain-timeout")),
            ("drain_timeout", Some("drain-timeout")),
            ("usr", Some("user")),
            ("usre", Some("user")),
            ("port", None),
            ("x", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(nearest(typed, &flags), meant, "{typed}");
        }
        assert_eq!(nearest(&"listen".repeat(1000), &flags), None);
    }
}
