//! The policy file: rules in TOML. What is not understood to the last key is refused whole, for half a
//! policy would delete what the other half keeps.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::options::{CountOption, limit};
use super::policy::{Count, Keep, Limit, Order, Period, Policy, Rule, Rules, Scope};
use super::reader::{Setting, Source, settings};
use crate::error::Error;
use crate::words::nearest;

/// The keys above the rules.
const TOP_KEYS: [&str; 3] = ["version", "max-size", "rule"];

/// The keys of a rule.
const RULE_KEYS: [&str; 12] = [
    "name",
    "repositories",
    "tags",
    "keep",
    "keep-last",
    "keep-within",
    "keep-daily",
    "keep-weekly",
    "keep-monthly",
    "keep-newest-per",
    "newest-by",
    "remove",
];

/// The only form of the file so far.
const VERSION: &str = "1";

/// Understands a policy file. `path` is what errors call it, `short` what reasons do.
///
/// # Errors
/// Exit status 2, with the line and column of what is not understood.
pub fn parse_policy(text: &str, path: &str, short: &str) -> Result<Policy, Error> {
    let source = Source::new(text, path);
    let parsed = DeTable::parse(text);
    let parsed = parsed.map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        source.error(at, &message)
    })?;
    let mut file = File {
        source,
        short,
        policy: Policy::default(),
        rules: Vec::new(),
        first_in_line: None,
    };
    file.read(parsed.get_ref())?;
    let mut policy = file.policy;
    policy.rules = Some(Rules {
        file: short.to_owned(),
        rules: file.rules,
    });
    Ok(policy)
}

struct File<'t> {
    source: Source<'t>,
    short: &'t str,
    policy: Policy,
    rules: Vec<Rule>,
    /// Where the first rule says that something stays while it fits.
    first_in_line: Option<usize>,
}

/// What one rule says, as far as it was read.
#[derive(Default)]
struct Said {
    name: Option<String>,
    keeps: Vec<(Keep, String, usize)>,
    removes: Option<String>,
    /// Where it says so.
    order: Option<(Order, usize)>,
}

