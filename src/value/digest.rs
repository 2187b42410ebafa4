//! Digests, as values that are safe to make paths from.
//!
//! The grammar is that of the image specification (`descriptor.md`, "Digests"). Algorithms that
//! the specification registers are checked for length and lower-case hex; others are accepted when
//! they are grammatical, because a descriptor may carry one, but their blobs are never listed,
//! verified or swept (see [`Digest::algorithm`]).

use std::ffi::{CStr, CString};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::Digest as _;

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
/// listed, verified and swept. DESIGN of the specification: sha256, sha384, sha512, blake3.
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

    fn hex_digits(self) -> usize {
        match self {
            Algorithm::Sha256 | Algorithm::Blake3 => 64,
            Algorithm::Sha384 => 96,
            Algorithm::Sha512 => 128,
        }
    }

    /// The digest of `data`.
    pub fn hash(self, data: &[u8]) -> Digest {
        match self {
            Algorithm::Sha256 => Digest(Repr::Sha256(sha2::Sha256::digest(data).into())),
            Algorithm::Sha384 => Digest::from_hash(self, &sha2::Sha384::digest(data)),
            Algorithm::Sha512 => Digest::from_hash(self, &sha2::Sha512::digest(data)),
            Algorithm::Blake3 => Digest::from_hash(self, blake3::hash(data).as_bytes()),
        }
    }

    /// The digest of everything that a reader gives.
    ///
    /// # Errors
    /// What the reader says.
    pub fn hash_reader(self, reader: &mut impl std::io::Read) -> std::io::Result<Digest> {
        fn hash<H: sha2::Digest>(reader: &mut impl std::io::Read) -> std::io::Result<Vec<u8>> {
            let mut hasher = H::new();
            each_piece(reader, |piece| hasher.update(piece))?;
            Ok(hasher.finalize().to_vec())
        }
        let hash = match self {
            Algorithm::Sha256 => {
                let mut hasher = sha2::Sha256::new();
                each_piece(reader, |piece| hasher.update(piece))?;
                return Ok(Digest(Repr::Sha256(hasher.finalize().into())));
            }
            Algorithm::Sha384 => hash::<sha2::Sha384>(reader)?,
            Algorithm::Sha512 => hash::<sha2::Sha512>(reader)?,
            Algorithm::Blake3 => {
                let mut hasher = blake3::Hasher::new();
                each_piece(reader, |piece| {
                    hasher.update(piece);
                })?;
                hasher.finalize().as_bytes().to_vec()
            }
        };
        Ok(Digest::from_hash(self, &hash))
    }

    /// The digest that a file of this name in this algorithm's directory must have, or `None`
    /// when the name is no digest: such a file is not a blob and is nobody's to remove.
    pub fn digest_of_file_name(self, name: impl AsRef<[u8]>) -> Option<Digest> {
        let name = name.as_ref();
        if self == Algorithm::Sha256 {
            return Some(Digest(Repr::Sha256(decode_sha256(name)?)));
        }
        if name.len() != self.hex_digits() || !name.iter().copied().all(is_lower_hex) {
            return None;
        }
        let name = std::str::from_utf8(name).ok()?;
        Some(Digest(Repr::Other(
            format!("{}:{name}", self.name()).into(),
        )))
    }
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a valid digest", .0.escape_debug())]
pub struct InvalidDigest(String);

impl Digest {
    /// `hash` has a multiple of four bytes, as all algorithms have.
    fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Digest {
        let mut text = format!("{}:", algorithm.name());
        for four in hash.as_chunks::<4>().0 {
            text.push_str(as_text(&eight_digits(*four)));
        }
        Digest(Repr::Other(text.into()))
    }

    /// The digest that a text is, if it is one of SHA-256; of others it says nothing.
    pub(crate) fn of_sha256_text(text: &[u8]) -> Option<Digest> {
        Algorithm::Sha256.digest_of_file_name(text.strip_prefix(b"sha256:")?)
    }

