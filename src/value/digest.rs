//! Digests, as values that are safe to make paths from.
//!
//! The grammar is that of the image specification (`descriptor.md`, "Digests"). Algorithms that
//! the specification registers are checked for length and lower-case hex; others are accepted when
//! they are grammatical, because a descriptor may carry one, but their blobs are never listed,
//! verified or swept (see [`Digest::algorithm`]).

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::str::FromStr;

/// A digest that was checked against the grammar: it holds no `/`, and is never `.` or `..`.
///
/// A sha256 digest, which nearly all are, is held as its 32 bytes; memory is what limits the size
/// of a layout that can be walked.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Sha256([u8; 32]),
    Other(Box<str>),
}

/// Room for the digits of a sha256 digest.
type Hex = const_hex::Buffer<32>;

/// In one piece: of a hundred thousand images there are a million.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Sha256(bytes) => state.write(bytes),
            Repr::Other(text) => state.write(text.as_bytes()),
        }
    }
}

/// The name of a blob's file, as system calls want it.
pub(crate) enum FileName {
    /// 64 digits and the byte that ends them.
    Sha256([u8; 65]),
    /// Any other.
    Other(CString),
}

impl AsRef<CStr> for FileName {
    fn as_ref(&self) -> &CStr {
        match self {
            // Hex digits hold no zero, so the end is where it was put.
            FileName::Sha256(bytes) => CStr::from_bytes_with_nul(bytes).unwrap_or_default(),
            FileName::Other(text) => text,
        }
    }
}

/// A digest algorithm whose blobs are known by their names, so that a directory of them can be
/// listed, verified and swept: all that the specification registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, 64 hex digits.
    Sha256,
    /// SHA-384, 96 hex digits.
    Sha384,
    /// SHA-512, 128 hex digits.
    Sha512,
    /// BLAKE3 with 256 bits, 64 hex digits.
    Blake3,
}

impl Algorithm {
    /// All of them, in the order in which their directories are listed.
    pub const ALL: [Algorithm; 4] = [
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Blake3,
    ];

    /// The name as it stands in digests and as a directory below `blobs`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL
            .into_iter()
            .find(|known| known.name() == name)
    }

    pub(super) fn hex_digits(self) -> usize {
        match self {
            Algorithm::Sha256 | Algorithm::Blake3 => 64,
            Algorithm::Sha384 => 96,
            Algorithm::Sha512 => 128,
        }
    }

    /// The digest of `data`.
    pub fn hash(self, data: &[u8]) -> Digest {
        let Ok(digest) = self.hash_pieces(|hash| {
            hash(data);
            Ok::<(), Infallible>(())
        });
        digest
    }

    /// The digest of everything that a reader gives.
    ///
    /// # Errors
    /// What the reader says.
    pub fn hash_reader(self, reader: &mut impl Read) -> io::Result<Digest> {
        // Pieces that fit a processor's cache.
        let mut buffer = vec![0; 1 << 17];
        self.hash_pieces(|hash| {
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(n) => hash(&buffer[..n]),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        })
    }

    /// The digest of the pieces that `each` hands over.
    fn hash_pieces<E>(
        self,
        each: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Digest, E> {
        fn sha2<H: sha2::Digest, E>(
            each: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
        ) -> Result<sha2::digest::Output<H>, E> {
            let mut hasher = H::new();
            each(&mut |piece| hasher.update(piece))?;
            Ok(hasher.finalize())
        }
        Ok(match self {
            Algorithm::Sha256 => Digest(Repr::Sha256(sha2::<sha2::Sha256, E>(each)?.into())),
            Algorithm::Sha384 => self.digest_of_hash(&sha2::<sha2::Sha384, E>(each)?),
            Algorithm::Sha512 => self.digest_of_hash(&sha2::<sha2::Sha512, E>(each)?),
            Algorithm::Blake3 => {
                let mut hasher = blake3::Hasher::new();
                each(&mut |piece| {
                    hasher.update(piece);
                })?;
                self.digest_of_hash(hasher.finalize().as_bytes())
            }
        })
    }

    fn digest_of_hash(self, hash: &[u8]) -> Digest {
        self.digest_of_hex(&const_hex::encode(hash))
    }

    fn digest_of_hex(self, hex: &str) -> Digest {
        Digest(Repr::Other([self.name(), ":", hex].concat().into()))
    }

    /// The digest that a file of this name in this algorithm's directory must have, or `None`
    /// when the name is no digest: such a file is not a blob and is nobody's to remove.
    pub fn digest_of_file_name(self, name: impl AsRef<[u8]>) -> Option<Digest> {
        let name = name.as_ref();
        if self == Algorithm::Sha256 {
            return Some(Digest(Repr::Sha256(decode_sha256(name)?)));
        }
        if name.len() != self.hex_digits() || !is_lower_hex(name) {
            return None;
        }
        Some(self.digest_of_hex(std::str::from_utf8(name).ok()?))
    }
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a valid digest", .0.escape_debug())]
pub struct InvalidDigest(String);

/// The beginning of a digest, or all of it, as somebody types it to mean one of a few blobs: with or
/// without its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DigestPrefix {
    algorithm: Option<String>,
    encoded: String,
}