impl File<'_> {
    fn read(&mut self, table: &DeTable<'_>) -> Result<(), Error> {
        let mut limit_line = 0;
        for setting in settings(table) {
            match setting.key {
                "version" => {
                    if self.source.number(&setting)? != VERSION {
                        let why = "this program knows version 1 of the file";
                        return Err(self.source.bad_value(&setting, why));
                    }
                }
                "max-size" => {
                    self.policy.limit = Some(self.limit(&setting)?);
                    limit_line = self.source.line(setting.key_span.start);
                }
                "rule" => self.read_rules(&setting)?,
                _ => return Err(self.source.unknown_key(&setting, &TOP_KEYS)),
            }
        }
        match (&self.policy.limit, self.first_in_line) {
            (None, Some(at)) => {
                let why = "keep = \"while-it-fits\" asks for a max-size above the rules";
                return Err(self.source.error(at, why));
            }
            (Some(limit), _) if self.rules.is_empty() => {
                // One rule for everything.
                let (source, line) = (limit.source.clone(), limit_line);
                self.policy.counts.push(Count {
                    keep: Keep::WhileItFits,
                    scope: Scope::Rule(0),
                    source: source.clone(),
                    line: Some(line),
                });
                self.rules.push(Rule {
                    source,
                    name: None,
                    line,
                    repositories: None,
                    tags: None,
                });
            }
            (None, None) if self.rules.is_empty() => {
                let why = "the policy has neither a [[rule]] nor a max-size";
                return Err(self.source.error(0, why));
            }
            _ => {}
        }
        Ok(())
    }

    fn limit(&self, setting: &Setting<'_>) -> Result<Limit, Error> {
        let text = match setting.value.get_ref() {
            DeValue::Integer(_) => self.source.number(setting)?,
            _ => self.source.text(setting, "\"20GB\"")?,
        };
        let bytes = limit(text).map_err(|why| self.source.bad_value(setting, &why))?;
        let (line, short) = (self.source.line(setting.key_span.start), self.short);
        let written = self.source.written(setting);
        Ok(Limit {
            bytes,
            source: format!("{written} ({short}:{line})"),
        })
    }

    fn read_rules(&mut self, setting: &Setting<'_>) -> Result<(), Error> {
        let Some(rules) = setting.value.get_ref().as_array() else {
            let at = setting.key_span.start;
            let why = "rules are a list: each begins with [[rule]], in double brackets";
            return Err(self.source.error(at, why));
        };
        for rule in rules {
            let Some(table) = rule.get_ref().as_table() else {
                let why = "rule: expected a table";
                return Err(self.source.error(rule.span().start, why));
            };
            self.read_rule(rule, table)?;
        }
        Ok(())
    }

    fn read_rule(&mut self, rule: &Spanned<DeValue<'_>>, table: &DeTable<'_>) -> Result<(), Error> {
        let place = self.rules.len();
        let settings = settings(table);
        let mut said = Said::default();
        let (mut repositories, mut tags) = (None, None);
        for setting in &settings {
            match setting.key {
                "repositories" => repositories = Some(self.source.repositories(setting)?),
                "tags" => tags = Some(self.source.tags(setting)?),
                _ => self.read_deed(setting, &mut said)?,
            }
        }
        let begin = rule.span().start;
        if let Some((order, at)) = said.order {
            let mut lasts = said.keeps.iter_mut().filter_map(|(keep, ..)| match keep {
                Keep::Last { by, .. } => Some(by),
                _ => None,
            });
            match lasts.next() {
                Some(by) => *by = order,
                None => {
                    let why = "newest-by is about keep-last, which the rule does not have";
                    return Err(self.source.error(at, why));
                }
            }
        }
        let mut texts: Vec<&str> = said
            .keeps
            .iter()
            .map(|(_, text, _)| text.as_str())
            .collect();
        match (&said.removes, texts.is_empty()) {
            (None, true) => {
                let why = "the rule says neither what it keeps nor `remove = true`";
                let error = self.source.error(begin, why);
                return Err(error.hint(
                    "give it keep, keep-last, keep-within, keep-daily, keep-weekly, keep-monthly or \
                     keep-newest-per; or `remove = true` if what it matches is to go",
                ));
            }
            (Some(_), false) => {
                let why = "the rule says both `remove = true` and what it keeps";
                return Err(self.source.error(begin, why));
            }
            (Some(text), true) => texts.push(text),
            (None, false) => {}
        }
        let head = match &said.name {
            Some(name) => format!("rule {} \"{name}\"", place + 1),
            None => format!("rule {}", place + 1),
        };
        let short = self.short;
        let line = self.source.line(begin);
        self.rules.push(Rule {
            source: format!("{head} ({}, {short}:{line})", texts.join(", ")),
            name: said.name,
            line,
            repositories,
            tags,
        });
        for (keep, text, at) in said.keeps {
            let line = self.source.line(at);
            if keep == Keep::WhileItFits {
                self.first_in_line.get_or_insert(at);
            }
            self.policy.counts.push(Count {
                keep,
                scope: Scope::Rule(place),
                source: format!("{head} ({text}, {short}:{line})"),
                line: Some(line),
            });
        }
        Ok(())
    }

    /// Reads a setting of a rule that does not say what the rule is about.
    fn read_deed(&self, setting: &Setting<'_>, said: &mut Said) -> Result<(), Error> {
        let source = &self.source;
        let at = setting.key_span.start;
        let count = |option: CountOption, text: &str| {
            let keep = option.keep(text);
            let keep = keep.map_err(|why| source.bad_value(setting, &why))?;
            Ok::<_, Error>((keep, source.written(setting), at))
        };
        let count = match setting.key {
            "name" => {
                said.name = Some(source.text(setting, "\"nightlies\"")?.to_owned());
                return Ok(());
            }
            "newest-by" => {
                let order = source.text(setting, "\"version\"")?;
                let order = match order {
                    "created" => Order::Created,
                    "version" => Order::Version,
                    _ => {
                        let why = "expected \"created\" or \"version\"";
                        return Err(source.bad_value(setting, why));
                    }
                };
                said.order = Some((order, at));
                return Ok(());
            }
            "remove" => {
                if setting.value.get_ref().as_bool() != Some(true) {
                    let why = "the only value is true; without the line a rule does not remove";
                    return Err(source.bad_value(setting, why));
                }
                said.removes = Some(source.written(setting));
                return Ok(());
            }
            "keep" => (self.keep(setting)?, source.written(setting), at),
            "keep-last" => count(CountOption::Last(Order::Created), source.number(setting)?)?,
            "keep-within" => count(CountOption::Within, source.text(setting, "\"7d\"")?)?,
            "keep-daily" => count(CountOption::NewestOf(Period::Day), source.number(setting)?)?,
            "keep-weekly" => count(CountOption::NewestOf(Period::Week), source.number(setting)?)?,
            "keep-monthly" => count(
                CountOption::NewestOf(Period::Month),
                source.number(setting)?,
            )?,
            "keep-newest-per" => count(CountOption::NewestPer, source.text(setting, "\"minor\"")?)?,
            "max-size" => {
                let why = "max-size stands once, above the rules";
                let error = source.error(at, why);
                return Err(error.hint(
                    "what is to stay as long as there is room has keep = \"while-it-fits\"",
                ));
            }
            _ => return Err(source.unknown_key(setting, &RULE_KEYS)),
        };
        said.keeps.push(count);
        Ok(())
    }

    /// The value of `keep`.
    fn keep(&self, setting: &Setting<'_>) -> Result<Keep, Error> {
        const WHILE_IT_FITS: &str = "while-it-fits";
        match setting.value.get_ref() {
            DeValue::Boolean(true) => Ok(Keep::All),
            DeValue::Boolean(false) => {
                let error = self.source.bad_value(setting, "false says nothing");
                Err(error.hint("leave the line out, or write `remove = true`"))
            }
            value if value.as_str() == Some(WHILE_IT_FITS) => Ok(Keep::WhileItFits),
            value => {
                let error = self
                    .source
                    .bad_value(setting, "expected true or \"while-it-fits\"");
                let text = value.as_str().unwrap_or_default();
                Err(match nearest(text, &[WHILE_IT_FITS]) {
                    Some(nearest) => error.hint(format!("did you mean \"{nearest}\"?")),
                    None => error,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;
    use crate::snapshot::Name;

    fn parse(text: &str) -> Result<Policy, String> {
        let parsed = parse_policy(text, "etc/policy.toml", "policy.toml");
        parsed.map_err(|error| match error.hint_text() {
            Some(hint) => format!("{error} / {hint}"),
            None => error.to_string(),
        })
    }

    /// V12, V13.
    #[test]
    fn a_file_is_rules_in_their_order() {
        let policy = parse(
            "version = 1\nmax-size = \"20GB\"\n\n[[rule]]\ntags = [\"v*\"]\nkeep = true\n\n[[rule]]\n\
             name = \"pull requests\"\nrepositories = [\"acme/**\"]\ntags = [\"/^pr-[0-9]+$/\"]\n\
             newest-by = \"version\"\nkeep-last = 2\nkeep-within = \"2w\"\n\n[[rule]]\n\
             keep = \"while-it-fits\"\nkeep-daily = 7\nkeep-weekly = 4\nkeep-monthly = 12\n\
             keep-newest-per = \"minor\"\n",
        );
        let policy = policy.unwrap();
        let sources: Vec<&str> = policy.counts.iter().map(|c| c.source.as_str()).collect();
        assert_eq!(
            sources,
            [
                "rule 1 (keep = true, policy.toml:6)",
                "rule 2 \"pull requests\" (keep-last = 2, policy.toml:13)",
                "rule 2 \"pull requests\" (keep-within = \"2w\", policy.toml:14)",
                "rule 3 (keep = \"while-it-fits\", policy.toml:17)",
                "rule 3 (keep-daily = 7, policy.toml:18)",
                "rule 3 (keep-weekly = 4, policy.toml:19)",
                "rule 3 (keep-monthly = 12, policy.toml:20)",
                "rule 3 (keep-newest-per = \"minor\", policy.toml:21)",
            ]
        );
        let last = Keep::Last {
            count: 2,
            by: Order::Version,
        };
        assert_eq!(policy.counts[1].keep, last);
        assert_eq!(policy.counts[1].line, Some(13));
        let limit = policy.limit.unwrap();
        assert_eq!(limit.bytes, 20_000_000_000);
        assert_eq!(limit.source, "max-size = \"20GB\" (policy.toml:2)");
        let rules = policy.rules.unwrap().rules;
        assert_eq!(rules[1].line, 8);
        assert_eq!(
            rules[1].source,
            "rule 2 \"pull requests\" (keep-last = 2, keep-within = \"2w\", policy.toml:8)"
        );
    }

    /// V14.
    #[test]
    fn a_file_with_a_limit_alone_is_one_rule() {
        for text in ["max-size = 1000", "max-size = \"1kB\""] {
            let policy = parse(text).unwrap();
            assert_eq!(policy.counts.len(), 1);
            assert_eq!(policy.counts[0].keep, Keep::WhileItFits);
            assert_eq!(policy.limit.unwrap().bytes, 1000);
            assert!(policy.rules.unwrap().rules[0].matches_everything());
        }
    }

    /// V13.
    #[test]
    fn a_regular_expression_matches_the_whole_tag() {
        for (pattern, tag, matches) in [
            ("/pr-[0-9]+/", "pr-12", true),
            ("/pr-[0-9]+/", "pr-12-old", false),
            ("/pr-[0-9]+/", "apr-12", false),
            ("/^pr-[0-9]+$/", "pr-12", true),
            ("/a|ab/", "ab", true),
            ("/a|ab/", "abc", false),
            ("/(?i)rc/", "RC", true),
            ("/(?i)pr|nightly/", "NIGHTLY", true),
            ("/(?x) v1 # a comment/", "v1", true),
            ("/(?x) v1 # a comment/", "v12", false),
            ("pr-*", "pr-12", true),
            ("pr-?", "pr-12", false),
        ] {
            let policy = parse(&format!("[[rule]]\ntags = ['{pattern}']\nkeep = true")).unwrap();
            let rules = policy.rules.unwrap();
            let name = Name::Tag(tag.into());
            assert_eq!(
                rules.deciding(&name, tag).is_some(),
                matches,
                "{pattern} {tag}"
            );
        }
    }

    /// V16.
    #[test]
    fn what_is_not_understood_is_said_with_its_place() {
        for (text, message) in [
            ("", "etc/policy.toml:1:1: the policy has neither"),
            ("# nothing\n", "neither a [[rule]] nor a max-size"),
            (
                "version = 2\nmax-size = 1",
                "policy.toml:1:11: version: this program knows version 1",
            ),
            (
                "version = \"1\"\nmax-size = 1",
                ":1:11: version: expected a number, not a text",
            ),
            ("[rule]\nkeep = true", ":1:2: rules are a list"),
            ("rule = [1]", ":1:9: rule: expected a table"),
            (
                "[[rules]]\nkeep = true",
                ":1:3: unknown key `rules` / did you mean `rule`?",
            ),
            (
                "[[rule]]\nkeep-lost = 1",
                ":2:1: unknown key `keep-lost` / did you mean `keep-last`?",
            ),
            ("[[rule]]\nkeep_last = 1", "/ did you mean `keep-last`?"),
            (
                "[[rule]]\nmax-images-to-have = 1",
                "/ the keys here are name, repositories",
            ),
            (
                "[[rule]]\npulled-within = \"7d\"",
                ":2:1: unknown key `pulled-within` / when an image was pulled",
            ),
            (
                "[[rule]]\nmostRecentlyPushedCount = 3",
                "when an image was pushed cannot be known",
            ),
            (
                "[[rule]]\ntags = [\"x*\"]\n\n[[rule]]\nkeep = true",
                ":1:1: the rule says neither",
            ),
            ("[[rule]]\nname = \"x\"", "remove = true"),
            (
                "[[rule]]\nkeep = true\nremove = true",
                ":1:1: the rule says both",
            ),
            (
                "[[rule]]\nkeep = false",
                ":2:8: keep: false says nothing / leave the line out",
            ),
            (
                "[[rule]]\nkeep = \"while-it-fit\"",
                "did you mean \"while-it-fits\"?",
            ),
            ("[[rule]]\nkeep = 3", ":2:8: keep: expected true or"),
            (
                "[[rule]]\nkeep = \"while-it-fits\"",
                ":2:1: keep = \"while-it-fits\" asks for a max-size",
            ),
            (
                "[[rule]]\nremove = false",
                ":2:10: remove: the only value is true",
            ),
            (
                "[[rule]]\nkeep-last = 0",
                ":2:13: keep-last: expected a number from 1",
            ),
            (
                "[[rule]]\nkeep-last = -1",
                ":2:13: keep-last: expected a number from 1",
            ),
            (
                "[[rule]]\nkeep-last = 99999999999999999999999",
                "keep-last: expected a number from 1",
            ),
            (
                "[[rule]]\nkeep-last = \"3\"",
                "keep-last: expected a number, not a text",
            ),
            (
                "[[rule]]\nkeep-last = 0x3",
                "keep-last: expected a number in decimal digits",
            ),
            (
                "[[rule]]\nrepositories = ['/ac.*/']\nkeep = true",
                ":2:17: no repository matches `/ac.*/`: none begins with `/`",
            ),
            (
                "[[rule]]\nrepositories = ['app:v*']\nkeep = true",
                ":2:17: no repository matches `app:v*`: tags and digests are no part of it",
            ),
            (
                "[[rule]]\ntags = ['//']\nkeep = true",
                ":2:9: no tag matches `//`",
            ),
            (
                "[[rule]]\ntags = ['/a\\.(/']\nkeep = true",
                r"bad regular expression `/a\.(/`: unclosed group",
            ),
            (
                "[[rule]]\nkeep-last = 3.0",
                "keep-last: expected a number, not a float",
            ),
            (
                "[[rule]]\nkeep-last = [3]",
                "keep-last: expected a number, not a list",
            ),
            (
                "[[rule]]\nkeep-within = 7",
                "keep-within: expected a text such as \"7d\", not a number",
            ),
            (
                "# years\n[[rule]]\nkeep-within = \"1y\"",
                ":3:15: keep-within: invalid duration `1y`",
            ),
            (
                "[[rule]]\nkeep-within = \"0s\"",
                "expected a time above zero",
            ),
            (
                "[[rule]]\nkeep-within = \"99999999999999999999h\"",
                "out of range",
            ),
            (
                "[[rule]]\nkeep-newest-per = \"patch\"",
                "expected `major` or `minor`",
            ),
            (
                "[[rule]]\nnewest-by = \"version\"\nkeep-daily = 3",
                ":2:1: newest-by is about keep-last",
            ),
            (
                "[[rule]]\nnewest-by = \"size\"\nkeep-last = 3",
                ":2:13: newest-by: expected",
            ),
            (
                "[[rule]]\nkeep = true\nmax-size = 3",
                ":3:1: max-size stands once, above the rules",
            ),
            (
                "max-size = \"lots\"",
                ":1:12: max-size: invalid size `lots`",
            ),
            ("max-size = 0", "no image fits into 0 bytes"),
            ("max-size = -5", "max-size: invalid size `-5`"),
            (
                "max-size = true",
                "max-size: expected a text such as \"20GB\", not true or false",
            ),
            (
                "[[rule]]\ntags = []\nkeep = true",
                ":2:8: tags: an empty list matches nothing",
            ),
            (
                "[[rule]]\ntags = \"v*\"\nkeep = true",
                ":2:8: tags: expected a list",
            ),
            (
                "[[rule]]\ntags = [\"v*\", 1]\nkeep = true",
                ":2:15: tags: expected a text, not a number",
            ),
            (
                "[[rule]]\ntags = [\"[\"]\nkeep = true",
                ":2:9: bad pattern `[`",
            ),
            ("[[rule]]\ntags = [\"\"]\nkeep = true", "a pattern is empty"),
            (
                "[[rule]]\ntags = [\"acme/web:1\"]\nkeep = true",
                "no tag matches `acme/web:1`",
            ),
            (
                "[[rule]]\ntags = [\"/x\"]\nkeep = true",
                "has no `/` at its end",
            ),
            (
                "[[rule]]\ntags = [\"/a)(b/\"]\nkeep = true",
                "bad regular expression `/a)(b/`",
            ),
            (
                "[[rule]]\ntags = [\"/[/\"]\nkeep = true",
                ":2:9: bad regular expression `/[/`",
            ),
            (
                "[[rule]]\ntags = ['/(a{1000}){1000}/']\nkeep = true",
                "bad regular expression",
            ),
            (
                "[[rule]]\nrepositories = [\"a[\"]\nkeep = true",
                "bad pattern `a[`",
            ),
            ("[[rule]]\nkeep = true\nkeep = true", ":3:"),
            ("[[rule]]\ntags = [\"*\"\nkeep = true", "etc/policy.toml:"),
            ("\u{0}", "etc/policy.toml:1:"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(message), "{text:?}: {error}");
            assert!(
                error.starts_with("etc/policy.toml:") && !error.contains('\n'),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(
            text in r#"(\[\[rule\]\]\n|[a-z-]{1,12} = ("[a-z*/(]{0,6}"|[0-9-]{1,4}|true)\n){0,8}"#,
            other in any::<String>(),
        ) {
            for text in [text, other] {
                let _ = parse(&text);
            }
        }
    }
}
