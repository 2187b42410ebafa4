//! Times and durations as people type them: the value of `--filter until=`, and durations such as
//! `--grace 2h`.
//!
//! Docker accepts for `until` a duration back from now, a date or time, or a Unix time, and tells them
//! apart by their looks. This module does the same. What is compared with the time, and whether
//! equal counts, is the filter's business. Neither the clock nor the zone is read here; both are
//! arguments.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::beginning;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Units of a duration, in nanoseconds. Days and weeks are always 24 hours and 7 days.
const UNITS: [(&str, i128); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),  // the micro sign
    ("\u{3bc}s", 1_000), // the Greek letter
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("d", 86_400 * NANOS_PER_SECOND),
    ("w", 604_800 * NANOS_PER_SECOND),
];

/// Digits behind the point of a duration that are looked at. More could not change a week by a
/// nanosecond.
const MAX_FRACTION_DIGITS: usize = 18;

/// Digits that the fraction of a Unix time may have, of which nine count.
const MAX_UNIX_FRACTION_DIGITS: usize = 20;

/// Why a text is no duration, or no value for `until`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// The text is no duration.
    #[error(
        "invalid duration `{}`: expected numbers with units (ns, us, ms, s, m, h, d, w), as in \
         10m, 1h30m, 1.5h or 7d",
        beginning(.0)
    )]
    Duration(String),
    /// The text is a duration, longer than can be counted.
    #[error("invalid duration `{}`: out of range", beginning(.0))]
    DurationRange(String),
    /// The text is nothing that `until` accepts.
    #[error(
        "invalid value for 'until' filter: `{}` is neither a duration (numbers with units ns, us, ms, s, \
         m, h, d, w, as in 10m, 1h30m, 1.5h or 7d), nor a date or time (2006-01-02, 2006-01-02T15:04, 2006-01-02T15:04:05Z, \
         2006-01-02T15:04:05.5+07:00), nor a Unix time in seconds (1136073600)",
        beginning(.0)
    )]
    Until(String),
    /// The text means a time that lies before or after all years that can be counted.
    #[error("invalid value for 'until' filter: `{}` is out of range", beginning(.0))]
    UntilRange(String),
}

/// Reads the time of a document, as RFC 3339 has it. Digits behind the ninth of a second are not looked at,
/// as in Go, whose programs write these documents.
pub fn parse_created(text: &str) -> Option<Timestamp> {
    const NANOSECONDS: usize = 9;
    text.parse().ok().or_else(|| {
        let (before, rest) = text.split_once('.')?;
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, zone) = rest.split_at(end);
        let digits = digits.get(..NANOSECONDS)?;
        format!("{before}.{digits}{zone}").parse().ok()
    })
}

/// Reads a duration as Go does: numbers with units, one after the other, with a sign before all of
/// them (`10m`, `1h30m`, `1.5h`, `-5m`, `0`). Beyond Go's units there are `d` for 24 hours and `w`
/// for seven times that, since nobody counts the age of images in hours.
///
/// What is smaller than a nanosecond is cut off.
///
/// # Errors
///
/// When the text is no duration, a blank included, or a longer one than can be counted.
pub fn parse_duration(text: &str) -> Result<SignedDuration, InvalidTime> {
    let invalid = || InvalidTime::Duration(text.to_owned());
    let out_of_range = || InvalidTime::DurationRange(text.to_owned());

    let is_negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let mut rest = unsigned;
    let mut total = Some(0_i128);
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, nanos) = known.ok_or_else(invalid)?;
        // Overflow is remembered, not reported at once: a typing error further on comes first.
        total = total
            .zip(amount(whole, fraction, *nanos))
            .and_then(|(total, amount)| total.checked_add(amount));
        rest = after;
    }
    let total = total.ok_or_else(out_of_range)?;
    SignedDuration::try_from_nanos_i128(if is_negative { -total } else { total })
        .ok_or_else(out_of_range)
}

