//! What the options of `prune` say about what is to stay.

use super::policy_file::read_policy;
use crate::cli::{NewestBy, PruneArgs};
use crate::error::Error;
use crate::filter::Pattern;
use crate::plan::Retention;
use crate::retention::options::{CountOption, max_size};
use crate::retention::{Order, Period, Policy};

/// Understands the options, and reads the policy file.
///
/// # Errors
/// Exit status 2: an option, or the file, cannot be understood.
pub(super) fn retention(args: &PruneArgs) -> Result<Retention, Error> {
    let patterns = args.keep.iter();
    let keep = patterns.map(|text| {
        let pattern = Pattern::parse(text);
        let pattern = pattern.map_err(|error| Error::usage(format!("--keep {text}: {error}")));
        Ok((text.clone(), pattern?))
    });
    let keep = keep.collect::<Result<_, Error>>()?;
    Ok(Retention {
        keep,
        policy: policy(args)?,
        allow_empty: args.allow_empty,
    })
}

fn policy(args: &PruneArgs) -> Result<Policy, Error> {
    let order = match args.newest_by {
        Some(NewestBy::Version) => Order::Version,
        Some(NewestBy::Created) | None => Order::Created,
    };
    let mut counts = Vec::new();
    for (option, texts) in [
        (CountOption::Last(order), &args.keep_last),
        (CountOption::Within, &args.keep_within),
        (CountOption::NewestOf(Period::Day), &args.keep_daily),
        (CountOption::NewestOf(Period::Week), &args.keep_weekly),
        (CountOption::NewestOf(Period::Month), &args.keep_monthly),
        (CountOption::NewestPer, &args.keep_newest_per),
    ] {
        for text in texts {
            counts.push(option.parse(text)?);
        }
    }
    let limit = args.max_size.as_deref().map(max_size).transpose()?;
    let mut policy = match &args.policy {
        Some(path) => read_policy(path)?,
        None => Policy::default(),
    };
    if let Some((limit, count)) = limit {
        if let Some(other) = &policy.limit {
            return Err(Error::usage(format!(
                "{} and {} are two limits for one layout",
                limit.source, other.source
            ))
            .hint("give one of them"));
        }
        policy.limit = Some(limit);
        counts.push(count);
    }
    // What an option keeps is said of it first.
    counts.append(&mut policy.counts);
    policy.counts = counts;
    Ok(policy)
}
