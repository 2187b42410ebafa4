//! Policy files, as a whole.

use ocirm::filter::Pattern;
use ocirm::retention::{Keep, Policy, Rules, Scope, parse_policy};
use ocirm::snapshot::Name;

use super::assert_one_line;

const PATH: &str = "etc/policy.toml";

/// Reads a policy file.
pub fn policy(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let policy = match parse_policy(text, PATH, "policy.toml") {
        Ok(policy) => policy,
        Err(error) => {
            let message = error.to_string();
            assert_one_line(&message);
            error.hint_text().into_iter().for_each(assert_one_line);
            let place = message
                .strip_prefix(PATH)
                .and_then(|rest| rest.strip_prefix(':'));
            let mut place = place.expect("the file").splitn(3, ':');
            for number in [place.next(), place.next()] {
                let number: usize = number.expect("a place").parse().expect("a number");
                assert!(number > 0);
            }
            return false;
        }
    };
    let Some(Rules { rules, .. }) = &policy.rules else {
        panic!("a file without rules is none");
    };
    assert!(!rules.is_empty());
    for count in &policy.counts {
        let Scope::Rule(rule) = count.scope else {
            panic!("a file counts what its rules decide");
        };
        assert!(rule < rules.len() && count.line.is_some_and(|line| line > 0));
        assert!(count.keep != Keep::WhileItFits || policy.limit.is_some());
        assert!(Pattern::parse("x").is_ok());
    }
    // A comment says nothing, and neither does a rule behind all others for what they decide.
    let same = |more: &str| -> Policy {
        let again = parse_policy(&format!("{text}\n{more}"), PATH, "policy.toml");
        again.unwrap_or_else(|error| panic!("{error}"))
    };
    let sources = |policy: &Policy| -> Vec<String> {
        policy
            .counts
            .iter()
            .map(|count| count.source.clone())
            .collect()
    };
    assert_eq!(sources(&same("# the end")), sources(&policy));
    let has_rules = policy
        .counts
        .iter()
        .all(|count| count.source.starts_with("rule "));
    if has_rules && !text.contains("rule = [") && !text.contains("rule=[") {
        let longer = parse_policy(
            &format!("{text}\n[[rule]]\nremove = true"),
            PATH,
            "policy.toml",
        );
        if let Ok(Policy {
            rules: Some(longer),
            ..
        }) = longer
        {
            for tag in ["v1.0.0", "nightly-1", "pr-12", "latest", "x"] {
                let name = Name::Tag(tag.into());
                let found = longer
                    .deciding(&name, tag)
                    .expect("the last rule matches everything");
                let before = rules.iter().position(|rule| rule.matches(&name, tag));
                assert_eq!(found, before.unwrap_or(rules.len()));
            }
        }
    }
    true
}
