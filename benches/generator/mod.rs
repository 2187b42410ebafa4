//! Makes OCI image layouts of any size: the same parameters make the same bytes.
//!
//! Every blob has the digest that its name says and the size that its descriptors say; layers are
//! tar archives, configs list them. While it writes, the generator notes what a correct program must
//! find: which rows have no name, and which blobs nothing needs once they are gone.

mod blob_store;
mod documents;
mod random;

use std::collections::HashSet;
use std::io;
use std::path::Path;

pub(crate) use blob_store::{Blob, Digest, hex};
pub(crate) use documents::REF_NAME;
use documents::{INDEX, MANIFEST};

use blob_store::BlobStore;
use random::Random;

/// The platforms of multi-platform images, in order; all of linux.
const ARCHITECTURES: [&str; 8] = [
    "amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "mips64le",
];

/// What to generate.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "The layout")]
pub(crate) struct Parameters {
    /// How many images; a multi-platform image is one.
    #[arg(skip)]
    pub(crate) images: usize,
    /// Names of each image that has any, on average
    #[arg(long, value_name = "MEAN", default_value_t = 1.2)]
    pub(crate) tags: f64,
    /// Layers of each image and platform
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) layers: usize,
    /// How many of the layers are a base that other images have too
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) shared_layers: usize,
    /// How many images share a base, on average
    #[arg(long, value_name = "MEAN", default_value_t = 50)]
    pub(crate) images_per_base: usize,
    /// Platforms of a multi-platform image, at most 8
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) platforms: u8,
    /// Share of the images that are for several platforms
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(crate) multi_platform: f64,
    /// Give each platform of a multi-platform image an attestation
    #[arg(long)]
    pub(crate) attestations: bool,
    /// Share of the images that have no name
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    pub(crate) dangling: f64,
    /// Blobs that no row leads to, for each image
    #[arg(long, value_name = "MEAN", default_value_t = 0.0)]
    pub(crate) orphans: f64,
    /// Share of the images that have a signature, found by its subject
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(crate) referrers: f64,
    /// Bytes of the file in each layer; above 64 KiB layers are sparse files
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub(crate) blob_size: usize,
    /// Chooses which images have several names, none, and so on
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// What the bytes of layers that are no base begin with: layouts with another one have other images.
    #[arg(skip)]
    pub(crate) family: usize,
}

/// What is decided about an image before anything is written.
#[derive(Clone, Copy, Debug)]
struct Traits {
    /// How many names; 0 makes it dangling.
    names: usize,
    base: usize,
    multi_platform: bool,
    signed: bool,
}

/// All decisions.
pub(crate) struct Plan {
    parameters: Parameters,
    images: Vec<Traits>,
    bases: usize,
    /// The image that is removed by name: it has one name and no signature.
    victim: Option<usize>,
}

/// Which part of a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Everything,
    /// What a prune deletes.
    Garbage,
    /// What the removal of the one image deletes.
    Victim,
}

/// One entry of index.json.
pub(crate) struct Row {
    pub(crate) json: String,
    pub(crate) name: Option<String>,
    pub(crate) signature: bool,
    image: usize,
}

/// What was generated.
#[derive(Default)]
pub(crate) struct Inventory {
    pub(crate) rows: Vec<Row>,
    /// Manifests and indexes that rows lead to, with the number of their image.
    manifests: Vec<(Digest, usize)>,
    /// Configs of images, with the number of their image.
    configs: Vec<(Digest, usize)>,
    /// What a prune deletes, in no order that matters.
    pub(crate) garbage: Vec<Digest>,
    /// What the removal of the victim deletes.
    pub(crate) victim_garbage: Vec<Digest>,
    /// How many blobs there are.
    pub(crate) blobs: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// The layers of one base for one platform, and who has them.
struct Base {
    layers: Vec<Blob>,
    users: usize,
    named_users: usize,
    last_user: usize,
}

fn share_of(share: f64, count: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "counts are far below 2^52, and negative shares count as none"
    )]
    let part = (share * count as f64).round() as usize;
    part
}

