//! Sizes and ages, in the words in which Docker prints them.
//!
//! People compare these columns with those of `docker images` and scripts match them, so the
//! thresholds and the rounding are Docker's. The two places where Docker's own arithmetic prints
//! something odd are noted below and printed better. Nothing here knows what is measured, and
//! nothing reads such a text back: the JSON reports carry plain numbers.

/// Decimal units; the last holds every `u64`.
const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A number of bytes in decimal units with three significant digits: `0B`, `1.02kB`, `13.5MB`.
///
/// Where Docker rounds up to `1e+03kB`, this says `1MB`.
pub(crate) fn size(bytes: u64) -> String {
    // Divided as a float, again and again, like Docker: exact arithmetic would round 1005 bytes
    // to another last digit than `docker images` shows.
    let mut value = bytes as f64;
    let mut unit = 0;
    // Anything from 999.5 on has a fourth digit once it is rounded.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text + UNITS[unit]
}

/// Bytes that are freed: `up to` so many where other files may have the same blocks.
pub(crate) fn size_freed(bytes: u64, at_most: bool) -> String {
    match at_most && bytes > 0 {
        true => format!("up to {}", size(bytes)),
        false => size(bytes),
    }
}

/// A sum of bytes. Sizes are what a layout claims, so it ends at the largest number.
pub(super) fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// How long before `now` something was created: `About a minute ago`, `3 weeks ago`.
///
/// A time in the future, from a clock that was wrong or a build that fakes its dates, counts as
/// this very moment.
pub(crate) fn age(created: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = created.duration_until(now).as_secs();
    let minutes = seconds / 60;
    // Hours are rounded to the nearest; Docker does so for all but the years, and can therefore
    // say `1 years` on the last day before the second birthday.
    let hours = (seconds + 1800) / 3600;
    let days = hours / 24;
    match (seconds, minutes, hours, days) {
        (..1, ..) => "Less than a second ago".to_owned(),
        (1, ..) => "1 second ago".to_owned(),
        (_, 0, ..) => format!("{seconds} seconds ago"),
        (_, 1, ..) => "About a minute ago".to_owned(),
        (_, ..60, ..) => format!("{minutes} minutes ago"),
        (.., 1, _) => "About an hour ago".to_owned(),
        (.., ..48, _) => format!("{hours} hours ago"),
        (.., ..14) => format!("{days} days ago"),
        (.., ..60) => format!("{} weeks ago", days / 7),
        (.., ..730) => format!("{} months ago", days / 30),
        _ => format!("{} years ago", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_three_significant_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (10, "10B"),
            (100, "100B"),
            (999, "999B"),
            (1000, "1kB"),
            // 1.005 lies a little below itself in binary; Docker prints the same.
            (1005, "1kB"),
            (1006, "1.01kB"),
            (1024, "1.02kB"),
            (9_994, "9.99kB"),
            (9_996, "10kB"),
            (10_000, "10kB"),
            (99_940, "99.9kB"),
            (99_960, "100kB"),
            (100_000, "100kB"),
            (999_499, "999kB"),
            (999_500, "1MB"),
            (999_999, "1MB"),
            (1_000_000, "1MB"),
            // Halves go to the even digit.
            (12_250_000, "12.2MB"),
            (12_750_000, "12.8MB"),
            (13_454_321, "13.5MB"),
            (120_000_000, "120MB"),
            (123_456_789, "123MB"),
            (999_999_999, "1GB"),
            (1_500_000_000_000, "1.5TB"),
            (999_600_000_000_000, "1PB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    /// FR35: what other files may have as well is at most freed.
    #[test]
    fn what_may_be_shared_is_freed_at_most() {
        assert_eq!(size_freed(3300, false), "3.3kB");
        assert_eq!(size_freed(3300, true), "up to 3.3kB");
        assert_eq!(size_freed(0, true), "0B");
    }

    #[test]
    fn ages_change_their_unit_where_docker_does() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        let now: jiff::Timestamp = "2026-07-27T12:00:00Z".parse().unwrap();
        for (seconds, text) in [
            (-100 * 365 * DAY, "Less than a second ago"),
            (-1, "Less than a second ago"),
            (0, "Less than a second ago"),
            (1, "1 second ago"),
            (2, "2 seconds ago"),
            (59, "59 seconds ago"),
            (MINUTE, "About a minute ago"),
            (2 * MINUTE - 1, "About a minute ago"),
            (2 * MINUTE, "2 minutes ago"),
            (HOUR - 1, "59 minutes ago"),
            (HOUR, "About an hour ago"),
            (HOUR + 30 * MINUTE - 1, "About an hour ago"),
            (HOUR + 30 * MINUTE, "2 hours ago"),
            (3 * HOUR, "3 hours ago"),
            (47 * HOUR, "47 hours ago"),
            (47 * HOUR + 30 * MINUTE, "2 days ago"),
            (13 * DAY, "13 days ago"),
            (14 * DAY, "2 weeks ago"),
            (21 * DAY, "3 weeks ago"),
            (59 * DAY, "8 weeks ago"),
            (60 * DAY, "2 months ago"),
            (125 * DAY, "4 months ago"),
            (729 * DAY, "24 months ago"),
            (730 * DAY - 30 * MINUTE, "2 years ago"),
            (730 * DAY, "2 years ago"),
            (3 * 365 * DAY, "3 years ago"),
        ] {
            let created = now - jiff::SignedDuration::from_secs(seconds);
            assert_eq!(age(created, now), text, "{seconds}");
        }
    }

    #[test]
    fn a_fraction_of_a_second_is_not_rounded_up() {
        let now: jiff::Timestamp = "2026-07-27T12:00:00Z".parse().unwrap();
        for (millis, text) in [
            (-999, "Less than a second ago"),
            (999, "Less than a second ago"),
            (1999, "1 second ago"),
            (59_999, "59 seconds ago"),
        ] {
            let created = now - jiff::SignedDuration::from_millis(millis);
            assert_eq!(age(created, now), text, "{millis}");
        }
    }

    #[test]
    fn the_ends_of_time_have_an_age() {
        let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        assert_eq!(age(last, first), "Less than a second ago");
        assert!(age(first, last).ends_with(" years ago"));
    }

    /// What a size says, as a number.
    fn read(text: &str) -> f64 {
        let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        let unit = UNITS.iter().position(|u| *u == &text[digits..]).unwrap();
        text[..digits].parse::<f64>().unwrap() * 1000f64.powi(unit.try_into().unwrap())
    }

    /// Numbers of every magnitude: plain random ones are nearly all counted in EB.
    fn any_size() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32).prop_map(|(n, shift)| n >> shift)
    }

    proptest! {
        #[test]
        fn a_larger_size_never_looks_smaller(a in any_size(), b in any_size()) {
            let (small, large) = (a.min(b), a.max(b));
            prop_assert!(read(&size(small)) <= read(&size(large)) * (1.0 + 1e-9));
        }

        #[test]
        fn a_size_is_short_and_within_half_a_percent(bytes in any_size()) {
            let text = size(bytes);
            prop_assert!(text.len() <= 6, "{}", text);
            prop_assert!((read(&text) - bytes as f64).abs() <= bytes as f64 * 0.00501, "{}", text);
        }
    }
}
