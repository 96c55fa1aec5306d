//! The texts whose vectors point most nearly where a query's does.

/// One text and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Index of the text.
    pub index: usize,
    /// Cosine of the angle between the vectors, -1 to 1.
    pub cosine: f32,
}

/// The `top` of `vectors` with the largest cosine to `query`, nearest first; of equals the
/// first. A vector of zeros has cosine 0.
pub fn nearest<'a>(query: &[f32], vectors: impl Iterator<Item = &'a [f32]>, top: usize) -> Vec<Neighbor> {
    let mut neighbors: Vec<Neighbor> = vectors
        .enumerate()
        .map(|(index, vector)| Neighbor {
            index,
            cosine: cosine(query, vector),
        })
        .collect();
    neighbors.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.index.cmp(&b.index)));
    neighbors.truncate(top);
    neighbors
}

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let lengths = (dot(left, left) * dot(right, right)).sqrt();
    if lengths > 0.0 {
        dot(left, right) / lengths
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_whatever_their_length() {
        let vectors: [&[f32]; 5] = [&[0.0, 1.0], &[9.0, 0.5], &[-1.0, 0.0], &[0.0, 0.0], &[2.0, 0.0]];
        let found = nearest(&[3.0, 0.0], vectors.into_iter(), 4);
        assert_eq!(found.iter().map(|n| n.index).collect::<Vec<_>>(), [4, 1, 0, 3]);
        assert!((found[0].cosine - 1.0).abs() < 1e-6);
        assert_eq!(nearest(&[1.0, 0.0], vectors.into_iter(), 9).len(), 5);
        assert!(nearest(&[1.0], std::iter::empty(), 3).is_empty());
    }
}