impl Plan {
    /// Decides everything that is left to chance.
    pub(crate) fn new(parameters: &Parameters) -> Plan {
        let count = parameters.images;
        let mut random = Random::new(parameters.seed);
        let mut choose = |share: f64| random.mark(count, share_of(share, count));
        let dangling = choose(parameters.dangling);
        let multi_platform = choose(parameters.multi_platform);
        let signed = choose(parameters.referrers);
        let named = dangling.iter().filter(|dangling| !**dangling).count();
        let names = share_of(parameters.tags, named).max(named);
        let every = names.checked_div(named).unwrap_or(0);
        let mut one_more = random.mark(named, names - every * named).into_iter();
        let bases = count.div_ceil(parameters.images_per_base.max(1)).max(2);
        let mut images: Vec<Traits> = (0..count)
            .map(|image| Traits {
                names: if dangling[image] {
                    0
                } else {
                    every + usize::from(one_more.next().unwrap_or(false))
                },
                base: random.below(bases),
                multi_platform: multi_platform[image],
                signed: signed[image],
            })
            .collect();
        let mut from_the_middle = (count / 2..count).chain(0..count / 2);
        // With the only name of an image the image goes. Where each has several, one is left a single one.
        let is_possible = |image: &usize| images[*image].names > 0 && !images[*image].signed;
        let has_one = |image: &usize| is_possible(image) && images[*image].names == 1;
        let victim = from_the_middle.clone().find(has_one);
        let victim = victim.or_else(|| from_the_middle.find(is_possible));
        if let Some(victim) = victim {
            images[victim].names = 1;
        }
        Plan {
            parameters: parameters.clone(),
            images,
            bases,
            victim,
        }
    }

    /// The number of images.
    pub(crate) fn images(&self) -> usize {
        self.images.len()
    }

    /// The number of images that have a name.
    pub(crate) fn named_images(&self) -> usize {
        self.images.iter().filter(|image| image.names > 0).count()
    }

    /// The name that is removed, if the layout has one that can be.
    pub(crate) fn victim_name(&self) -> Option<String> {
        self.victim.map(|image| name(image, 0))
    }

    /// Writes blobs into the existing directory `dir`. With `only`, nothing else than these, and of
    /// `part` alone.
    pub(crate) fn write_blobs(
        &self,
        dir: &Path,
        part: Part,
        only: Option<HashSet<Digest>>,
    ) -> io::Result<Inventory> {
        let platforms = usize::from(self.parameters.platforms);
        let mut writer = Writer {
            plan: self,
            store: BlobStore::new(dir, self.parameters.blob_size, only)?,
            bases: (0..self.bases * platforms).map(|_| None).collect(),
            empty: None,
            inventory: Inventory::default(),
        };
        let mut empty_needed = false;
        for (image, traits) in self.images.iter().enumerate() {
            let wanted = match part {
                Part::Everything => true,
                Part::Garbage => traits.names == 0,
                Part::Victim => self.victim == Some(image),
            };
            if wanted {
                writer.image(image, *traits)?;
                empty_needed |= traits.signed && traits.names > 0;
            }
        }
        let Writer {
            mut store,
            mut inventory,
            bases,
            empty,
            ..
        } = writer;
        for base in bases.into_iter().flatten() {
            let layers = base.layers.iter().map(|layer| layer.digest);
            if base.named_users == 0 {
                inventory.garbage.extend(layers);
            } else if base.users == 1 && self.victim == Some(base.last_user) {
                inventory.victim_garbage.extend(layers);
            }
        }
        if let Some(empty) = empty
            && !empty_needed
        {
            inventory.garbage.push(empty.digest);
        }
        if part != Part::Victim {
            for number in 0..share_of(self.parameters.orphans, self.images.len()) {
                let orphan = store.layer(&format!("orphan {number}"))?;
                inventory.garbage.push(orphan.digest);
            }
        }
        (inventory.blobs, inventory.bytes) = (store.blobs, store.bytes);
        Ok(inventory)
    }
}

fn name(image: usize, number: usize) -> String {
    format!("image-{image:06}.{number}")
}

struct Writer<'a> {
    plan: &'a Plan,
    store: BlobStore,
    bases: Vec<Option<Base>>,
    empty: Option<Blob>,
    inventory: Inventory,
}