impl DigestPrefix {
    /// Reads one. `None`: it is neither hex digits nor an algorithm and what may follow it.
    pub fn parse(text: &str) -> Option<DigestPrefix> {
        let (algorithm, encoded) = match text.split_once(':') {
            Some((algorithm, encoded)) => (Some(algorithm), encoded),
            None => (None, text),
        };
        let is_encoded = |c: char| c.is_ascii_alphanumeric() || "=_-".contains(c);
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let is_valid = match algorithm {
            Some("") => false,
            Some(_) => encoded.chars().all(is_encoded),
            None => encoded.chars().all(is_hex),
        };
        (is_valid && !encoded.is_empty()).then(|| DigestPrefix {
            algorithm: algorithm.map(str::to_owned),
            encoded: encoded.to_owned(),
        })
    }

    /// What the part behind the colon begins with.
    pub fn encoded(&self) -> &str {
        &self.encoded
    }

    /// Reads the abbreviation of an image's ID: at least four hex digits in lower case, with or without
    /// an algorithm before them, as far as that is one whose blobs can be verified. Such a text is a
    /// possible name as well.
    pub fn of_id(text: &str) -> Option<DigestPrefix> {
        const FEWEST_DIGITS: usize = 4;
        let (algorithm, hex) = match text.split_once(':') {
            Some((algorithm, hex)) => (Some(algorithm), hex),
            None => (None, text),
        };
        let is_known = algorithm.is_none_or(|name| Algorithm::of_name(name).is_some());
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_prefix = is_known && hex.len() >= FEWEST_DIGITS && hex.bytes().all(is_hex);
        is_prefix.then(|| DigestPrefix::parse(text)).flatten()
    }

    /// Whether a digest begins so.
    pub fn begins(&self, digest: &Digest) -> bool {
        let algorithm = self.algorithm.as_deref();
        algorithm.is_none_or(|algorithm| algorithm == digest.algorithm_name())
            && digest.encoded().starts_with(&self.encoded)
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.algorithm {
            Some(algorithm) => write!(f, "{algorithm}:{}", self.encoded),
            None => f.write_str(&self.encoded),
        }
    }
}

impl Digest {
    /// Whether it is known to be that of at least one byte.
    pub(crate) fn promises_bytes(&self) -> bool {
        let algorithm = self.algorithm();
        algorithm.is_some_and(|algorithm| algorithm.hash(b"") != *self)
    }

    /// The digest that a text is, if it is one of SHA-256; of others it says nothing.
    pub(crate) fn of_sha256_text(text: &[u8]) -> Option<Digest> {
        Algorithm::Sha256.digest_of_file_name(text.strip_prefix(b"sha256:")?)
    }

    /// The algorithm, when it is one whose blobs can be verified.
    pub fn algorithm(&self) -> Option<Algorithm> {
        match &self.0 {
            Repr::Sha256(_) => Some(Algorithm::Sha256),
            Repr::Other(_) => Algorithm::of_name(self.algorithm_name()),
        }
    }

    /// The algorithm's name: the directory below `blobs`.
    pub fn algorithm_name(&self) -> &str {
        match &self.0 {
            Repr::Sha256(_) => "sha256",
            Repr::Other(text) => text.split(':').next().unwrap_or_default(),
        }
    }

    /// The part behind the colon: the name of the blob's file.
    pub fn encoded(&self) -> String {
        match &self.0 {
            Repr::Sha256(bytes) => const_hex::encode(bytes),
            Repr::Other(text) => {
                let (_, encoded) = text.split_once(':').unwrap_or_default();
                encoded.to_owned()
            }
        }
    }

    /// [`Digest::encoded`], as system calls want it.
    pub(crate) fn file_name(&self) -> FileName {
        match &self.0 {
            Repr::Sha256(bytes) => {
                let mut name = [0; 65];
                name[..64].copy_from_slice(Hex::new().format(bytes).as_bytes());
                FileName::Sha256(name)
            }
            // The grammar admits no zero byte.
            Repr::Other(_) => FileName::Other(CString::new(self.encoded()).unwrap_or_default()),
        }
    }

