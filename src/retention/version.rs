//! Semantic versions in tags.

use std::cmp::Ordering;

/// A tag that is a semantic version. What stands behind `+` does not order versions, and is not looked
/// at.
#[derive(Clone, Debug)]
pub(super) struct TagVersion(semver::Version);

impl TagVersion {
    /// Reads a tag: three numbers without leading zeros, perhaps a `v` before them and a pre-release
    /// behind them.
    pub(super) fn parse(tag: &str) -> Option<TagVersion> {
        let number = tag.strip_prefix('v').unwrap_or(tag);
        semver::Version::parse(number).ok().map(TagVersion)
    }

    pub(super) fn major(&self) -> u64 {
        self.0.major
    }

    pub(super) fn minor(&self) -> u64 {
        self.0.minor
    }
}

impl PartialEq for TagVersion {
    fn eq(&self, other: &TagVersion) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for TagVersion {}

impl PartialOrd for TagVersion {
    fn partial_cmp(&self, other: &TagVersion) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TagVersion {
    fn cmp(&self, other: &TagVersion) -> Ordering {
        self.0.cmp_precedence(&other.0)
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
            ("99999999999999999999.0.0", false),
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
        ];
        let ordered = ordered.map(|tag| TagVersion::parse(tag).unwrap());
        assert!(ordered.is_sorted_by(|a, b| a < b));
        let [a, b] = ["1.0.0+a", "v1.0.0+b"].map(TagVersion::parse);
        assert_eq!(a, b);
    }
}
