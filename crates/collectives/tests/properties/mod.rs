//! What every backend promises, checked from inside one rank; all ranks run it together.

#![expect(clippy::unwrap_used, reason = "a test's own failure is its message")]
#![expect(
    clippy::float_cmp,
    reason = "the values are small integers, whose sums are exact"
)]
#![expect(clippy::cast_possible_truncation, reason = "the values fit")]

use collectives::{
    Collective, Rank, all_reduce_sum_bf16,
    canonical::{Share, Tree, all_reduce_nodes},
};

/// Runs every property; any failure panics with the property's words.
pub(crate) fn check_all(collective: &mut dyn Collective) {
    ranks_are_numbered_and_placed(collective);
    reductions_of_every_length_combine_all_ranks(collective);
    integer_sums_wrap(collective);
    float_sums_are_equal_on_all_ranks(collective);
    sums_that_travel_as_bf16_are_near_and_equal_on_all_ranks(collective);
    every_rank_can_be_the_root(collective);
    gathered_parts_keep_rank_order_and_length(collective);
    parts_reach_the_rank_that_they_are_for(collective);
    canonical_sums_are_those_of_one_rank(collective);
    a_barrier_follows_anything(collective);
}

fn ranks_are_numbered_and_placed(collective: &mut dyn Collective) {
    let (rank, world_size) = (collective.rank(), collective.world_size());
    assert!(rank.0 < world_size);
    assert!(collective.local_rank() < collective.local_size() && collective.local_size() <= world_size);
    let mut sum = [u64::from(rank.0)];
    collective.all_reduce_sum_u64(&mut sum).unwrap();
    assert_eq!(
        sum[0],
        u64::from(world_size) * u64::from(world_size - 1) / 2,
        "ranks are 0..world"
    );
}

/// Small and large, below and above the sizes at which a backend changes its way.
fn reductions_of_every_length_combine_all_ranks(collective: &mut dyn Collective) {
    let (rank, world_size) = (f64::from(collective.rank().0), f64::from(collective.world_size()));
    let ranks_sum = world_size * (world_size - 1.0) / 2.0;
    for length in [0_u16, 1, 3, 8_191, 8_192, 8_193, 16_384, 16_385, 60_000] {
        let mut single: Vec<f32> = (0..length).map(|index| f32::from(index) + rank as f32).collect();
        collective.all_reduce_sum_f32(&mut single).unwrap();
        let expected = |index: u16| f64::from(index) * world_size + ranks_sum;
        assert!(
            (0..length)
                .zip(&single)
                .all(|(index, value)| f64::from(*value) == expected(index)),
            "f32 sum of {length}"
        );

        let mut double: Vec<f64> = (0..length).map(|index| f64::from(index) + rank).collect();
        collective.all_reduce_sum_f64(&mut double).unwrap();
        assert!(
            (0..length)
                .zip(&double)
                .all(|(index, value)| *value == expected(index)),
            "f64 sum of {length}"
        );

        let mut least: Vec<f64> = (0..length).map(|index| f64::from(index) + rank).collect();
        let mut most = least.clone();
        collective.all_reduce_min_f64(&mut least).unwrap();
        collective.all_reduce_max_f64(&mut most).unwrap();
        assert!(
            (0..length)
                .zip(&least)
                .all(|(index, value)| *value == f64::from(index)),
            "minimum of {length}"
        );
        assert!(
            (0..length)
                .zip(&most)
                .all(|(index, value)| *value == f64::from(index) + world_size - 1.0),
            "maximum of {length}"
        );
    }
}

fn integer_sums_wrap(collective: &mut dyn Collective) {
    let world_size = u64::from(collective.world_size());
    let mut values = vec![u64::MAX - 1, 5];
    collective.all_reduce_sum_u64(&mut values).unwrap();
    assert_eq!(values, [(u64::MAX - 1).wrapping_mul(world_size), 5 * world_size]);
}

fn float_sums_are_equal_on_all_ranks(collective: &mut dyn Collective) {
    let seed = f64::from(collective.rank().0 + 1);
    let mut values: Vec<f32> = (0..40_000_u16)
        .map(|index| (f64::from(index) * seed).sin() as f32 * 1e3)
        .collect();
    collective.all_reduce_sum_f32(&mut values).unwrap();
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_bits().to_le_bytes())
        .collect();
    let all = collective.all_gather(&bytes).unwrap();
    assert!(
        all.iter().all(|other| *other == bytes),
        "bit for bit the same sum everywhere"
    );
}

