//! What nodes and blocks stand for, in the field's words.

use std::fmt;

macro_rules! parts {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal,)*) => {
        /// What a node or a block stands for: an operator of the file, or the role that it plays in a block.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Part {
            $($(#[doc = $doc])* $name,)*
            /// Any other operator, by its ONNX name.
            Operator(String),
        }

        impl Part {
            /// As printed.
            pub fn word(&self) -> &str {
                match self { $(Part::$name => $word,)* Part::Operator(name) => name }
            }
        }

        /// The part of that word; any that has no meaning of its own here is an operator's name.
        impl From<&str> for Part {
            fn from(word: &str) -> Self {
                match word { $($word => Part::$name,)* _ => Part::Operator(word.to_owned()) }
            }
        }
    };
}

parts! {
    /// A factor per channel or pixel.
    Scale = "scale",
    /// A term per channel or pixel.
    Shift = "shift",
    /// The bias of a binary layer.
    Bias = "bias",
    /// A factor per image and channel, known only at run time.
    Gate = "gate",
    /// The addition of another tensor.
    Skip = "skip",
    /// The sum of two planes of bits, or of what layers make of them.
    Planes = "planes",
    /// One more product of planes of bits, of a layer that has several.
    Plane = "plane",
    /// The product with another tensor.
    Multiply = "multiply",
    /// Nothing but packing signs.
    Pack = "pack",
    /// Nothing but sums over the pixels.
    Sum = "sum",
    /// Sums over the pixels, for the gate of a block behind.
    GateSums = "gate sums",
    /// An affine map per channel.
    BatchNormalization = "BatchNormalization",
    /// ONNX's operator.
    Add = "Add",
    /// ONNX's operator.
    Sub = "Sub",
    /// ONNX's operator.
    Mul = "Mul",
    /// ONNX's operator.
    Div = "Div",
    /// ONNX's operator.
    Neg = "Neg",
    /// A product and a bias.
    Gemm = "Gemm",
    /// ONNX's operator, or what a convolution's padding was spelled with.
    Pad = "Pad",
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn words_and_parts_are_one_to_one() {
        for word in ["scale", "gate sums", "BatchNormalization", "Gemm", "PRelu"] {
            assert_eq!(Part::from(word).to_string(), word);
        }
        assert_eq!(Part::from("Conv"), Part::Operator("Conv".to_owned()));
        assert_eq!(Part::from("Mul"), Part::Mul);
    }
}