    /// The first twelve characters of the encoded part, as Docker shows an image ID.
    pub fn short(&self) -> String {
        let mut encoded = self.encoded();
        encoded.truncate(12);
        encoded
    }
}

/// The longest text of a digest, in bytes. No file has a longer name, so there is no such blob; and what
/// is no digest is kept as it was found.
const LONGEST: usize = 1024;

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Digest, InvalidDigest> {
        let invalid = || InvalidDigest(text.chars().take(200).collect());
        if text.len() > LONGEST {
            return Err(invalid());
        }
        let (name, encoded) = text.split_once(':').ok_or_else(invalid)?;
        if let Some(algorithm) = Algorithm::of_name(name) {
            return algorithm.digest_of_file_name(encoded).ok_or_else(invalid);
        }
        oci_spec::image::Digest::from_str(text).map_err(|_| invalid())?;
        Ok(Digest(Repr::Other(text.into())))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Sha256(bytes) => {
                f.write_str("sha256:")?;
                f.write_str(Hex::new().format(bytes))
            }
            Repr::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// By text, so that lists of digests have the order in which a person sorts them.
impl Ord for Digest {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            (Repr::Sha256(a), Repr::Sha256(b)) => a.cmp(b),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether all are hex digits as digests have them.
pub(super) fn is_lower_hex(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn decode_sha256(hex: &[u8]) -> Option<[u8; 32]> {
    let hex: &[u8; 64] = hex.try_into().ok()?;
    // The library takes upper case, too: of all hex digits only those letters lack this bit.
    let is_lower = hex.iter().fold(0x20, |all, byte| all & byte) != 0;
    const_hex::decode_to_array(hex).ok().filter(|_| is_lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_it_was_written() {
        for text in [
            format!("sha256:{}", "0af1".repeat(16)),
            format!("sha384:{}", "0a".repeat(48)),
            format!("sha512:{}", "0a".repeat(64)),
            format!("blake3:{}", "0a".repeat(32)),
            "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8".to_owned(),
        ] {
            assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nothing_that_could_leave_the_blob_directory_is_a_digest() {
        for text in [
            "",
            "sha256",
            "sha256:",
            ":abc",
            "sha256:../../etc/passwd",
            "..:abc",
            "../x:abc",
            "x:..",
            "x:a/b",
            "x/y:ab",
            "sha256:abc",
            "x:a\0b",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        let upper = format!("sha256:{}", "0A".repeat(32));
        assert!(upper.parse::<Digest>().is_err());
        assert!(
            format!("blake3:{}", "0a".repeat(31))
                .parse::<Digest>()
                .is_err()
        );
    }

    #[test]
    fn a_file_name_is_a_digest_only_with_the_right_length_and_case() {
        let hex = "ab".repeat(32);
        assert!(Algorithm::Sha256.digest_of_file_name(&hex).is_some());
        for name in [
            hex.to_uppercase(),
            format!("{hex}123"),
            format!("0x{hex}"),
            format!("0x{}", &hex[2..]),
            "x.tmp".into(),
            hex[1..].into(),
        ] {
            assert_eq!(Algorithm::Sha256.digest_of_file_name(&name), None, "{name}");
        }
        assert_eq!(Algorithm::Sha512.digest_of_file_name(&hex), None);
    }

    #[test]
    fn every_byte_of_a_name_is_checked_and_comes_back() {
        let hash: [u8; 32] = std::array::from_fn(|n| (n * 37 + 5) as u8);
        let digest = Digest(Repr::Sha256(hash));
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest.encoded(), hex);
        assert_eq!(Algorithm::Sha256.digest_of_file_name(&hex), Some(digest));
        for at in 0..64 {
            for byte in 0..=255_u8 {
                let mut name = hex.clone().into_bytes();
                name[at] = byte;
                let expected = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                let found = Algorithm::Sha256.digest_of_file_name(&name);
                assert_eq!(found.is_some(), expected, "{byte} at {at}");
                if let Some(found) = found {
                    assert_eq!(found.encoded().as_bytes(), name);
                }
            }
        }
    }

    #[test]
    fn hashes_are_those_of_the_standards() {
        assert_eq!(
            Algorithm::Sha256.hash(b"{}").to_string(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        for algorithm in Algorithm::ALL {
            let digest = algorithm.hash(b"");
            assert_eq!(digest.algorithm(), Some(algorithm));
            assert_eq!(digest, digest.to_string().parse().unwrap());
            assert_eq!(digest, algorithm.hash_reader(&mut &b""[..]).unwrap());
        }
    }
}