fn sums_that_travel_as_bf16_are_near_and_equal_on_all_ranks(collective: &mut dyn Collective) {
    let world_size = f64::from(collective.world_size());
    for length in [0, 1, 7, 40_001_u16] {
        let own = |index: u16| (1.0 + f64::from(index % 977)) * 1.003;
        let mut values: Vec<f32> = (0..length).map(|index| own(index) as f32).collect();
        all_reduce_sum_bf16(collective, &mut values).unwrap();
        // Each of two roundings changes a number by at most one part in 2^8.
        for (index, value) in (0..length).zip(&values) {
            let expected = own(index) * world_size;
            assert!(
                (f64::from(*value) - expected).abs() <= 2.1 / 256.0 * expected,
                "{index}: {value}"
            );
        }
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_bits().to_le_bytes())
            .collect();
        let all = collective.all_gather(&bytes).unwrap();
        assert!(all.iter().all(|other| *other == bytes), "the same everywhere");
    }
}

fn every_rank_can_be_the_root(collective: &mut dyn Collective) {
    for root in 0..collective.world_size() {
        for length in [0, 1, 100_000] {
            let content = vec![u8::try_from(root).unwrap() + 1; length];
            let mut bytes = if collective.rank() == Rank(root) {
                content.clone()
            } else {
                b"to be replaced".to_vec()
            };
            collective.broadcast(Rank(root), &mut bytes).unwrap();
            assert!(bytes == content, "broadcast of {length} from {root}");
        }
    }
}

fn gathered_parts_keep_rank_order_and_length(collective: &mut dyn Collective) {
    let part = |rank: u32| vec![u8::try_from(rank).unwrap(); (rank * 70_000) as usize];
    let parts = collective.all_gather(&part(collective.rank().0)).unwrap();
    assert!(parts == (0..collective.world_size()).map(part).collect::<Vec<_>>());
}

/// Part `to` of rank `from`: of a length of its own, some of them empty.
fn parts_reach_the_rank_that_they_are_for(collective: &mut dyn Collective) {
    let (rank, world_size) = (collective.rank().0, collective.world_size());
    let part = |from: u32, to: u32| vec![(from * 16 + to) as u8; (from * to * 9_000) as usize];
    let parts = (0..world_size).map(|to| part(rank, to)).collect();
    let received = collective.all_to_all(parts).unwrap();
    assert!(received == (0..world_size).map(|from| part(from, rank)).collect::<Vec<_>>());
    let nothing = collective.all_to_all(Vec::new()).unwrap();
    assert_eq!(nothing, vec![Vec::<u8>::new(); world_size as usize]);
}

/// Every rank brings one leaf of the tree.
fn canonical_sums_are_those_of_one_rank(collective: &mut dyn Collective) {
    let (rank, world_size) = (u64::from(collective.rank().0), u64::from(collective.world_size()));
    let tree = Tree::new(world_size);
    let leaf = |number: u64, length: u32| -> Vec<f64> {
        let value = |index| (f64::from(index) + number as f64 * 0.7).sin() * 1e3;
        (0..length).map(value).collect()
    };
    for length in [0, 1, 7, 50_000] {
        let mut last = leaf(rank, length);
        let runs: Vec<_> = (0..world_size).map(|rank| rank..rank + 1).collect();
        let share = Share {
            earlier: Vec::new(),
            last: &mut last,
        };
        all_reduce_nodes(collective, tree, &runs, share).unwrap();
        let leaves: Vec<Vec<f64>> = (0..world_size).map(|number| leaf(number, length)).collect();
        let expected = |index: usize| tree.sum(leaves.iter().map(|leaf| leaf[index]));
        assert!(
            last.iter()
                .enumerate()
                .all(|(index, &value)| value == expected(index)),
            "canonical sum of {length}"
        );
    }
}

fn a_barrier_follows_anything(collective: &mut dyn Collective) {
    for _ in 0..20 {
        collective.barrier().unwrap();
    }
}