    /// The algorithm, when it is one whose blobs can be verified.
    pub fn algorithm(&self) -> Option<Algorithm> {
        match &self.0 {
            Repr::Sha256(_) => Some(Algorithm::Sha256),
            Repr::Other(text) => {
                let (name, _) = text.split_once(':')?;
                Algorithm::ALL.into_iter().find(|a| a.name() == name)
            }
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
            Repr::Sha256(bytes) => as_text(&encode_sha256(bytes)).to_owned(),
            Repr::Other(text) => text
                .split_once(':')
                .map(|(_, encoded)| encoded.to_owned())
                .unwrap_or_default(),
        }
    }

    /// [`Digest::encoded`], as system calls want it.
    pub(crate) fn file_name(&self) -> FileName {
        match &self.0 {
            Repr::Sha256(bytes) => {
                let mut name = [0; 65];
                name[..64].copy_from_slice(&encode_sha256(bytes));
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

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Digest, InvalidDigest> {
        let invalid = || InvalidDigest(text.chars().take(200).collect());
        if let Some(hex) = text.strip_prefix("sha256:") {
            return Algorithm::Sha256
                .digest_of_file_name(hex)
                .ok_or_else(invalid);
        }
        // The grammar of algorithm and encoded part is the library's; what it leaves open is the
        // length of blake3.
        oci_spec::image::Digest::from_str(text).map_err(|_| invalid())?;
        let digest = Digest(Repr::Other(text.into()));
        if let (Some(algorithm), Some((_, encoded))) = (digest.algorithm(), text.split_once(':'))
            && (encoded.len() != algorithm.hex_digits() || !encoded.bytes().all(is_lower_hex))
        {
            return Err(invalid());
        }
        Ok(digest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Sha256(bytes) => {
                f.write_str("sha256:")?;
                f.write_str(as_text(&encode_sha256(bytes)))
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

/// Reads to the end, in pieces that fit a processor's cache.
fn each_piece(reader: &mut impl std::io::Read, mut each: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 17];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => each(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// One in each byte of a word. Digits are worked on eight at a time: a walk over a large layout reads
/// and writes millions of them.
const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The digits of values below 16, one in each byte.
fn digits_of(values: u64) -> u64 {
    // From ten on they are letters.
    let letters = (values + ONES * 6) >> 4 & ONES;
    values + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

/// The eight digits of four bytes.
fn eight_digits(bytes: [u8; 4]) -> [u8; 8] {
    let word = u64::from(u32::from_le_bytes(bytes));
    let word = (word | word << 16) & 0x0000_ffff_0000_ffff;
    let word = (word | word << 8) & 0x00ff_00ff_00ff_00ff;
    // The first digit of a byte is its upper half.
    digits_of(((word >> 4) | (word << 8)) & (ONES * 15)).to_le_bytes()
}

/// The four bytes of eight lower-case digits.
fn four_bytes(digits: [u8; 8]) -> Option<[u8; 4]> {
    let word = u64::from_le_bytes(digits);
    let letters = word >> 6 & ONES;
    let values = (word & (ONES * 15)) + letters * 9;
    // What is no digit does not come back as it was, or is the letter behind the last digit.
    if digits_of(values) != word || values & ONES << 4 != 0 {
        return None;
    }
    let word = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
    let word = (word | word >> 8) & 0x0000_ffff_0000_ffff;
    let word = (word | word >> 16) & 0xffff_ffff;
    u32::try_from(word).ok().map(u32::to_le_bytes)
}

fn encode_sha256(bytes: &[u8; 32]) -> [u8; 64] {
    let mut hex = [0; 64];
    let (fours, _) = bytes.as_chunks::<4>();
    let (eights, _) = hex.as_chunks_mut::<8>();
    for (eight, four) in eights.iter_mut().zip(fours) {
        *eight = eight_digits(*four);
    }
    hex
}

fn decode_sha256(hex: &[u8]) -> Option<[u8; 32]> {
    let hex: &[u8; 64] = hex.try_into().ok()?;
    let mut bytes = [0; 32];
    let (eights, _) = hex.as_chunks::<8>();
    let (fours, _) = bytes.as_chunks_mut::<4>();
    for (four, eight) in fours.iter_mut().zip(eights) {
        *four = four_bytes(*eight)?;
    }
    Some(bytes)
}

/// Hex digits as text.
fn as_text(hex: &[u8]) -> &str {
    std::str::from_utf8(hex).unwrap_or_default()
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
