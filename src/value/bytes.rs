//! Numbers of bytes as people type them: `20GB`, `500MiB`, `1048576`.

use super::beginning;

/// Why a text is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBytes {
    /// The text is no number with a unit.
    #[error(
        "invalid size `{}`: expected a number of bytes, or a number with a unit (B, kB, MB, GB, TB, \
         PB; KiB, MiB, GiB, TiB, PiB), as in 20GB or 500MiB",
        beginning(.0)
    )]
    Format(String),
    /// The unit is one that some programs take for a power of 1000 and others for one of 1024.
    #[error("invalid size `{}`: `{letter}` is {letter}B or {letter}iB", beginning(.text))]
    Ambiguous {
        /// The text.
        text: String,
        /// The letter of the unit.
        letter: char,
    },
    /// The number is larger than any layout.
    #[error("invalid size `{}`: out of range", beginning(.0))]
    Range(String),
}

/// The letters of the units, each 1000 or 1024 times the one before it.
const LETTERS: &str = "KMGTP";

/// Digits behind the point that are looked at. More could not change a petabyte by a byte.
const MAX_FRACTION_DIGITS: usize = 18;

/// Reads a number of bytes. Without a unit it is just that; units are those of 1000 (`kB`, `MB`,
/// `GB`, …) and of 1024 (`KiB`, `MiB`, `GiB`, …), in any letter case. What is smaller than a byte is
/// cut off.
///
/// # Errors
///
/// When the text is none, has a unit that could be either, or is more than 64 bits hold.
pub fn parse_bytes(text: &str) -> Result<u64, InvalidBytes> {
    let invalid = || InvalidBytes::Format(text.to_owned());
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_point = number.contains('.');
    if whole.is_empty() || !is_digits(fraction) || has_point && fraction.is_empty() {
        return Err(invalid());
    }
    let scale = scale(text, unit)?;
    if has_point && scale == 1 {
        return Err(invalid());
    }
    let value = |digits: &str| {
        let mut digits = digits.bytes().map(|byte| u128::from(byte - b'0'));
        digits.try_fold(0_u128, |value, digit| {
            value.checked_mul(10)?.checked_add(digit)
        })
    };
    let fraction = &fraction[..fraction.len().min(MAX_FRACTION_DIGITS)];
    let part = value(fraction).map(|value| value * scale / 10_u128.pow(fraction.len() as u32));
    let bytes = value(whole)
        .and_then(|whole| whole.checked_mul(scale))
        .zip(part)
        .and_then(|(whole, part)| whole.checked_add(part));
    let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok());
    bytes.ok_or_else(|| InvalidBytes::Range(text.to_owned()))
}

/// How many bytes a unit has.
fn scale(text: &str, unit: &str) -> Result<u128, InvalidBytes> {
    let upper = unit.trim_start_matches(' ').to_ascii_uppercase();
    if matches!(&*upper, "" | "B") {
        return Ok(1);
    }
    let mut rest = upper.chars();
    let letter = rest.next().unwrap_or_default();
    let power = match LETTERS.find(letter) {
        Some(at) => at as u32 + 1,
        None => return Err(InvalidBytes::Format(text.to_owned())),
    };
    match rest.as_str() {
        "B" => Ok(1000_u128.pow(power)),
        "IB" => Ok(1024_u128.pow(power)),
        "" | "I" => Err(InvalidBytes::Ambiguous {
            text: text.to_owned(),
            letter,
        }),
        _ => Err(InvalidBytes::Format(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn sizes_have_units_of_a_thousand_and_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1_048_576),
            ("7B", 7),
            ("60kB", 60_000),
            ("60KB", 60_000),
            ("60 kB", 60_000),
            ("20GB", 20_000_000_000),
            ("20gb", 20_000_000_000),
            ("500MiB", 524_288_000),
            ("1KiB", 1024),
            ("1.5kB", 1500),
            ("0.5KiB", 512),
            ("1.0005kB", 1000),
            ("2TB", 2_000_000_000_000),
            ("1PiB", 1 << 50),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "lots",
            "GB",
            "-1",
            "+1GB",
            "1,5GB",
            "1.GB",
            ".5GB",
            "1.5",
            "1.5B",
            "1GBs",
            "1e9",
            "1..5GB",
            "20 GB ",
            "\u{661}GB",
            "1Gib/s",
        ] {
            let error = parse_bytes(text).unwrap_err();
            assert_eq!(error, InvalidBytes::Format(text.to_owned()), "{text}");
        }
        for text in ["20G", "20g", "1Ki"] {
            let error = parse_bytes(text).unwrap_err();
            assert!(matches!(error, InvalidBytes::Ambiguous { .. }), "{text}");
        }
        for text in ["18446744073709551616", "99999999PB", &"9".repeat(60)] {
            let error = parse_bytes(text).unwrap_err();
            assert_eq!(error, InvalidBytes::Range(text.to_owned()), "{text}");
        }
        assert_eq!(parse_bytes("18446744073709551615"), Ok(u64::MAX));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9.kKMGiB ]{0,40}", other in any::<String>()) {
            for text in [text, other] {
                let _ = parse_bytes(&text).map_err(|error| error.to_string());
            }
        }
    }
}
