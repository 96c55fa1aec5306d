//! The messages of the channel: 40 bytes little-endian, then a text: the reason of a failure, or the
//! other ranks that are silent or late too, each with a space behind it; of a late one the reason
//! follows in a line of its own. Both ends have proven by then that they are of one run
//! (`greeting`).
//!
//! | bytes | what |
//! |---|---|
//! | 0 | kind: 2 beat, 3 goodbye, 4 failed, 5 lost, 6 waited, 7 ended |
//! | 1 | cause of a failure: 0 closed, 1 stopped, 2 silent, 3 failed, 4 orphaned, 5 late, 6 stuck, 7 ended |
//! | 2-3 | length of the text that follows |
//! | 4-7 | the lost rank |
//! | 8-15 | step |
//! | 16-23 | sequence number of the last call, 0 before the first |
//! | 24-27 | milliseconds of silence |
//! | 28 | code of the last call's operation |
//! | 29-31 | 0 |
//! | 32-39 | count and number of the bucket, 32 bits each; 0 before the first of a step |

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{position::Position, rank_failure::Cause};
use crate::{Bucket, Call, Operation, Rank};

pub(super) const HEADER: usize = 40;
/// A reason longer than this is cut.
const MAX_TEXT: usize = 4096;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// A sign of life.
    Beat { position: Position },
    /// The sender ends, and that is no failure.
    Goodbye,
    /// The sender gives up.
    Failed { position: Position, message: String },
    /// The sender gives up because others did not come in time.
    Waited { position: Position, message: String },
    /// The sender was told to end at once, and that is no failure.
    Ended { position: Position, message: String },
    /// Rank 0 names a lost rank.
    Lost {
        rank: Rank,
        cause: Cause,
        position: Position,
    },
}

impl Message {
    /// The message's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let nowhere = Position::default();
        match self {
            Self::Beat { position } => frame(2, 0, Rank(0), position, 0, ""),
            Self::Goodbye => frame(3, 0, Rank(0), &nowhere, 0, ""),
            Self::Failed { position, message } => frame(4, 0, Rank(0), position, 0, message),
            Self::Waited { position, message } => frame(6, 0, Rank(0), position, 0, message),
            Self::Ended { position, message } => frame(7, 0, Rank(0), position, 0, message),
            Self::Lost {
                rank,
                cause,
                position,
            } => {
                let (code, silent, text) = match cause {
                    Cause::Closed => (0, 0, String::new()),
                    Cause::Stopped { silent } => (1, millis(*silent), String::new()),
                    Cause::Silent { silent, others } => (2, millis(*silent), joined(others)),
                    Cause::Failed { message } => (3, 0, message.clone()),
                    Cause::Orphaned => (4, 0, String::new()),
                    Cause::Stuck { waited } => (6, 0, waited.clone()),
                    Cause::Ended { message } => (7, 0, message.clone()),
                    Cause::Late { others, waited } => (5, 0, joined(others) + "\n" + waited),
                };
                frame(5, code, *rank, position, silent, &text)
            }
        }
    }

    /// None for what is no message of this channel.
    fn decode(header: &[u8; HEADER], text: &str) -> Option<Self> {
        let rank = Rank(u32::from_le_bytes(header[4..8].try_into().ok()?));
        let step = u64::from_le_bytes(header[8..16].try_into().ok()?);
        let sequence = u64::from_le_bytes(header[16..24].try_into().ok()?);
        let number = u64::from(u32::from_le_bytes(header[24..28].try_into().ok()?));
        let bucket = u64::from_le_bytes(header[32..40].try_into().ok()?);
        let position = Position {
            step,
            bucket: Bucket::from_u64(bucket),
            call: Operation::from_code(u64::from(header[28]))
                .filter(|_| sequence > 0)
                .map(|operation| Call { operation, sequence }),
        };
        let silent = Duration::from_millis(number);
        Some(match header[0] {
            2 => Self::Beat { position },
            3 => Self::Goodbye,
            4 => Self::Failed {
                position,
                message: text.to_owned(),
            },
            5 => Self::Lost {
                rank,
                cause: decode_cause(header[1], silent, text)?,
                position,
            },
            6 => Self::Waited {
                position,
                message: text.to_owned(),
            },
            7 => Self::Ended {
                position,
                message: text.to_owned(),
            },
            _ => return None,
        })
    }
}

