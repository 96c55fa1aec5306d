//! Floating-point operations that the model's matrix products ask for, counted by hand.
//!
//! L tokens of a sequence, D hidden, I intermediate, V vocabulary, M masked tokens.

use crate::RobertaConfig;

/// A backward pass multiplies twice as much as the forward pass: by the other operand for
/// either one's gradient.
const FORWARD_AND_BACKWARD: u64 = 3;

impl RobertaConfig {
    /// Operations of a forward and backward pass over one sequence of `length` real tokens, of
    /// which `masked` go through the vocabulary projection: 3 (layers (2 L (4 D^2 + 2 D I) +
    /// 4 L^2 D) + M (2 D^2 + 2 D V)). A multiplication and an addition are two. Padding, what
    /// is computed a second time, and everything that is no matrix product do not count.
    pub fn training_flops(&self, length: u64, masked: u64) -> u64 {
        let [layers, width, inner, vocabulary] = [
            self.num_hidden_layers,
            self.hidden_size,
            self.intermediate_size,
            self.vocab_size,
        ]
        .map(|size| size as u64);
        let weights = 4 * width * width + 2 * width * inner;
        let layer = 2 * length * weights + 4 * length * length * width;
        let head = 2 * masked * (width * width + width * vocabulary);
        FORWARD_AND_BACKWARD * (layers * layer + head)
    }

    /// Those of [`RobertaConfig::training_flops`] that [`crate::RobertaForMaskedLm::loss_sum`] leaves
    /// out: behind the last layer's attention only masked rows go on.
    pub fn skipped_flops(&self, length: u64, masked: u64) -> u64 {
        let [width, inner] = [self.hidden_size, self.intermediate_size].map(|size| size as u64);
        let weights = width * width + 2 * width * inner;
        FORWARD_AND_BACKWARD * 2 * length.saturating_sub(masked) * weights
    }

    /// What [`crate::RobertaForMaskedLm::set_checkpoint_activations`] computes a second time: the
    /// forward pass of the layers, but for the last one's behind its attention.
    pub fn recomputed_flops(&self, length: u64, masked: u64) -> u64 {
        let without_head = self.training_flops(length, 0);
        let of_masked = self.skipped_flops(length, masked);
        (without_head - of_masked) / FORWARD_AND_BACKWARD
    }
}

#[cfg(test)]
mod tests {
    use crate::RobertaConfig;
    use crate::tests::tiny_config;

    #[test]
    fn operations_equal_a_count_by_hand() {
        // Width 12, 2 layers, 20 inside, 100 entries; 8 tokens, 3 of them masked.
        let query_key_value = 8 * 36 * (2 * 12);
        let scores = 3 * 8 * 8 * (2 * 4);
        let context = 3 * 8 * 4 * (2 * 8);
        let output = 8 * 12 * (2 * 12);
        let feed_forward = 8 * 20 * (2 * 12) + 8 * 12 * (2 * 20);
        let head = 3 * 12 * (2 * 12) + 3 * 100 * (2 * 12);
        let forward = 2 * (query_key_value + scores + context + output + feed_forward) + head;
        assert_eq!(tiny_config().training_flops(8, 3), 3 * forward);
        // The whole forward pass of the layers, the last one's without five of eight tokens.
        let again = 2 * (query_key_value + scores + context + output + feed_forward)
            - (output + feed_forward) / 8 * 5;
        assert_eq!(tiny_config().recomputed_flops(8, 3), again);
        // Output and feed-forward of the last layer, of five of eight tokens.
        let skipped = (output + feed_forward) / 8 * 5;
        assert_eq!(tiny_config().skipped_flops(8, 3), 3 * skipped);
    }

    #[test]
    fn the_base_model_asks_for_0_6_gflop_a_token_with_the_sparse_head_and_0_8_with_the_dense() {
        let base = RobertaConfig {
            num_hidden_layers: 12,
            intermediate_size: 3072,
            ..RobertaConfig::from_json(r#"{"model_type": "roberta"}"#).unwrap()
        };
        let a_token = |masked| (base.training_flops(512, masked) as f64 / 512e9 * 100.0).round() / 100.0;
        assert!((a_token(77) - 0.60_f64).abs() < 1e-9 && (a_token(512) - 0.80_f64).abs() < 1e-9);
    }
}
