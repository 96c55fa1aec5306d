//! The queue between the connections and the model: bounded in tokens, emptied by one thread.
//!
//! Whatever waits when the model is free goes through it together, up to the tokens of a batch: one
//! text of each request in turn, so that a short request never waits for the whole of a long one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::time::Instant;

use embedding::{EmbeddingError, Sequence};
use tokio::sync::oneshot;

use super::error::ApiError;
use super::metrics::Metrics;

/// The vectors of a request, `[texts * dimension]`, or why there are none.
pub(crate) type Answer = Result<Vec<f32>, ApiError>;

/// A queue and what works it off. While `max_tokens` wait, requests are refused.
pub(crate) fn queue(max_tokens: usize, metrics: Arc<Metrics>) -> (Queue, Work) {
    let (sender, receiver) = mpsc::channel();
    let load = Arc::new(Load {
        queued_tokens: AtomicUsize::new(0),
        metrics,
    });
    let work = Work {
        receiver,
        waiting: VecDeque::new(),
        load: Arc::clone(&load),
    };
    let queue = Queue {
        sender,
        load,
        max_tokens,
    };
    (queue, work)
}

/// The end of the queue that requests come in by.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Message>,
    load: Arc<Load>,
    max_tokens: usize,
}

impl Queue {
    /// Puts a request of at least one text into the queue. Its answer comes out of the receiver;
    /// dropping that withdraws the request.
    ///
    /// # Errors
    /// [`ApiError::Full`], with a guess when there will be room.
    pub(crate) fn submit(&self, sequences: Vec<Sequence>) -> Result<oneshot::Receiver<Answer>, ApiError> {
        let tokens = sequences.iter().map(Sequence::num_tokens).sum();
        let place = QueueRoom::take(&self.load, tokens, self.max_tokens).ok_or_else(|| self.full())?;
        let (answer, receiver) = oneshot::channel();
        let job = Job {
            values: Vec::new(),
            done: 0,
            sequences,
            answer,
            place,
        };
        // A job that finds nobody is dropped here, and its receiver says so.
        let _ = self.sender.send(Message::Job(job));
        Ok(receiver)
    }

    /// Whether a request would be taken in now: what would be turned away need not be read first.
    ///
    /// # Errors
    /// [`ApiError::Full`].
    pub(crate) fn has_room(&self) -> Result<(), ApiError> {
        if self.queued_tokens() < self.max_tokens {
            Ok(())
        } else {
            Err(self.full())
        }
    }

    fn full(&self) -> ApiError {
        let queued_tokens = self.queued_tokens();
        ApiError::Full {
            queued_tokens,
            retry_after_s: self.load.metrics.seconds_for(queued_tokens),
        }
    }

    /// Tokens of requests that are not embedded yet.
    pub(crate) fn queued_tokens(&self) -> usize {
        self.load.queued_tokens.load(Ordering::Acquire)
    }

    /// Ends [`Work::run`] when it is dropped.
    pub(crate) fn stop_when_dropped(&self) -> Release {
        Release(self.sender.clone())
    }
}

/// Ends the work on a queue when it is dropped.
#[derive(Debug)]
pub(crate) struct Release(mpsc::Sender<Message>);

impl Drop for Release {
    fn drop(&mut self) {
        // Nobody there: it has ended already.
        let _ = self.0.send(Message::Stop);
    }
}

#[derive(Debug)]
enum Message {
    Job(Job),
    Stop,
}

/// What all ends of the queue know of it.
#[derive(Debug)]
struct Load {
    queued_tokens: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// Room in the queue, given back when it is dropped.
#[derive(Debug)]
struct QueueRoom {
    load: Arc<Load>,
    tokens: usize,
}

impl QueueRoom {
    /// A request is taken in while there is any room, and may fill more than is left: so the largest
    /// one is not shut out for ever.
    fn take(load: &Arc<Load>, tokens: usize, max_tokens: usize) -> Option<Self> {
        let room = |queued: usize| (queued < max_tokens).then(|| queued.saturating_add(tokens));
        let queued = &load.queued_tokens;
        let before = queued
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, room)
            .ok()?;
        load.metrics.queued(before + tokens);
        Some(Self {
            load: Arc::clone(load),
            tokens,
        })
    }
}

impl Drop for QueueRoom {
    fn drop(&mut self) {
        let before = self.load.queued_tokens.fetch_sub(self.tokens, Ordering::AcqRel);
        self.load.metrics.queued(before - self.tokens);
    }
}

