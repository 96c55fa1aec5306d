//! How two ranks prove to each other that they belong to the same run, before either trusts a
//! connection. Rank 0 draws a secret and MPI gives it to all ranks; each side answers the other's
//! random challenge with a keyed hash. A program that does not know the secret gets no further, nor
//! does one that repeats what it heard on another connection.
//!
//! | message | bytes | what |
//! |---|---|---|
//! | call, from a rank | 0-3 | `tenk` |
//! | | 4-7 | the rank, little-endian |
//! | | 8-23 | its challenge |
//! | | 24-55 | hash of `call` and bytes 0-23 |
//! | answer, from rank 0 | 0-15 | its challenge |
//! | | 16-47 | hash of `answer`, both challenges and the rank |
//! | proof, from the rank | 0-31 | hash of `proof` and the same |
//! | welcome, from rank 0 | 0-31 | hash of `welcome` and the same |
//!
//! Hashes are HMAC-SHA-256 (RFC 2104) under the secret. No message has a length of its own, so
//! nobody can make the other side wait for a long one.

use std::{fmt, io};

use hmac::{Hmac, Mac};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::Sha256;

use crate::Rank;

/// Bytes of a call.
pub(super) const CALL: usize = 56;
/// Bytes of an answer.
pub(super) const ANSWER: usize = 48;
/// Bytes of a proof and of a welcome.
pub(super) const PROOF: usize = 32;

const NAME: &[u8; 4] = b"tenk";
/// Of a call, what is hashed in it and afterwards.
const SAID: usize = 24;
/// Of an answer, its challenge.
const CHALLENGE: usize = 16;

/// What only the ranks of one run know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret([u8; 16]);

/// What both sides have said when rank 0 has answered.
pub(super) struct Talk {
    pub(super) call: [u8; CALL],
    pub(super) answer: [u8; ANSWER],
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// From the system's generator.
fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // Up to 256 bytes come whole or not at all (getrandom(2)).
    let filled = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if filled < bytes.len() {
        return Err(io::Error::other("the system gave too few random bytes"));
    }
    Ok(bytes)
}

impl Secret {
    pub(super) fn draw() -> io::Result<Self> {
        random().map(Self)
    }