/// `whole.fraction` units in nanoseconds, `None` on overflow. Both are digits or empty.
fn amount(whole: &str, fraction: &str, unit: i128) -> Option<i128> {
    let fraction = &fraction[..fraction.len().min(MAX_FRACTION_DIGITS)];
    let parts = digits_value(fraction)? * unit / 10_i128.pow(fraction.len() as u32);
    digits_value(whole)?.checked_mul(unit)?.checked_add(parts)
}

/// The number that some digits are, 0 for none, `None` on overflow.
fn digits_value(digits: &str) -> Option<i128> {
    digits.bytes().try_fold(0_i128, |value, digit| {
        value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
    })
}

/// The ASCII digits at the beginning, and the rest.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Reads the value of `--filter until=`: what it means is tried in the order in which Docker does.
///
/// 1. A duration as [`parse_duration`] reads it, days and weeks included, of at most 292 years, back
///    from `now`; a negative one leads into the future. A bare `0` is none, it is the Unix time.
/// 2. `2006-01-02`, `2006-01-02T15`, `2006-01-02T15:04`, `2006-01-02T15:04:05`, the last one also
///    with a fraction of a second; each may be followed by `Z` or an offset such as `+07:00`.
///    Without these it is a time in `zone`.
/// 3. Seconds since 1970, with or without a fraction, of which nine digits count.
///
/// # Errors
///
/// When it is none of them, or a time before the year -9999 or after 9999. Blanks are not
/// skipped.
pub fn parse_until(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, InvalidTime> {
    let invalid = || InvalidTime::Until(text.to_owned());
    let out_of_range = || InvalidTime::UntilRange(text.to_owned());
    if text != "0" {
        match parse_duration(text) {
            // Docker counts nanoseconds in 64 bits.
            Ok(back) if i64::try_from(back.as_nanos()).is_err() => return Err(out_of_range()),
            Ok(back) => return now.checked_sub(back).map_err(|_| out_of_range()),
            Err(InvalidTime::DurationRange(_)) => return Err(out_of_range()),
            Err(_) => {}
        }
    }
    if let Some((time, offset)) = parse_date_time(text) {
        return match offset {
            Some(offset) => offset.to_timestamp(time),
            // Of an hour that a change of the clocks repeats, the first; of one that it skips, as
            // if the clocks had not been changed yet.
            None => zone.to_timestamp(time),
        }
        .map_err(|_| out_of_range());
    }
    let (seconds, nanos) = parse_unix_time(text).ok_or_else(invalid)?;
    i64::try_from(seconds.ok_or_else(out_of_range)?)
        .ok()
        .and_then(|seconds| Timestamp::new(seconds, nanos).ok())
        .ok_or_else(out_of_range)
}

/// A date, perhaps with a time of day, perhaps with an offset.
///
/// jiff accepts more than Docker does (`20060102`, blanks, weeks, leap seconds), and no hour alone. So
/// the shape is looked at here, and what is left out is added.
fn parse_date_time(text: &str) -> Option<(DateTime, Option<Offset>)> {
    const WHOLE: &str = "0000-00-00T00:00:00";
    let fits = |(byte, whole): &(u8, u8)| match whole {
        b'0' => byte.is_ascii_digit(),
        separator => byte == separator,
    };
    let end = text.bytes().zip(WHOLE.bytes()).take_while(fits).count();
    let (time, rest) = text.split_at(end);
    if ![10, 13, 16, 19].contains(&end) || time.ends_with(":60") {
        return None;
    }
    let time: DateTime = [time, &WHOLE[end..]].concat().parse().ok()?;
    let (nanos, rest) = match rest.strip_prefix('.').map(split_digits) {
        Some((fraction, rest)) if !fraction.is_empty() && end == WHOLE.len() => {
            (nine_digits(fraction), rest)
        }
        _ => (0, rest),
    };
    let offset = match rest {
        "" => None,
        "Z" => Some(Offset::UTC),
        _ => Some(parse_offset(rest)?),
    };
    Some((time.with().subsec_nanosecond(nanos).build().ok()?, offset))
}

/// An offset from UTC, `+hh:mm` or `-hh:mm`.
fn parse_offset(text: &str) -> Option<Offset> {
    let offset = BrokenDownTime::parse("%:z", text).ok()?.offset()?;
    // jiff takes seconds and a 25th hour, too.
    let is_dockers = text.len() == "+hh:mm".len() && offset.seconds().abs() < 25 * 3_600;
    is_dockers.then_some(offset)
}

/// Seconds, `None` when they are too many to count, and nanoseconds.
fn parse_unix_time(text: &str) -> Option<(Option<i128>, i32)> {
    let (seconds, rest) = split_digits(text);
    let (fraction, rest) = split_digits(rest.strip_prefix('.').unwrap_or(rest));
    if seconds.is_empty() || !rest.is_empty() || fraction.len() > MAX_UNIX_FRACTION_DIGITS {
        return None;
    }
    Some((digits_value(seconds), nine_digits(fraction)))
}

/// The nanoseconds that the digits of a fraction are; those after the ninth are cut off.
fn nine_digits(fraction: &str) -> i32 {
    fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    /// FR16: of a second no more than nanoseconds count.
    #[test]
    fn times_of_documents_may_have_many_digits() {
        let time = |text| parse_created(text).map(|time| time.to_string());
        for (text, expected) in [
            ("2025-01-01T00:10:00Z", Some("2025-01-01T00:10:00Z")),
            (
                "2025-01-01T00:10:00.1234567891Z",
                Some("2025-01-01T00:10:00.123456789Z"),
            ),
            (
                "2025-01-01T00:10:00.123456789123456+01:00",
                Some("2024-12-31T23:10:00.123456789Z"),
            ),
            ("2025-01-01T00:10:00.", None),
            ("2025-01-01T00:10:00.x", None),
            ("x.1234567891Z", None),
            ("", None),
        ] {
            assert_eq!(time(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_go_and_days_and_weeks() {
        const SECOND: i64 = 1_000_000_000;
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("0s", 0),
            ("5s", 5 * SECOND),
            ("+5s", 5 * SECOND),
            ("-5s", -5 * SECOND),
            ("10m", 600 * SECOND),
            ("1h30m", 5_400 * SECOND),
            ("1.5h", 5_400 * SECOND),
            ("1.h", 3_600 * SECOND),
            (".5h", 1_800 * SECOND),
            ("-.5s", -SECOND / 2),
            ("-5m", -300 * SECOND),
            ("1h1m1s1ms1us1ns", 3_661 * SECOND + 1_001_001),
            ("30m1h", 5_400 * SECOND),
            ("1s1s", 2 * SECOND),
            ("12\u{b5}s34\u{3bc}s", 46_000),
            ("1000000ns", 1_000_000),
            ("1.9ns", 1),
            ("0.3333333333333333333333333h", 1_200 * SECOND - 1),
            ("7d", 7 * 86_400 * SECOND),
            ("2w", 14 * 86_400 * SECOND),
            ("1w1d1h", (8 * 86_400 + 3_600) * SECOND),
            ("1.5d", 129_600 * SECOND),
            ("-1w", -7 * 86_400 * SECOND),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(SignedDuration::from_nanos(nanos)),
                "{text}"
            );
        }
        // Beyond the 292 years of Go.
        assert_eq!(
            parse_duration("100000w"),
            Ok(SignedDuration::from_secs(100_000 * 604_800))
        );
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "", "-", "+", ".", ".s", "-.s", "1", "00", "1.5", "s", "h1", "1h 30m", " 1h", "1h ",
            "1hm", "1x", "1H", "1M", "1y", "1mo", "1h30", "--1h", "1h-30m", "1,5h", "1..5h",
            "1.5.5h", "1e3s", "\u{661}h", "1\u{fc}", "P1D",
        ] {
            assert_eq!(
                parse_duration(text),
                Err(InvalidTime::Duration(text.to_owned())),
                "{text}"
            );
        }
        let nines = "9".repeat(60);
        for text in [
            format!("{nines}h"),
            format!("-{nines}m"),
            format!("{nines}ns1s"),
            "9223372036854775808s".to_owned(),
            "9223372036854775807s1s".to_owned(),
        ] {
            assert_eq!(
                parse_duration(&text),
                Err(InvalidTime::DurationRange(text.clone())),
                "{text}"
            );
        }
        assert!(parse_duration("9223372036854775807s").is_ok());
        assert_eq!(
            parse_duration("1 h\n").unwrap_err().to_string(),
            "invalid duration `1 h�`: expected numbers with units (ns, us, ms, s, m, h, d, w), \
             as in 10m, 1h30m, 1.5h or 7d"
        );
    }

    fn now() -> Timestamp {
        "2024-05-10T12:00:00Z".parse().unwrap()
    }

    /// A zone that is two hours before UTC.
    fn east() -> TimeZone {
        TimeZone::fixed(Offset::from_seconds(7_200).unwrap())
    }

    #[test]
    fn until_accepts_durations_dates_and_unix_times() {
        for (text, expected) in [
            // Back from now.
            ("10m", "2024-05-10T11:50:00Z"),
            ("1h30m", "2024-05-10T10:30:00Z"),
            ("1.5h", "2024-05-10T10:30:00Z"),
            ("-5m", "2024-05-10T12:05:00Z"),
            ("0s", "2024-05-10T12:00:00Z"),
            ("-0", "2024-05-10T12:00:00Z"),
            ("30d", "2024-04-10T12:00:00Z"),
            ("1w1d", "2024-05-02T12:00:00Z"),
            // In the zone.
            ("2006-01-02", "2006-01-01T22:00:00Z"),
            ("2006-01-02T15", "2006-01-02T13:00:00Z"),
            ("2006-01-02T15:04", "2006-01-02T13:04:00Z"),
            ("2006-01-02T15:04:05", "2006-01-02T13:04:05Z"),
            ("2006-01-02T15:04:05.5", "2006-01-02T13:04:05.5Z"),
            (
                "2006-01-02T15:04:05.1234567899",
                "2006-01-02T13:04:05.123456789Z",
            ),
            ("2024-02-29", "2024-02-28T22:00:00Z"),
            // With an offset of its own.
            ("2006-01-02Z", "2006-01-02T00:00:00Z"),
            ("2006-01-02+07:00", "2006-01-01T17:00:00Z"),
            ("2006-01-02-07:00", "2006-01-02T07:00:00Z"),
            ("2006-01-02T15Z", "2006-01-02T15:00:00Z"),
            ("2006-01-02T15+01:30", "2006-01-02T13:30:00Z"),
            ("2006-01-02T15:04Z", "2006-01-02T15:04:00Z"),
            ("2006-01-02T15:04-00:30", "2006-01-02T15:34:00Z"),
            ("2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z"),
            ("2006-01-02T15:04:05+07:00", "2006-01-02T08:04:05Z"),
            (
                "2006-01-02T15:04:05.000000001Z",
                "2006-01-02T15:04:05.000000001Z",
            ),
            ("2006-01-02T15:04:05.5-07:00", "2006-01-02T22:04:05.5Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            // Since 1970.
            ("0", "1970-01-01T00:00:00Z"),
            ("10", "1970-01-01T00:00:10Z"),
            ("1136073600", "2006-01-01T00:00:00Z"),
            ("1136073600.", "2006-01-01T00:00:00Z"),
            ("1136073600.5", "2006-01-01T00:00:00.5Z"),
            ("1136073600.000000001", "2006-01-01T00:00:00.000000001Z"),
            (
                "1136073600.12345678999999999999",
                "2006-01-01T00:00:00.123456789Z",
            ),
            ("2006", "1970-01-01T00:33:26Z"),
            ("20060102", "1970-08-21T04:15:02Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(parse_until(text, now(), &east()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn until_refuses_everything_else() {
        for text in [
            "",
            " ",
            "10m ",
            " 10m",
            "10x",
            "yesterday",
            "-5",
            "+5",
            "-1136073600",
            ".5",
            "1.5.5",
            "1e9",
            "1136073600.123456789012345678901",
            "1136073600.x",
            "0x10",
            "2006-1-2",
            "2006-01",
            "2006-13-01",
            "2006-02-29",
            "2006-00-01",
            "06-01-02",
            "2006/01/02",
            "2006-01-02T",
            "2006-01-02T5",
            "2006-01-02T24",
            "2006-01-02T15:60",
            "2006-01-02T15:04:60",
            "2006-01-02T15:04:",
            "2006-01-02T15:04:05.",
            "2006-01-02T15:04.5",
            "2006-01-02 15:04:05",
            "2006-01-02t15:04:05z",
            "2006-01-02T15:04:05z",
            "2006-01-02T15:04:05 Z",
            "2006-01-02T15:04:05ZZ",
            "2006-01-02T15:04:05+0700",
            "2006-01-02T15:04:05+07",
            "2006-01-02T15:04:05+25:00",
            "2006-01-02T15:04:05+07:60",
            "2006-01-02T15:04:05+07:00:00",
            "2006-01-02T15:04:05[UTC]",
            "200\u{661}-01-02",
            "\u{e9}\u{e9}\u{e9}-01-02",
            "+2006-01-02",
            "-2006-01-02",
            "10000-01-01",
        ] {
            let error = parse_until(text, now(), &east()).unwrap_err();
            assert_eq!(error, InvalidTime::Until(text.to_owned()));
        }
        let message = parse_until("soon\u{1b}", now(), &east())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("invalid value for 'until' filter: `soon�` is neither a duration"),
            "{message}"
        );
    }

    #[test]
    fn until_out_of_range_is_an_error() {
        let nines = "9".repeat(60);
        for text in [
            "1000000000h".to_owned(),
            "-1000000000h".into(),
            format!("{nines}h"),
            format!("-{nines}m"),
            "2562048h".into(),
            "9223372036854775807s".into(),
            "-9223372036854775807s".into(),
            "9223372036854775807".into(),
            "9223372036854775808".into(),
            "253402300800".into(),
            nines.clone(),
            format!("{nines}.5"),
            "9999-12-31T23:59:59-23:59".into(),
        ] {
            assert_eq!(
                parse_until(&text, now(), &east()),
                Err(InvalidTime::UntilRange(text.clone())),
                "{text}"
            );
        }
        assert_eq!(
            parse_until("99999999999h", now(), &east())
                .unwrap_err()
                .to_string(),
            "invalid value for 'until' filter: `99999999999h` is out of range"
        );
    }

    #[test]
    fn a_time_without_a_zone_has_the_offset_of_its_own_day() {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        for (text, expected) in [
            ("2024-01-15T12", "2024-01-15T17:00:00Z"),
            ("2024-07-15T12", "2024-07-15T16:00:00Z"),
            // Skipped, then repeated.
            ("2024-03-10T02:30", "2024-03-10T07:30:00Z"),
            ("2024-11-03T01:30", "2024-11-03T05:30:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(parse_until(text, now(), &zone), Ok(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_jiff_prints_is_read_as_what_it_was(second in -62_135_596_800_i64..253_402_207_200) {
            let moment = Timestamp::new(second, 0).unwrap();
            prop_assert_eq!(parse_until(&moment.to_string(), now(), &east()), Ok(moment));
        }

        #[test]
        fn no_text_makes_the_readers_panic(
            text in "[0-9.:TZ+hmsnwd-]{0,30}",
            other in any::<String>(),
            second in -300_000_000_000_i64..300_000_000_000,
        ) {
            let now = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            for text in [text, other] {
                let _ = parse_until(&text, now, &east()).map_err(|error| error.to_string());
                let _ = parse_duration(&text).map_err(|error| error.to_string());
            }
        }
    }
}
