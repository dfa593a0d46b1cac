//! The element-wise functions and the reductions, by name. What they mean stands in [`crate::ops`], a row each.

/// The parameters of a function, in the order of its attributes; those it does not have are 0.
pub type Parameters = [f32; 2];

/// How a function is written.
pub struct Spelling {
    /// ONNX's name.
    pub name: &'static str,
    /// Names of its parameters.
    pub parameters: &'static [&'static str],
    /// The function with these parameters.
    pub make: fn(Parameters) -> Unary,
}

macro_rules! unary {
    ($($(#[doc = $doc:literal])* $name:ident $(($($parameter:ident),+))?;)*) => {
        /// Element-wise functions of one argument.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Unary {
            $($(#[doc = $doc])* $name $(($(unary!(f32 $parameter)),+))?,)*
        }

        impl Unary {
            /// How each is written.
            pub const SPELLINGS: &[Spelling] = &[$(Spelling {
                name: stringify!($name),
                parameters: &[$($(stringify!($parameter)),+)?],
                make: |[$($($parameter,)+)? ..]| Unary::$name $(($($parameter),+))?,
            }),*];

            /// ONNX's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)*
                }
            }

            /// Names of its parameters.
            pub fn parameter_names(&self) -> &'static [&'static str] {
                match self {
                    $(Self::$name { .. } => &[$($(stringify!($parameter)),+)?],)*
                }
            }

            /// Its parameters.
            pub fn parameters(&self) -> Parameters {
                let mut parameters = [0.0; 2];
                match *self {
                    $(Self::$name $(($($parameter),+))? => {
                        let given: &[f32] = &[$($($parameter),+)?];
                        parameters[..given.len()].copy_from_slice(given);
                    })*
                }
                parameters
            }
        }
    };
    (f32 $parameter:ident) => { f32 };
}

unary! {
    /// max(x, 0)
    Relu;
    /// x < 0 ? alpha * x : x
    LeakyRelu(alpha);
    /// x > alpha ? x : 0
    ThresholdedRelu(alpha);
    /// min(max(x, min), max)
    Clip(min, max);
    /// 1 / (1 + exp(-x))
    Sigmoid;
    /// clamp(alpha * x + beta, 0, 1)
    HardSigmoid(alpha, beta);
    /// x * clamp(x / 6 + 1/2, 0, 1)
    HardSwish;
    /// Hyperbolic tangent.
    Tanh;
    /// x < 0 ? alpha * (exp(x) - 1) : x
    Elu(alpha);
    /// ln(1 + exp(x))
    Softplus;
    /// Gauss error function.
    Erf;
    /// -x
    Neg;
    /// |x|
    Abs;
    /// e^x
    Exp;
    /// ln x
    Log;
    /// Square root.
    Sqrt;
    /// 1 / x
    Reciprocal;
    /// Sine of an angle in radians.
    Sin;
    /// Cosine of an angle in radians.
    Cos;
    /// Tangent of an angle in radians.
    Tan;
    /// The angle with that sine.
    Asin;
    /// The angle with that cosine.
    Acos;
    /// The angle with that tangent.
    Atan;
    /// (e^x - e^-x) / 2
    Sinh;
    /// (e^x + e^-x) / 2
    Cosh;
    /// The number with that hyperbolic sine.
    Asinh;
    /// The number above 0 with that hyperbolic cosine.
    Acosh;
    /// The number with that hyperbolic tangent.
    Atanh;
    /// To the nearest integer, ties to even.
    Round;
    /// The nearest whole number of steps, ties to even, and at most 2^22 of them; a zero is +0.
    Quantize(step);
    /// The integer part: to the nearest integer towards zero.
    Trunc;
    /// Largest integer not above.
    Floor;
    /// Smallest integer not below.
    Ceil;
    /// Boolean negation.
    Not;
}

impl Unary {
    /// How the function of this name is written.
    pub fn spelling(name: &str) -> Option<&'static Spelling> {
        Self::SPELLINGS.iter().find(|spelling| spelling.name == name)
    }
}

macro_rules! binary {
    ($($(#[doc = $doc:literal])* $name:ident;)*) => {
        /// Element-wise functions of two arguments, with NumPy's broadcasting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Binary {
            $($(#[doc = $doc])* $name,)*
        }

        impl Binary {
            /// All of them.
            pub const ALL: &[Binary] = &[$(Binary::$name),*];

            /// ONNX's name, but for those that are one operator there, with an attribute.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

binary! {
    /// a + b
    Add;
    /// a - b
    Sub;
    /// a * b
    Mul;
    /// a / b; of integers, towards 0
    Div;
    /// a to the power of b
    Pow;
    /// The smaller one; NaN where one of them is.
    Min;
    /// The larger one; NaN where one of them is.
    Max;
    /// The remainder with the sign of the divisor: ONNX's Mod with fmod = 0.
    Mod;
    /// The remainder with the sign of the dividend: ONNX's Mod with fmod = 1.
    Fmod;
    /// a == b
    Equal;
    /// a < b
    Less;
    /// a <= b
    LessOrEqual;
    /// a > b
    Greater;
    /// a >= b
    GreaterOrEqual;
    /// Both
    And;
    /// Either
    Or;
    /// One of them
    Xor;
}

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum divided by the number of elements.
    Mean,
    /// Sum.
    Sum,
    /// Maximum; NaN where there is one.
    Max,
    /// Minimum; NaN where there is one.
    Min,
    /// Product.
    Prod,
    /// Sum of magnitudes.
    L1,
    /// Square root of the sum of squares.
    L2,
    /// Sum of squares.
    SumSquare,
}

impl Reduction {
    /// All of them.
    pub const ALL: &[Reduction] =
        &[Self::Mean, Self::Sum, Self::Max, Self::Min, Self::Prod, Self::L1, Self::L2, Self::SumSquare];
}
