//! Which of some images are the newest: of all, within a time, of each period, of each version.
//!
//! Newer is what was created later, and of stated dates that are equal what stands later in
//! index.json, since tools append. Where nothing is stated and files are equally old, as in a copy of
//! a layout, nobody knows which is newer: then all of them are taken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::policy::{Keep, Order, Part, Period};
use super::version::{Digits, TagVersion};
use crate::inspect::metadata::Created;

/// An image, as far as its place among others goes.
#[derive(Clone, Debug)]
pub(crate) struct Aged {
    /// Its number.
    pub(crate) image: usize,
    /// When it was created, and who says so.
    pub(crate) created: Created,
    /// Where its last entry stands in index.json.
    pub(crate) position: usize,
    /// Its highest version.
    pub(super) version: Option<TagVersion>,
}

impl Aged {
    /// An image whose version does not matter.
    pub(crate) fn new(image: usize, created: Created, position: usize) -> Aged {
        Aged {
            image,
            created,
            position,
            version: None,
        }
    }

    fn age(&self) -> (Timestamp, usize) {
        (self.created.time, self.position)
    }
}

/// Images of which nothing says which is newer, so that more of them stay than were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EquallyOld {
    /// How many.
    pub images: usize,
}

/// What was picked of some images.
#[derive(Debug, Default)]
pub(super) struct Picked {
    /// Images by number, and whether one is only taken since nothing says that it is older.
    pub(super) images: Vec<(usize, bool)>,
    pub(super) equally_old: Vec<EquallyOld>,
}

impl Picked {
    /// Takes the first so many of images that are in order, and what cannot be told from them.
    fn take(&mut self, ordered: &[&Aged], count: usize, by: Order) {
        let taken = ordered.iter().take(count);
        self.images.extend(taken.map(|aged| (aged.image, false)));
        let (before, after) = on_a_level(ordered, count, by);
        if after.is_empty() {
            return;
        }
        let images = before + after.len();
        self.equally_old.push(EquallyOld { images });
        let equal = after.into_iter().map(|at| (ordered[at].image, true));
        self.images.extend(equal);
    }
}

/// Of images that are in order, those of which nothing tells the last before a cut from the first
/// behind it: how many stand before, and the places of those behind.
fn on_a_level(ordered: &[&Aged], count: usize, by: Order) -> (usize, Vec<usize>) {
    let (taken, rest) = ordered.split_at(count.min(ordered.len()));
    let Some(last) = taken.last() else {
        return (0, Vec::new());
    };
    let is_level = |aged: &&&Aged| {
        aged.created.time == last.created.time
            && (by == Order::Created || aged.version == last.version)
    };
    let is_unknown = |aged: &&&Aged| !aged.created.is_stated();
    let before = taken.iter().rev().take_while(is_level);
    let before = before.filter(is_unknown).count();
    if before == 0 {
        return (0, Vec::new());
    }
    let rest = rest.iter().enumerate();
    let level = rest.take_while(|(_, aged)| is_level(aged));
    let unknown = level.filter(|(_, aged)| is_unknown(aged));
    (before, unknown.map(|(at, _)| at + taken.len()).collect())
}

/// What is kept of images that are counted together.
pub(super) fn pick(images: &[Aged], keep: &Keep, now: Timestamp) -> Picked {
    let mut picked = Picked::default();
    let mut newest: Vec<&Aged> = images.iter().collect();
    newest.sort_by_key(|aged| Reverse(aged.age()));
    match keep {
        Keep::All | Keep::WhileItFits => {
            let all = newest.iter().map(|aged| (aged.image, false));
            picked.images.extend(all);
        }
        Keep::Last { count, by } => {
            if *by == Order::Version {
                // Stable: those of one version stay in the order of their age.
                newest.sort_by(|a, b| b.version.cmp(&a.version));
            }
            picked.take(&newest, *count, *by);
        }
        Keep::Within(span) => {
            let since = since(now, *span);
            let within = newest.iter().take_while(|aged| aged.created.time >= since);
            picked.images.extend(within.map(|aged| (aged.image, false)));
        }
        Keep::NewestOf { count, period } => {
            let mut of_period: BTreeMap<Reverse<Date>, Vec<&Aged>> = BTreeMap::new();
            for aged in newest {
                let first = first_day(aged.created.time, *period);
                of_period.entry(Reverse(first)).or_default().push(aged);
            }
            for of_one in of_period.values().take(*count) {
                picked.take(of_one, 1, Order::Created);
            }
        }
        Keep::NewestPer(part) => {
            let mut of_part: BTreeMap<(Digits, Digits), Vec<&Aged>> = BTreeMap::new();
            newest.sort_by(|a, b| b.version.cmp(&a.version));
            for aged in newest {
                let Some(version) = &aged.version else {
                    break;
                };
                let minor = match part {
                    Part::Major => Digits::zero(),
                    Part::Minor => version.minor().clone(),
                };
                of_part
                    .entry((version.major().clone(), minor))
                    .or_default()
                    .push(aged);
            }
            for of_one in of_part.values() {
                picked.take(of_one, 1, Order::Version);
            }
        }
    }
    picked
}

