//! Parameters and arithmetic of one token. Everything but matrix products is left out.

use model::RobertaConfig;

/// Parameters of the model, as files hold them.
pub(crate) fn num_parameters(config: &RobertaConfig) -> u64 {
    let wide = |size: usize| size as u64;
    let (width, inner) = (wide(config.hidden_size), wide(config.intermediate_size));
    let layer = 4 * width * width + 4 * width + 2 * width * inner + inner + width + 4 * width;
    let tables = config.vocab_size + config.max_position_embeddings + config.type_vocab_size;
    let head = width * width + width + 2 * width + wide(config.vocab_size);
    wide(config.num_hidden_layers) * layer + wide(tables) * width + 2 * width + head
}

/// FLOPs of a token of a run, forward and backward: `rows` of each sequence of `length` go
/// through the head.
pub(crate) fn flops_per_token(config: &RobertaConfig, length: usize, rows: usize) -> f64 {
    config.training_flops(length as u64, rows as u64) as f64 / length as f64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn config(width: usize, layers: usize, vocabulary: usize) -> RobertaConfig {
        let json = serde_json::json!({
            "vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": layers,
            "num_attention_heads": width / 64, "intermediate_size": 4 * width,
            "max_position_embeddings": 514,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn base_has_its_published_parameters_and_the_measured_flops() {
        let base = config(768, 12, 50_265);
        // Liu et al. 2019: 125M, 355M; the count is that of transformers' RobertaForMaskedLM.
        assert_eq!(num_parameters(&base), 124_697_433);
        assert_eq!(num_parameters(&config(1024, 24, 50_265)), 355_412_057);
        let (sparse, dense) = (flops_per_token(&base, 512, 77), flops_per_token(&base, 512, 512));
        assert!((sparse / 0.60e9 - 1.0).abs() < 0.01 && (dense / 0.80e9 - 1.0).abs() < 0.01);
    }

    #[test]
    fn parameters_are_those_of_the_model_itself() {
        let config = config(64, 3, 301);
        let model = model::RobertaForMaskedLm::new(&config, model::Precision::F32, tch::Device::Cpu).unwrap();
        assert_eq!(
            num_parameters(&config),
            model.parameters().num_parameters() as u64
        );
    }
}
