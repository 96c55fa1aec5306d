use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use axum::http::HeaderValue;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const LIMITS: BodyLimits = BodyLimits {
    max_bytes: 10_000,
    time: Duration::from_secs(10),
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn headers(encodings: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for encoding in encodings {
        headers.append(header::CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
    }
    headers
}

async fn received(encodings: &[&str], body: Vec<u8>, budget: &Budget) -> Result<Vec<u8>, ApiError> {
    let packed = receive(&headers(encodings), Body::from(body), None, LIMITS, budget).await?;
    let (bytes, charge) = packed.unpack(LIMITS.max_bytes, budget)?;
    assert!(
        budget.held_bytes() >= bytes.len() * CHARGED,
        "{}",
        budget.held_bytes()
    );
    drop(charge);
    Ok(bytes)
}

fn status(answer: Result<Vec<u8>, ApiError>) -> u16 {
    answer.map_or_else(|error| error.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn gzip_is_undone_within_the_limit_and_anything_else_refused() {
    let budget = Budget::new(100 << 10);
    let text = b"revenue rose ".repeat(700);
    for encodings in [
        &["gzip"][..],
        &["GZIP"],
        &["x-gzip"],
        &["identity, gzip"],
        &["identity", "gzip"],
    ] {
        assert_eq!(
            received(encodings, gzip(&text), &budget).await.unwrap(),
            text,
            "{encodings:?}"
        );
    }
    let mut members = gzip(&text[..5000]);
    members.extend(gzip(&[]));
    members.extend(gzip(&text[5000..]));
    assert_eq!(received(&["gzip"], members, &budget).await.unwrap(), text);
    for encodings in [&[][..], &["identity"], &["identity, identity"], &[""]] {
        assert_eq!(
            received(encodings, text.clone(), &budget).await.unwrap(),
            text,
            "{encodings:?}"
        );
    }
    for encodings in [
        &["gzip, gzip"][..],
        &["gzip", "gzip"],
        &["br"],
        &["deflate"],
        &["gzip, br"],
        &["zstd"],
        &["*"],
    ] {
        assert_eq!(
            status(received(encodings, gzip(&text), &budget).await),
            415,
            "{encodings:?}"
        );
    }
    assert_eq!(budget.held_bytes(), 0);
}

#[tokio::test]
async fn gzip_that_is_cut_damaged_or_followed_by_something_is_refused() {
    let budget = Budget::new(100 << 10);
    let whole = gzip(&b"revenue rose ".repeat(700));
    for length in 0..whole.len() {
        assert_eq!(
            status(received(&["gzip"], whole[..length].to_vec(), &budget).await),
            400,
            "{length}"
        );
    }
    for index in [0, 1, 2, whole.len() - 1, whole.len() - 5] {
        let mut damaged = whole.clone();
        damaged[index] ^= 0x41;
        assert_eq!(
            status(received(&["gzip"], damaged, &budget).await),
            400,
            "byte {index}"
        );
    }
    for more in [&b"x"[..], b"\x1f\x8b", b"more text after it"] {
        assert_eq!(
            status(received(&["gzip"], [&whole, more].concat(), &budget).await),
            400
        );
    }
    assert_eq!(
        status(received(&["gzip"], b"{\"inputs\": \"a\"}".to_vec(), &budget).await),
        400
    );
    assert_eq!(budget.held_bytes(), 0);
}

#[tokio::test]
async fn a_bomb_takes_no_more_than_the_limit() {
    let budget = Budget::new(100 << 10);
    let bomb = gzip(&vec![b'a'; 9_000_000]);
    assert!(bomb.len() < LIMITS.max_bytes);
    assert_eq!(status(received(&["gzip"], bomb, &budget).await), 413);
    assert_eq!(
        status(received(&["gzip"], gzip(&vec![b'a'; 10_000]), &budget).await),
        200
    );
    assert_eq!(
        status(received(&["gzip"], gzip(&vec![b'a'; 10_001]), &budget).await),
        413
    );
    assert_eq!(budget.held_bytes(), 0);
}

#[tokio::test]
async fn a_body_is_held_within_the_budget_and_its_room_given_back() {
    let budget = Budget::new(21 << 10);
    assert_eq!(status(received(&[], vec![b'a'; 10_000], &budget).await), 200);
    assert_eq!(status(received(&[], vec![b'a'; 10_001], &budget).await), 413);
    let other = budget.charge(4 << 10).await.unwrap();
    assert_eq!(status(received(&[], vec![b'a'; 10_000], &budget).await), 503);
    assert_eq!(
        status(received(&["gzip"], gzip(&vec![b'a'; 9_000]), &budget).await),
        503
    );
    assert_eq!(budget.held_bytes(), 4 << 10);
    drop(other);
    assert_eq!(status(received(&[], vec![b'a'; 10_000], &budget).await), 200);
}

/// A body of which nothing comes.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<hyper::body::Frame<Bytes>>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_and_not_for_ever() {
    let budget = Budget::new(100 << 10);
    let limits = BodyLimits {
        time: Duration::from_millis(50),
        ..LIMITS
    };
    let never = || Body::new(Never);
    let waited = receive(&headers(&[]), never(), None, limits, &budget).await;
    assert!(matches!(waited, Err(ApiError::Slow { .. })), "{waited:?}");
    let refused = receive(&headers(&[]), never(), Some(ApiError::Busy), limits, &budget).await;
    assert!(matches!(refused, Err(ApiError::Busy)), "{refused:?}");
}