/// One request on its way.
#[derive(Debug)]
struct Job {
    sequences: Vec<Sequence>,
    /// Sequences that have been through the model, from the first on.
    done: usize,
    values: Vec<f32>,
    answer: oneshot::Sender<Answer>,
    place: QueueRoom,
}

impl Job {
    /// Gives the place in the queue back, then answers: who has the answer finds the room.
    fn end(self, failure: Option<ApiError>) {
        drop(self.place);
        // Nobody waits any more where the connection is closed.
        let _ = self.answer.send(failure.map_or(Ok(self.values), Err));
    }
}

/// The end of the queue that the model's thread works off.
#[derive(Debug)]
pub(crate) struct Work {
    receiver: mpsc::Receiver<Message>,
    waiting: VecDeque<Job>,
    load: Arc<Load>,
}

impl Work {
    /// Answers requests by `encode` until the queue is stopped; at most `max_tokens` of them at once.
    pub(crate) fn run(
        mut self,
        max_tokens: usize,
        mut encode: impl FnMut(&[&Sequence]) -> Result<Vec<f32>, EmbeddingError>,
    ) {
        while self.receive() {
            let lengths = |job: usize, text: usize| {
                let job: &Job = self.waiting.get(job)?;
                job.sequences.get(job.done + text).map(Sequence::num_tokens)
            };
            let counts = next_round(self.waiting.len(), max_tokens, lengths);
            self.round(&counts, &mut encode);
        }
    }

    /// Takes in what has come, and waits where nothing has. False when the queue is stopped.
    fn receive(&mut self) -> bool {
        loop {
            self.waiting.retain(|job| !job.answer.is_closed());
            let message = if self.waiting.is_empty() {
                self.receiver.recv().map_err(TryRecvError::from)
            } else {
                self.receiver.try_recv()
            };
            match message {
                Ok(Message::Job(job)) => self.waiting.push_back(job),
                Err(TryRecvError::Empty) => return true,
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Puts the next `counts` texts of the waiting requests through the model.
    fn round(
        &mut self,
        counts: &[usize],
        encode: &mut impl FnMut(&[&Sequence]) -> Result<Vec<f32>, EmbeddingError>,
    ) {
        let next = self.waiting.iter().zip(counts);
        let sequences: Vec<&Sequence> = next
            .flat_map(|(job, &count)| &job.sequences[job.done..job.done + count])
            .collect();
        let begun = Instant::now();
        let encoded = encode(&sequences);
        self.load.metrics.encoded(&sequences, begun.elapsed());
        let dimension = encoded
            .as_ref()
            .map_or(0, |values| values.len() / sequences.len().max(1));
        let encoded = encoded.map_err(|error| ApiError::of_model(&error));

        let mut at = 0;
        let mut unfinished = VecDeque::new();
        for (mut job, &count) in std::mem::take(&mut self.waiting).into_iter().zip(counts) {
            if count == 0 {
                self.waiting.push_back(job);
                continue;
            }
            match &encoded {
                Err(failure) => {
                    job.end(Some(failure.clone()));
                    continue;
                }
                Ok(values) => job.values.extend_from_slice(&values[at..at + count * dimension]),
            }
            at += count * dimension;
            job.done += count;
            if job.done < job.sequences.len() {
                unfinished.push_back(job);
            } else {
                let is_finite = job.values.iter().all(|value| value.is_finite());
                job.end((!is_finite).then_some(ApiError::NotFinite));
            }
        }
        // Those that had their turn are behind those that had not.
        self.waiting.append(&mut unfinished);
    }
}

/// How many texts of each of `num_jobs` requests go next: one of each in turn while they fit into
/// `max_tokens`, at least one in all. `length(job, n)` is that of the n-th text still to do.
fn next_round(
    num_jobs: usize,
    max_tokens: usize,
    length: impl Fn(usize, usize) -> Option<usize>,
) -> Vec<usize> {
    let mut counts = vec![0; num_jobs];
    let mut tokens = 0;
    loop {
        let before = tokens;
        for (job, count) in counts.iter_mut().enumerate() {
            let Some(length) = length(job, *count) else {
                continue;
            };
            if tokens > 0 && tokens + length > max_tokens {
                return counts;
            }
            tokens += length;
            *count += 1;
        }
        if tokens == before {
            return counts;
        }
    }
}

#[cfg(test)]
mod tests;
