//! The values of the options that keep images: `N`, `PATTERN=N`, `PATTERN=SPAN`.

use std::fmt::Display;

use jiff::SignedDuration;

use super::policy::{Count, Keep, Limit, Order, Part, Period, Scope};
use crate::error::Error;
use crate::filter::Pattern;
use crate::value::beginning;
use crate::value::bytes::parse_bytes;
use crate::value::time::parse_duration;

/// The options that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountOption {
    /// `--keep-last`
    Last(Order),
    /// `--keep-within`
    Within,
    /// `--keep-daily`, `--keep-weekly`, `--keep-monthly`
    NewestOf(Period),
    /// `--keep-newest-per`
    NewestPer,
}

impl CountOption {
    /// What it is called, without the dashes before it.
    pub fn word(self) -> &'static str {
        match self {
            CountOption::Last(_) => "keep-last",
            CountOption::Within => "keep-within",
            CountOption::NewestOf(Period::Day) => "keep-daily",
            CountOption::NewestOf(Period::Week) => "keep-weekly",
            CountOption::NewestOf(Period::Month) => "keep-monthly",
            CountOption::NewestPer => "keep-newest-per",
        }
    }

    /// Understands the value of the option.
    ///
    /// # Errors
    /// Exit status 2, with the option and what is wrong with its value.
    pub fn parse(self, text: &str) -> Result<Count, Error> {
        let word = self.word();
        let bad = |why: &dyn Display| Error::usage(format!("--{word} {text}: {why}"));
        let (pattern, value) = match text.rsplit_once('=') {
            Some((pattern, value)) => (Some(pattern), value),
            None => (None, text),
        };
        let scope = match pattern {
            Some(pattern) => {
                let parsed = Pattern::parse(pattern).map_err(|error| bad(&error))?;
                Scope::Pattern(pattern.to_owned(), parsed)
            }
            None => Scope::Everything,
        };
        Ok(Count {
            keep: self.keep(value).map_err(|why| bad(&why))?,
            scope,
            source: format!("--{word} {text}"),
            line: None,
        })
    }

    /// What the value says, without the pattern before it. The error is the end of a sentence.
    pub(super) fn keep(self, value: &str) -> Result<Keep, String> {
        Ok(match self {
            CountOption::Last(by) => Keep::Last {
                count: number(value)?,
                by,
            },
            CountOption::Within => Keep::Within(span(value)?),
            CountOption::NewestOf(period) => Keep::NewestOf {
                count: number(value)?,
                period,
            },
            CountOption::NewestPer => Keep::NewestPer(part(value)?),
        })
    }
}

/// How many images or periods.
fn number(text: &str) -> Result<usize, String> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(number) if is_number && number > 0 => Ok(number as usize),
        _ => Err(format!(
            "expected a number from 1 to {}, not `{}`",
            u32::MAX,
            beginning(text)
        )),
    }
}

/// How long ago. None at all would keep nothing.
fn span(text: &str) -> Result<SignedDuration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    match span.is_positive() {
        true => Ok(span),
        false => Err(format!("expected a time above zero, not `{text}`")),
    }
}

/// Of which part of versions.
fn part(text: &str) -> Result<Part, String> {
    match text {
        "major" => Ok(Part::Major),
        "minor" => Ok(Part::Minor),
        _ => Err(format!(
            "expected `major` or `minor`, not `{}`",
            beginning(text)
        )),
    }
}

/// How large a layout may be.
///
/// # Errors
/// The end of a sentence that says what is wrong.
pub(super) fn limit(text: &str) -> Result<u64, String> {
    match parse_bytes(text) {
        Ok(0) => Err("no image fits into 0 bytes".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// Understands the value of `--max-size`.
///
/// # Errors
/// Exit status 2: it is no size, or nothing at all.
pub fn max_size(text: &str) -> Result<(Limit, Count), Error> {
    let bytes = limit(text).map_err(|why| Error::usage(format!("--max-size {text}: {why}")))?;
    let source = format!("--max-size {text}");
    let count = Count {
        keep: Keep::WhileItFits,
        scope: Scope::Everything,
        source: source.clone(),
        line: None,
    };
    Ok((Limit { bytes, source }, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [CountOption; 6] = [
        CountOption::Last(Order::Created),
        CountOption::Within,
        CountOption::NewestOf(Period::Day),
        CountOption::NewestOf(Period::Week),
        CountOption::NewestOf(Period::Month),
        CountOption::NewestPer,
    ];

    /// V1.
    #[test]
    fn the_last_equals_sign_splits() {
        for (text, pattern, count) in [
            ("3", None, 3),
            ("app=3", Some("app"), 3),
            ("a=b=3", Some("a=b"), 3),
            ("acme/*:v[0-9]*=10", Some("acme/*:v[0-9]*"), 10),
            ("4294967295", None, 4_294_967_295),
        ] {
            let parsed = CountOption::Last(Order::Created).parse(text).unwrap();
            let found = match &parsed.scope {
                Scope::Pattern(text, _) => Some(text.as_str()),
                _ => None,
            };
            let by = Order::Created;
            assert_eq!((found, parsed.keep), (pattern, Keep::Last { count, by }));
            assert_eq!(parsed.source, format!("--keep-last {text}"));
        }
        let within = CountOption::Within.parse("nightly-*=2w").unwrap();
        assert_eq!(within.keep, Keep::Within(SignedDuration::from_hours(336)));
        let per = CountOption::NewestPer.parse("app=minor").unwrap();
        assert_eq!(per.keep, Keep::NewestPer(Part::Minor));
    }

    /// V1.
    #[test]
    fn what_means_nothing_is_refused_with_the_option() {
        for option in ALL {
            for text in [
                "",
                "app=",
                "=3",
                "x",
                "-1",
                "0",
                "+1",
                "1 ",
                "[=1",
                "app=soon",
                "4294967296x",
            ] {
                let error = option.parse(text).unwrap_err().to_string();
                assert!(error.contains(option.word()), "{error}");
            }
        }
        let last = CountOption::Last(Order::Created);
        for text in ["4294967296", "99999999999999999999", "1.5", "\u{661}"] {
            assert!(last.parse(text).is_err(), "{text}");
        }
        for text in [
            "0s",
            "-1h",
            "1y",
            "9223372036854775808s",
            "app=99999999999999999999w",
        ] {
            assert!(CountOption::Within.parse(text).is_err(), "{text}");
        }
        for text in ["patch", "Major", "app=patch"] {
            assert!(CountOption::NewestPer.parse(text).is_err(), "{text}");
        }
        for text in ["0", "0GB", "lots", "-1GB", "20G", ""] {
            let error = max_size(text).unwrap_err().to_string();
            assert!(error.contains("--max-size"), "{error}");
        }
        assert_eq!(max_size("60kB").unwrap().0.bytes, 60_000);
    }
}