    /// As MPI carries it.
    pub(super) fn encode(self) -> String {
        format!("{:032x}", u128::from_le_bytes(self.0))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_le_bytes()))
    }

    fn hash(self, label: &str, parts: [&[u8]; 2]) -> Hmac<Sha256> {
        let mut hash = <Hmac<Sha256>>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        hash.update(label.as_bytes());
        for part in parts {
            hash.update(part);
        }
        hash
    }

    fn of_talk(self, label: &str, call: &[u8; CALL], challenge: &[u8]) -> Hmac<Sha256> {
        self.hash(label, [&call[..SAID], challenge])
    }

    /// What `rank` says first.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn call(self, rank: Rank) -> io::Result<[u8; CALL]> {
        let mut call = [0; CALL];
        call[..4].copy_from_slice(NAME);
        call[4..8].copy_from_slice(&rank.0.to_le_bytes());
        call[8..SAID].copy_from_slice(&random()?);
        let hash = self.hash("call", [&call[..SAID], &[]]).finalize().into_bytes();
        call[SAID..].copy_from_slice(&hash);
        Ok(call)
    }

    /// Who calls; none for a stranger.
    pub(super) fn caller(self, call: &[u8; CALL]) -> Option<Rank> {
        // In constant time, as all comparisons of hashes here.
        let is_known = self
            .hash("call", [&call[..SAID], &[]])
            .verify_slice(&call[SAID..]);
        let rank = u32::from_le_bytes(call[4..8].try_into().ok()?);
        (is_known.is_ok() && call.starts_with(NAME)).then_some(Rank(rank))
    }

    /// What rank 0 says to a call.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn answer(self, call: &[u8; CALL]) -> io::Result<[u8; ANSWER]> {
        let mut answer = [0; ANSWER];
        answer[..CHALLENGE].copy_from_slice(&random()?);
        let hash = self.of_talk("answer", call, &answer[..CHALLENGE]);
        answer[CHALLENGE..].copy_from_slice(&hash.finalize().into_bytes());
        Ok(answer)
    }

    /// Whether it was rank 0 that answered.
    pub(super) fn is_of_rank_0(self, talk: &Talk) -> bool {
        let (challenge, hash) = talk.answer.split_at(CHALLENGE);
        let expected = self.of_talk("answer", &talk.call, challenge);
        expected.verify_slice(hash).is_ok()
    }

    /// What the caller says to the answer.
    pub(super) fn proof(self, talk: &Talk) -> [u8; PROOF] {
        self.last_word("proof", talk).finalize().into_bytes().into()
    }

    /// Whether it was the caller's rank that answered.
    pub(super) fn is_proven(self, talk: &Talk, proof: &[u8; PROOF]) -> bool {
        self.last_word("proof", talk).verify_slice(proof).is_ok()
    }

    /// What rank 0 says when it has taken the connection.
    pub(super) fn welcome(self, talk: &Talk) -> [u8; PROOF] {
        self.last_word("welcome", talk).finalize().into_bytes().into()
    }

    /// Whether rank 0 has taken the connection.
    pub(super) fn is_welcome(self, talk: &Talk, welcome: &[u8; PROOF]) -> bool {
        self.last_word("welcome", talk).verify_slice(welcome).is_ok()
    }

    fn last_word(self, label: &str, talk: &Talk) -> Hmac<Sha256> {
        self.of_talk(label, &talk.call, &talk.answer[..CHALLENGE])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(secret: Secret, rank: u32) -> Talk {
        let call = secret.call(Rank(rank)).unwrap();
        let answer = secret.answer(&call).unwrap();
        Talk { call, answer }
    }

    #[test]
    fn ranks_of_one_run_know_each_other_and_no_two_greetings_are_alike() {
        let secret = Secret::draw().unwrap();
        assert_eq!(Secret::decode(&secret.encode()), Some(secret));
        let (first, second) = (talk(secret, 3), talk(secret, 3));
        for talk in [&first, &second] {
            assert_eq!(secret.caller(&talk.call), Some(Rank(3)));
            assert!(secret.is_of_rank_0(talk));
            assert!(secret.is_proven(talk, &secret.proof(talk)));
            assert!(secret.is_welcome(talk, &secret.welcome(talk)));
        }
        assert!(first.call != second.call && first.answer != second.answer);
        // What was said on one connection proves nothing on another one.
        assert!(!secret.is_proven(&second, &secret.proof(&first)));
        assert!(!secret.is_welcome(&second, &secret.welcome(&first)));
        // Nor does what the other side says come back as one's own word.
        assert!(!secret.is_proven(&first, &secret.welcome(&first)));
        assert!(!secret.is_welcome(&first, &secret.proof(&first)));
    }

    #[test]
    fn a_greeting_under_another_secret_or_with_one_changed_bit_is_a_strangers() {
        let (secret, other) = (Secret::draw().unwrap(), Secret::draw().unwrap());
        assert_ne!(secret, other);
        let talk = talk(secret, 1);
        assert_eq!(other.caller(&talk.call), None);
        assert!(!other.is_of_rank_0(&talk) && !other.is_proven(&talk, &secret.proof(&talk)));
        for bit in 0..CALL * 8 {
            let mut call = talk.call;
            call[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(secret.caller(&call), None, "bit {bit}");
        }
        for bit in 0..ANSWER * 8 {
            let mut answer = talk.answer;
            answer[bit / 8] ^= 1 << (bit % 8);
            let call = talk.call;
            assert!(!secret.is_of_rank_0(&Talk { call, answer }), "bit {bit}");
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let secret = Secret::draw().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
