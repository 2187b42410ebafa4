//! References: whatever is understood is printed so that it is understood the same.

use ocirm::snapshot::names::meaning;
use ocirm::value::digest::DigestPrefix;
use ocirm::value::reference::{Argument, Reference, parse_argument, parse_canonical};

/// Reads an argument and writes it in all its forms.
pub fn reference(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    meaning(text);
    if let Some(prefix) = DigestPrefix::of_id(text) {
        let digits = prefix.encoded().len();
        assert!(digits >= 4);
        assert!(
            digits > 128 || parse_argument(text).is_ok(),
            "an ID is a possible name"
        );
    }
    match parse_argument(text) {
        Err(error) => {
            assert_one_line(&error);
            assert_eq!(parse_canonical(text), None);
            return false;
        }
        Ok(Argument::Digest(digest)) => {
            super::manifest::assert_safe(&digest);
            assert!(digest.to_string() == text || digest.encoded() == text);
        }
        Ok(Argument::Name(name)) => {
            assert_round_trips(&name);
            assert_round_trips(&name.clone().with_default_tag());
            assert!(text.to_lowercase().ends_with(&suffix(&name).to_lowercase()));
        }
    }
    true
}

fn assert_one_line(error: &ocirm::value::reference::InvalidReference) {
    super::assert_one_line(&error.to_string());
}

fn suffix(name: &Reference) -> String {
    let tag = name.tag().map(|tag| format!(":{tag}"));
    let digest = name.digest().map(|digest| format!("@{digest}"));
    [tag, digest].into_iter().flatten().collect()
}

fn assert_round_trips(name: &Reference) {
    let long = name.to_string();
    assert_eq!(long, format!("{}{}", name.repository(), suffix(name)));
    assert_eq!(parse_canonical(&long).as_ref(), Some(name));
    let short = name.familiar();
    assert!(short.len() <= long.len());
    assert!(short.ends_with(&suffix(name)));
    assert_eq!(
        parse_argument(&short),
        Ok(Argument::Name(name.clone())),
        "{short}"
    );
    let tagged = name.clone().with_default_tag();
    assert!(tagged.same_repository(name));
    assert!(tagged.tag().is_some() || tagged.digest().is_some());
    assert_eq!(tagged.clone().with_default_tag(), tagged);
    if let Some(digest) = name.digest() {
        super::manifest::assert_safe(digest);
    }
}
