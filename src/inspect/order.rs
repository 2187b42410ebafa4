//! In which order a list stands: names as a person would sort them, and the keys of the other orders.
//!
//! Whatever the order, what it leaves open is decided by age, and of the same age by the place in
//! index.json, so that a list looks the same each time.

use std::cmp::Ordering;
use std::sync::Arc;

/// What stands first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The newest.
    Age,
    /// The largest.
    Size,
    /// What frees most when it is removed.
    Unique,
    /// The name that a person would look for first; what has none comes last.
    Name,
    /// What index.json lists first.
    Index,
}

/// A shown name, compared by its repository, then by what is behind that; numbers in it by their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameKey {
    text: Arc<str>,
    /// Where the repository ends.
    end: usize,
}

impl NameKey {
    pub(crate) fn new(text: Arc<str>) -> NameKey {
        let named = text.find('@').unwrap_or(text.len());
        let base = text[..named].rfind('/').map_or(0, |at| at + 1);
        let end = text[base..named].find(':').map_or(named, |at| base + at);
        NameKey { text, end }
    }

    fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.end)
    }
}

impl Ord for NameKey {
    fn cmp(&self, other: &NameKey) -> Ordering {
        let (repository, rest) = self.parts();
        let (other_repository, other_rest) = other.parts();
        natural(repository, other_repository).then_with(|| natural(rest, other_rest))
    }
}

impl PartialOrd for NameKey {
    fn partial_cmp(&self, other: &NameKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares texts, digits that stand together by the number that they are: `v9` comes before `v10`.
/// Texts that differ are never equal.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one.as_bytes(), other.as_bytes());
    loop {
        let (number, after) = split_number(left);
        let (other_number, other_after) = split_number(right);
        let order = match (number, other_number) {
            ([], _) | (_, []) => match (left, right) {
                ([a, after @ ..], [b, other_after @ ..]) if a == b => {
                    (left, right) = (after, other_after);
                    continue;
                }
                _ => left.first().cmp(&right.first()),
            },
            _ => value(number).cmp(&value(other_number)),
        };
        if order.is_ne() {
            return order;
        }
        if left.is_empty() {
            // They differ in zeros before a number, if at all.
            return one.cmp(other);
        }
        (left, right) = (after, other_after);
    }
}

/// The digits at the beginning of a text, and the rest.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// By this digits are compared as the number that they are, however many.
fn value(digits: &[u8]) -> (usize, &[u8]) {
    let start = digits.iter().position(|digit| *digit != b'0');
    let digits = &digits[start.unwrap_or(digits.len())..];
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Z7
    #[test]
    fn names_stand_as_a_person_would_sort_them() {
        let sorted = [
            "app",
            "app:9",
            "app:10",
            "app:v1.9.0",
            "app:v1.10.0",
            "app:v1.10.0-rc1",
            "app@sha256:00",
            "app-x:1",
            "app1:1",
            "app2",
            "app10",
            "ghcr.io:80/a:1",
            "ghcr.io:443/a",
            "v2",
            "v02",
            "v10",
            "ä",
        ];
        let mut keys: Vec<NameKey> = sorted.iter().map(|t| NameKey::new((*t).into())).collect();
        keys.reverse();
        keys.sort();
        let texts: Vec<&str> = keys.iter().map(|key| &*key.text).collect();
        let place = |text| texts.iter().position(|other| *other == text).unwrap();
        for pair in sorted.windows(2).filter(|pair| *pair != ["v2", "v02"]) {
            assert!(place(pair[0]) < place(pair[1]), "{pair:?} in {texts:?}");
        }
    }

    #[test]
    fn the_order_of_names_is_one() {
        let texts = [
            "", "0", "00", "1", "01", "1a", "a", "a0", "a00b", "a0b", "b9", "b10", "9", "10",
        ];
        for a in texts {
            for b in texts {
                assert_eq!(natural(a, b), natural(b, a).reverse(), "{a} {b}");
                assert_eq!(natural(a, b).is_eq(), a == b, "{a} {b}");
                for c in texts {
                    if natural(a, b).is_lt() && natural(b, c).is_lt() {
                        assert!(natural(a, c).is_lt(), "{a} {b} {c}");
                    }
                }
            }
        }
    }
}
