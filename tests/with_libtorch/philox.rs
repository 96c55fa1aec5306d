//! The two forms of Philox (decision 0004) are one function.

#[test]
fn both_forms_of_philox_agree() {
    for index in 0..1000u32 {
        let counter = [
            index,
            index.wrapping_mul(0x9e37_79b9),
            !index,
            index.rotate_left(7),
        ];
        let key = [index.wrapping_mul(0x85eb_ca6b), index ^ 0xdead_beef];
        assert_eq!(
            philox::philox4x32_10(counter, key),
            torch_native::philox4x32_10(counter, key)
        );
    }
}
