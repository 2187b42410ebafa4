//! The text in which JSON holds bytes: 64 digits of six bits each.

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn base64(data: &[u8]) -> String {
    let mut text = String::new();
    for three in data.chunks(3) {
        let bits = three
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for i in 0..4 {
            let six = (bits >> (18 - 6 * i)) & 63;
            text.push(if i <= three.len() {
                char::from(BASE64[six as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// The bytes that such a text stands for.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let (mut data, mut bits, mut have) = (Vec::new(), 0_u32, 0);
    for digit in digits.bytes() {
        let six = BASE64.iter().position(|known| *known == digit)?;
        bits = bits << 6 | u32::try_from(six).ok()?;
        have += 6;
        if have >= 8 {
            have -= 8;
            data.push(u8::try_from(bits >> have & 0xff).ok()?);
        }
    }
    text.len().is_multiple_of(4).then_some(data)
}
