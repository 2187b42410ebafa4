//! The jobs that are measured: what each is called, and how ocirm is asked to do it.

/// A job that both programs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Job {
    /// List the names
    Names,
    /// List the images as a table
    #[value(name = "ls")]
    List,
    /// Remove one image by its name, with its blobs
    #[value(name = "rmi")]
    Remove,
    /// Remove dangling images and all garbage
    Prune,
    /// Prune a layout that was pruned before
    PruneNothing,
}

impl Job {
    /// In the order in which they are measured: the last needs what the one before it leaves.
    pub(crate) const ALL: [Job; 5] = [
        Job::Names,
        Job::List,
        Job::Remove,
        Job::Prune,
        Job::PruneNothing,
    ];

    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Job::Names => "names",
            Job::List => "ls",
            Job::Remove => "rmi",
            Job::Prune => "prune",
            Job::PruneNothing => "prune-nothing",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Job> {
        Job::ALL.into_iter().find(|job| job.name() == name)
    }

    /// As it stands in the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Job::Names => "list names",
            Job::List => "`ls`",
            Job::Remove => "`rmi` one name",
            Job::Prune => "`prune`",
            Job::PruneNothing => "`prune`, nothing to do",
        }
    }

    /// Whether files go.
    pub(crate) fn deletes(self) -> bool {
        matches!(self, Job::Remove | Job::Prune)
    }

    /// What ocirm is told, behind `--layout DIR`.
    pub(crate) fn arguments(self, victim: &str) -> Vec<&str> {
        match self {
            Job::Names => vec!["ls", "--quiet", "--sort", "none"],
            Job::List => vec!["ls"],
            Job::Remove => vec!["rmi", victim],
            Job::Prune | Job::PruneNothing => vec!["prune", "--force", "--grace", "0s"],
        }
    }
}
