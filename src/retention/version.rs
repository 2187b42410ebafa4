//! Semantic versions in tags.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease};

/// A tag that is a semantic version. What stands behind `+` does not order versions, and is not looked
/// at. The numbers are kept as digits: dates and times stand in some, and no number is too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TagVersion {
    /// Major, minor and patch.
    numbers: [Digits; 3],
    pre_release: Prerelease,
}

/// The digits of a number without leading zeros; the shorter is the smaller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Digits(usize, String);

impl Digits {
    /// Zero.
    pub(super) fn zero() -> Digits {
        Digits(1, "0".to_owned())
    }

    fn parse(text: &str) -> Option<Digits> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_padded = text.len() > 1 && text.starts_with('0');
        (is_number && !is_padded).then(|| Digits(text.len(), text.to_owned()))
    }
}

impl TagVersion {
    /// Reads a tag: three numbers without leading zeros, perhaps a `v` before them and a pre-release
    /// behind them.
    pub(super) fn parse(tag: &str) -> Option<TagVersion> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        let (text, build) = text.split_once('+').unwrap_or((text, "0"));
        BuildMetadata::new(build)
            .ok()
            .filter(|build| !build.is_empty())?;
        let (numbers, pre_release) = match text.split_once('-') {
            Some((numbers, pre_release)) => {
                let pre_release = Prerelease::new(pre_release).ok();
                (numbers, pre_release.filter(|text| !text.is_empty())?)
            }
            None => (text, Prerelease::EMPTY),
        };
        let mut numbers = numbers.split('.').map(Digits::parse);
        let mut next = || numbers.next().flatten();
        let three = [next()?, next()?, next()?];
        numbers.next().is_none().then_some(TagVersion {
            numbers: three,
            pre_release,
        })
    }

    pub(super) fn major(&self) -> &Digits {
        &self.numbers[0]
    }

    pub(super) fn minor(&self) -> &Digits {
        &self.numbers[1]
    }
}

impl PartialOrd for TagVersion {
    fn partial_cmp(&self, other: &TagVersion) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TagVersion {
    fn cmp(&self, other: &TagVersion) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        // A release is more than what comes before it: `Prerelease` orders so.
        numbers.then_with(|| self.pre_release.cmp(&other.pre_release))
    }
}

#[cfg(test)]
mod tests {
    use super::TagVersion;

    /// V9.
    #[test]
    fn versions_are_those_of_semver_with_a_v_allowed() {
        for (tag, is_version) in [
            ("1.2.3", true),
            ("v1.2.3", true),
            ("0.0.0", true),
            ("1.2.3-rc.1", true),
            ("1.2.3-alpine", true),
            ("1.2.3+b1", true),
            ("1.2", false),
            ("1", false),
            ("V1.2.3", false),
            ("vv1.2.3", false),
            ("01.2.3", false),
            ("1.02.3", false),
            ("1.2.3-01", false),
            ("1.2.3.4", false),
            ("1.2.3-", false),
            ("99999999999999999999.0.0", true),
            ("latest", false),
            ("", false),
        ] {
            assert_eq!(TagVersion::parse(tag).is_some(), is_version, "{tag}");
        }
    }

    /// V9.
    #[test]
    fn a_pre_release_is_lower_and_numbers_are_numbers() {
        let ordered = [
            "1.9.0-alpha",
            "1.9.0-rc.2",
            "v1.9.0-rc.10",
            "1.9.0",
            "v1.10.0",
            "2.0.0-0",
            "2.0.0",
            "2.20240101120000000001.0",
            "99999999999999999999.0.0",
            "100000000000000000000.0.0",
        ];
        let ordered = ordered.map(|tag| TagVersion::parse(tag).unwrap());
        assert!(ordered.is_sorted_by(|a, b| a < b));
        let [a, b] = ["1.0.0+a", "v1.0.0+b"].map(TagVersion::parse);
        assert_eq!(a, b);
    }
}
