use std::sync::Mutex;
use std::thread;

use super::*;
use embedding::{EmbeddingModel, PrecisionChoice};

/// Sequences of `lengths` words.
fn sequences(lengths: &[usize]) -> Vec<Sequence> {
    static MODEL: Mutex<Option<(tempfile::TempDir, EmbeddingModel)>> = Mutex::new(None);
    let mut model = MODEL.lock().unwrap();
    let (_, model) = model.get_or_insert_with(|| {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("model");
        hf_folder::testing::export_tiny(&folder);
        let model = EmbeddingModel::open(&folder, 1, PrecisionChoice::F32, None).unwrap();
        (scratch, model)
    });
    let texts: Vec<String> = lengths.iter().map(|&length| " the".repeat(length)).collect();
    model.sequencer().sequences(&texts).unwrap()
}

fn new_queue(max_tokens: usize) -> (Queue, Work) {
    queue(max_tokens, Arc::new(Metrics::new().unwrap()))
}

/// Runs `work` with a model whose vector is the length of the sequence, while `ask` asks.
fn answering<T>(
    queue: &Queue,
    work: Work,
    max_tokens: usize,
    ask: impl FnOnce() -> T,
) -> (T, Vec<Vec<usize>>) {
    let mut rounds = Vec::new();
    let encode = |sequences: &[&Sequence]| {
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.num_tokens()).collect();
        let values = lengths.iter().map(|&length| length as f32).collect();
        rounds.push(lengths);
        Ok(values)
    };
    let asked = thread::scope(|scope| {
        scope.spawn(|| work.run(max_tokens, encode));
        let _release = queue.stop_when_dropped();
        ask()
    });
    (asked, rounds)
}

#[test]
fn a_round_takes_one_text_of_each_request_in_turn_while_they_fit() {
    let round = |jobs: &[&[usize]], max_tokens: usize| {
        next_round(jobs.len(), max_tokens, |job, text| jobs[job].get(text).copied())
    };
    assert_eq!(round(&[&[5, 5, 5], &[3], &[4, 4]], 100), [3, 1, 2]);
    assert_eq!(round(&[&[5, 5, 5], &[3], &[4, 4]], 18), [2, 1, 1]);
    assert_eq!(round(&[&[5, 5, 5], &[3], &[4, 4]], 8), [1, 1, 0]);
    assert_eq!(round(&[&[50], &[3]], 8), [1, 0]);
    assert_eq!(round(&[&[5; 4]], 0), [1]);
    assert_eq!(round(&[], 8), [0; 0]);
}

#[test]
fn every_request_gets_the_vectors_of_its_texts_in_order() {
    let (queue, work) = new_queue(1_000_000);
    let receivers: Vec<_> = [&[1, 9, 2][..], &[7], &[3, 3, 8, 1]]
        .into_iter()
        .map(|lengths| queue.submit(sequences(lengths)).unwrap())
        .collect();
    let ask = || {
        receivers
            .into_iter()
            .map(|receiver| receiver.blocking_recv().unwrap().unwrap())
            .collect::<Vec<_>>()
    };
    let (answers, rounds) = answering(&queue, work, 24, ask);
    // `<s>` and `</s>` are tokens too.
    assert_eq!(
        answers,
        [vec![3.0, 11.0, 4.0], vec![9.0], vec![5.0, 5.0, 10.0, 3.0]]
    );
    assert!(
        rounds.iter().all(|lengths| lengths.iter().sum::<usize>() <= 24),
        "{rounds:?}"
    );
    assert_eq!(queue.queued_tokens(), 0);
}

#[test]
fn a_short_request_does_not_wait_for_the_whole_of_long_ones() {
    let (queue, work) = new_queue(1_000_000);
    let long: Vec<_> = (0..3)
        .map(|_| queue.submit(sequences(&[8; 50])).unwrap())
        .collect();
    let short = queue.submit(sequences(&[4])).unwrap();
    let ask = || {
        short.blocking_recv().unwrap().unwrap();
        for receiver in long {
            receiver.blocking_recv().unwrap().unwrap();
        }
    };
    // Two sequences of ten tokens fit into a round: the long ones take turns, and so does the short one.
    let ((), rounds) = answering(&queue, work, 20, ask);
    let turn = rounds.iter().position(|lengths| lengths.contains(&6));
    assert_eq!(turn, Some(1), "{rounds:?}");
}

#[test]
fn a_queue_is_full_while_its_tokens_wait_and_has_room_again_after() {
    let (queue, work) = new_queue(5);
    let first = queue.submit(sequences(&[1])).unwrap();
    let second = queue.submit(sequences(&[20])).unwrap();
    let refused = queue.submit(sequences(&[1])).unwrap_err();
    assert!(
        matches!(
            refused,
            ApiError::Full {
                queued_tokens: 25,
                retry_after_s: 1
            }
        ),
        "{refused}"
    );
    let ask = || {
        first.blocking_recv().unwrap().unwrap();
        second.blocking_recv().unwrap().unwrap();
    };
    answering(&queue, work, 100, ask);
    assert_eq!(queue.queued_tokens(), 0);
    queue.submit(sequences(&[1])).unwrap();
}

#[test]
fn a_request_that_nobody_waits_for_is_not_embedded() {
    let (queue, work) = new_queue(1_000_000);
    drop(queue.submit(sequences(&[30; 9])).unwrap());
    let kept = queue.submit(sequences(&[1])).unwrap();
    let ((), rounds) = answering(&queue, work, 100, || drop(kept.blocking_recv().unwrap().unwrap()));
    assert_eq!(rounds, [[3]]);
    assert_eq!(queue.queued_tokens(), 0);
}

#[test]
fn a_failure_is_told_to_those_in_its_round_and_the_next_ones_are_served() {
    let (queue, work) = new_queue(1_000_000);
    let first = queue.submit(sequences(&[9, 1])).unwrap();
    let second = queue.submit(sequences(&[4])).unwrap();
    let mut calls = 0;
    let encode = |sequences: &[&Sequence]| {
        calls += 1;
        match calls {
            1 => Err(EmbeddingError::Threads { threads: 0 }),
            _ => Ok(vec![f32::NAN; sequences.len()]),
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| work.run(11, encode));
        let _release = queue.stop_when_dropped();
        let failure = first.blocking_recv().unwrap().unwrap_err();
        assert!(matches!(failure, ApiError::Model { .. }) && failure.to_string().contains("0 threads"));
        let damaged = second.blocking_recv().unwrap().unwrap_err();
        assert!(matches!(damaged, ApiError::NotFinite), "{damaged}");
    });
}

#[test]
fn what_waits_when_the_queue_is_stopped_is_told_so() {
    let (queue, work) = new_queue(1_000_000);
    let waiting = queue.submit(sequences(&[1])).unwrap();
    drop(queue.stop_when_dropped());
    work.run(100, |_| panic!("stopped already"));
    assert!(waiting.blocking_recv().is_err());
}