/// The moment so long ago.
fn since(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// The day on which the period of a moment began, in UTC.
fn first_day(time: Timestamp, period: Period) -> Date {
    let day = Offset::UTC.to_datetime(time).date();
    match period {
        Period::Day => day,
        // Of the first week that can be counted, the first day.
        Period::Week => {
            let back = i64::from(day.weekday().to_monday_zero_offset());
            day.checked_sub(SignedDuration::from_hours(24 * back))
                .unwrap_or(Date::MIN)
        }
        Period::Month => day.first_of_month(),
    }
}

/// Puts images in line, the newest first.
pub(crate) fn in_line(mut images: Vec<Aged>) -> Vec<Aged> {
    images.sort_by_key(|aged| Reverse(aged.age()));
    images
}

/// Those behind the first `count` of a line of which nothing says that they are older than one of
/// these, by their places; and how many with these cannot be told apart.
pub(crate) fn tied(line: &[Aged], count: usize) -> (HashSet<usize>, usize) {
    let ordered: Vec<&Aged> = line.iter().collect();
    let (before, after) = on_a_level(&ordered, count, Order::Created);
    let images = before + after.len();
    (after.into_iter().collect(), images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::metadata::CreatedFrom;

    fn created(text: &str) -> Created {
        let (text, from) = match text.strip_prefix('~') {
            Some(text) => (text, CreatedFrom::File),
            None => (text, CreatedFrom::Config),
        };
        let text = match text.len() {
            10 => format!("{text}T12:00:00Z"),
            _ => text.to_owned(),
        };
        Created {
            time: text.parse().unwrap(),
            from,
        }
    }

    /// What is kept of images with these dates (`~` where only a file says so) and versions, by number.
    fn kept(images: &[&str], keep: &Keep) -> (Vec<usize>, Vec<usize>) {
        let images = images.iter().enumerate().map(|(image, text)| {
            let (date, tag) = text.split_once(' ').unwrap_or((text, ""));
            Aged {
                version: TagVersion::parse(tag),
                ..Aged::new(image, created(date), image)
            }
        });
        let images: Vec<Aged> = images.collect();
        let now = "2025-01-10T00:00:00Z".parse().unwrap();
        let picked = pick(&images, keep, now);
        let mut kept: Vec<usize> = picked.images.iter().map(|(image, _)| *image).collect();
        kept.sort_unstable();
        let equal = picked.equally_old.iter().map(|of| of.images);
        (kept, equal.collect())
    }

    const DAY: &str = "2024-12-30";

    /// V6, FR17.
    #[test]
    fn the_last_are_the_newest_and_what_cannot_be_told_from_them() {
        let last = |count| Keep::Last {
            count,
            by: Order::Created,
        };
        let unstated = &format!("~{DAY}") as &str;
        for (images, count, expected, equal) in [
            (
                &["2024-01-02", "2024-01-01", "2024-01-03"][..],
                2,
                vec![0, 2],
                vec![],
            ),
            (&[DAY, DAY, DAY], 1, vec![2], vec![]),
            (&[unstated, unstated, unstated], 1, vec![0, 1, 2], vec![3]),
            (&[unstated, DAY, unstated], 1, vec![0, 2], vec![2]),
            (&[DAY, unstated, unstated], 1, vec![1, 2], vec![2]),
            (&[unstated, unstated, DAY], 1, vec![2], vec![]),
            (&[], 3, vec![], vec![]),
        ] {
            assert_eq!(kept(images, &last(count)), (expected, equal), "{images:?}");
        }
    }

    /// V10.
    #[test]
    fn by_version_the_highest_come_first_and_then_the_rest_by_age() {
        let images = [
            "2024-01-01 v2.0.0",
            "2024-05-01 v1.9.9",
            "2023-12-01 v2.0.0-rc.1",
            "2024-06-01 nightly",
            "2024-07-01 edge",
        ];
        for (count, expected) in [
            (1, vec![0]),
            (2, vec![0, 2]),
            (3, vec![0, 1, 2]),
            (4, vec![0, 1, 2, 4]),
        ] {
            let by = Order::Version;
            assert_eq!(kept(&images, &Keep::Last { count, by }), (expected, vec![]));
        }
        // Of one version the newer counts; where that is unknown, all of them.
        let one = Keep::Last {
            count: 1,
            by: Order::Version,
        };
        assert_eq!(
            kept(&["2024-02-01 v1.0.0", "2024-01-01 1.0.0"], &one).0,
            [0]
        );
        let equal = [
            "~2024-02-01 v1.0.0",
            "~2024-02-01 1.0.0",
            "~2024-02-01 0.9.0",
        ];
        assert_eq!(kept(&equal, &one), (vec![0, 1], vec![2]));
    }

    /// V7.
    #[test]
    fn within_a_span_is_what_was_created_since() {
        let images = [
            "2025-01-09T00:00:00Z",
            "2025-01-08T23:59:59Z",
            "2025-01-10T20:00:00Z",
        ];
        let within = |hours| Keep::Within(SignedDuration::from_hours(hours));
        assert_eq!(kept(&images, &within(24)).0, [0, 2]);
        assert_eq!(kept(&images, &within(25)).0, [0, 1, 2]);
        assert_eq!(
            kept(&images, &Keep::Within(SignedDuration::MAX)).0,
            [0, 1, 2]
        );
    }

    /// V8.
    #[test]
    fn the_newest_of_each_of_the_last_periods_that_have_any() {
        let images = [
            "2024-12-29", // Sunday of week 52
            "2024-12-30", // Monday of week 1 of 2025
            "2024-12-31",
            "2025-01-05T08:00:00Z", // Sunday of week 1
            "2025-01-05T20:00:00Z",
            "2025-01-06", // Monday of week 2
        ];
        for (period, count, expected) in [
            (Period::Day, 1, vec![5]),
            (Period::Day, 2, vec![4, 5]),
            (Period::Day, 4, vec![1, 2, 4, 5]),
            (Period::Week, 1, vec![5]),
            (Period::Week, 3, vec![0, 4, 5]),
            (Period::Month, 1, vec![5]),
            (Period::Month, 9, vec![2, 5]),
        ] {
            let keep = Keep::NewestOf { count, period };
            assert_eq!(kept(&images, &keep), (expected, vec![]), "{period:?}");
        }
        // The last moment of a day, and the first of the next.
        let edge = ["2024-08-31T23:59:59Z", "2024-09-01T00:00:00Z"];
        for (period, expected) in [
            (Period::Day, vec![0, 1]),
            (Period::Month, vec![0, 1]),
            (Period::Week, vec![1]),
        ] {
            let keep = Keep::NewestOf { count: 2, period };
            assert_eq!(kept(&edge, &keep).0, expected, "{period:?}");
        }
        // FR17: of a day's newest that cannot be told apart, all.
        let equal = ["~2024-05-01", "~2024-05-01", "2024-05-01T01:00:00Z"];
        let keep = Keep::NewestOf {
            count: 1,
            period: Period::Day,
        };
        assert_eq!(kept(&equal, &keep), (vec![0, 1], vec![2]));
    }

    /// V9.
    #[test]
    fn of_each_version_the_highest() {
        let images = [
            "2024-06-01 v1.9.0",
            "2024-06-02 v1.9.1-rc.1",
            "2024-05-01 v1.9.1",
            "2024-01-01 v1.10.0",
            "2024-02-01 2.0.0-rc.1",
            "2024-07-01 latest",
        ];
        assert_eq!(kept(&images, &Keep::NewestPer(Part::Minor)).0, [2, 3, 4]);
        assert_eq!(kept(&images, &Keep::NewestPer(Part::Major)).0, [3, 4]);
        let equal = ["2024-01-01 1.0.0", "2024-01-02 v1.0.0"];
        assert_eq!(kept(&equal, &Keep::NewestPer(Part::Major)).0, [1]);
    }

    /// FR17, V11.
    #[test]
    fn a_line_is_cut_where_something_says_what_is_older() {
        let line = |dates: &[&str]| {
            let images = dates.iter().enumerate();
            in_line(
                images
                    .map(|(n, date)| Aged::new(n, created(date), n))
                    .collect(),
            )
        };
        let unstated = &format!("~{DAY}") as &str;
        let equal = line(&["2024-12-31", unstated, unstated, unstated, "2024-01-01"]);
        let order: Vec<usize> = equal.iter().map(|aged| aged.image).collect();
        assert_eq!(order, [0, 3, 2, 1, 4]);
        let places = |count| {
            let mut places: Vec<usize> = tied(&equal, count).0.into_iter().collect();
            places.sort_unstable();
            places
        };
        assert!(places(0).is_empty());
        assert!(places(1).is_empty());
        assert_eq!(places(2), [2, 3]);
        assert!(places(4).is_empty());
        assert!(places(9).is_empty());
    }
}
