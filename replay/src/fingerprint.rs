//! Whether two files or texts are the same, told by a few digits.

/// Returns the fingerprint of a text or of other bytes: the 64 bits of FNV-1a, in hexadecimal digits.
pub(crate) fn fingerprint(bytes: impl AsRef<[u8]>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;

    let add = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    format!("{:016x}", bytes.as_ref().iter().fold(OFFSET, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are published with the function.
    #[test]
    fn fingerprints_are_those_of_fnv_1a() {
        assert_eq!(fingerprint(""), "cbf29ce484222325");
        assert_eq!(fingerprint("a"), "af63dc4c8601ec8c");
        assert_eq!(fingerprint("foobar"), "85944171f73967e8");
    }
}