/// None for a text without its two parts.
fn decode_cause(code: u8, silent: Duration, text: &str) -> Option<Cause> {
    let whole = || text.to_owned();
    Some(match code {
        0 => Cause::Closed,
        1 => Cause::Stopped { silent },
        2 => Cause::Silent {
            silent,
            others: split(text),
        },
        4 => Cause::Orphaned,
        6 => Cause::Stuck { waited: whole() },
        7 => Cause::Ended { message: whole() },
        5 => {
            let (others, waited) = text.split_once('\n')?;
            Cause::Late {
                others: split(others),
                waited: waited.to_owned(),
            }
        }
        _ => Cause::Failed { message: whole() },
    })
}

/// The ranks of [`joined`].
fn split(text: &str) -> Vec<Rank> {
    let ranks = text.split_whitespace();
    ranks.filter_map(|rank| rank.parse().ok().map(Rank)).collect()
}

/// As many of the ranks as half a text has room for.
fn joined(ranks: &[Rank]) -> String {
    let mut text = String::new();
    for rank in ranks {
        let next = format!("{rank} ");
        if text.len() + next.len() > MAX_TEXT / 2 {
            break;
        }
        text += &next;
    }
    text
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn frame(kind: u8, cause: u8, rank: Rank, position: &Position, number: u64, text: &str) -> Vec<u8> {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    let text_length = u16::try_from(text.len()).unwrap_or(0);
    let sequence = position.call.map_or(0, |call| call.sequence);
    let mut bytes = vec![kind, cause];
    bytes.extend(text_length.to_le_bytes());
    bytes.extend(rank.0.to_le_bytes());
    bytes.extend(position.step.to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    let operation = position.call.map_or(0, |call| call.operation.code());
    bytes.extend(u32::try_from(operation).unwrap_or(0).to_le_bytes());
    let bucket = position.bucket.map_or(0, Bucket::to_u64);
    bytes.extend(bucket.to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Bytes that have arrived on one connection and are no whole message yet.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    /// Takes what `stream` has without waiting for more; false: the other end has closed.
    ///
    /// # Errors
    /// When the connection broke.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => self.0.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole message.
    ///
    /// # Errors
    /// `InvalidData` for bytes that are none of ours.
    pub(super) fn next(&mut self) -> io::Result<Option<Message>> {
        let Some(header) = self.0.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = HEADER + usize::from(u16::from_le_bytes([header[2], header[3]]));
        if self.0.len() < length {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&self.0[HEADER..length]);
        let message = Message::decode(header, &text);
        self.0.drain(..length);
        message
            .map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a message of this channel"))
    }
}

/// Sends `message` if the connection takes it at once; a peer that reads nothing is met by
/// its silence, not here.
pub(super) fn send(stream: &mut impl Write, message: &Message) {
    // Messages are small: a socket buffer takes one whole, or the peer has long been silent.
    let _ = stream.write(&message.encode());
}

/// Closes a connection so that what was sent arrives: a socket that is closed with unread
/// bytes resets the connection, and the other end may lose what it has not read yet
/// (RFC 1122, 4.2.2.13). Waits for the other end at most for `within`.
pub(super) fn close(stream: &mut TcpStream, within: Duration) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_nonblocking(false);
    let deadline = Instant::now() + within;
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        if stream.read(&mut buffer).unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Waits until one of `streams` has something to read, at most for `within`.
pub(super) fn wait_readable<'a>(streams: impl Iterator<Item = &'a TcpStream>, within: Duration) {
    let mut waiting: Vec<PollFd<'_>> = streams.map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
    let timeout = rustix::event::Timespec {
        tv_sec: within.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: within.subsec_nanos().into(),
    };
    // Interrupted or not, the reads that follow find out what there is.
    let _ = poll(&mut waiting, Some(&timeout));
}
