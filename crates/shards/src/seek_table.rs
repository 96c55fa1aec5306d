//! The seek table of a zstd file made of independent frames, as the zstd seekable format
//! (facebook/zstd, `contrib/seekable_format`, version 0.1.0) lays it down: ordinary zstd tools
//! read the file from the start, and a reader with the table begins at any frame.
//!
//! It is a skippable frame at the end of the file, all numbers little-endian u32 but one:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | 0x184D2A5E, magic of the skippable frame |
//! | 4 | bytes after this field: 8 N + 9 |
//! | 8 N | compressed size and decompressed size of each frame |
//! | 4 | N, the number of frames |
//! | 1 | descriptor, 0: no checksums in the table (the frames carry their own) |
//! | 4 | 0x8F92EAB1, magic of the seek table |

const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
/// Bytes of the footer: number of frames, descriptor, magic.
pub(crate) const FOOTER_BYTES: usize = 9;
const SKIPPABLE_HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 8;

/// Size of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameSize {
    pub(crate) compressed: u32,
    pub(crate) decompressed: u32,
}

/// The table as bytes.
pub(crate) fn encode(frames: &[FrameSize]) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = SKIPPABLE_MAGIC.to_le_bytes().to_vec();
    bytes.extend(number(frames.len() * ENTRY_BYTES + FOOTER_BYTES));
    for frame in frames {
        bytes.extend(frame.compressed.to_le_bytes());
        bytes.extend(frame.decompressed.to_le_bytes());
    }
    bytes.extend(number(frames.len()));
    bytes.push(0);
    bytes.extend(SEEKABLE_MAGIC.to_le_bytes());
    bytes
}

/// Length of the whole table from the last bytes of a file; an error says what is wrong.
pub(crate) fn table_bytes(footer: &[u8; FOOTER_BYTES]) -> Result<usize, String> {
    if u32_at(footer, 5) != SEEKABLE_MAGIC {
        return Err("it has no seek table at its end".to_owned());
    }
    if footer[4] != 0 {
        return Err(format!(
            "its seek table has descriptor {}, it must be 0",
            footer[4]
        ));
    }
    let frames = usize::try_from(u32_at(footer, 0)).unwrap_or(usize::MAX);
    frames
        .checked_mul(ENTRY_BYTES)
        .and_then(|entries| entries.checked_add(SKIPPABLE_HEADER_BYTES + FOOTER_BYTES))
        .ok_or_else(|| format!("its seek table claims {frames} frames"))
}

/// Reads a table; `data_bytes` is the length of the file before it, which the frames must fill.
pub(crate) fn decode(table: &[u8], data_bytes: u64) -> Result<Vec<FrameSize>, String> {
    let body = table.get(SKIPPABLE_HEADER_BYTES..table.len().saturating_sub(FOOTER_BYTES));
    let body = body.ok_or("its seek table is too short")?;
    if u32_at(table, 0) != SKIPPABLE_MAGIC {
        return Err("its seek table does not begin with a skippable frame".to_owned());
    }
    if u32_at(table, 4) as usize != body.len() + FOOTER_BYTES {
        return Err(format!("its seek table states {} bytes", u32_at(table, 4)));
    }
    let frames: Vec<FrameSize> = body
        .as_chunks::<ENTRY_BYTES>()
        .0
        .iter()
        .map(|entry| FrameSize {
            compressed: u32_at(entry, 0),
            decompressed: u32_at(entry, 4),
        })
        .collect();
    let sum: u64 = frames.iter().map(|frame| u64::from(frame.compressed)).sum();
    if sum != data_bytes {
        return Err(format!(
            "its frames have {sum} bytes in the seek table and {data_bytes} in the file"
        ));
    }
    Ok(frames)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |field| u32::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: [FrameSize; 2] = [
        FrameSize {
            compressed: 10,
            decompressed: 100,
        },
        FrameSize {
            compressed: 7,
            decompressed: 20,
        },
    ];

    fn footer(table: &[u8]) -> [u8; FOOTER_BYTES] {
        *table.last_chunk().unwrap()
    }

    #[test]
    fn the_table_is_laid_out_as_specified() {
        let expected = [
            0x5E, 0x2A, 0x4D, 0x18, 25, 0, 0, 0, 10, 0, 0, 0, 100, 0, 0, 0, 7, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0,
            0, 0, 0xB1, 0xEA, 0x92, 0x8F,
        ];
        assert_eq!(encode(&FRAMES), expected);
    }

    #[test]
    fn a_table_round_trips() {
        for frames in [&FRAMES[..], &[]] {
            let table = encode(frames);
            assert_eq!(table_bytes(&footer(&table)).unwrap(), table.len());
            let data = frames.iter().map(|frame| u64::from(frame.compressed)).sum();
            assert_eq!(decode(&table, data).unwrap(), frames);
        }
    }

    #[test]
    fn every_damage_is_named() {
        let table = encode(&FRAMES);
        let changed = |at: usize| {
            let mut table = table.clone();
            table[at] ^= 1;
            table
        };
        assert!(
            table_bytes(&footer(&changed(table.len() - 1)))
                .unwrap_err()
                .contains("no seek table")
        );
        assert!(
            table_bytes(&footer(&changed(table.len() - 5)))
                .unwrap_err()
                .contains("descriptor")
        );
        assert!(decode(&changed(0), 17).unwrap_err().contains("skippable"));
        assert!(decode(&changed(4), 17).unwrap_err().contains("states"));
        assert!(decode(&table, 18).unwrap_err().contains("18 in the file"));
        assert!(decode(&table[..5], 0).unwrap_err().contains("too short"));
    }
}