impl Writer<'_> {
    fn image(&mut self, image: usize, traits: Traits) -> io::Result<()> {
        // What belongs to this image alone.
        let mut own = Vec::new();
        let (media_type, target) = if traits.multi_platform {
            let mut entries = Vec::new();
            let platforms = usize::from(self.plan.parameters.platforms);
            let architectures = ARCHITECTURES.into_iter().enumerate();
            for (platform, architecture) in architectures.take(platforms) {
                let manifest = self.platform(image, traits, platform, &mut own)?;
                entries.push(documents::platform_entry(manifest, architecture));
                if self.plan.parameters.attestations {
                    let attestation = self.attestation(image, architecture, &mut own)?;
                    entries.push(documents::attestation_entry(attestation, manifest));
                }
            }
            let text = documents::index(entries.iter().map(String::as_str));
            (INDEX, self.manifest(image, &text, &mut own)?)
        } else {
            (MANIFEST, self.platform(image, traits, 0, &mut own)?)
        };
        let mut row = |json: String, name: Option<String>, signature: bool| {
            self.inventory.rows.push(Row {
                json,
                name,
                signature,
                image,
            });
        };
        if traits.names == 0 {
            row(documents::row(media_type, target, None), None, false);
        }
        for number in 0..traits.names {
            let name = name(image, number);
            let json = documents::row(media_type, target, Some(&name));
            row(json, Some(name), false);
        }
        if traits.signed {
            let signature = self.signature(image, media_type, target, &mut own)?;
            self.inventory.rows.push(Row {
                json: documents::signature_row(signature),
                name: None,
                signature: true,
                image,
            });
        }
        if traits.names == 0 {
            self.inventory.garbage.append(&mut own);
        } else if self.plan.victim == Some(image) {
            self.inventory.victim_garbage.append(&mut own);
        }
        Ok(())
    }

    /// An image's manifest for one platform, with its config and its layers.
    fn platform(
        &mut self,
        image: usize,
        traits: Traits,
        platform: usize,
        own: &mut Vec<Digest>,
    ) -> io::Result<Blob> {
        let shared = self
            .plan
            .parameters
            .shared_layers
            .min(self.plan.parameters.layers);
        let position = traits.base * usize::from(self.plan.parameters.platforms) + platform;
        let mut layers = self.base(image, traits, position, shared)?;
        for number in shared..self.plan.parameters.layers {
            let family = self.plan.parameters.family;
            let label =
                format!("{family}: layer {number} of image {image} for platform {platform}");
            let layer = self.store.layer(&label)?;
            own.push(layer.digest);
            layers.push(layer);
        }
        let config = documents::config(image, ARCHITECTURES[platform], &layers);
        let config = self.store.document(&config)?;
        own.push(config.digest);
        self.inventory.configs.push((config.digest, image));
        self.manifest(image, &documents::manifest(config, &layers), own)
    }

    /// The layers of a base, which are written with its first user.
    fn base(
        &mut self,
        image: usize,
        traits: Traits,
        position: usize,
        count: usize,
    ) -> io::Result<Vec<Blob>> {
        let store = &mut self.store;
        let slot = &mut self.bases[position];
        let base = match slot {
            Some(base) => base,
            None => slot.insert(Base {
                layers: (0..count)
                    .map(|number| store.layer(&format!("layer {number} of base {position}")))
                    .collect::<io::Result<_>>()?,
                users: 0,
                named_users: 0,
                last_user: image,
            }),
        };
        base.users += 1;
        base.named_users += usize::from(traits.names > 0);
        base.last_user = image;
        Ok(base.layers.clone())
    }

    fn attestation(
        &mut self,
        image: usize,
        architecture: &str,
        own: &mut Vec<Digest>,
    ) -> io::Result<Blob> {
        let statement = documents::statement(image, architecture);
        let statement = self.store.document(&statement)?;
        let config = documents::attestation_config(statement);
        let config = self.store.document(&config)?;
        own.extend([statement.digest, config.digest]);
        self.manifest(image, &documents::attestation(config, statement), own)
    }

    fn signature(
        &mut self,
        image: usize,
        media_type: &str,
        subject: Blob,
        own: &mut Vec<Digest>,
    ) -> io::Result<Blob> {
        let empty = match self.empty {
            Some(empty) => empty,
            None => *self.empty.insert(self.store.document("{}")?),
        };
        let content = self.store.document(&format!("signature of {image}"))?;
        own.push(content.digest);
        let text = documents::signature(empty, content, media_type, subject);
        self.manifest(image, &text, own)
    }

    fn manifest(&mut self, image: usize, text: &str, own: &mut Vec<Digest>) -> io::Result<Blob> {
        let blob = self.store.document(text)?;
        own.push(blob.digest);
        self.inventory.manifests.push((blob.digest, image));
        Ok(blob)
    }
}

impl Inventory {
    /// Manifests and indexes of the images that `of` accepts, each once.
    pub(crate) fn manifests(&self, plan: &Plan, of: Scope) -> Vec<Digest> {
        documents_of(&self.manifests, plan, of)
    }

    /// Configs of the images that `of` accepts, each once.
    pub(crate) fn configs(&self, plan: &Plan, of: Scope) -> Vec<Digest> {
        documents_of(&self.configs, plan, of)
    }

    /// index.json with the rows of the images that `of` accepts.
    pub(crate) fn index(&self, plan: &Plan, of: Scope) -> String {
        let rows = self.rows.iter().filter(|row| of.accepts(plan, row.image));
        documents::index(rows.map(|row| row.json.as_str()))
    }
}

fn documents_of(documents: &[(Digest, usize)], plan: &Plan, of: Scope) -> Vec<Digest> {
    let wanted = documents
        .iter()
        .filter(|(_, image)| of.accepts(plan, *image));
    wanted.map(|(digest, _)| *digest).collect()
}

/// A set of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    All,
    /// Those with a name.
    Named,
    /// The one that is removed by name.
    Victim,
    /// All others.
    AllButVictim,
}

impl Scope {
    fn accepts(self, plan: &Plan, image: usize) -> bool {
        match self {
            Scope::All => true,
            Scope::Named => plan.images[image].names > 0,
            Scope::Victim => plan.victim == Some(image),
            Scope::AllButVictim => plan.victim != Some(image),
        }
    }
}
