//! The training loop; bin tenk-pretrain.
