//! [`Pointer`]: which dump is the newest, and how far entries are cut off.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::log::{LogError, Position};

/// The first byte of a pointer. A reader of one format refuses all others.
const FORMAT: u8 = 1;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Pointer {
    /// Where the dump is.
    pub(super) position: Position,
    /// Which attempt has stored it.
    pub(super) store: Uuid,
    pub(super) chunks: u32,
    pub(super) length: u64,
    /// The CRC-32 of the whole dump.
    pub(super) checksum: u32,
    /// Entries up to here may have been deleted: the position of the dump before this one.
    pub(super) cut: Position,
}

impl Pointer {
    pub(super) fn encode(&self) -> Result<Vec<u8>, LogError> {
        let bytes = postcard::to_extend(self, vec![FORMAT]);
        bytes.map_err(|error| LogError::Damaged { reason: format!("a pointer: {error}") })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let damaged = |reason| Err(LogError::Damaged { reason });
        match bytes.split_first() {
            Some((&FORMAT, rest)) => match postcard::take_from_bytes(rest) {
                Ok((pointer, [])) => Ok(pointer),
                Ok(_) => damaged("the pointer to the newest dump is too long".into()),
                Err(error) => damaged(format!("the pointer to the newest dump: {error}")),
            },
            Some((format, _)) => {
                damaged(format!("the pointer to the newest dump has the unknown format {format}"))
            }
            None => damaged("the pointer to the newest dump is empty".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_encoded_is_decoded() {
        let pointer = Pointer {
            position: Position(300),
            store: Uuid::from_u128(7),
            chunks: 2,
            length: 1 << 40,
            checksum: u32::MAX,
            cut: Position(200),
        };
        let bytes = pointer.encode().unwrap();
        assert_eq!(Pointer::decode(&bytes), Ok(pointer));
        for end in 0..bytes.len() {
            assert!(matches!(Pointer::decode(&bytes[..end]), Err(LogError::Damaged { .. })));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Pointer::decode(&longer), Err(LogError::Damaged { .. })));
        let newer = [&[FORMAT + 1], &bytes[1..]].concat();
        assert!(Pointer::decode(&newer).unwrap_err().to_string().contains("unknown format 2"));
    }
}
